/**
 * Compares real Go programs natively and under gojit, on linux/x64:
 * `npm run test:real -- [--timeout SECONDS] [--gojit OPTION]… [--list] [NAME…]`
 *
 * A NAME is any part of `PROGRAM VERSION: CASE`. Each case runs twice, in a directory that is prepared anew: exit status,
 * stdout, stderr and all files must be the same. Prints one line for each case, with time and peak memory of both
 * runs; status 1 when anything differs. `--gojit` hands an option to `gojit run`. Programs come from npm packages
 * (programs.ts) and are kept in the user's cache directory, below `gojit-real`.
 */
import { parseArgs } from "node:util";
import { nativeRunsHere } from "../guests/run.js";
import { appBuilderCases } from "./app-builder-cases.js";
import { compareCase, type Comparison } from "./compare.js";
import { esbuildCases } from "./esbuild-cases.js";
import { fetchProgram } from "./fetch.js";
import { programs, type Program } from "./programs.js";
import type { RealCase } from "./real-case.js";
import type { Ending } from "./run.js";

if (!nativeRunsHere) throw new Error("comparing with native runs needs linux/x64");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    timeout: { type: "string", default: "600" },
    gojit: { type: "string", multiple: true, default: [] },
    list: { type: "boolean", default: false },
  },
});
const options = { timeoutMs: Number(values.timeout) * 1000, gojitOptions: values.gojit };
const chosen = (title: string): boolean => positionals.length === 0 || positionals.some((name) => title.includes(name));
let same = 0;
let different = 0;

for (const program of programs) {
  for (const real of casesOf(program)) {
    const title = `${program.kind} ${program.version}: ${real.name}`;
    if (!chosen(title)) continue;
    if (values.list) console.log(title);
    else report(title, await compareCase(fetchProgram(program), real, options));
  }
}
if (!values.list) console.log(`${same} same, ${different} different`);
if (different > 0) process.exitCode = 1;

function casesOf({ kind, version }: Program): readonly RealCase[] {
  switch (kind) {
    case "esbuild":
      return esbuildCases(version);
    case "app-builder":
      return appBuilderCases;
    case "tsgo":
      return [];
  }
}

function report(title: string, { native, gojit, differences }: Comparison): void {
  if (differences.length > 0) different++;
  else same++;
  const ratio = native ? ` (${(gojit.wallMs / native.wallMs).toFixed(1)}x)` : "";
  const before = native ? `native status ${native.status}, ${cost(native)}; ` : "";
  console.log(`${differences.length > 0 ? "DIFFERENT" : "same"} ${title}: ${before}gojit ${cost(gojit)}${ratio}`);
  for (const line of differences) console.log(`    ${line}`);
}

function cost({ wallMs, peakBytes }: Ending): string {
  return `${(wallMs / 1000).toFixed(2)} s, ${Math.round(peakBytes / 2 ** 20)} MB`;
}
