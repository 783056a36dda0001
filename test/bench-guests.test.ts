import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, it } from "vitest";
import { readLines } from "../src/cli/bench/guest-lines.js";
import { benchmarkGoVersions } from "../src/cli/bench/guests.js";
import { runners } from "../src/cli/bench/runners.js";
import { allBenchmarks } from "../src/cli/bench/suites/index.js";
import { nativeRunsHere } from "./guests/run.js";

const scratch = mkdtempSync(path.join(tmpdir(), "gojit-bench-test-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** One unit of a benchmark's guest, by one runner: its check value. */
function checkOf(go: string, suite: string, name: string, runnerName: string): string {
  const benchmark = allBenchmarks([go]).find((other) => other.suite === suite && other.name === name)!;
  const command = benchmark.prepare({ scratch, go });
  if (typeof command === "string") throw new Error(command);
  const runner = runners.find((other) => other.name === runnerName)!;
  const once = { ...command, args: ["-units=1", ...command.args] };
  const words = runner.words(once, scratch, [])!;
  const { stdout, stderr } = spawnSync(words[0]!, words.slice(1), { encoding: "utf8" });
  if (stdout === "") throw new Error(stderr);
  return readLines(stdout)[0]!.check;
}

it.each(benchmarkGoVersions())("guests of Go %s compute the same everywhere", (go) => {
  const inJsWasm = checkOf(go, "compute", "json decode", "js-wasm");
  expect(checkOf(go, "compute", "json decode", "gojit")).toBe(inJsWasm);
  if (nativeRunsHere) expect(checkOf(go, "compute", "json decode", "native")).toBe(inJsWasm);
});
