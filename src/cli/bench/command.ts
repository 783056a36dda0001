/** `gojit bench`: measures suites on every runner that is there, and reports. */
import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { GojitError } from "../../errors.js";
import type { ParsedCommand } from "../commands.js";
import type { Benchmark } from "./benchmark.js";
import { formatChart } from "./chart.js";
import { benchmarkGoVersions } from "./guests.js";
import { describeMachine, load, OthersWatch } from "./machine.js";
import { formatLine, formatMarkdown } from "./markdown.js";
import { measure } from "./measure.js";
import { mergeReports, readReport, reportFormat, type BenchmarkResult, type Report } from "./results.js";
import { projectRoot } from "./root.js";
import { runners as allRunners, type Runner } from "./runners.js";
import { allBenchmarks, choose } from "./suites/index.js";

const DEFAULT_ROUNDS = 3;
const TIMEOUT_MS = 300_000;

/** `gojit bench`: 0 if all that could run was measured, 1 if something failed. @throws GojitError */
export async function benchCommand({ options, words }: ParsedCommand): Promise<number> {
  const versions = goVersions(options.goVersions);
  const chosen = choose(allBenchmarks(versions), words);
  if (options.list) {
    for (const { suite, name, go, what } of chosen)
      process.stdout.write(`${suite}: ${name}${go === null ? "" : `, Go ${go}`} (${what})\n`);
    return 0;
  }
  const files = [options.jsonFile, options.markdownFile, options.chartFile].filter((file) => file !== undefined);
  for (const file of files) checkWritable(file);
  let report: Report;
  if (options.from === undefined) {
    const runners = usableRunners(options.against);
    report = await measureAll(chosen, runners, versions[0]!, options.rounds ?? DEFAULT_ROUNDS);
  } else {
    report = mergeReports(options.from.map(readReport));
  }
  if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, `${JSON.stringify(report, null, 1)}\n`);
  if (options.chartFile !== undefined) writeFileSync(options.chartFile, formatChart(report));
  if (options.markdownFile !== undefined) writeFileSync(options.markdownFile, formatMarkdown(report));
  else process.stdout.write(formatMarkdown(report));
  return report.benchmarks.some(({ runs }) => runs.some(({ failure }) => failure !== null)) ? 1 : 0;
}

/** @throws GojitError for versions without guests */
function goVersions(wanted: readonly string[] | undefined): readonly string[] {
  const known = benchmarkGoVersions();
  const unknown = wanted?.find((version) => !known.includes(version));
  if (unknown === undefined) return wanted ?? known;
  throw new GojitError(
    "bad-option",
    `--go: there are no benchmarks of Go "${unknown}"; there are of ${known.join(", ")}.`,
  );
}

/** gojit, and those of the others that are wanted and can be used here. @throws GojitError for unknown names */
function usableRunners(wanted: readonly string[] | undefined): Runner[] {
  const rivals = allRunners.map(({ name }) => name).filter((name) => name !== "gojit" && name !== "node");
  const unknown = wanted?.find((name) => !rivals.some((rival) => rival === name));
  if (unknown !== undefined)
    throw new GojitError("bad-option", `--against: "${unknown}" is none of ${rivals.join(", ")}.`);
  const isWanted = ({ name }: Runner): boolean =>
    name === "gojit" || name === "node" || !wanted || wanted.includes(name);
  return allRunners.filter((runner) => isWanted(runner) && runner.version() !== null);
}

async function measureAll(
  chosen: readonly Benchmark[],
  runners: readonly Runner[],
  go: string,
  rounds: number,
): Promise<Report> {
  const benchmarks: BenchmarkResult[] = [];
  const scratch = mkdtempSync(path.join(tmpdir(), "gojit-bench-"));
  const loadBefore = load();
  const watch = new OthersWatch();
  try {
    for (const benchmark of chosen) {
      const inputs = { scratch, go };
      const result = await measure(benchmark, runners, { rounds, timeoutMs: TIMEOUT_MS, inputs });
      benchmarks.push(result);
      process.stderr.write(`${formatLine(result)}\n`);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return {
    format: reportFormat,
    date: new Date().toISOString(),
    gojit: gojitVersion(),
    machine: describeMachine(),
    runners: Object.fromEntries(runners.map((runner) => [runner.name, runner.version()!])),
    rounds,
    loadBefore,
    loadAfter: load(),
    others: watch.share(),
    benchmarks,
  };
}

function gojitVersion(): string {
  const text = readFileSync(path.join(projectRoot, "package.json"), "utf8");
  const { version } = JSON.parse(text) as { version: string };
  // The package may lie inside another repository.
  if (!existsSync(path.join(projectRoot, ".git"))) return version;
  try {
    const commit = execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd: projectRoot, encoding: "utf8" });
    return `${version} (${commit.trim()})`;
  } catch {
    return version;
  }
}

/** Before minutes of measuring rather than after. @throws GojitError (exit status 126) */
function checkWritable(file: string): void {
  try {
    accessSync(path.dirname(file), constants.W_OK);
  } catch (error) {
    throw new GojitError("file-unreadable", `${file} cannot be written: ${(error as Error).message}.`);
  }
}
