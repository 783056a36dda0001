/** The gdb server without gdb: packets, and a program under a small client. What a real gdb does is in gdb.test.ts. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { createConnection, type Socket } from "node:net";
import path from "node:path";
import { afterEach, describe, expect, test, vi } from "vitest";
import { encodePacket, PACKET_BYTES, PacketReader, type Incoming } from "../src/gdb/framing.js";
import { gdbSignal, linuxSignal } from "../src/gdb/signal-numbers.js";
import type { RunOptions } from "../src/run-options.js";
import { GdbClient, startDebuggee, type Debuggee } from "./gdb-client.js";
import { expectedOutcomes } from "./guests/expected.js";
import { projectRoot, unpack } from "./guests/unpack.js";

// Watching memory takes a hundred times as long as running.
vi.setConfig({ testTimeout: 300_000 });

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (char) => char.charCodeAt(0));
const hex = (value: number): string => value.toString(16);
/** A 64-bit value as registers and memory are written: the lowest byte first. */
const word = (value: bigint): string => value.toString(16).padStart(16, "0").match(/../g)!.reverse().join("");

const RBP = 6;
const RSP = 7;
const RIP = 16;
const RAX = 0;
const XMM3 = 43;
const ORIG_RAX = 57;

describe("framing", () => {
  const read = (text: string): Incoming[] => [...new PacketReader().push(bytes(text))];

  test("packets, acknowledgements and interrupts, joined and one byte at a time", () => {
    const stream = "+$qC#b4-\x03$?#3f";
    const expected = [
      { kind: "acknowledged" },
      { kind: "packet", data: "qC" },
      { kind: "resend" },
      { kind: "interrupt" },
      { kind: "packet", data: "?" },
    ];
    expect(read(stream)).toEqual(expected);
    const reader = new PacketReader();
    expect([...stream].flatMap((char) => [...reader.push(bytes(char))])).toEqual(expected);
  });

  test("escaped bytes, both ways", () => {
    const data = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).join("");
    const packet = encodePacket(data);
    expect([...new PacketReader().push(packet)]).toEqual([{ kind: "packet", data }]);
    expect(Buffer.from(encodePacket("}#$*")).toString("latin1")).toBe("$}]}\x03}\x04}\x0a#62");
  });

  test.each(["$qC#b5", "$qC#zz", "$qC#$qC#b5", `$${"a".repeat(PACKET_BYTES + 1)}#00`])(
    "a damaged packet is one: %#",
    (text) => expect(read(text)).toEqual([{ kind: "damaged" }]),
  );

  test("a packet that was cut off is forgotten", () => {
    expect(read("$qSuppo$qC#b4")).toEqual([{ kind: "packet", data: "qC" }]);
  });
});

test("signal numbers are gdb's", () => {
  expect([1, 2, 5, 7, 10, 11, 12, 17, 23, 28].map(gdbSignal)).toEqual([1, 2, 5, 10, 30, 11, 31, 20, 16, 28]);
  expect([32, 33, 34, 63, 64].map(gdbSignal)).toEqual([77, 45, 46, 75, 78]);
  for (let signal = 1; signal <= 64; signal++) expect(linuxSignal(gdbSignal(signal))).toBe(signal);
});

const open: Debuggee[] = [];
afterEach(async () => {
  for (const debuggee of open.splice(0)) {
    debuggee.kill();
    await debuggee.ended;
    expect(debuggee.failures).toEqual([]);
  }
});

async function debug(guest: "hello" | "guests", options: Partial<RunOptions> = {}) {
  const debuggee = await startDebuggee(unpack("1.19", guest), { cpus: 1, ...options });
  open.push(debuggee);
  return debuggee;
}
/** A client that has said what it can do. */
async function connect(debuggee: Debuggee): Promise<GdbClient> {
  const client = new GdbClient(debuggee);
  client.sendRaw("+");
  await client.ask("qSupported:multiprocess+;swbreak+;hwbreak+");
  // SIGURG, with which Go preempts, does not stop the program, as gdb has it unless it is told otherwise.
  await client.ask("QPassSignals:10");
  return client;
}
/** The thread of a stop reply, as `p1.2`. */
const threadOf = (stop: string): string => /thread:([^;]+);/.exec(stop)![1]!;

test("what is there to be read and changed, at the entry", async () => {
  const debuggee = await debug("hello");
  const client = new GdbClient(debuggee);
  const supported = await client.ask("qSupported:swbreak+");
  expect(supported).toContain("PacketSize=4000;");
  expect(supported).not.toContain("multiprocess");
  expect(await client.ask("qSupported:multiprocess+;swbreak+")).toContain("multiprocess+");
  expect(client.between).toBe("++");
  expect(await client.ask("QStartNoAckMode")).toBe("OK");
  const between = client.between;

  const stop = await client.ask("?");
  const thread = threadOf(stop);
  const pid = thread.slice(1).split(".")[0]!;
  expect(thread).toBe(`p${pid}.${pid}`);
  expect(stop).toMatch(/^T0506:.*;07:.*;10:/);
  expect(await client.ask("qAttached:1")).toBe("0");
  expect(await client.ask("qC")).toBe(`QC${thread}`);
  expect(await client.ask("qfThreadInfo")).toBe(`m${thread}`);
  expect(await client.ask("qsThreadInfo")).toBe("l");
  expect(await client.ask(`T${thread}`)).toBe("OK");
  expect(await client.ask(`Hg${thread}`)).toBe("OK");
  expect(await client.ask("Hc-1")).toBe("OK");

  // Registers, in the order of the description.
  const description = await client.read("features", "target.xml");
  const names = [...description.matchAll(/<reg name="(\w+)" bitsize="(\d+)"/g)];
  const at = (name: string): number => names.findIndex(([, found]) => found === name);
  expect([at("rbp"), at("rsp"), at("rip"), at("xmm3"), at("orig_rax")]).toEqual([RBP, RSP, RIP, XMM3, ORIG_RAX]);
  const all = await client.ask("g");
  expect(all).toHaveLength(names.reduce((sum, [, , bits]) => sum + Number(bits) / 4, 0));
  expect(await client.register(RIP)).toBe(BigInt(debuggee.entry));
  expect(await client.register(ORIG_RAX)).toBe((1n << 64n) - 1n);
  expect(await client.ask(`P0=${word(0x1122334455667788n)}`)).toBe("OK");
  expect(await client.register(RAX)).toBe(0x1122334455667788n);
  expect(await client.ask(`P${hex(XMM3)}=000102030405060708090a0b0c0d0e0f`)).toBe("OK");
  expect(await client.ask(`p${hex(XMM3)}`)).toBe("000102030405060708090a0b0c0d0e0f");
  expect(await client.ask(`G${all}`)).toBe("OK");
  expect(await client.ask("g")).toBe(all);

  // Memory: argc and the first instruction.
  const sp = Number(await client.register(RSP));
  expect(await client.ask(`m${hex(sp)},8`)).toBe(word(1n));
  expect(await client.ask(`M${hex(sp - 16)},4:7d2a2324`)).toBe("OK");
  expect(await client.ask(`X${hex(sp - 12)},4:}#$*`)).toBe("OK");
  expect(await client.ask(`x${hex(sp - 16)},8`)).toBe("b}*#$}#$*");
  expect(await client.ask(`X${hex(sp)},0:`)).toBe("OK");
  expect(await client.ask("m0,4")).toBe("E0e");
  expect(await client.ask("M0,1:00")).toBe("E0e");
  // As much as there is before the first hole, which is above the stack.
  const tail = (await client.ask(`m${hex(sp)},ffffffff`)).length / 2;
  expect(tail).toBeGreaterThan(300);

  // The objects: as long as they are, whatever the pieces.
  const auxv = Buffer.from(await client.read("auxv"), "latin1");
  const entries = new Map(
    Array.from({ length: auxv.length / 16 }, (_, i) => [
      auxv.readBigUInt64LE(16 * i),
      auxv.readBigUInt64LE(16 * i + 8),
    ]),
  );
  expect(entries.get(9n)).toBe(BigInt(debuggee.entry));
  expect(await client.read("auxv", "", 7)).toBe(auxv.toString("latin1"));
  expect(await client.read("exec-file", pid)).toBe(unpack("1.19", "hello"));
  expect(await client.read("threads")).toContain(`<thread id="${thread}"/>`);

  expect(await client.monitor("help")).toContain("goroutines");
  expect(await client.monitor("where")).toContain("_rt0_amd64_linux");
  expect(await client.monitor("goroutines")).toBe("None.\n");
  expect(client.between).toBe(between);
});

test("breakpoints, steps, ranges, watchpoints, and the end", async () => {
  const debuggee = await debug("hello");
  const client = await connect(debuggee);
  const thread = threadOf(await client.ask("?"));
  const step = (): Promise<string> => client.ask(`vCont;s:${thread}`);
  expect(await client.ask("vCont?")).toBe("vCont;c;C;s;S;t;r");

  // jmp _rt0_amd64
  expect(await step()).toMatch(/^T05.*;thread:/);
  expect(await client.register(RIP)).toBe(BigInt(debuggee.address("_rt0_amd64")));

  const schedinit = debuggee.address("runtime.schedinit");
  expect(await client.ask(`Z0,${hex(schedinit)},1`)).toBe("OK");
  expect(await client.ask(`Z0,${hex(schedinit)},1`)).toBe("OK");
  const hit = await client.ask("vCont;c");
  expect(hit).toContain(";swbreak:;");
  expect(hit).toContain(`;10:${word(BigInt(schedinit))};`);

  // The prologue saves RBP below the return address.
  const sp = Number(await client.register(RSP));
  expect(await client.ask(`M${hex(sp - 8)},8:${word(0x5555n)}`)).toBe("OK");
  expect(await client.ask(`Z2,${hex(sp - 8)},8`)).toBe("OK");
  expect(await client.ask("c")).toMatch(new RegExp(`^T05.*;watch:${hex(sp - 8)};`));
  expect(await client.ask(`m${hex(sp - 8)},8`)).not.toBe(word(0x5555n));
  expect(await client.ask(`z2,${hex(sp - 8)},8`)).toBe("OK");
  expect(await client.ask(`Z3,${hex(sp - 8)},8`)).toBe("");

  // As gdb passes a breakpoint: away with it, a step of this thread alone, and back.
  const lock = debuggee.address("runtime.lock2");
  for (const packet of [`z0,${hex(schedinit)},1`, `Z1,${hex(lock)},1`]) expect(await client.ask(packet)).toBe("OK");
  const first = await client.ask("c");
  expect(first).toContain(";hwbreak:;");
  expect(await client.ask(`z1,${hex(lock)},1`)).toBe("OK");
  expect(await step()).not.toContain("break");
  expect(await client.ask(`Z1,${hex(lock)},1`)).toBe("OK");
  expect(await client.ask("c")).toContain(`;10:${word(BigInt(lock))};`);
  expect(await client.ask(`z1,${hex(lock)},1`)).toBe("OK");

  // A range: to the first instruction outside.
  const [low, high] = [lock, lock + 0x40];
  const out = await client.ask(`vCont;r${hex(low)},${hex(high)}:${thread};c`);
  expect(out).toMatch(/^T05/);
  const rip = Number(await client.register(RIP));
  expect(rip < low || rip >= high).toBe(true);

  const main = debuggee.address("main.main");
  expect(await client.ask(`Z0,${hex(main)},1`)).toBe("OK");
  const stop = await client.ask("c");
  expect(stop).toContain(`;10:${word(BigInt(main))};`);
  expect(await client.monitor("where")).toMatch(/^#0 .* main\.main .*\n#1 .* runtime\.main .*\n#2 .* runtime\.goexit /);
  expect(await client.monitor("goroutines")).toMatch(/^g1 .* running .* main\.main /m);
  expect(await client.monitor("g 1")).toContain("main.main");
  expect(await client.monitor("g 77")).toContain("no goroutine 77");
  expect(await client.monitor("ms")).toMatch(/^M0 /m);
  expect(await client.monitor("ps")).toMatch(/^P0 .* running/m);
  expect(await client.monitor("sched")).toMatch(/goroutines: .*1 running/);
  const extra = await client.ask(`qThreadExtraInfo,${threadOf(stop)}`);
  expect(Buffer.from(extra, "hex").toString()).toMatch(/^M\d+ g1$/);

  // Where its stack is too small the function begins anew.
  let end: string;
  do end = await client.ask("vCont;c");
  while (end.includes("swbreak"));
  expect(end).toMatch(/^W00;process:/);
  expect(client.closed).toBe(true);
  const result = await debuggee.ended;
  expect(new TextDecoder().decode(result.stdout)).toBe("hello, world\n");
});

test("a signal stops the program before it is delivered, and is delivered, dropped or passed", async () => {
  const debuggee = await debug("guests", { args: ["crash-nil"] });
  const client = await connect(debuggee);
  const fault = await client.ask("c");
  expect(fault).toMatch(/^T0b/);
  const thread = threadOf(fault);
  const rip = /;10:(\w+);/.exec(fault)![1];
  // Without it the instruction runs again.
  const again = await client.ask(`vCont;c:${thread};c`);
  expect(again).toMatch(/^T0b/);
  expect(again).toContain(`;10:${rip};`);
  expect(await client.ask(`vCont;s:${thread}`)).toMatch(/^T0b/);
  // With it the handler begins.
  expect(await client.ask(`vCont;S0b:${thread}`)).toMatch(/^T05/);
  expect(await client.monitor("where")).toMatch(/^#0 .* runtime\.sigtramp/);
  expect(await client.ask("QPassSignals:b;e;10")).toBe("OK");
  expect(await client.ask("c")).toMatch(/^W02/);
  expect(new TextDecoder().decode((await debuggee.ended).stderr)).toContain("nil pointer dereference");
});

test("signals that programs get stop them as gdb asks", async () => {
  const guest = await debug("guests", { args: ["signals"] });
  const client = await connect(guest);
  let stop = await client.ask("c");
  for (const signal of ["1e", "01", "0f", "1e", "1f"]) {
    expect(stop).toMatch(new RegExp(`^T${signal}`));
    if (signal === "1f") expect(await client.ask("QPassSignals:10;1e")).toBe("OK");
    stop = await client.ask(`vCont;C${signal}:${threadOf(stop)};c`);
  }
  expect(stop).toMatch(/^W00/);
  expect(new TextDecoder().decode((await guest.ended).stdout)).toBe(expectedOutcomes("1.27")["signals"]!.stdout);
});

test("a signal is dropped before it is delivered, and one that gdb sends does not stop the program", async () => {
  const guest = await debug("guests", { args: ["kill-self", "15"] });
  const client = await connect(guest);
  expect(await client.ask("c")).toMatch(/^T0f/);
  client.send("vCont;c");
  await new Promise((resolve) => setTimeout(resolve, 300));
  client.sendRaw("\x03");
  const still = await client.next();
  expect(still).toMatch(/^T02/);
  await expectSigtermToEnd(client, still);
});

/** Sends a program SIGTERM that does not ask for it: Go's handler raises it twice more, without and with the default action. */
async function expectSigtermToEnd(client: GdbClient, stop: string): Promise<void> {
  for (let raised = 0; raised < 2; raised++) {
    stop = await client.ask(`vCont;C0f:${threadOf(stop)};c`);
    expect(stop).toMatch(/^T0f/);
  }
  expect(await client.ask(`vCont;C0f:${threadOf(stop)};c`)).toMatch(/^X0f;process:/);
}

test("a program that waits or computes is interrupted, gets a signal, and ends by it", async () => {
  const stdin = new ReadableStream<Uint8Array>();
  const debuggee = await debug("guests", { args: ["cat"], stdin, cpus: 2 });
  const client = await connect(debuggee);
  let stop: string;
  do {
    client.send("c");
    await new Promise((resolve) => setTimeout(resolve, 200));
    client.sendRaw("\x03");
    stop = await client.next();
    expect(stop).toMatch(/^T02/);
  } while (!(await client.monitor("goroutines")).includes("syscall"));
  const threads = (await client.ask("qfThreadInfo")).slice(1).split(",");
  expect(threads.length).toBeGreaterThan(1);
  // In a system call registers can be read, and not written.
  for (const thread of threads) {
    expect(await client.ask(`Hg${thread}`)).toBe("OK");
    if ((await client.register(ORIG_RAX)) < 512n) break;
  }
  expect(await client.register(ORIG_RAX)).toBeLessThan(512n);
  expect(await client.ask(`P0=${word(1n)}`)).toBe("E10");
  await expectSigtermToEnd(client, stop);
});

test("a client that goes, with or without goodbye, leaves a program that runs; another may come", async () => {
  const stdin = new TransformStream<Uint8Array>();
  const debuggee = await debug("guests", { args: ["cat"], stdin: stdin.readable });
  const first = await connect(debuggee);
  const main = debuggee.address("main.main");
  expect(await first.ask(`Z0,${hex(main)},1`)).toBe("OK");
  expect(await first.ask("D;1")).toBe("OK");
  expect(debuggee.inferior.isAttached).toBe(false);

  const second = await connect(debuggee);
  expect(await second.ask("?")).toMatch(/^T05/);
  // Nothing is answered while the program runs but that it runs.
  second.send("c");
  expect(await second.ask("g")).toBe("E10");
  second.session.disconnected();

  const writer = stdin.writable.getWriter();
  await writer.write(bytes("text"));
  await writer.close();
  const { status, stdout } = await debuggee.ended;
  expect([status, new TextDecoder().decode(stdout)]).toEqual([0, "text"]);
});

test("killed", async () => {
  const debuggee = await debug("hello");
  const client = await connect(debuggee);
  expect(await client.ask("vKill;1")).toBe("OK");
  expect(await debuggee.ended).toMatchObject({ status: 137, signal: 9 });
});

test("what is no gdb is sent away", async () => {
  const client = new GdbClient(await debug("hello"));
  client.sendRaw("POST / HTTP/1.1\r\n\r\n$k#6b");
  expect(client.closed).toBe(true);
});

describe("bad packets", () => {
  test("get an error, or nothing, and break nothing", async () => {
    const debuggee = await debug("hello");
    const client = await connect(debuggee);
    const thread = threadOf(await client.ask("?"));
    const all = await client.ask("g");
    const wrong: Record<string, readonly string[]> = {
      E16: [
        ...["m", "m,", "mzz,1", "m1", "m1,2,3", "m-1,4", "x", "M", "M1,1", "M1,1:", "M1,1:0", "M1,1:0g", "X1,5:abc"],
        ...["p", "pzz", "P", "P0=1", "G", "G00", "Hx1", "H", "Hg", "Hgp", "Hgzz", "T", "Z0", "Z0,zz,1", "Z2,1"],
        ...["Czz", "S", "vCont", "vCont;", "vCont;x", "vCont;c5", "vCont;r1:1", "vCont;Czz", "vCont;c:zz"],
        ...["QPassSignals:zz", "qRcmd,0", "qRcmd,zz", "qXfer:auxv:read::", "qXfer:auxv:read::1", "qThreadExtraInfo"],
        ...["m11112222333344445,1", "czz"],
      ],
      E0e: ["m0,1", "mffffffffffffffff,ffffffffffffffff", "m100000000,1", "Mfffffffff,1:00", "Z0,0,1", "Z2,10,8"],
      E03: ["pffff", "P0=", "P0=00", "P77=00", "Hg77777", "Hgp7.7", "T7777777", "Tp7.7", "qXfer:features:read:x:0,1"],
      E1c: [`Z2,${hex(debuggee.entry)},0`, `Z2,${hex(debuggee.entry)},ffffffff`],
      "": [
        ...[
          "",
          "!",
          "R00",
          "Z3,1,1",
          "Z4,1,1",
          "Z9,1,1",
          "z9",
          "vRun;",
          "vAttach;1",
          "vFile:open:00,0,0",
          "QNonStop:1",
        ],
        ...["qTStatus", "qConstructor", "q__proto__", "q", "Q", "v", "_", "qXfer", "qXfer:auxv:write::0,1"],
        ...["qXfer:toString:read::0,1", "\x00", "\xff\xfe", "[object Object]", "qSearch:memory:1;2;3"],
      ],
    };
    for (const [answer, packets] of Object.entries(wrong))
      for (const packet of packets) expect([packet, await client.ask(packet)]).toEqual([packet, answer]);
    // More watchpoints than there are.
    const places = Array.from({ length: 17 }, (_, i) => `${hex(debuggee.entry + 8 * i)},8`);
    const answers: string[] = [];
    for (const place of places) answers.push(await client.ask(`Z2,${place}`));
    expect(answers).toEqual([...Array.from({ length: 16 }, () => "OK"), "E1c"]);
    for (const place of places) expect(await client.ask(`z2,${place}`)).toBe("OK");

    // A damaged packet is asked for again, and a lost answer is sent again.
    client.between = "";
    client.sendRaw("$g#00");
    client.sendRaw(`$${"m".repeat(PACKET_BYTES + 5)}#00`);
    expect(client.between).toBe("--");
    client.sendRaw("-");
    expect(await client.next()).toBe("OK");

    expect(await client.ask("g")).toBe(all);
    expect(await client.ask(`vCont;s:${thread}`)).toMatch(/^T05/);
  });

  test("random ones as well", async () => {
    const debuggee = await debug("hello");
    const client = await connect(debuggee);
    let state = 42;
    const random = (limit: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) | 0;
      return (state >>> 8) % limit;
    };
    const pieces = ["0", "1", "ff", ",", ":", ";", "=", "-", ".", "p", "g", "c", "read", "}", "#", "\x00", "\xff"];
    // Without those that end it or make it run.
    const starts = [..."gGpPmMxXHTZzqQ?", "qXfer:", "qRcmd,", "qThreadExtraInfo,", "QPassSignals:", "vFile:", "vMust"];
    for (let i = 0; i < 2000; i++) {
      let packet = starts[random(starts.length)]!;
      while (random(6) > 0) packet += pieces[random(pieces.length)]!;
      let answer = await client.ask(packet);
      // What a monitor command prints.
      while (/^O[^K]/.test(answer)) answer = await client.next();
      expect(answer).toMatch(/^([^E]|E[0-9a-f]{2}$|$)/s);
    }
    expect(await client.ask("?")).toMatch(/^T05/);
  });
});

describe("gojit debug", () => {
  const command = [path.join(projectRoot, "dist", "src", "cli", "main.js"), "debug"];

  test.each([
    ["", "needs an address for gdb"],
    ["--gdb 0.0.0.0:1", "0.0.0.0 is not this machine"],
    ["--gdb example.org:1", "example.org is not this machine"],
    ["--gdb [::]:1", ":: is not this machine"],
    ["--gdb 70000", '"70000" is no address'],
    ["--gdb unix:", '"unix:" is no address'],
    ["--gdb unix:/nowhere/socket", "nothing can listen there"],
  ])("%s: %s", (options, sentence) => {
    const words = options.split(" ").filter(Boolean);
    const { status, stderr } = spawnSync(process.execPath, [...command, ...words, "./prog"], { encoding: "utf8" });
    expect([status, stderr.includes(sentence), stderr.split("\n").length]).toEqual([2, true, 2]);
  });

  test("serves one client at a socket, and exits as the program does", async () => {
    const child = spawn(process.execPath, [...command, "--gdb", "0", unpack("1.19", "guests"), "exit", "7"]);
    const status = new Promise((resolve) => child.on("exit", resolve));
    child.stderr.setEncoding("utf8");
    const [line] = (await once(child.stderr, "data")) as [string];
    const port = Number(/target remote 127\.0\.0\.1:(\d+)\n/.exec(line)![1]);
    const connect = async (): Promise<Socket> => {
      const socket = createConnection(port, "127.0.0.1");
      await once(socket, "connect");
      return socket;
    };
    const reader = new PacketReader();
    const first = await connect();
    const answer = async (packet: string): Promise<Incoming[]> => {
      first.write(encodePacket(packet));
      const found: Incoming[] = [];
      while (!found.some(({ kind }) => kind === "packet")) {
        const [data] = (await once(first, "data")) as [Buffer];
        found.push(...reader.push(data));
      }
      return found;
    };
    expect(await answer("?")).toContainEqual({ kind: "packet", data: expect.stringMatching(/^T05/) as string });
    const second = await connect();
    await once(second, "close");
    await answer("QPassSignals:10");
    expect(await answer("c")).toContainEqual({ kind: "packet", data: "W07" });
    expect(await status).toBe(7);
  });
});
