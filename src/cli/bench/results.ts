/** Results as they are measured, kept as JSON, and read back. */
import { readFileSync } from "node:fs";
import { GojitError } from "../../errors.js";
import { suiteNames, type Goal, type SuiteName, type Unit } from "./benchmark.js";
import type { MachineFacts } from "./machine.js";
import type { RunnerName } from "./runners.js";

/** What one runner did in all rounds. */
export interface RunnerResult {
  readonly runner: RunnerName;
  /** One value for each round, in the benchmark's unit: the median of that process's samples. Empty if it failed. */
  readonly values: readonly number[];
  /** What the program computed; the same for all runners, or those that differ have failed. */
  readonly check: string | null;
  /** Largest resident set of all rounds in bytes; null if it was not watched. */
  readonly peakBytes: number | null;
  readonly failure: string | null;
  /** gojit's own counters, by name with unit. */
  readonly counters?: Readonly<Record<string, number>>;
}

export interface BenchmarkResult {
  readonly suite: SuiteName;
  readonly name: string;
  readonly go: string | null;
  readonly what: string;
  readonly unit: Unit;
  readonly goal: Goal | null;
  readonly aheadOfJsWasm: boolean;
  /** Why it was not run, or null. */
  readonly skipped: string | null;
  readonly runs: readonly RunnerResult[];
}

const FORMAT = "gojit-bench-1";

export interface Report {
  readonly format: typeof FORMAT;
  readonly date: string;
  /** gojit's version, and its git commit where it is known. */
  readonly gojit: string;
  readonly machine: MachineFacts;
  readonly runners: Readonly<Partial<Record<RunnerName, string>>>;
  readonly rounds: number;
  /** Load averages of the last minute. */
  readonly loadBefore: number;
  readonly loadAfter: number;
  /** Share of all processors' time that went to other processes meanwhile, 0 to 1; null where that is unknown. */
  readonly others: number | null;
  readonly benchmarks: readonly BenchmarkResult[];
}

export const reportFormat = FORMAT;

/** Reads what `--json` wrote. @throws GojitError (exit status 2) if it is no such file */
export function readReport(file: string): Report {
  let report: unknown;
  try {
    report = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw new GojitError("bad-option", `--from: ${file} cannot be read: ${(error as Error).message}.`);
  }
  if ((report as { format?: unknown } | null)?.format !== FORMAT)
    throw new GojitError("bad-option", `--from: ${file} is no result of gojit bench --json.`);
  return report as Report;
}

/**
 * One report of several parts, such as runs of single suites, in the order of the suites.
 * @param parts at least one
 * @throws GojitError (exit status 2) if they are of different machines, or of different states of gojit
 */
export function mergeReports(parts: readonly Report[]): Report {
  const [first] = parts as readonly [Report, ...Report[]];
  const subject = ({ gojit, machine, runners, rounds }: Report): string =>
    JSON.stringify([gojit, machine.cpu, machine.cpus, runners, rounds]);
  if (parts.some((part) => subject(part) !== subject(first)))
    throw new GojitError(
      "bad-option",
      "--from: the files are of different machines, runners, rounds or states of gojit.",
    );
  const shares = parts.map(({ others }) => others).filter((share) => share !== null);
  const rows = parts.flatMap(({ benchmarks }) => benchmarks);
  return {
    ...first,
    loadAfter: parts.at(-1)!.loadAfter,
    // Of the part that was disturbed most.
    others: shares.length ? Math.max(...shares) : null,
    benchmarks: suiteNames.flatMap((suite) => rows.filter((row) => row.suite === suite)),
  };
}
