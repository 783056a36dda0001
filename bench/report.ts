/** Results as JSON and as Markdown. */
import { availableParallelism, cpus, loadavg, release } from "node:os";
import type { Measured, MeasuredBenchmark } from "./measure.js";
import type { Runner, RunnerName } from "./runners.js";
import { geometricMean, NOISY_SPREAD } from "./statistics.js";

export interface Report {
  readonly date: string;
  readonly machine: { readonly cpu: string; readonly cpus: number; readonly kernel: string; readonly load: number };
  readonly runners: Readonly<Partial<Record<RunnerName, string>>>;
  readonly rounds: number;
  readonly benchmarks: readonly MeasuredBenchmark[];
}

export function createReport(runners: readonly Runner[], rounds: number): Report & { benchmarks: MeasuredBenchmark[] } {
  return {
    date: new Date().toISOString(),
    machine: {
      cpu: cpus()[0]?.model ?? "unknown",
      cpus: availableParallelism(),
      kernel: `${process.platform} ${release()}`,
      load: loadavg()[0]!,
    },
    runners: Object.fromEntries(runners.map((runner) => [runner.name, runner.version()!])),
    rounds,
    benchmarks: [],
  };
}

const digits = (value: number): string => value.toPrecision(value >= 1000 ? 4 : 3).replace(/e\+.*/, "");
const percent = (value: number): string => `${Math.round(value * 100)} %`;

/** `run`'s median and best as ratios to `native`'s. */
function ratios(run: Measured, native: Measured | undefined): { median: number; best: number } | null {
  if (!run.summary || !native?.summary) return null;
  return { median: run.summary.median / native.summary.median, best: run.summary.best / native.summary.best };
}

const runOf = ({ runs }: MeasuredBenchmark, name: RunnerName) => runs.find(({ runner }) => runner === name);

function cell(run: Measured, native: Measured | undefined): string {
  if (!run.summary) return `failed: ${run.failure}`;
  const { median, best, spread } = run.summary;
  if (run === native) return `${digits(median)} (best ${digits(best)}, ± ${percent(spread)})`;
  const ratio = ratios(run, native);
  if (!ratio) return `${digits(median)} (best ${digits(best)}, ± ${percent(spread)})`;
  return `${ratio.median.toFixed(2)}x (best ${ratio.best.toFixed(2)}x, ± ${percent(spread)})`;
}

/** One line for the terminal, as soon as a benchmark has been measured. */
export function formatLine(measured: MeasuredBenchmark): string {
  if (measured.skipped !== null) return `${measured.name}: skipped, ${measured.skipped}`;
  const native = runOf(measured, "native");
  return `${measured.name}: ${measured.runs.map((run) => `${run.runner} ${cell(run, native)}`).join("; ")}`;
}

/** A table a suite. Native is in its unit, everything else a ratio to native; lower is better. */
export function formatMarkdown(report: Report): string {
  const { machine, runners, rounds } = report;
  const names = Object.keys(runners) as RunnerName[];
  const out = [
    `${machine.cpu}, ${machine.cpus} CPUs, ${machine.kernel}, load ${machine.load.toFixed(1)} at the start; ${report.date}.`,
    ...names.map((name) => `${name}: ${runners[name]}.`),
    `Native: median (best, spread) in its unit. Others: the same as ratios to native. ${rounds} rounds, interleaved.`,
  ];
  for (const suite of new Set(report.benchmarks.map((benchmark) => benchmark.suite))) {
    const rows = report.benchmarks.filter((benchmark) => benchmark.suite === suite);
    out.push(
      "",
      `### ${suite}`,
      "",
      `| | unit | ${names.join(" | ")} | goal | |`,
      `|${"---|".repeat(names.length + 4)}`,
    );
    for (const row of rows) out.push(tableRow(row, names));
    const gojit = rows.map((row) => {
      const run = runOf(row, "gojit");
      return run ? ratios(run, runOf(row, "native")) : null;
    });
    const medians = gojit.filter((ratio) => ratio !== null).map(({ median }) => median);
    if (medians.length > 1) out.push("", `gojit, geometric mean: ${geometricMean(medians).toFixed(2)}x native.`);
  }
  return `${out.join("\n")}\n`;
}

function tableRow(row: MeasuredBenchmark, names: readonly RunnerName[]): string {
  if (row.skipped !== null)
    return `| ${row.name} | ${row.unit} | ${names.map(() => "").join(" | ")} | | ${row.skipped} |`;
  const native = runOf(row, "native");
  const cells = names.map((name) => {
    const run = runOf(row, name);
    return run ? cell(run, native) : "";
  });
  const noise = native?.summary && native.summary.spread > NOISY_SPREAD ? "machine too noisy to tell" : "";
  return `| ${row.name} | ${row.unit} | ${cells.join(" | ")} | ${row.goal === null ? "" : `${row.goal}x`} | ${noise} |`;
}
