/** `npm run bench`: measures suites on every runner that is there, and reports. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { measure } from "./measure.js";
import { createReport, formatLine, formatMarkdown } from "./report.js";
import { runners as allRunners } from "./runners.js";
import { choose, defaultEsbuildEntry, suiteNames } from "./suites.js";

const HELP = `Usage: npm run bench -- [options] [SUITE|NAME…]

Suites: ${suiteNames.join(", ")}; a NAME is any part of a benchmark's name. Default: all.

  --go LIST              Go versions of the guests, such as 1.15,1.22; default: 1.27,1.19
  --against LIST         of native, qemu, gojit; default: all that are there
  --rounds N             processes for each runner; default 3
  --json FILE            write all samples
  --md FILE              write the tables; default: stdout
  --esbuild FILE         a linux/amd64 esbuild executable
  --esbuild-entry FILE   what it bundles
`;

const TIMEOUT_MS = 300_000;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      go: { type: "string" },
      against: { type: "string" },
      rounds: { type: "string", default: "3" },
      json: { type: "string" },
      md: { type: "string" },
      esbuild: { type: "string" },
      "esbuild-entry": { type: "string", default: defaultEsbuildEntry },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const rounds = Number(values.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds: "${values.rounds}" is no number from 1 on`);
  const wanted = values.against?.split(",");
  const unknown = wanted?.find((name) => !allRunners.some((runner) => runner.name === name));
  if (unknown !== undefined) throw new Error(`--against: there is no runner "${unknown}"`);
  const runners = allRunners.filter(({ name, version }) => (!wanted || wanted.includes(name)) && version() !== null);
  const chosen = choose(positionals, values.go?.split(",") ?? []);
  if (!chosen.length) throw new Error(`no benchmark matches; the suites are ${suiteNames.join(", ")}`);
  const scratch = mkdtempSync(path.join(tmpdir(), "gojit-bench-"));
  const report = createReport(runners, rounds);
  try {
    const inputs = {
      scratch,
      esbuildEntry: values["esbuild-entry"],
      ...(values.esbuild === undefined ? {} : { esbuild: path.resolve(values.esbuild) }),
    };
    for (const benchmark of chosen) {
      const measured = await measure(benchmark, runners, { rounds, timeoutMs: TIMEOUT_MS, inputs });
      report.benchmarks.push(measured);
      process.stderr.write(`${formatLine(measured)}\n`);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  if (values.md === undefined) process.stdout.write(formatMarkdown(report));
  else writeFileSync(values.md, formatMarkdown(report));
  return report.benchmarks.some(({ runs }) => runs.some(({ failure }) => failure !== null)) ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
