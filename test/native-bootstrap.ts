/**
 * How a Go program starts, step by step: as `gojit trace` tells it, and as gdb sees it in the native process, which stops at the
 * same instructions and reads the same registers and memory.
 *
 * What differs by nature is replaced on both sides: addresses in the main thread's first stack by their distance from its
 * first RSP, addresses in the Go heap by the number of their page (see HeapPages). These are the same.
 * Left out is what the CPUID instruction says, since gojit's processor is one of its own, and where the strings of the
 * arguments are, which depends on the kernel's auxiliary vector.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { programLayout } from "../src/go/program-layout.js";
import { openProgram } from "../src/program.js";
import { NOTE_WORDS } from "../src/trace/recorder-module.js";
import type { Values } from "../src/trace/row.js";
import { ProgramTrace } from "../src/trace/trace-plan.js";
import { projectRoot } from "./guests/unpack.js";
import { ENVIRONMENT, gdb, HeapPages, START_NATIVELY } from "./native-gdb.js";

/** A step of the bootstrap. */
export interface Step {
  readonly event: string;
  readonly pc: string;
  readonly function: string;
  readonly m: number;
  readonly p: number;
  readonly values: Values;
  /** Absent where it tells of more than the step itself. */
  readonly text?: string;
}

/** Events of the scheduler that are steps of the bootstrap too, as long as there is one thread. */
const FIRST_ONES = new Set(["p-acquired", "p-idle", "goroutine-created", "m-starts", "goroutine-runs"]);
/** Steps whose number after that does not depend on other threads. */
const LATER_ONES = new Set(["init-task", "gc-enabled", "main"]);
/** Where other threads begin to start. */
const LAST_ALONE = "main-started";

/** Values that are not compared: those that differ by nature, and those that an earlier event has put in. */
const LEFT_OUT: Readonly<Record<string, readonly string[]>> = {
  "cpuid-vendor": ["leaves", "ebx", "edx", "ecx"],
  "cpuid-version": ["version", "ecx", "edx"],
  entry: ["argv0"],
  "goroutine-created": ["function", "caller", "parent"],
};

/**
 * @param words a program and its arguments
 * @returns the steps natively and under gojit, until main.main
 * @throws when one of the two runs fails
 */
export async function bootstraps(words: readonly string[]): Promise<{ native: Step[]; gojit: Step[] }> {
  const scratch = mkdtempSync(path.join(tmpdir(), "gojit-bootstrap-"));
  try {
    return { gojit: await traced(words, scratch), native: await seenByGdb(words, scratch) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function traced(words: readonly string[], scratch: string): Promise<Step[]> {
  const file = path.join(scratch, "trace.jsonl");
  const options = ["--json", "-o", file, "--only", "bootstrap,sched", "--until", "main.main", "--timeout", "60s"];
  const main = path.join(projectRoot, "dist", "src", "cli", "main.js");
  // How it ends is its own affair.
  await promisify(execFile)(process.execPath, [main, "trace", "-A", "--no-cache", ...options, ...words], {
    env: ENVIRONMENT,
  }).catch((error: { code?: unknown }) => {
    if (typeof error.code !== "number") throw error;
  });
  const events = readFileSync(file, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Step & { readonly group: string });
  const alone = events.findIndex(({ event }) => event === LAST_ALONE);
  const address = (name: string, field: string): bigint =>
    BigInt(events.find(({ event }) => event === name)!.values[field] as string);
  const move = replaceAddresses(address("entry", "sp"), address("allgadd", "g"));
  const moved = (text: string): string =>
    text.replaceAll(/\b0x[0-9a-f]+\b/g, (found) => `0x${move(BigInt(found)).toString(16)}`);
  return events
    .filter(({ event, group }, index) =>
      index <= alone ? group === "bootstrap" || FIRST_ONES.has(event) : LATER_ONES.has(event),
    )
    .map((event) => {
      const values = Object.entries(event.values).map(([name, value]) => [
        name,
        typeof value === "string" ? moved(value) : value,
      ]);
      return step({ ...event, values: Object.fromEntries(values) as Values, text: moved(event.text!) });
    });
}

/** What is compared of an event. */
function step(event: Step & { readonly group: string }): Step {
  const { event: name, pc, m, p, group, text } = event;
  const left = LEFT_OUT[name] ?? [];
  const values = Object.fromEntries(Object.entries(event.values).filter(([key]) => !left.includes(key)));
  const whole = group === "bootstrap" && left.length === 0;
  return { event: name, pc, function: event.function, m, p, values, ...(whole ? { text: text! } : {}) };
}

async function seenByGdb(words: readonly string[], scratch: string): Promise<Step[]> {
  const opened = openProgram(readFileSync(words[0]!));
  const layout = await programLayout(opened);
  const trace = new ProgramTrace(opened, layout, new Set(["bootstrap", "sched"]), "main.main");
  const probes = trace.probes.map(({ row, pc }, number) => {
    const { times, captures } = trace.plans[number]!;
    return { event: row.event, group: row.group, number, pc, times: Number.isFinite(times) ? times : null, captures };
  });
  const pcOf = (name: string): number => probes.find(({ event }) => event === name)!.pc;
  const phases = [
    {
      probes: probes.filter(({ event, group }) => group === "bootstrap" || FIRST_ONES.has(event)),
      until: pcOf(LAST_ALONE),
    },
    { probes: probes.filter(({ event }) => LATER_ONES.has(event)), until: pcOf("main") },
  ];
  const file = path.join(scratch, "phases.json");
  writeFileSync(file, JSON.stringify(phases));
  const script = path.join(projectRoot, "test", "gdb-captures.py");
  const output = await gdb(START_NATIVELY, script, words, { GOJIT_PHASES: file });
  const stops = [...output.matchAll(/^@ (\d+)((?: [0-9a-f]+)*)$/gm)].map(([, number, words]) => ({
    number: Number(number),
    words: words!
      .trim()
      .split(" ")
      .filter(Boolean)
      .map((word) => BigInt(`0x${word}`)),
  }));
  if (stops.length === 0) throw new Error(`gdb saw nothing of ${words[0]}: ${output}`);

  /** A captured word by event and field. */
  const captured = (event: string, field: string): bigint => {
    const stop = stops.find(({ number }) => probes[number]!.event === event)!;
    const { fields } = trace.probes[stop.number]!;
    return stop.words.at(fields.findIndex(([name]) => name === field) - fields.length)!;
  };
  const move = replaceAddresses(captured("entry", "sp"), captured("allgadd", "g"));

  const tasks = new Set<unknown>();
  return stops.flatMap(({ number, words: captures }) => {
    const { fields } = trace.probes[number]!;
    const payload = new Uint32Array(NOTE_WORDS + 2 * captures.length);
    let at = NOTE_WORDS;
    for (const [index, word] of captures.entries()) {
      // The event's own fields come last. Of a smaller number the upper half of the word means nothing.
      const shown = fields[index - captures.length + fields.length]?.[1].shown;
      const value = shown === "address" || shown === "code" ? move(word) : word;
      payload[at++] = Number(value & 0xffff_ffffn);
      if (trace.plans[number]!.captures[index]!.words > 1) payload[at++] = Number(value >> 32n);
    }
    const { probe, m, p, values, text } = trace.decode(number, payload);
    const { event, group } = probe.row;
    if (text === null && event !== "goroutine-created") return [];
    if (event === "init-task") {
      // A goroutine that is preempted in a function's prologue begins the function again.
      if (tasks.has(values["first"])) return [];
      tasks.add(values["first"]);
    }
    return [
      step({ event, group, pc: `0x${probe.pc.toString(16)}`, function: probe.function, m, p, values, text: text! }),
    ];
  });
}

const STACK_BELOW = 8n << 20n;
const STACK_ABOVE = 1n << 16n;
/** Where stack and heap are put: below 2^32, as they are under gojit. */
const STACK_AT = 0xf000_0000n;
const HEAP_AT = 0xe000_0000n;

/** Puts the addresses of one run where those of the other are put too. @param firstSp and `g` of that run */
function replaceAddresses(firstSp: bigint, g: bigint): (value: bigint) => bigint {
  const heap = new HeapPages(Number(g));
  return (value) => {
    if (value >= firstSp - STACK_BELOW && value < firstSp + STACK_ABOVE) return value - firstSp + STACK_AT;
    const place = heap.find(Number(value));
    return place ? HEAP_AT + (BigInt(place.page) << 16n) + BigInt(place.offset) : value;
  };
}
