/** A report as Markdown. */
import { digits, goalText, ratioText, runnerTitles, timeText } from "./format.js";
import type { BenchmarkResult, Report } from "./results.js";
import { runnerNames, type RunnerName } from "./runners.js";
import { summarize } from "./statistics.js";
import {
  extraMemory,
  groupsOf,
  isAheadOfJsWasm,
  judged,
  meanRatio,
  memoryGoal,
  memoryVerdict,
  ratioOf,
  runOf,
  suiteGoals,
  verdictOf,
  type Group,
} from "./verdict.js";

/** Above this share of the processors' time, others disturbed the whole run. */
const NOISY_OTHERS = 0.05;

/** The whole report: how it was measured, means, a table for each suite, and what misses its goal. */
export function formatMarkdown(report: Report): string {
  const parts = [
    ["# Benchmark results", "", ...howMeasured(report)].join("\n"),
    ["## Means", "", formatMeans(report)].join("\n"),
    ...groupsOf(report).map((group) => formatGroup(group, report)),
    ...memoryTable(report),
    ...insideTables(report),
    ["## What misses its goal", "", ...misses(report)].join("\n"),
  ];
  return `${parts.join("\n\n")}\n`;
}

function howMeasured({ date, gojit, machine, runners, rounds, loadBefore, loadAfter, others }: Report): string[] {
  const used = runnersOf({ runners }).map((name) => `- ${runnerTitles[name]}: ${runners[name]}`);
  const gibibytes = (machine.memoryBytes / 2 ** 30).toFixed(1);
  const share = others === null ? "" : ` Other processes had ${Math.round(others * 100)} % of the processors' time.`;
  const noise =
    others !== null && others > NOISY_OTHERS
      ? [`**The machine was too noisy for exact figures**: ratios of the same round can be trusted more than times.`]
      : [];
  return [
    `gojit ${gojit}, ${date.slice(0, 16).replace("T", " ")} UTC, on ${machine.cpu}, ${machine.cpus} processors, ${gibibytes} GiB, ${machine.kernel}.`,
    `Load ${loadBefore.toFixed(1)} before, ${loadAfter.toFixed(1)} after.${share}`,
    ...noise,
    "",
    ...used,
    "",
    `Median of ${rounds} rounds; in each, every runner had its turn. In brackets: the least and the greatest of the rounds.`,
    "Ratios are to native: 2x takes twice as long.",
  ];
}

const runnersOf = ({ runners }: Pick<Report, "runners">): RunnerName[] =>
  runnerNames.filter((name) => runners[name] !== undefined);

/** Runners that are compared with native, other than gojit. */
const rivalsOf = (report: Pick<Report, "runners">): RunnerName[] =>
  runnersOf(report).filter((name) => name === "qemu" || name === "js-wasm");

/** Geometric means of the ratios to native, one line for each suite and Go version. */
export function formatMeans(report: Report): string {
  const rivals = rivalsOf(report);
  const rows = groupsOf(report).flatMap((group): string[][] => {
    const gojit = meanRatio(group.rows, "gojit");
    if (gojit === null || group.suite === "start") return [];
    const goal = suiteGoals[group.suite];
    // js/wasm has not all rows: gojit's mean over those that it has stands beside its own.
    const means = rivals.map((rival) => {
      const mean = meanRatio(group.rows, rival, [rival, "gojit"]);
      return mean === null
        ? ""
        : `${digits(mean)}x (gojit ${digits(meanRatio(group.rows, "gojit", [rival, "gojit"])!)}x)`;
    });
    const wanted = goal ? `≤ ${goal.goal}x, at worst ${goal.limit}` : "";
    return [[titleOf(group), `**${digits(gojit)}x**`, ...means, wanted]];
  });
  return table(["", "gojit", ...rivals.map((name) => runnerTitles[name]), "goal"], rows);
}

const titleOf = ({ suite, go }: Pick<Group, "suite" | "go">): string => (go === null ? suite : `${suite}, Go ${go}`);

function formatGroup(group: Group, report: Report): string {
  const rivals = rivalsOf(report);
  const names = rivals.map((name) => runnerTitles[name]);
  if (group.rows.every(({ unit }) => unit === "times")) {
    const rows = group.rows.map((row) => [row.name, ...speedups(row), ...judgement(row)]);
    return section(group, "how many times faster with GOMAXPROCS=2", ["", "native", "gojit", "goal", ""], rows);
  }
  if (group.rows.some((row) => runOf(row, "node"))) {
    const rows = group.rows.map((row) => [
      row.name,
      ...times(row, ["native", ...rivals, "node", "gojit"]),
      ...judgement(row),
    ]);
    return section(group, "whole processes", ["", "native", ...names, "Node's start", "gojit", "goal", ""], rows);
  }
  const rows = group.rows.map((row) => [
    row.name,
    row.what,
    ...times(row, ["native"]),
    ...[...rivals, "gojit" as const].map((name) => cell(row, name)),
    ...judgement(row),
  ]);
  return section(group, null, ["", "one operation", "native", ...names, "gojit", "goal", ""], rows);
}

function section(group: Group, note: string | null, head: string[], rows: string[][]): string {
  const title = titleOf(group);
  return [`## ${title[0]!.toUpperCase()}${title.slice(1)}${note ? `: ${note}` : ""}`, "", table(head, rows)].join("\n");
}

function cell(row: BenchmarkResult, name: RunnerName): string {
  const failed = row.runs.find(({ runner, failure }) => runner === name && failure !== null);
  if (failed) return `failed: ${failed.failure}`;
  const ratio = ratioOf(row, name);
  if (ratio) return ratioText(ratio);
  const run = runOf(row, name);
  return run && row.unit !== "times" ? timeText(summarize(run.values).median, row.unit) : "";
}

const times = (row: BenchmarkResult, names: readonly RunnerName[]): string[] =>
  names.map((name) => {
    const run = runOf(row, name);
    return run && row.unit !== "times" ? timeText(summarize(run.values).median, row.unit) : "";
  });

const speedups = (row: BenchmarkResult): string[] =>
  (["native", "gojit"] as const).map((name) => {
    const run = runOf(row, name);
    return run ? ratioText(summarize(run.values)) : cell(row, name);
  });

/** The goal, and what came of it. */
function judgement(row: BenchmarkResult): string[] {
  if (row.skipped !== null) return ["", `skipped: ${row.skipped}`];
  const behind = isAheadOfJsWasm(row) === false ? ["behind js/wasm"] : [];
  const verdict = verdictOf(row);
  return [row.goal ? goalText(row.goal) : "", [...(verdict ? [verdict] : []), ...behind].join(", ")];
}

function memoryTable(report: Report): string[] {
  const rows = report.benchmarks.flatMap((row): string[][] => {
    const extra = extraMemory(row);
    if (extra === null) return [];
    const megabytes = (["native", "qemu", "js-wasm", "gojit"] as const).map((name) => {
      const peak = runOf(row, name)?.peakBytes;
      return peak ? `${Math.round(peak / 1e6)} MB` : "";
    });
    return [[nameOf(row), ...megabytes, overNative(extra), memoryVerdict(row)!]];
  });
  if (rows.length === 0) return [];
  const head = ["", "native", "qemu-x86_64", "Go's js/wasm", "gojit", "over native", ""];
  const goal = `Goal: ${memoryGoalText}.`;
  return [["## Peak memory", "", goal, "", table(head, rows)].join("\n")];
}

/** gojit's own counters, where a benchmark has them. */
function insideTables(report: Report): string[] {
  const rows = report.benchmarks.flatMap((row): string[][] => {
    const counters = Object.entries(runOf(row, "gojit")?.counters ?? {}).filter(([, value]) => value !== 0);
    if (counters.length === 0) return [];
    return [
      [
        nameOf(row),
        counters.map(([name, value]) => `${name}: ${digits(Math.abs(value) < 0.005 ? 0 : value)}`).join("; "),
      ],
    ];
  });
  if (rows.length === 0) return [];
  const note = "Times are those of all threads together; system calls may have waited.";
  const heading = "## From the inside: `gojit run --stats`";
  return [[heading, "", note, "", table(["", "for one operation, or one run"], rows)].join("\n")];
}

/** What is beyond its limit, by what that is about; goals and peak memory worst first. */
function misses(report: Report): string[] {
  const means = groupsOf(report).flatMap((group) => {
    const [goal, mean] = [suiteGoals[group.suite], meanRatio(group.rows, "gojit")];
    if (!goal || mean === null || mean <= goal.limit) return [];
    return [`mean of ${titleOf(group)}: ${digits(mean)}x, at worst ${goal.limit}`];
  });
  const goals = report.benchmarks.flatMap((row) => {
    const { goal } = row;
    if (!goal || verdictOf(row) !== "missed") return [];
    const { median } = judged(row)!;
    const value = `${digits(median)}${goal.of === "over node" ? " ms over Node" : "x"}`;
    const excess = goal.of === "speedup" ? goal.limit / median : median / goal.limit;
    return [{ text: `${nameOf(row)}: ${value}, ${goalText(goal)}`, excess }];
  });
  const memory = report.benchmarks.flatMap((row) => {
    if (memoryVerdict(row) !== "missed") return [];
    const excess = extraMemory(row)!;
    return [{ text: `peak memory of ${nameOf(row)}: ${overNative(excess)}, ${memoryGoalText}`, excess }];
  });
  const worstFirst = [goals, memory].flatMap((some) => some.toSorted((x, y) => y.excess - x.excess));
  const behind = report.benchmarks
    .filter((row) => isAheadOfJsWasm(row) === false)
    .map((row) => `${nameOf(row)}: behind Go's js/wasm port`);
  const missed = [...means, ...worstFirst.map(({ text }) => text), ...behind];
  return missed.length === 0 ? ["Nothing is beyond its limit."] : missed.map((text) => `- ${text}`);
}

const nameOf = ({ name, go }: BenchmarkResult): string => (go === null ? name : `${name}, Go ${go}`);
const overNative = (bytes: number): string => `+${Math.round(bytes / 1e6)} MB`;
const memoryGoalText = `${memoryGoal.goal / 1e6} MB over native, at worst ${memoryGoal.limit / 1e6}`;

/** One line for the terminal, as soon as a benchmark has been measured. */
export function formatLine(row: BenchmarkResult): string {
  const title = `${row.suite}: ${nameOf(row)}`;
  if (row.skipped !== null) return `${title}: skipped, ${row.skipped}`;
  const runs = row.runs.map(({ runner, values, failure }) => {
    if (failure !== null) return `${runner} failed: ${failure}`;
    if (row.unit === "times") return `${runner} ${ratioText(summarize(values))}`;
    const ratio = runner === "native" || runner === "node" ? null : ratioOf(row, runner);
    return `${runner} ${ratio ? ratioText(ratio) : timeText(summarize(values).median, row.unit)}`;
  });
  return `${title}: ${runs.join("; ")}`;
}

function table(head: readonly string[], rows: readonly string[][]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${"---|".repeat(head.length)}`, ...rows.map(line)].join("\n");
}
