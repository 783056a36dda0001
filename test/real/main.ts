/**
 * Compares real Go programs natively and under gojit, on linux/x64:
 * `npm run test:real -- [--go VERSIONS | --go-cmd PATH] [--timeout SECONDS] [--gojit OPTION]… [--list] [NAME…]`
 *
 * A NAME is any part of `PROGRAM VERSION: CASE`; those of the Go toolchains begin with `go`. Each case runs twice, in a
 * directory that is prepared anew: exit status, stdout, stderr and all files must be the same. Prints one line for each
 * case, with time and peak memory of both runs; status 1 when anything differs. `--gojit` hands an option to `gojit run`.
 * Programs come from npm packages (programs.ts) and are kept in the user's cache directory, below `gojit-real`.
 */
import { existsSync } from "node:fs";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { nativeRunsHere } from "../guests/run.js";
import { bootstraps } from "../native-bootstrap.js";
import { whyNoGdb } from "../native-gdb.js";
import { appBuilderCases } from "./app-builder-cases.js";
import { prepareBuild, type ToolStep } from "./build-steps.js";
import { compareBuild, compareCase } from "./compare.js";
import { esbuildCases } from "./esbuild-cases.js";
import { fetchProgram } from "./fetch.js";
import { programs, type Program } from "./programs.js";
import type { RealCase } from "./real-case.js";
import type { Ending } from "./run.js";
import { toolchainCases, vetCase } from "./toolchain-cases.js";
import { findToolchain, toolchainOf, type Toolchain } from "../std/toolchain.js";
import { tsgoCases } from "./tsgo-cases.js";

if (!nativeRunsHere) throw new Error("comparing with native runs needs linux/x64");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    timeout: { type: "string", default: "600" },
    gojit: { type: "string", multiple: true, default: [] },
    go: { type: "string", default: "1.19,1.27" },
    "go-cmd": { type: "string" },
    list: { type: "boolean", default: false },
  },
});
const options = { timeoutMs: Number(values.timeout) * 1000, gojitOptions: values.gojit };
const chosen = (title: string): boolean => positionals.length === 0 || positionals.some((name) => title.includes(name));
/** Of a long list of differences, so many lines are printed. */
const SHOWN_LINES = 40;
let same = 0;
let different = 0;

for (const program of programs) {
  for (const real of casesOf(program)) {
    await compare(`${program.kind} ${program.version}: ${real.name}`, () => fetchProgram(program), real);
  }
  await compareBootstrap(program);
}
if (positionals.length === 0 || positionals.some((name) => name.startsWith("go"))) {
  const toolchains = values["go-cmd"] ? [toolchainOf(values["go-cmd"])] : values.go.split(",").map(findToolchain);
  for (const toolchain of toolchains) {
    const name = `go ${toolchain.version}`;
    for (const real of toolchainCases(toolchain)) await compare(`${name}: ${real.name}`, () => real.executable, real);
    const packagesDone = new Set<string>();
    for (const fixture of ["hello", "http"]) await buildAndRun(toolchain, fixture, packagesDone);
  }
}
if (!values.list) console.log(`${same} same, ${different} different`);
if (different > 0) process.exitCode = 1;

async function compare(title: string, executable: () => string, real: RealCase): Promise<void> {
  if (!chosen(title)) return;
  if (values.list) console.log(title);
  else report(title, await compareCase(executable(), real, options));
}

/** What `gojit trace` tells of how a program starts, against what gdb sees of the native process. */
async function compareBootstrap(program: Program): Promise<void> {
  const title = `${program.kind} ${program.version}: bootstrap`;
  if (!chosen(title)) return;
  if (values.list) return console.log(title);
  const reason = whyNoGdb();
  if (reason) return console.log(`skipped ${title}: ${reason}`);
  const { native, gojit } = await bootstraps([fetchProgram(program), "--version"]);
  const differences = native.flatMap((step, index) =>
    isDeepStrictEqual(step, gojit[index]) ? [] : [JSON.stringify(step), JSON.stringify(gojit[index] ?? null), ""],
  );
  if (native.length !== gojit.length) differences.push(`${native.length} steps natively, ${gojit.length} under gojit`);
  if (differences.length > 0) different++;
  else same++;
  console.log(`${differences.length > 0 ? "DIFFERENT" : "same"} ${title}: ${native.length} steps`);
  for (const line of differences.slice(0, SHOWN_LINES)) console.log(`    ${line}`);
}

/**
 * Compares the build of a fixture step by step, then the program, then vet with the packages that were built. A step's
 * title is as in `go 1.27.4: build http: compile net/http`. A package that was compared once is not compared again.
 */
async function buildAndRun(toolchain: Toolchain, fixture: string, packagesDone: Set<string>): Promise<void> {
  const title = `go ${toolchain.version}: build ${fixture}`;
  if (!chosen(title) && !positionals.some((name) => name.startsWith(title))) return;
  if (values.list) return console.log(title);
  const build = prepareBuild(toolchain, fixture);
  const compared = (step: ToolStep): boolean =>
    !packagesDone.has(step.package) && chosen(`${title}: ${step.tool} ${step.package}`);
  for (const [tool, total] of await compareBuild(toolchain, build, compared, options)) {
    const native = { wallMs: total.nativeMs, peakBytes: total.nativePeakBytes, status: 0 };
    const gojit = { wallMs: total.gojitMs, peakBytes: total.gojitPeakBytes };
    report(`${title}: ${total.steps} times ${tool}`, { native, gojit, differences: total.differences });
  }
  for (const step of build.steps) {
    if (step.kind === "tool" && step.package !== "main" && step.package !== "" && compared(step))
      packagesDone.add(step.package);
  }
  // What failed has been reported.
  if (!existsSync(build.executable)) return;
  report(`${title}: run it`, await compareCase(build.executable, { name: "", args: [], prepare: () => {} }, options));
  if (fixture !== "hello") return;
  const vet = vetCase(toolchain, build);
  report(`${title}: vet`, await compareCase(vet.executable, vet, options));
}

function casesOf({ kind, version }: Program): readonly RealCase[] {
  switch (kind) {
    case "esbuild":
      return esbuildCases(version);
    case "app-builder":
      return appBuilderCases;
    case "tsgo":
      return tsgoCases;
  }
}

/** What a report needs of an ending. */
type Cost = Pick<Ending, "wallMs" | "peakBytes">;

interface Result {
  readonly native?: Cost & Pick<Ending, "status">;
  readonly gojit: Cost;
  readonly notes?: readonly string[];
  readonly differences: readonly string[];
}

function report(title: string, { native, gojit, notes = [], differences }: Result): void {
  if (differences.length > 0) different++;
  else same++;
  const ratio = native ? ` (${(gojit.wallMs / native.wallMs).toFixed(1)}x)` : "";
  const before = native ? `native status ${native.status}, ${cost(native)}; ` : "";
  console.log(`${differences.length > 0 ? "DIFFERENT" : "same"} ${title}: ${before}gojit ${cost(gojit)}${ratio}`);
  for (const line of notes) console.log(`    noted: ${line.trimEnd()}`);
  for (const line of differences.slice(0, SHOWN_LINES)) console.log(`    ${line}`);
  if (differences.length > SHOWN_LINES) console.log(`    and ${differences.length - SHOWN_LINES} lines more`);
}

function cost({ wallMs, peakBytes }: Cost): string {
  return `${(wallMs / 1000).toFixed(2)} s, ${Math.round(peakBytes / 2 ** 20)} MB`;
}
