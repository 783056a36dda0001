/**
 * Compares the standard library's own tests natively and under gojit, on linux/x64:
 * `npm run test:std -- [--go VERSION | --go-cmd PATH] [--run REGEX] [--timeout SECONDS] [--all] [--gojit OPTION]… PKG…`
 *
 * Prints each test whose result differs and one line for each package; status 1 when anything differs or does not build. `std` stands for
 * all packages. `--run` chooses top-level tests, `--all` runs those of left-out.ts too, `--gojit` hands an option to
 * `gojit run`. Test binaries and logs are kept in the user's cache directory, below `gojit-std`.
 */
import { readFileSync, rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { nativeRunsHere, type Runner } from "../guests/run.js";
import { reasonToLeaveOut } from "./left-out.js";
import { differences, type Results } from "./results.js";
import { listTests, logFile, runTests } from "./run.js";
import { buildTests, findToolchain, packagesWithTests, toolchainOf, type TestBinary } from "./toolchain.js";

if (!nativeRunsHere) throw new Error("comparing with native runs needs linux/x64");
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    go: { type: "string", default: "1.27" },
    "go-cmd": { type: "string" },
    run: { type: "string", default: "." },
    timeout: { type: "string", default: "60" },
    all: { type: "boolean", default: false },
    gojit: { type: "string", multiple: true, default: [] },
  },
});
const chosen = new RegExp(values.run);
const toolchain = values["go-cmd"] === undefined ? findToolchain(values.go) : toolchainOf(values["go-cmd"]);
for (const name of positionals.flatMap((name) => (name === "std" ? packagesWithTests(toolchain) : [name]))) {
  try {
    await comparePackage(name);
  } catch (error) {
    console.log(`FAILED ${name}: ${(error as Error).message}`);
    process.exitCode = 1;
  }
}

async function comparePackage(name: string): Promise<void> {
  const binary = buildTests(toolchain, name);
  const options = (runner: Runner) => ({
    runner,
    toolchain,
    timeoutMs: Number(values.timeout) * 1000,
    gojitOptions: values.gojit,
  });
  const listed = (await listTests(binary, options("native"))).filter((test) => chosen.test(test));
  const compared = (test: string): boolean => values.all || reasonToLeaveOut(name, test) === undefined;
  const tests = listed.filter(compared);
  const run = async (runner: Runner): Promise<{ results: Results; seconds: number }> => {
    rmSync(logFile(binary, runner), { force: true });
    const started = performance.now();
    const results = await runTests(binary, tests, options(runner));
    return { results, seconds: (performance.now() - started) / 1000 };
  };
  const native = await run("native");
  const gojit = await run("gojit");
  const different = differences(native.results, gojit.results).filter((test) => compared(test.name));
  for (const test of different) {
    console.log(`DIFFERENT ${name} ${test.name}: native ${test.native ?? "none"}, gojit ${test.gojit ?? "none"}`);
    console.log(excerpt(binary, test.name));
  }
  const names = [...new Set([...native.results.keys(), ...gojit.results.keys()])].filter(compared);
  console.log(
    `${name}, Go ${toolchain.version}: ${names.length - different.length} same, ${different.length} different, ` +
      `${listed.length - tests.length} left out; natively ${counts(native.results)}, ` +
      `${native.seconds.toFixed(1)} s; gojit ${gojit.seconds.toFixed(1)} s`,
  );
  if (different.length > 0) process.exitCode = 1;
}

function counts(results: Results): string {
  const kinds = new Map<string, number>();
  for (const result of results.values()) kinds.set(result, (kinds.get(result) ?? 0) + 1);
  return [...kinds].map(([kind, count]) => `${count} ${kind}`).join(", ") || "nothing";
}

/** What gojit's log has around the end of a test; without an end, around its beginning. */
function excerpt(binary: TestBinary, test: string): string {
  const lines = readFileSync(logFile(binary, "gojit"), "latin1").split("\n");
  const end = lines.findLastIndex((line) => line.includes(`: ${test} (`));
  const at = end < 0 ? lines.findLastIndex((line) => line.endsWith(` ${test}`)) : end;
  const shown = at < 0 ? [] : lines.slice(Math.max(at - 6, 0), at + 4);
  return shown.map((line) => `    | ${line.slice(0, 300)}`).join("\n");
}
