/** Measuring: every runner once a round, in turn, so that what disturbs the machine disturbs all of them. */
import { mkdtempSync, rmSync } from "node:fs";
import path from "node:path";
import { unitOf, type Benchmark, type BenchmarkInputs, type GuestCommand } from "./benchmark.js";
import { runOnce, type Runner, type RunnerName } from "./runners.js";
import { summarize, type Summary } from "./statistics.js";

export interface Measured {
  readonly runner: RunnerName;
  /** All samples, in the benchmark's unit; empty if it failed. */
  readonly samples: readonly number[];
  readonly summary: Summary | null;
  readonly failure: string | null;
}

export interface MeasuredBenchmark {
  readonly suite: string;
  readonly name: string;
  readonly what: string;
  readonly unit: "ns/op" | "ms";
  readonly goal: number | null;
  /** Why it was not run, or null. */
  readonly skipped: string | null;
  readonly runs: readonly Measured[];
}

export interface MeasureOptions {
  readonly rounds: number;
  readonly timeoutMs: number;
  readonly inputs: BenchmarkInputs;
}

/** Runs one benchmark on all `runners`. */
export async function measure(
  benchmark: Benchmark,
  runners: readonly Runner[],
  options: MeasureOptions,
): Promise<MeasuredBenchmark> {
  const head = {
    suite: benchmark.suite,
    name: benchmark.name,
    what: benchmark.what,
    unit: unitOf(benchmark),
    goal: benchmark.goal ?? null,
  };
  const command = benchmark.command(options.inputs);
  if (typeof command === "string") return { ...head, skipped: command, runs: [] };
  const samples = new Map<RunnerName, number[]>(runners.map(({ name }) => [name, []]));
  const failures = new Map<RunnerName, string>();
  const cache = mkdtempSync(path.join(options.inputs.scratch, "cache-"));
  const warm = benchmark.timing.kind === "process" && benchmark.timing.cache === "warm";
  // Files come into the page cache, and a warm code cache is filled, before anything counts.
  for (let round = warm ? -1 : 0; round < options.rounds; round++) {
    for (const runner of runners) {
      if (failures.has(runner.name)) continue;
      const result = await sample(benchmark, command, runner, cache, options);
      if (typeof result === "string") failures.set(runner.name, result);
      else if (round >= 0) samples.get(runner.name)!.push(...result);
    }
  }
  rmSync(cache, { recursive: true, force: true });
  const runs = runners.map(({ name }): Measured => {
    const failure = failures.get(name) ?? null;
    const list = failure === null ? samples.get(name)! : [];
    return { runner: name, samples: list, summary: list.length ? summarize(list) : null, failure };
  });
  return { ...head, skipped: null, runs };
}

/** The samples of one process, or what went wrong. */
async function sample(
  { timing }: Benchmark,
  command: GuestCommand,
  runner: Runner,
  warmCache: string,
  { timeoutMs, inputs }: MeasureOptions,
): Promise<number[] | string> {
  const fresh = timing.kind === "process" && timing.cache === "empty";
  const cache = fresh ? mkdtempSync(path.join(inputs.scratch, "cache-")) : warmCache;
  const { wallMs, stdout, failure } = await runOnce(runner.words(command, cache), timeoutMs);
  if (fresh) rmSync(cache, { recursive: true, force: true });
  if (failure !== null) return failure;
  return timing.kind === "process" ? [wallMs] : operationSamples(stdout, timing.repetitions, timing.warmUp);
}

/** ns per operation of each repetition after the first `warmUp`. */
export function operationSamples(stdout: string, repetitions: number, warmUp: number): number[] | string {
  const lines = stdout.split("\n").filter((line) => line !== "");
  if (lines.length !== repetitions) return `it printed ${lines.length} lines instead of ${repetitions}`;
  const fields = lines.map((line) => line.split(" "));
  const ns = fields.map((words) => Number(words[2]));
  if (fields.some((words) => words.length !== 4) || ns.some((value) => !(value > 0))) return "it printed no times";
  return ns.slice(warmUp);
}
