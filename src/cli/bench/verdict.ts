/** What results mean: ratios, goals met and missed, and what cannot be told. */
import type { SuiteName } from "./benchmark.js";
import type { BenchmarkResult, Report, RunnerResult } from "./results.js";
import type { RunnerName } from "./runners.js";
import { geometricMean, summarize, type Summary } from "./statistics.js";

/** How a value compares with a goal and the limit that comes with it. */
export type Verdict = "met" | "within" | "missed" | "too noisy to tell";

/** Ratios of one round and another that are farther apart than this leave a verdict open where they disagree on it. */
const NOISY_RANGE = 1.25;

export function runOf({ runs }: BenchmarkResult, name: RunnerName): RunnerResult | undefined {
  return runs.find(({ runner, values }) => runner === name && values.length > 0);
}

/** A runner's ratios to native, round by round; null where one of the two has no values. */
export function ratioOf(result: BenchmarkResult, name: RunnerName): Summary | null {
  const [run, native] = [runOf(result, name), runOf(result, "native")];
  if (!run || !native) return null;
  return summarize(run.values.map((value, round) => value / native.values[round]!));
}

/** The value that a benchmark's goal is about; null if it has none or was not measured. */
export function judged(result: BenchmarkResult): Summary | null {
  const gojit = runOf(result, "gojit");
  if (!gojit || !result.goal) return null;
  if (result.goal.of === "ratio") return ratioOf(result, "gojit");
  if (result.goal.of === "speedup") return summarize(gojit.values);
  const node = runOf(result, "node");
  return node ? summarize(gojit.values.map((value, round) => value - node.values[round]!)) : null;
}

/** Whether a benchmark's goal is met; null if it has none or was not measured. */
export function verdictOf(result: BenchmarkResult): Verdict | null {
  const value = judged(result);
  if (!value || !result.goal) return null;
  const { goal, limit, of } = result.goal;
  const direction = of === "speedup" ? -1 : 1;
  const classify = (at: number): Verdict => {
    if (direction * at <= direction * (goal ?? limit)) return "met";
    return direction * at <= direction * limit ? "within" : "missed";
  };
  const disagree = classify(value.low) !== classify(value.high);
  return disagree && value.high > value.low * NOISY_RANGE ? "too noisy to tell" : classify(value.median);
}

/** Whether gojit was faster than Go's js/wasm port where it has to be; null where it has not, or nothing was measured. */
export function isAheadOfJsWasm(result: BenchmarkResult): boolean | null {
  const [gojit, wasm] = [runOf(result, "gojit"), runOf(result, "js-wasm")];
  if (!result.aheadOfJsWasm || !gojit || !wasm) return null;
  return summarize(gojit.values).median < summarize(wasm.values).median;
}

/** Results of one suite and Go version. */
export interface Group {
  readonly suite: SuiteName;
  readonly go: string | null;
  readonly rows: readonly BenchmarkResult[];
}

/** The results by suite and Go version, in the order in which they were measured. */
export function groupsOf({ benchmarks }: Report): Group[] {
  const groups = new Map<string, Group & { rows: BenchmarkResult[] }>();
  for (const row of benchmarks) {
    const key = `${row.suite} ${row.go ?? ""}`;
    const group = groups.get(key) ?? { suite: row.suite, go: row.go, rows: [] };
    groups.set(key, group);
    group.rows.push(row);
  }
  return [...groups.values()];
}

/** What a suite as a whole is to reach: the geometric mean of gojit's ratios. */
export const suiteGoals: Partial<Record<SuiteName, { readonly goal: number; readonly limit: number }>> = {
  compute: { goal: 1.3, limit: 1.8 },
  memory: { goal: 1.5, limit: 2.2 },
};

/** Geometric mean of a runner's ratios over those rows that all `together` have; null if there are fewer than two. */
export function meanRatio(
  rows: readonly BenchmarkResult[],
  name: RunnerName,
  together: readonly RunnerName[] = [name],
): number | null {
  const common = rows.filter((row) => row.unit !== "times" && together.every((other) => ratioOf(row, other)));
  return common.length < 2 ? null : geometricMean(common.map((row) => ratioOf(row, name)!.median));
}

/** gojit's peak memory beyond native's in bytes; null where either was not watched. */
export function extraMemory(result: BenchmarkResult): number | null {
  const [gojit, native] = [runOf(result, "gojit")?.peakBytes, runOf(result, "native")?.peakBytes];
  return gojit && native ? gojit - native : null;
}

/** What peak memory over native is to stay below, in bytes. */
export const memoryGoal = { goal: 150e6, limit: 250e6 };

/** The same as a verdict; null where it was not watched. */
export function memoryVerdict(result: BenchmarkResult): Verdict | null {
  const extra = extraMemory(result);
  if (extra === null) return null;
  return extra <= memoryGoal.goal ? "met" : extra <= memoryGoal.limit ? "within" : "missed";
}
