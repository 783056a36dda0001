/** What the benchmarks' own programs print (bench/guests/kernels/main.go). */
import { summarize } from "./statistics.js";

/** One sample. */
export interface GuestLine {
  /** GOMAXPROCS. */
  readonly procs: number;
  /** Nanoseconds per operation. */
  readonly ns: number;
  readonly check: string;
}

/** @throws Error if there are none, or one is not as it should be */
export function readLines(stdout: string): GuestLine[] {
  const lines = stdout.split("\n").filter((line) => line !== "");
  if (lines.length === 0) throw new Error("it printed nothing");
  return lines.map((line) => {
    const [, procs, ns, check] = /^\S+ (\d+) (\d+(?:\.\d+)?) ([0-9a-f]+)$/.exec(line) ?? [];
    if (check === undefined) throw new Error(`it printed "${line}"`);
    return { procs: Number(procs), ns: Number(ns), check };
  });
}

/** ns per operation: the median of all samples. @throws Error if nothing was timed */
export function valueOf(lines: readonly GuestLine[]): number {
  const { median } = summarize(lines.map(({ ns }) => ns));
  if (median <= 0) throw new Error("it printed no times");
  return median;
}

/** How many times faster samples with GOMAXPROCS=2 are than those before them with 1, in the median. @throws Error if there are none */
export function speedupOf(lines: readonly GuestLine[]): number {
  const ratios: number[] = [];
  for (let at = 0; at + 1 < lines.length; at += 2) {
    const [one, two] = [lines[at]!, lines[at + 1]!];
    if (one.procs !== 1 || two.procs !== 2 || two.ns <= 0)
      throw new Error("it printed other samples than were asked for");
    ratios.push(one.ns / two.ns);
  }
  if (ratios.length === 0) throw new Error("it printed too few samples");
  return summarize(ratios).median;
}
