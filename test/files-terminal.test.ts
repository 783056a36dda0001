import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { beforeEach, describe, expect, test } from "vitest";
import { filesHeader } from "../runtime-shims/files-layout.js";
import { filesHeaderWord } from "../runtime-shims/open-files.js";
import { InputRing } from "../runtime-shims/host/input-ring.js";
import { LineDiscipline } from "../runtime-shims/host/line-discipline.js";
import { MemoryFiles } from "../runtime-shims/host/memory-files.js";
import { KernelMemory } from "../runtime-shims/kernel-memory.js";
import { ECHO, ICANON, ISIG, Terminal, TERMIOS_BYTES, VMIN, VTIME } from "../runtime-shims/terminal.js";
import { FakeGuest, newMemories } from "./files-harness.js";

const newDiscipline = (): { terminal: Terminal; discipline: LineDiscipline; log: string[] } => {
  const terminal = new Terminal(KernelMemory.create());
  const log: string[] = [];
  const discipline = new LineDiscipline(terminal, {
    put: (bytes) => void log.push(new TextDecoder().decode(bytes)),
    discard: () => void log.push("discard"),
    end: () => void log.push("end"),
    echo: (bytes) => void log.push(`echo ${new TextDecoder().decode(bytes)}`),
    raise: (signo) => void log.push(`signal ${signo}`),
  });
  return { terminal, discipline, log };
};

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const type = (discipline: LineDiscipline, text: string): void => discipline.type(encode(text));

/** Changes modes as `stty` does: clears flags of one word of the struct termios, sets control characters. */
const change = (terminal: Terminal, at: number, flags: number, characters: Record<number, number> = {}): void => {
  const modes = terminal.modes.slice();
  const view = new DataView(modes.buffer);
  view.setUint32(at, view.getUint32(at, true) & ~flags, true);
  for (const [place, character] of Object.entries(characters)) modes[17 + Number(place)] = character;
  terminal.modes = modes;
};
const OUTPUT = 4;
const LOCAL = 12;

test("lines are edited before they are handed on", () => {
  const { terminal, discipline, log } = newDiscipline();
  change(terminal, LOCAL, ECHO);
  type(discipline, "secre");
  expect(log).toEqual([]);
  type(discipline, "tt\x7f\r");
  type(discipline, "ä€\x7f\x7fx\x15y\n");
  type(discipline, "part\x04");
  type(discipline, "\x04");
  expect(log).toEqual(["secret\n", "y\n", "part", "end"]);
});

test("the interrupt character is a signal and drops what was typed", () => {
  const { terminal, discipline, log } = newDiscipline();
  change(terminal, LOCAL, ECHO);
  type(discipline, "abc\x03def\r\x1c\x1a");
  expect(log).toEqual(["discard", "signal 2", "def\n", "discard", "signal 3", "discard", "signal 20"]);
});

test("what is typed is shown before it is handed on", () => {
  const { terminal, discipline, log } = newDiscipline();
  type(discipline, "ab\x01\x7f\x7fc\r\x03");
  expect(log).toEqual(["echo ab^A\b \b\b \b\b \bc\n", "ac\n", "discard", "echo ^C", "signal 2"]);
  log.length = 0;
  type(discipline, "xy\x15\x04");
  expect(log).toEqual(["echo xy\b \b\b \b", "end"]);
  log.length = 0;
  change(terminal, LOCAL, ICANON);
  type(discipline, "q\n");
  expect(log).toEqual(["echo q^J", "q\n"]);
});

test("single characters arrive as they are typed", () => {
  const { terminal, discipline, log } = newDiscipline();
  change(terminal, LOCAL, ICANON | ECHO | ISIG);
  type(discipline, "a");
  type(discipline, "\x1b[A\x7f\x03\x04");
  expect(log).toEqual(["a", "\x1b[A\x7f\x03\x04"]);
});

test("a terminal that leaves line feeds alone gets none that the host's would change", () => {
  const terminal = new Terminal(KernelMemory.create());
  const text = encode("a\nb\r\nc\n");
  expect(terminal.hostOutput(text)).toBe(text);
  change(terminal, OUTPUT, 1);
  expect(terminal.hostOutput(text)).toEqual(encode("a\vb\nc\v"));
  const plain = encode("no line feed\r");
  expect(terminal.hostOutput(plain)).toBe(plain);
});

test("setting modes takes until the host's terminal has them, where somebody sees to that", async () => {
  const kernel = KernelMemory.create();
  const terminal = new Terminal(kernel);
  const timed = (): number => {
    const start = performance.now();
    change(terminal, LOCAL, 0);
    return performance.now() - start;
  };
  expect(timed()).toBeLessThan(100);
  terminal.follow(1);
  expect(timed()).toBeGreaterThan(400);
  // Another Worker follows, some time after each change.
  const [changes, followed] = [filesHeader.terminalChanges, filesHeader.terminalFollowed].map(filesHeaderWord);
  const follower = new Worker(
    `const { workerData: { buffer, changes, followed }, parentPort } = require("node:worker_threads");
    const words = new Int32Array(buffer);
    parentPort.postMessage("ready");
    Atomics.wait(words, changes, 2);
    Atomics.wait(words, 0, words[0], 50);
    Atomics.store(words, followed, words[changes] + 1);
    Atomics.notify(words, followed);`,
    { eval: true, workerData: { buffer: kernel.buffer, changes, followed } },
  );
  await once(follower, "message");
  const took = timed();
  expect(took).toBeGreaterThan(40);
  expect(Atomics.load(kernel.words, followed!)).toBe(4);
  await follower.terminate();
});

describe("descriptors of the terminal", () => {
  const EAGAIN = 11;
  const [TCGETS, TCSETSF, TCFLSH, TIOCSPGRP, FIONREAD, TCGETS2] = [0x5401, 0x5404, 0x540b, 0x5410, 0x541b, 0x802c542a];
  const [O_RDWR, O_NONBLOCK] = [2, 0o4000];
  let guest: FakeGuest;
  let input: InputRing;
  let buffer: number;
  let written: string;

  beforeEach(() => {
    const memories = newMemories();
    written = "";
    const output = {
      write: (_handle: number, bytes: Uint8Array) => {
        written += new TextDecoder().decode(bytes.slice());
        return bytes.length;
      },
    };
    const host = new (class extends MemoryFiles {
      /** Standard output is the terminal. */
      override isTerminal(handle = 0): boolean {
        return handle === 1;
      }
    })({}, ["home"], output, 1000, 1000);
    const mounts = [{ guest: "/home", readOnly: false }];
    guest = new FakeGuest(memories, { host, mounts, executable: "/home/p", currentDirectory: "/home" });
    input = new InputRing(new KernelMemory(memories.kernel), "terminal");
    buffer = guest.allocate(256);
  });

  const read = (fd: number, count = 100): string | number => {
    const result = guest.call("read", fd, buffer, count);
    return result < 0 ? result : guest.text(buffer, result);
  };
  const setModes = (fd: number, clear: number, vmin: number, vtime: number): void => {
    const at = guest.allocate(TERMIOS_BYTES);
    expect(guest.call("ioctl", fd, TCGETS, at)).toBe(0);
    guest.process.memory.setUint32(at + LOCAL, guest.process.memory.getInt32(at + LOCAL) & ~clear);
    guest.process.memory.setUint8(at + 17 + VTIME, vtime);
    guest.process.memory.setUint8(at + 17 + VMIN, vmin);
    expect(guest.call("ioctl", fd, TCSETSF, at)).toBe(0);
  };

  test("/dev/tty is the terminal although standard input is not", () => {
    const fd = guest.call("open", "/dev/tty", O_RDWR, 0);
    expect(fd).toBeGreaterThan(2);
    const stat = guest.allocate(144);
    expect(guest.call("fstat", fd, stat)).toBe(0);
    expect(guest.process.memory.getUint64(stat + 40)).toBe(0x500);
    expect(guest.call("write", fd, "shown", 5)).toBe(5);
    expect(written).toBe("shown");
    expect(guest.call("ioctl", 0, TCGETS, buffer)).toBeLessThan(0);
    expect(guest.call("ioctl", fd, TCGETS2, buffer)).toBe(0);
    expect(guest.process.memory.getInt32(buffer + TERMIOS_BYTES)).toBe(38400);
  });

  test("a read gives one line, and an end that was typed is no end for ever", () => {
    const fd = guest.call("open", "/dev/tty", O_RDWR | O_NONBLOCK, 0);
    expect(read(fd)).toBe(-EAGAIN);
    input.put(encode("one\ntwo\n"));
    expect(read(fd, 2)).toBe("on");
    expect(read(fd)).toBe("e\n");
    expect(read(fd)).toBe("two\n");
    input.endOnce();
    expect(read(fd)).toBe("");
    expect(read(fd)).toBe(-EAGAIN);
    input.put(encode("more"));
    expect(read(fd)).toBe("more");
    input.end(0);
    expect([read(fd), read(fd)]).toEqual(["", ""]);
  });

  test("characters: how many to wait for, and how long", () => {
    const fd = guest.call("open", "/dev/tty", O_RDWR, 0);
    setModes(fd, ICANON, 0, 0);
    expect(read(fd)).toBe("");
    input.put(encode("a\nb"));
    expect(read(fd)).toBe("a\nb");
    setModes(fd, ICANON, 0, 1);
    const start = performance.now();
    expect(read(fd)).toBe("");
    expect(performance.now() - start).toBeGreaterThan(95);
    setModes(fd, ICANON, 3, 1);
    input.put(encode("ab"));
    expect(read(fd)).toBe("ab");
    input.put(encode("cdef"));
    expect(read(fd)).toBe("cdef");
  });

  test("input that waits can be counted and thrown away", () => {
    const fd = guest.call("open", "/dev/tty", O_RDWR | O_NONBLOCK, 0);
    input.put(encode("typed"));
    expect(guest.call("ioctl", fd, FIONREAD, buffer)).toBe(0);
    expect(guest.process.memory.getInt32(buffer)).toBe(5);
    expect(guest.call("ioctl", fd, TCFLSH, 3)).toBe(-22);
    expect(guest.call("ioctl", fd, TCFLSH, 0)).toBe(0);
    expect(read(fd)).toBe(-EAGAIN);
    guest.process.memory.setUint32(buffer, 1000);
    expect(guest.call("ioctl", fd, TIOCSPGRP, buffer)).toBe(0);
    guest.process.memory.setUint32(buffer, 4);
    expect(guest.call("ioctl", fd, TIOCSPGRP, buffer)).toBe(-3);
  });
});

/** Types at a terminal of the host, which script(1) makes, on which the child feeds a guest; see terminal-child.ts. */
const typeAt = async (
  redirection: string,
  talk: readonly (readonly [shown: string, typed: string])[],
): Promise<string> => {
  const child = fileURLToPath(new URL("../dist/test/terminal-child.js", import.meta.url));
  const terminal = spawn("script", ["-qec", `'${process.execPath}' '${child}' ${redirection}`, "/dev/null"]);
  let shown = "";
  let at = 0;
  const rest = [...talk];
  terminal.stdout.on("data", (bytes: Buffer) => {
    shown += bytes.toString();
    for (let next = rest[0]; next !== undefined && shown.includes(next[0], at); next = rest[0]) {
      at = shown.indexOf(next[0], at) + next[0].length;
      terminal.stdin.write(next[1]);
      rest.shift();
    }
  });
  await new Promise((resolve) => terminal.on("close", resolve));
  return shown;
};

test.each(["", "</dev/null", "<&- 2>/dev/null"])("typing at the host's terminal, %s", async (redirection) => {
  const shown = await typeAt(redirection, [
    ["ready", "line\n"],
    ["read line;", "\x04"],
    ["end;", "again\n"],
    ["read again;", "raw\n"],
    ["raw now", "x"],
    ["read x;", "\x03"],
    ["signal 2;", "q"],
  ]);
  expect(shown).toMatch(/read x;.*signal 2;.*read q;/s);
});
