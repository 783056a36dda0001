/**
 * A real gdb on programs under gojit and on the same programs natively, with the same commands: it must see the same.
 * Skipped where there is none, or where it may not trace a program.
 *
 * What differs by nature is written in terms of where it belongs: addresses in the main thread's stack as their distance
 * from its first RSP, addresses in the Go heap by the number of their page (see HeapPages), the process's id as "pid".
 * These are the same on both sides, since programs, arguments and environment are.
 *
 * Compared are all general registers and flags in the first instructions. At the breakpoints, which are at functions'
 * entries, compared are those that hold something there by Go's calling conventions: RIP, RSP, RBP, FS_BASE, the return
 * address, arguments, R14 where g is kept in it, and the words of runtime.g0 and runtime.m0. What else is in registers are
 * remains of what differs by nature: random seeds, time stamps, CPUID bits, what the vDSO and other ways to copy leave.
 *
 * Only the main thread runs up to runtime.gcenable, where it begins to need others: else the scheduler's watch, sysmon,
 * would preempt it at random while it stands at breakpoints.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openProgram } from "../src/program.js";
import { projectRoot, unpack } from "./guests/unpack.js";
import { ENVIRONMENT, gdb, HeapPages, START_NATIVELY, whyNoGdb } from "./native-gdb.js";

const scratch = mkdtempSync(path.join(tmpdir(), "gojit-gdb-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const reason = whyNoGdb();

/** Functions that are stopped at, and the sizes of their first arguments in bytes; those that a release lacks are left out. */
const FUNCTIONS: Readonly<Record<string, readonly number[]>> = {
  "runtime.rt0_go": [],
  "runtime.check": [],
  "runtime.args": [4, 8],
  "runtime.osinit": [],
  "runtime.schedinit": [],
  "runtime.mallocinit": [],
  "runtime.alginit": [],
  "runtime.mcommoninit": [8],
  "runtime.modulesinit": [],
  "runtime.typelinksinit": [],
  "runtime.itabsinit": [],
  "runtime.goargs": [],
  "runtime.goenvs": [],
  "runtime.parsedebugvars": [],
  "runtime.gcinit": [],
  "runtime.procresize": [4],
  "runtime.newproc": [],
  "runtime.newproc1": [8],
  "runtime.malg": [4],
  "runtime.mstart": [],
  "runtime.mstart0": [],
  "runtime.mstart1": [],
  "runtime.mstartm0": [],
  "runtime.schedule": [],
  "runtime.execute": [8, 1],
  "runtime.gogo": [],
  "runtime.main": [],
  "runtime.newm": [],
  "runtime.gcenable": [],
};
const STEPS = 12;
const ARGUMENT_REGISTERS = ["rax", "rbx"];
const GENERAL = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15".split(" ");

interface Guest {
  readonly program: string;
  readonly entry: number;
  readonly minor: number;
  /** First guest address of a function; undefined if there is none. */
  address(name: string): number | undefined;
}

function openGuest(version: string): Guest {
  const program = unpack(version, "hello");
  const { image, go } = openProgram(readFileSync(program));
  return {
    program,
    entry: image.entry,
    minor: Number(version.split(".")[1]),
    address(name) {
      const index = go.functions.indexOf(name);
      return index < 0 ? undefined : go.functions.start[index];
    },
  };
}

/** What gdb does with a program that stands at its entry. */
function script(guest: Guest): string {
  const at = (name: string): string => `*${guest.address(name)!}`;
  const found = Object.keys(FUNCTIONS).filter((name) => guest.address(name) !== undefined);
  const until = (name: string): string[] => [`while $pc != ${guest.address(name)!}`, "continue", "report", "end"];
  return [
    ...["set pagination off", "set confirm off", "set width 0", "set backtrace past-main on"],
    "define registers",
    `info registers ${GENERAL.join(" ")} rip fs_base eflags`,
    "end",
    "define report",
    ...["echo \\n@@ stop\\n", "registers", "x/4gx $rsp", "x/gx $fs_base-8"],
    ...["echo \\n@g0\\n", "x/12gx &'runtime.g0'", "echo \\n@m0\\n", "x/30gx &'runtime.m0'", "echo \\n@bt\\n", "bt"],
    "end",
    // The entry.
    ...["info inferiors", "info files", "set scheduler-locking on", `break *${guest.entry}`, "echo \\n@@ entry\\n"],
    ...["registers", "x/3i $pc"],
    ...["set language c", "x/s *(char**)($rsp+8)", "x/2s *(char**)($rsp+24)", "set language auto"],
    ...Array.from({ length: STEPS }, () => ["stepi", "echo \\n@@ step\\n", "x/i $pc", "registers"]).flat(),
    ...["delete", ...found.map((name) => `break ${at(name)} thread 1`)],
    // As people set it, this is behind the function's prologue.
    "tbreak runtime.schedule",
    ...until("runtime.main"),
    // A global that is set there.
    ...["watch 'runtime.mainStarted'", "continue", "echo \\n@@ watched\\n", "x/i $pc", "p $rsp", "delete"],
    ...found.map((name) => `break ${at(name)} thread 1`),
    ...until("runtime.gcenable"),
    ...["delete", "set scheduler-locking off", `break ${at("main.main")}`, "continue", "echo \\n@@ main\\n"],
    ...["bt", "disassemble $pc,+12", "info threads", "p 'runtime.g0'.m == &'runtime.m0'", "p 'runtime.g0'"],
    "kill",
  ].join("\n");
}

function session(commands: readonly string[], guest: Guest): Promise<string> {
  const file = path.join(scratch, `${guest.minor}.gdb`);
  writeFileSync(file, script(guest));
  return gdb(commands, file, [guest.program]);
}

const natively = (guest: Guest): Promise<string> => session(START_NATIVELY, guest);

async function underGojit(guest: Guest): Promise<{ output: string; status: number }> {
  const socket = path.join(scratch, `${guest.minor}.socket`);
  const main = path.join(projectRoot, "dist", "src", "cli", "main.js");
  const child = spawn(process.execPath, [main, "debug", "--gdb", `unix:${socket}`, "--cpus", "2", guest.program], {
    env: ENVIRONMENT,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exit = once(child, "exit");
  await once(child.stderr, "data");
  const output = await session([`target remote ${socket}`], guest);
  // It ends by itself, a little later than gdb.
  const patience = setTimeout(() => child.kill(), 10_000);
  const [status] = (await exit) as [number];
  clearTimeout(patience);
  return { output, status };
}

/** A session in sections: each begins with a line of `@@` and its name. */
class Session {
  readonly output: string;
  readonly sections: readonly { readonly name: string; readonly text: string }[];
  private readonly pid: number;
  private readonly firstSp: number;
  private readonly heap: HeapPages;

  constructor(output: string) {
    this.output = output;
    const [head, ...pieces] = output.split(/^@@ /m);
    this.sections = pieces.map((piece) => ({ name: /^\w+/.exec(piece)![0], text: piece.replace(/^\w+\n/, "") }));
    this.pid = Number(/process (\d+)/.exec(head!)?.[1]);
    this.firstSp = registersIn(this.named("entry")[0]!).get("rsp")!;
    // The main thread has the first goroutine's g in TLS at runtime.gcenable.
    this.heap = new HeapPages(words(this.named("stop").at(-1)!.split("@g0")[0]!).at(-1)!);
  }

  named(name: string): string[] {
    return this.sections.filter((section) => section.name === name).map(({ text }) => text);
  }
  /** A value as it is in both sessions. */
  normal(value: number): string {
    if (value === this.pid) return "pid";
    if (value <= this.firstSp && value > this.firstSp - 8 * 2 ** 20) return `stack-${this.firstSp - value}`;
    if (value > this.firstSp && value < this.firstSp + 65536) return "arguments";
    const place = this.heap.find(value);
    if (place) return `page ${place.page}+${place.offset}`;
    return `0x${value.toString(16)}`;
  }
  normalised(values: Iterable<readonly [string, number]>): Record<string, string> {
    return Object.fromEntries([...values].map(([name, value]) => [name, this.normal(value)]));
  }
}

function registersIn(text: string): Map<string, number> {
  return new Map(
    [...text.matchAll(/^(r\w+|fs_base|eflags) +(0x[0-9a-f]+)/gm)].map(([, name, value]) => [name!, Number(value)]),
  );
}
/** The values in the lines of `x/gx`. */
function words(text: string): number[] {
  return [...text.matchAll(/^0x[0-9a-f]+(?: <[^>]*>)?:((?:\t0x[0-9a-f]{16})+)$/gm)].flatMap(([, values]) =>
    values!.trim().split("\t").map(Number),
  );
}
/** Functions of a backtrace, as far as gdb knows them. */
function frames(text: string): string[] {
  const names = [...text.matchAll(/^#\d+ +(?:0x[0-9a-f]+ in )?(\S+) \(/gm)].map(([, name]) => name!);
  return names.includes("??") ? names.slice(0, names.indexOf("??")) : names;
}
const instructions = (text: string): string[] =>
  [...text.matchAll(/^=?>? *0x\S+ <[^>]*>:\t.*$/gm)].map(([line]) => line);

/** What is compared at a breakpoint. */
function stop(session: Session, text: string, guest: Guest): unknown {
  const [first, g0, m0, bt] = text.split(/^@\w+$/m);
  const registers = registersIn(first!);
  const rip = registers.get("rip")!;
  const name = Object.keys(FUNCTIONS).find((name) => guest.address(name) === rip) ?? "";
  const sizes = FUNCTIONS[name] ?? [];
  const value = (whole: number, size: number): string => session.normal(size === 8 ? whole : whole % 2 ** (8 * size));
  const inRegisters = guest.minor >= 17;
  const held = ["rip", "rsp", "rbp", "fs_base"];
  // Until rt0_go has set g0 up there is no g.
  if (inRegisters && name !== "runtime.rt0_go") held.push("r14");
  const [returnTo, ...stack] = words(first!);
  return {
    name,
    registers: session.normalised(held.map((name) => [name, registers.get(name)!] as const)),
    arguments: sizes.map((size, i) => value(inRegisters ? registers.get(ARGUMENT_REGISTERS[i]!)! : stack[i]!, size)),
    returnTo: session.normal(returnTo!),
    g0: words(g0!).map((value) => session.normal(value)),
    m0: words(m0!).map((value) => session.normal(value)),
    frames: frames(bt!),
  };
}

describe.skipIf(reason !== "")(`a real gdb${reason && ` (skipped: ${reason})`}`, () => {
  test.each(["1.15", "1.19", "1.27"])("sees Go %s start as it does natively", { timeout: 600_000 }, async (version) => {
    const guest = openGuest(version);
    const native = new Session(await natively(guest));
    const { output, status } = await underGojit(guest);
    const gojit = new Session(output);
    const both = <T>(what: (session: Session) => T): void => expect(what(gojit)).toEqual(what(native));

    both(({ output }) => /Entry point: (\w+)/.exec(output)![1]);
    both((session) => {
      const [text] = session.named("entry");
      const strings = [...text!.matchAll(/^0x[0-9a-f]+:\t(".*")$/gm)].map(([, string]) => string);
      return [session.normalised(registersIn(text!)), instructions(text!), strings];
    });
    expect(gojit.named("step")).toHaveLength(STEPS);
    both((session) => session.named("step").map((text) => [instructions(text), session.normalised(registersIn(text))]));

    expect(gojit.named("stop").length).toBeGreaterThan(25);
    both((session) => session.named("stop").map((text) => stop(session, text, guest)));

    expect(gojit.output).toMatch(/Hardware watchpoint \d+: 'runtime.mainStarted'\s+Old value = .*\s+New value = .*/);
    both(({ output }) => /Old value = (.*)\s+New value = (.*)/.exec(output)!.slice(1));
    both((session) => {
      const [text] = session.named("watched");
      return [instructions(text!), session.normal(Number(/\(void \*\) (0x[0-9a-f]+)/.exec(text!)![1]))];
    });

    both((session) => {
      const [text] = session.named("main");
      return [frames(text!).slice(0, 3), instructions(text!), /^\$\d+ = (1|true)$/m.test(text!)];
    });
    expect(frames(gojit.named("main")[0]!).slice(0, 2)).toEqual(["main.main", "runtime.main"]);
    expect(gojit.named("main")[0]).toMatch(/^\* \d+ +Thread \d+\.\d+ "M\d+ g1" .*main\.main/m);
    expect(status).toBe(137);
  });
});
