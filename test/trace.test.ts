/** `gojit trace`: how programs of several Go releases start, what their schedulers do, and that they see nothing of it. */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { guestVersions, projectRoot, unpack } from "./guests/unpack.js";

const scratch = mkdtempSync(path.join(tmpdir(), "gojit-trace-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Line {
  readonly timeUs: number;
  readonly thread: number;
  readonly m: number;
  readonly p: number;
  readonly goroutine: number;
  readonly group: string;
  readonly event: string;
  readonly pc: string | null;
  readonly function: string;
  readonly values: Readonly<Record<string, string | number | boolean>>;
  readonly text: string;
}

const gojit = (args: readonly string[]) =>
  promisify(execFile)(process.execPath, [path.join(projectRoot, "dist", "src", "cli", "main.js"), ...args], {
    maxBuffer: 1 << 28,
    env: { ...process.env, XDG_CACHE_HOME: scratch },
  });

let files = 0;
/** What a program writes, and its trace. */
async function trace(
  options: readonly string[],
  program: string,
  args: readonly string[] = [],
): Promise<{ stdout: string; stderr: string; lines: Line[] }> {
  const file = path.join(scratch, `${files++}.jsonl`);
  const { stdout, stderr } = await gojit(["trace", "--cpus", "2", "--json", "-o", file, ...options, program, ...args]);
  const lines = readFileSync(file, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
  return { stdout, stderr, lines };
}

/** Steps of every release, in order; others may come between them. */
const STEPS = [
  ...[
    "entry",
    "rt0",
    "stack-aligned",
    "g0-stack",
    "cpuid-vendor",
    "cpuid-version",
    "cgo-init",
    "settls",
    "tls-set",
    "tls-test",
  ],
  ...["g0-m0-bound", "check", "args", "osinit", "schedinit", "schedinit-moduledataverify1", "schedinit-mallocinit"],
  ...[
    "schedinit-modulesinit",
    "schedinit-typelinksinit",
    "schedinit-itabsinit",
    "schedinit-goargs",
    "schedinit-goenvs",
  ],
  ...["schedinit-gcinit", "procresize", "p-acquired", "p-idle", "newproc", "gfget", "malg", "stackalloc", "allgadd"],
  ...[
    "goroutine-created",
    "mstart",
    "m-starts",
    "minit",
    "mstartm0",
    "schedule",
    "goroutine-runs",
    "gogo",
    "runtime-main",
  ],
  ...["main-started", "gc-enabled", "main", "exit"],
];

describe.each(guestVersions())("the bootstrap of Go %s", (version) => {
  it("is told step by step, with its values", async () => {
    const { stdout, stderr, lines } = await trace(["--only", "bootstrap,sched"], unpack(version, "hello"));
    expect(stdout).toBe("hello, world\n");
    expect(stderr).toBe("");

    const found: Line[] = [];
    let at = 0;
    for (const step of STEPS) {
      const index = lines.findIndex(({ event }, i) => i >= at && event === step);
      expect(index, `${step} after ${STEPS[found.length - 1]}`).toBeGreaterThanOrEqual(at);
      found.push(lines[index]!);
      at = index + 1;
    }
    const values = (step: string) => found[STEPS.indexOf(step)]!.values;
    const address = (step: string, name: string): number => Number(values(step)[name]);
    const times = lines.map(({ timeUs }) => timeUs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));

    // g0's stack is 64 KB of the kernel's, but for 104 bytes until Go 1.18, from where SP has been aligned to.
    expect(values("entry")["argc"]).toBe(1);
    expect(values("g0-stack")["hi"]).toBe(values("stack-aligned")["sp"]);
    expect(address("stack-aligned", "sp") % 16).toBe(0);
    expect([0x10000, 0x10000 - 104]).toContain(address("g0-stack", "hi") - address("g0-stack", "lo"));
    expect(values("g0-stack")["guard0"]).toBe(values("g0-stack")["guard1"]);
    expect(found[STEPS.indexOf("cpuid-vendor")]!.text).toContain('"GenuineIntel"');

    // TLS is m0.tls + 8; g0 and m0 know each other.
    const bound = values("g0-m0-bound");
    expect(address("tls-set", "fs")).toBe(address("settls", "tls") + 8);
    expect(values("tls-test")["read"]).toBe("0x123");
    expect(values("g0-stack")["g"]).toBe(bound["g0"]);
    expect(bound["g"]).toBe(bound["g0"]);
    expect(bound["m0G0"]).toBe(bound["g0"]);
    expect(bound["g0M"]).toBe(bound["m0"]);
    expect(address("settls", "tls") - Number(bound["m0"])).toBeGreaterThan(100);

    expect(values("schedinit")["ncpu"]).toBe(2);
    expect(values("procresize")["count"]).toBe(2);
    expect(values("p-acquired")["takes"]).toBe(0);
    expect(values("p-idle")["p"]).toBe(1);

    // The main goroutine: made to look as if goexit had called runtime.main.
    expect(values("newproc")["fn"]).toBe("runtime.main");
    expect(values("allgadd")["status"]).toBe(6);
    const created = values("goroutine-created");
    expect(created).toMatchObject({
      goid: 1,
      status: 1,
      next: true,
      function: "runtime.main",
      pc: "runtime.main",
      returnTo: "runtime.goexit+0x1",
    });
    expect(created["gobufG"]).toBe(created["newG"]);
    expect(Number(created["hi"]) - Number(created["lo"])).toBe(2048);
    expect(Number(created["sp"])).toBeGreaterThan(Number(created["lo"]));
    expect(Number(created["sp"])).toBeLessThan(Number(created["hi"]));

    // runnext → execute → gogo → runtime.main, from g0's stack to its own.
    expect(values("m-starts")).toMatchObject({ lo: values("g0-stack")["lo"], hi: values("g0-stack")["hi"] });
    expect(found[STEPS.indexOf("goroutine-runs")]).toMatchObject({
      goroutine: 1,
      m: 0,
      p: 0,
      values: { inheritTime: true },
    });
    expect(values("gogo")).toMatchObject({
      sp: created["sp"],
      g: created["newG"],
      pc: "runtime.main",
      returnTo: "runtime.goexit+0x1",
    });
    expect(address("gogo", "g0sp")).toBeLessThan(address("g0-stack", "hi"));
    expect(address("gogo", "g0sp")).toBeGreaterThan(address("g0-stack", "lo"));
    expect(values("runtime-main")).toEqual({ sp: created["sp"], returnTo: "runtime.goexit+0x1" });
    expect(values("exit")["status"]).toBe(0);

    const sysmon = lines.find(({ event }) => event === "m-created")!;
    expect(sysmon.values).toMatchObject({ newM: 1, start: "runtime.sysmon" });
    expect(
      lines
        .filter(({ event }) => event === "goroutine-created")
        .map(({ goroutine }) => goroutine)
        .slice(0, 4),
    ).toEqual([1, 2, 3, 4]);
    expect(lines.some(({ event, text }) => event === "init-task" && /runtime\.init/.test(text))).toBe(true);
  });

  it("ends where it is to end, and the program goes on", async () => {
    const { stdout, lines } = await trace(["--until", "main.main"], unpack(version, "hello"));
    expect(stdout).toBe("hello, world\n");
    expect(lines.at(-1)).toMatchObject({ event: "main", goroutine: 1 });
    expect(lines.some(({ event }) => event === "syscall")).toBe(true);
  });

  it("the scheduler is told as long as the program runs", async () => {
    const guests = unpack(version, "guests");
    const turns = 50;
    const { lines } = await trace(["--only", "sched"], guests, ["bench", "pingpong", String(turns)]);
    const parks = lines.filter(({ event, text }) => event === "goroutine-parks" && /: chan (receive|send)$/.test(text));
    expect(parks.length).toBeGreaterThan(turns);
    const partner = lines.find(
      ({ event, values }) => event === "goroutine-created" && String(values["function"]).startsWith("main."),
    )!;
    // What a goroutine does begins with its creation, alternates, and ends.
    const own = lines
      .filter(({ goroutine, group }) => goroutine === partner.goroutine && group === "sched")
      .map(({ event }) => event);
    const turnsOf = own.filter((event) => !/copied|preempt/.test(event));
    expect(turnsOf[0]).toBe("goroutine-created");
    expect(turnsOf.filter((event) => event === "goroutine-runs").length).toBeGreaterThan(turns / 2);
    for (const [index, event] of turnsOf.entries())
      if (event === "goroutine-parks") expect(["goroutine-readied", undefined]).toContain(turnsOf[index + 1]);

    const yielding = (await trace(["--only", "sched"], guests, ["bench", "gosched", String(turns)])).lines;
    const yields = yielding.filter(({ event, goroutine }) => event === "goroutine-yields" && goroutine === 1);
    expect(yields.length).toBeGreaterThanOrEqual(turns);
    // A loaded machine's monitor may come before them.
    const asked = yields.filter(({ text }) => text.startsWith("it yields: Gosched"));
    expect(asked.length).toBeGreaterThan(turns / 2);

    const spawned = (await trace(["--only", "sched"], guests, ["bench", "spawn", String(turns)])).lines;
    const ends = spawned.filter(({ event }) => event === "goroutine-ends");
    // The program may end before the last one returns from sending.
    expect(ends.length).toBeGreaterThanOrEqual(turns - 1);
    for (const { goroutine } of ends) {
      const life = spawned.filter((line) => line.goroutine === goroutine).map(({ event }) => event);
      expect(life.indexOf("goroutine-runs")).toBeLessThan(life.indexOf("goroutine-ends"));
      // The program may end before the last one's g is put away.
      if (goroutine !== ends.at(-1)!.goroutine) expect(life).toContain("goroutine-freed");
    }
  });
});

it.each(["1.15", "1.27"])("the collector of Go %s, and stacks that grow", async (version) => {
  const { lines } = await trace(["--only", "gc,sched"], unpack(version, "guests"), ["gc"]);
  const phases = lines.filter(({ group }) => group === "gc").map(({ event }) => event);
  const cycle = phases.slice(phases.indexOf("gc-mark"));
  const order = ["gc-mark", "world-starts", "gc-mark-termination", "gc-sweep"].map((phase) => cycle.indexOf(phase));
  expect(order.every((index) => index >= 0)).toBe(true);
  expect(order).toEqual(order.toSorted((a, b) => a - b));
  const grown = lines.find(({ event, text }) => event === "stack-copied" && text.startsWith("stack grows"))!;
  expect(Number(grown.values["size"])).toBe(2 * (Number(grown.values["hi"]) - Number(grown.values["lo"])));
});

it("a new thread has no M before it has set its thread pointer", async () => {
  const { lines } = await trace(["--only", "sys"], unpack("1.19", "guests"), ["bench", "pingpong", "20"]);
  const threads = new Map(lines.filter(({ m }) => m >= 0).map(({ m, thread }) => [m, thread]));
  expect(lines.filter(({ m, thread }) => m >= 0 && threads.get(m) !== thread)).toEqual([]);
  // The child of runtime.clone asks for its number first of all.
  const started = [...new Set(lines.map(({ thread }) => thread))].slice(1);
  expect(started.length).toBeGreaterThan(0);
  for (const id of started) {
    expect(lines.find(({ thread }) => thread === id)).toMatchObject({ m: -1, p: -1, text: `gettid() = ${id}` });
  }
});

describe("gojit trace", () => {
  const hello = unpack("1.27", "hello");

  it("writes text to stderr, chosen by group and goroutine", async () => {
    const { stdout, stderr } = await gojit(["trace", "--only", "sys", "--goroutine", "1", hello]);
    expect(stdout).toBe("hello, world\n");
    expect(stderr).toMatch(/M\d +P\d +g1 +syscall +write\(1, 0x[0-9a-f]+, 13\) = 13\n/);
    expect(
      stderr
        .split("\n")
        .slice(0, -1)
        .filter((line) => !/ g1 +syscall /.test(line)),
    ).toEqual([]);
  });

  it("writes a Perfetto trace and a page", async () => {
    const [perfetto, html] = ["trace.json", "trace.html"].map((name) => path.join(scratch, name)) as [string, string];
    const program = unpack("1.19", "guests");
    const { stdout, stderr } = await gojit([
      "trace",
      "--perfetto",
      perfetto,
      "--html",
      html,
      program,
      "bench",
      "pingpong",
      "20",
    ]);
    expect(stdout).toMatch(/^pingpong 20 /);
    expect(stderr).toBe("");

    interface Record {
      ph: string;
      name: string;
      pid: number;
      tid?: number;
      ts?: number;
      dur?: number;
      args?: { name?: string };
    }
    const records = JSON.parse(readFileSync(perfetto, "utf8")) as Record[];
    const tracks = new Map(
      records.filter(({ name }) => name === "thread_name").map(({ pid, tid, args }) => [args!.name!, `${pid}.${tid}`]),
    );
    for (const name of ["steps", "M0", "P0", "g1 runtime.main"]) expect([...tracks.keys()]).toContain(name);
    const partner = [...tracks.keys()].find((name) => name.endsWith("main.benchPingPong.func1"))!;
    // What a goroutine does is without gaps and without overlaps.
    const spans = records.filter(({ ph, pid, tid }) => ph === "X" && `${pid}.${tid}` === tracks.get(partner));
    expect(new Set(spans.map(({ name }) => name))).toEqual(new Set(["runnable", "running", "waiting"]));
    for (const [index, { ts, dur }] of spans.entries()) {
      expect(dur).toBeGreaterThanOrEqual(0);
      if (index + 1 < spans.length) expect(spans[index + 1]!.ts).toBeCloseTo(ts! + dur!, 3);
    }
    // The viewers drop what overlaps on a track and is not inside.
    for (const track of new Set(tracks.values())) {
      const nest: number[] = [];
      const onTrack = records
        .filter(({ ph, pid, tid }) => ph === "X" && `${pid}.${tid}` === track)
        .sort((a, b) => a.ts! - b.ts! || b.dur! - a.dur!);
      for (const { ts, dur } of onTrack) {
        while (nest.length > 0 && nest.at(-1)! <= ts! + 1e-6) nest.pop();
        if (nest.length > 0) expect(ts! + dur!).toBeLessThanOrEqual(nest.at(-1)! + 1e-6);
        nest.push(ts! + dur!);
      }
    }

    const page = readFileSync(html, "utf8");
    for (const title of [
      "How it starts",
      "TLS, g0 and m0",
      "The main goroutine is made",
      "Goroutines, Ms and Ps",
      "Who ran when",
    ])
      expect(page).toContain(`${title}</h`);
    for (const title of ["The first stack", "The new goroutine&#39;s stack", "From g0", "Who ran when"])
      expect(page).toContain(`<title>${title.replace("&#39;", "'")}`);
    expect(page).toContain("main.benchPingPong.func1");
    // Nothing is loaded, and nothing was left out of a text.
    expect(page).not.toMatch(/ src=|href=|url\((?!#head)|\bundefined\b|\bNaN\b/);
  });

  it("the exit status is the program's", async () => {
    const program = unpack("1.22", "guests");
    await expect(gojit(["trace", "-o", path.join(scratch, "exit"), program, "exit", "7"])).rejects.toMatchObject({
      code: 7,
    });
  });

  it.each([
    [["--only", "everything"], '--only: "everything" is none of bootstrap, sched, gc, sys.'],
    [["--goroutine", "first"], "--goroutine"],
    [["--until", "main.nothing"], 'the program has no function "main.nothing" to trace until.'],
    [["-o", "/nowhere/at/all"], "/nowhere/at/all cannot be written"],
  ])("refuses %j", async (options, sentence) => {
    await expect(gojit(["trace", ...options, hello])).rejects.toMatchObject({
      stdout: "",
      stderr: expect.stringContaining(sentence) as string,
    });
  });
});
