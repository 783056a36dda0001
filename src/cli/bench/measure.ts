/** Measuring: every runner once a round, in turn, so that what disturbs the machine disturbs all of them. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { unitOf, type Benchmark, type BenchmarkCommand, type BenchmarkInputs, type Timing } from "./benchmark.js";
import { insideCounters, phases, type RunStats } from "./inside.js";
import { readLines, speedupOf, valueOf } from "./guest-lines.js";
import type { BenchmarkResult, RunnerResult } from "./results.js";
import type { Runner } from "./runners.js";
import { runProcess, type ProcessResult } from "./run-process.js";

export interface MeasureOptions {
  readonly rounds: number;
  readonly timeoutMs: number;
  readonly inputs: BenchmarkInputs;
}

/** One runner's part of a benchmark while it goes on. */
interface Lane {
  readonly runner: Runner;
  readonly values: number[];
  check: string | null;
  peakBytes: number | null;
  failure: string | null;
  counters?: Record<string, number>;
}

/** What one runner gave in one round. */
interface Round {
  readonly value: number;
  readonly check: string;
  readonly peakBytes: number | null;
}

/** Runs one benchmark on all `runners` that can. */
export async function measure(
  benchmark: Benchmark,
  runners: readonly Runner[],
  options: MeasureOptions,
): Promise<BenchmarkResult> {
  const { suite, name, go, what, goal, aheadOfJsWasm } = benchmark;
  const head = { suite, name, go, what, unit: unitOf(benchmark), goal: goal ?? null };
  const result = { ...head, aheadOfJsWasm: aheadOfJsWasm ?? false };
  const command = benchmark.prepare(options.inputs);
  if (typeof command === "string") return { ...result, skipped: command, runs: [] };
  const cache = mkdtempSync(path.join(options.inputs.scratch, "cache-"));
  const lanes = runners
    .filter((runner) => runner.name !== "node" || benchmark.besideNode)
    .filter((runner) => runner.words(command, cache, []) !== null)
    .map((runner): Lane => ({ runner, values: [], check: null, peakBytes: null, failure: null }));
  const { timing } = benchmark;
  for (let round = -1; round < options.rounds; round++) {
    for (const lane of lanes) {
      const counts = round >= 0;
      if (lane.failure !== null || !(counts || warmsUp(timing, lane.runner))) continue;
      await take(lane, counts, () => runRound(benchmark, command, lane, cache, options));
    }
  }
  compareChecks(lanes);
  const gojit = lanes.find(({ runner, failure }) => runner.name === "gojit" && failure === null);
  if (gojit) await lookInside(benchmark, command, gojit, cache, options);
  rmSync(cache, { recursive: true, force: true });
  const runs = lanes.map(({ runner, ...lane }): RunnerResult => ({ runner: runner.name, ...lane }));
  return { ...result, skipped: null, runs: runs.map((run) => (run.failure === null ? run : { ...run, values: [] })) };
}

/** Whether a run that does not count comes before the rounds. Whole processes want their files in the page cache, too. */
function warmsUp(timing: Timing, runner: Runner): boolean {
  if (timing.kind === "process") return timing.cache === "warm";
  return timing.kind === "difference" || runner.primed === true;
}

async function take(lane: Lane, counts: boolean, run: () => Promise<Round>): Promise<void> {
  try {
    const { value, check, peakBytes } = await run();
    if (lane.check !== null && lane.check !== check)
      throw new Error(`it gave ${check} after it had given ${lane.check}`);
    lane.check = check;
    if (!counts) return;
    lane.values.push(value);
    if (peakBytes !== null) lane.peakBytes = Math.max(lane.peakBytes ?? 0, peakBytes);
  } catch (error) {
    lane.failure = (error as Error).message;
  }
}

/** One process, or two for a difference. @throws Error with what went wrong */
async function runRound(
  { timing }: Benchmark,
  command: BenchmarkCommand,
  { runner }: Lane,
  warmCache: string,
  options: MeasureOptions,
): Promise<Round> {
  const { scratch } = options.inputs;
  switch (timing.kind) {
    case "operation":
    case "speedup": {
      const { stdout } = await start(runner, command, warmCache, options);
      const lines = readLines(stdout);
      const value = timing.kind === "operation" ? valueOf(lines) : speedupOf(lines);
      return { value, check: lines[0]!.check, peakBytes: null };
    }
    case "difference": {
      const [few, many] = timing.args;
      const less = await start(runner, withArgument(command, few), warmCache, options);
      const more = await start(runner, withArgument(command, many), warmCache, options);
      const value = ((more.wallMs - less.wallMs) * 1e6) / timing.operations;
      if (value <= 0) throw new Error("more work took less time");
      return { value, check: readLines(more.stdout)[0]!.check, peakBytes: null };
    }
    case "process": {
      const fresh = timing.cache === "empty" ? mkdtempSync(path.join(scratch, "cache-")) : undefined;
      try {
        const { wallMs, stdout, peakBytes } = await start(runner, command, fresh ?? warmCache, options, true);
        return { value: wallMs, check: runner.name === "node" ? "" : digest(stdout, command), peakBytes };
      } finally {
        if (fresh) rmSync(fresh, { recursive: true, force: true });
      }
    }
  }
}

const withArgument = (command: BenchmarkCommand, word: string): BenchmarkCommand => ({
  ...command,
  args: [word, ...command.args],
});

/** @throws Error with what went wrong */
async function start(
  runner: Runner,
  command: BenchmarkCommand,
  cache: string,
  { timeoutMs, inputs }: MeasureOptions,
  watchMemory = false,
  gojitOptions: readonly string[] = [],
): Promise<ProcessResult> {
  const words = runner.words(command, cache, gojitOptions)!;
  const result = await runProcess(words, { cwd: inputs.scratch, timeoutMs, watchMemory });
  if (result.failure !== null) throw new Error(result.failure);
  return result;
}

function digest(stdout: string, { output }: BenchmarkCommand): string {
  const hash = createHash("sha256").update(stdout);
  if (output !== undefined) hash.update(readFileSync(output));
  return hash.digest("hex").slice(0, 16);
}

/** Runners whose program computed something else than the first one's have failed. */
function compareChecks(lanes: readonly Lane[]): void {
  const programs = lanes.filter(({ runner, failure }) => runner.name !== "node" && failure === null);
  const [first, ...others] = programs;
  for (const lane of others) {
    if (lane.check !== first!.check)
      lane.failure = `it computed ${lane.check}, and ${first!.runner.name} ${first!.check}`;
  }
}

/** Runs once more, with --stats, where a benchmark asks where the time goes. */
async function lookInside(
  { timing, suite }: Benchmark,
  command: BenchmarkCommand,
  lane: Lane,
  cache: string,
  options: MeasureOptions,
): Promise<void> {
  const file = path.join(options.inputs.scratch, "stats.json");
  const statsOf = async (run: BenchmarkCommand, directory: string, ...more: string[]): Promise<RunStats> => {
    await start(lane.runner, run, directory, options, false, [`--stats=${file}`, ...more]);
    return JSON.parse(readFileSync(file, "utf8")) as RunStats;
  };
  if (timing.kind === "difference") {
    const [few, many] = timing.args.map((word) => withArgument(command, word)) as [BenchmarkCommand, BenchmarkCommand];
    lane.counters = insideCounters(
      [await statsOf(few, cache), await statsOf(many, cache)],
      [await statsOf(few, cache, "--count"), await statsOf(many, cache, "--count")],
      timing.operations,
    );
  } else if (timing.kind === "process" && suite === "start") {
    const directory = timing.cache === "warm" ? cache : mkdtempSync(path.join(options.inputs.scratch, "cache-"));
    lane.counters = phases(await statsOf(command, directory));
  }
}
