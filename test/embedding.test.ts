/** `start`, for embedders: a program is stopped, looked at and changed, on several releases of Go. */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { afterEach, describe, expect, test } from "vitest";
import { GojitError, run, start, type GuestProcess, type StartOptions, type Stop } from "../dist/src/index.js";
import { guestVersions, unpack } from "./guests/unpack.js";

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

const open: GuestProcess[] = [];
afterEach(() => {
  for (const process of open.splice(0)) process.close();
});

async function startGuest(
  args: readonly string[],
  { version = "1.27", ...options }: Partial<StartOptions> & { version?: string } = {},
): Promise<GuestProcess> {
  const process = await start({ program: unpack(version, "guests"), args, cpus: 2, ...options });
  open.push(process);
  return process;
}

/** The function, file name and line where a thread stands. */
function place(process: GuestProcess, { thread }: Stop): string {
  const { rip } = process.registers(thread);
  const found = process.symbols.describe(Number(rip))!;
  return `${found.function} ${found.file.replace(/.*\//, "")}:${found.line}`;
}
const functionAt = (process: GuestProcess, stop: Stop): string => place(process, stop).split(" ")[0]!;

async function stopAt(process: GuestProcess, where: string | number): Promise<Stop> {
  const breakpoint = process.breakAt(where);
  const stop = await process.continue();
  breakpoint.remove();
  expect(stop).toMatchObject({ reason: "breakpoint" });
  return stop!;
}

describe.each(guestVersions())("Go %s", (version) => {
  test("steps from the entry, and stops where the runtime starts", async () => {
    const process = await startGuest(["exit", "7"], { version });
    expect(process.stopped).toMatchObject({ reason: "entry" });
    const thread = process.stopped!.thread;
    const seen = new Set<string>();
    while (!seen.has("runtime.rt0_go")) {
      seen.add(functionAt(process, process.stopped!));
      expect(await process.step(thread)).toEqual({ reason: "step", thread });
    }
    expect([...seen]).toEqual(["_rt0_amd64_linux", "_rt0_amd64", "runtime.rt0_go"]);
    for (const name of ["runtime.schedinit", "runtime.newproc", "runtime.mstart", "runtime.main", "main.main"])
      expect(functionAt(process, await stopAt(process, name))).toBe(name);
    expect(await process.continue()).toBeNull();
    expect(await process.ended).toMatchObject({ status: 7 });
  });

  test("goroutines, Ms, Ps and stacks of a stopped program", async () => {
    const process = await startGuest(["bench", "fib", "12"], { version });
    await stopAt(process, "bench.go:93");
    const inner = await stopAt(process, "bench.go:93");
    const goroutine = process.threads().find(({ thread }) => thread === inner.thread)!.goroutine;
    expect(goroutine).toBe(1);
    const frames = process.backtrace({ goroutine });
    expect(frames.slice(0, 2).map((frame) => frame.function)).toEqual(["main.fib", "main.fib"]);
    expect(frames.slice(-3).map((frame) => frame.function)).toEqual(["main.main", "runtime.main", "runtime.goexit"]);
    expect(frames[1]).toMatchObject({ file: expect.stringMatching(/bench\.go$/), line: 93 });
    const goroutines = process.goroutines();
    expect(goroutines[0]).toMatchObject({ id: 1, status: "running", thread: inner.thread });
    expect(goroutines.map(({ waitReason }) => waitReason)).toContain("force gc (idle)");
    for (const other of goroutines.filter(({ status }) => status === "waiting"))
      expect(process.backtrace({ goroutine: other.id }).at(-1)!.function).toBe("runtime.goexit");
    const m = process.ms().find(({ thread }) => thread === inner.thread)!;
    expect(m).toMatchObject({ goroutine: 1 });
    expect(process.ps().map(({ id }) => id)).toEqual([0, 1]);
    expect(process.ps()[m.p]).toMatchObject({ status: "running", m: m.id });
  });

  test("arguments, results, and what they are changed to", async () => {
    const process = await startGuest(["bench", "fib", "10"], { version });
    const calls: bigint[] = [];
    process.before("main.fib", (call) => void calls.push(call.argument(0)));
    expect(await process.continue()).toBeNull();
    const { stdout } = await process.ended;
    expect(calls.length).toBe(177);
    expect(calls.slice(0, 4)).toEqual([10n, 9n, 8n, 7n]);
    expect(text(stdout)).toMatch(/^fib 177 .* 37\n$/);
  });
});

describe("breakpoints", () => {
  test("at a line, for a goroutine, under a condition", async () => {
    const process = await startGuest(["bench", "pingpong", "20"]);
    const line = await stopAt(process, "bench.go:115");
    expect(place(process, line)).toBe("main.benchPingPong bench.go:115");
    const partner = new Set<number>();
    process.breakAt("runtime.chansend1", {
      goroutine: 1,
      when: ({ goroutine }) => partner.add(goroutine).size > 1,
    });
    let others = 0;
    process.breakAt("runtime.chanrecv1", { when: (hit) => ++others === 5 && hit.goroutine === 1 });
    expect(await process.continue()).toMatchObject({ reason: "breakpoint" });
    expect(functionAt(process, process.stopped!)).toBe("runtime.chanrecv1");
    expect(await process.continue()).toBeNull();
    expect([...partner]).toEqual([1]);
    expect(others).toBeGreaterThan(19);
  });

  test("registers and memory are changed", async () => {
    const process = await startGuest(["exit", "7"]);
    const { thread } = await stopAt(process, "os.Exit");
    expect(process.registers(thread).rax).toBe(7n);
    process.setRegister(thread, "rax", 9n);
    expect(await process.continue()).toBeNull();
    expect(await process.ended).toMatchObject({ status: 9 });
  });

  test("code is changed", async () => {
    const process = await startGuest(["bench", "fib", "20"]);
    const { thread } = await stopAt(process, "main.fib");
    // ret: the argument is the result.
    expect(process.writeMemory(Number(process.registers(thread).rip), Uint8Array.of(0xc3))).toBe(true);
    expect(await process.continue()).toBeNull();
    expect(text((await process.ended).stdout)).toMatch(/ 14\n$/);
  });

  test("after a function, with its result; nested calls each with their own", async () => {
    const process = await startGuest(["bench", "fib", "6"]);
    const results: bigint[] = [];
    const hook = process.after("main.fib", (call) => {
      results.push(call.result(0));
      if (results.length === 24) hook.remove();
    });
    expect(await process.continue()).toBeNull();
    expect(results.slice(0, 3)).toEqual([1n, 0n, 1n]);
    expect(results.length).toBe(24);
  });
});

test("a line, a call and a frame at a time", async () => {
  const process = await startGuest(["bench", "fib", "7"]);
  const called = process.breakAt("main.fib", { when: ({ registers }) => registers.rax === 6n });
  const start = (await process.continue())!;
  called.remove();
  const depth = process.backtrace({ thread: start.thread }).length;
  let stop: Stop = start;
  const lines = [place(process, stop)];
  for (let i = 0; i < 3; i++) {
    stop = (await process.stepLine(stop.thread))!;
    expect(stop.reason).toBe("step");
    lines.push(place(process, stop));
    expect(process.backtrace({ thread: stop.thread }).length).toBe(i < 2 ? depth : depth - 1);
  }
  expect(lines).toEqual([89, 90, 93, 93].map((line) => `main.fib bench.go:${line}`));
  await stopAt(process, "main.fib");
  const inside = process.backtrace({ thread: stop.thread }).length;
  stop = (await process.stepOut(stop.thread))!;
  expect(process.backtrace({ thread: stop.thread }).length).toBe(inside - 1);
});

test("a watched value: behind the instruction that changes it", async () => {
  const process = await startGuest(["bench", "fib", "3"]);
  const stop = await stopAt(process, "main.fib");
  const at = Number(process.registers(stop.thread).rsp) - 0x10;
  const before = process.readMemory(at, 8);
  const watch = process.watch(at, 8);
  const changed = await process.continue();
  expect(changed).toMatchObject({ reason: "watchpoint", watched: { address: at, length: 8 } });
  expect(process.readMemory(at, 8)).not.toEqual(before);
  watch.remove();
  expect(await process.continue()).toBeNull();
  expect(text((await process.ended).stdout)).toMatch(/ 2\n$/);
});

test("programs that compute and that wait are paused and go on", async () => {
  const computing = await startGuest(["bench", "fib", "27"]);
  await stopAt(computing, "main.fib");
  computing.resume();
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const stop = await computing.pause();
    if (stop === null) break;
    expect(computing.goroutines().length).toBeGreaterThan(0);
    computing.resume();
  }
  expect(text((await computing.ended).stdout)).toMatch(/ 2ff42\n$/);

  let write!: (bytes: Uint8Array) => void;
  const stdin = new ReadableStream<Uint8Array>({
    start: (controller) => {
      write = (bytes) => (controller.enqueue(bytes), controller.close());
    },
  });
  const waiting = await startGuest(["cat"], { stdin });
  await stopAt(waiting, "main.guestCat");
  for (let reads = false; !reads;) {
    waiting.resume();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await waiting.pause()).toMatchObject({ reason: "paused" });
    const frames = waiting.backtrace({ goroutine: 1 }).map((frame) => frame.function);
    reads = frames.includes("syscall.read") && waiting.threads().some(({ inSystemCall }) => inSystemCall);
  }
  waiting.resume();
  write(new TextEncoder().encode("late\n"));
  expect(text((await waiting.ended).stdout)).toBe("late\n");
});

test("a fault stops the program before its signal, which is then a Go panic", async () => {
  const process = await startGuest(["crash-nil"]);
  expect(await process.continue()).toMatchObject({ reason: "signal", signal: 11 });
  expect(functionAt(process, process.stopped!)).toBe("main.crashNil");
  expect(await process.continue()).toBeNull();
  const { status, stderr } = await process.ended;
  expect(status).toBe(2);
  expect(text(stderr)).toContain("nil pointer dereference");
});

test("system calls are observed and answered", async () => {
  const process = await startGuest(["env", "GUEST_A"]);
  const written: bigint[] = [];
  process.onSystemCall(1, { after: ({ args }, result) => void (args[0] === 1n && written.push(result)) });
  expect(await process.continue()).toBeNull();
  const { stdout } = await process.ended;
  expect(written.reduce((sum, count) => sum + count, 0n)).toBe(BigInt(stdout.length));

  const silent = await startGuest(["env", "GUEST_A"]);
  silent.onSystemCall(1, { before: ({ args }) => (args[0] === 1n ? Number(args[2]) : undefined) });
  expect(await silent.continue()).toBeNull();
  expect(await silent.ended).toMatchObject({ status: 0, stdout: new Uint8Array() });
});

test("a goroutine's next switch, and the runtime's events", async () => {
  const process = await startGuest(["bench", "pingpong", "50"], { trace: ["sched"] });
  const stop = await stopAt(process, "main.benchPingPong");
  const left = await process.stepToSwitch(stop.thread);
  expect(left).toMatchObject({ reason: "step", thread: stop.thread });
  expect(functionAt(process, left!)).toBe("runtime.schedule");
  process.resume();
  const events = new Map<string, number>();
  for await (const { event } of process.events()) events.set(event, (events.get(event) ?? 0) + 1);
  expect(events.get("goroutine-parks")).toBeGreaterThan(99);
  expect(events.get("goroutine-runs")).toBeGreaterThan(100);
  expect((await process.ended).status).toBe(0);
});

test("two programs at once, one of which is given up", async () => {
  const [one, other] = await Promise.all([startGuest(["exit", "3"]), startGuest(["preempt"])]);
  await stopAt(other, "main.main");
  other.close();
  expect(await other.ended).toMatchObject({ signal: 9 });
  expect(await other.nextStop()).toBeNull();
  expect(await one.continue()).toBeNull();
  expect(await one.ended).toMatchObject({ status: 3 });
});

test("what cannot be done is said", async () => {
  const process = await startGuest(["exit", "0"]);
  const { thread } = process.stopped!;
  expect(() => process.breakAt("main.missing")).toThrow(GojitError);
  expect(() => process.registers(thread + 1)).toThrow(`the program has no thread ${thread + 1}`);
  expect(() => process.events()).toThrow("start has not been told to trace any");
  expect(() => process.watch(0x1000, 9)).toThrow(RangeError);
  expect(process.readMemory(0x1000, 8)).toEqual(new Uint8Array());
  expect(process.writeMemory(0x1000, new Uint8Array(1))).toBe(false);
  process.resume();
  await process.ended;
  expect(() => process.goroutines()).toThrow("the program is not stopped.");
});

test("an error in a callback ends the program and is the caller's", async () => {
  const process = await startGuest(["bench", "fib", "5"]);
  process.before("main.fib", () => {
    throw new Error("mine");
  });
  process.resume();
  await expect(process.ended).rejects.toThrow("mine");
});

describe("run", () => {
  const file = unpack("1.27", "guests");

  test("a program by file name and by URL, output to a stream, a time limit", async () => {
    const chunks: Uint8Array[] = [];
    const stdout = new WritableStream<Uint8Array>({ write: (chunk) => void chunks.push(chunk) });
    expect(await run({ program: pathToFileURL(file), args: ["args", "a"], stdout })).toMatchObject({ status: 0 });
    expect(text(Buffer.concat(chunks))).toContain('"a"');
    expect(stdout.locked).toBe(false);
    const data = new URL(
      `data:application/octet-stream;base64,${readFileSync(unpack("1.27", "hello")).toString("base64")}`,
    );
    expect(text((await run({ program: data })).stdout)).toBe("hello, world\n");
    expect(await run({ program: file, args: ["bench", "fib", "45"], timeoutMs: 300 })).toMatchObject({ status: 124 });
    await expect(run({ program: "/missing" })).rejects.toMatchObject({ code: "file-not-found" });
  });
});
