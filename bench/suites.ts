/** All benchmarks, by suite. A row is all that a new one takes. */
import path from "node:path";
import { guestVersions, projectRoot, unpack } from "../test/guests/unpack.js";
import type { Benchmark } from "./benchmark.js";

/** Go versions that run unless --go says otherwise: one with the newest runtime, one of the years before. */
const DEFAULT_VERSIONS: readonly string[] = ["1.27", "1.19"];

/** A benchmark of the guests program: `guests bench NAME SIZE`. */
function guest(suite: string, name: string, size: number, what: string, goal?: number): Benchmark[] {
  const repetitions = 6;
  return guestVersions().map((version) => ({
    suite,
    go: version,
    name: `${name}, Go ${version}`,
    what,
    timing: { kind: "operation", repetitions, warmUp: 2 },
    ...(goal === undefined ? {} : { goal }),
    command: () => ({
      program: unpack(version, "guests"),
      args: ["bench", name, String(size), "-r", String(repetitions)],
    }),
  }));
}

function hello(version: string, cache: "empty" | "warm"): Benchmark {
  return {
    suite: "start",
    go: version,
    name: `hello, Go ${version}, ${cache === "empty" ? "first run" : "cached"}`,
    what: "whole process",
    timing: { kind: "process", cache },
    command: () => ({ program: unpack(version, "hello"), args: [] }),
  };
}

const benchmarks: readonly Benchmark[] = [
  ...guest("switch", "pingpong", 100_000, "one value there and one back over unbuffered channels, GOMAXPROCS=1", 4),
  ...guest("switch", "gosched", 300_000, "one runtime.Gosched beside another goroutine, GOMAXPROCS=1", 4),
  ...guest("compute", "fib", 34, "one call of a recursive function", 3),
  ...guest("compute", "sieve", 8, "one sieve of a million numbers"),
  ...guest("compute", "matmul", 2, "one product of 200 by 200 matrices"),
  ...guest("compute", "xorshift", 30_000_000, "one step of a random generator"),
  ...guestVersions().flatMap((version) => [hello(version, "warm"), hello(version, "empty")]),
  {
    suite: "real",
    name: "esbuild bundles and minifies",
    what: "whole process",
    timing: { kind: "process", cache: "warm" },
    command: ({ esbuild, esbuildEntry, scratch }) =>
      esbuild === undefined
        ? "give an executable with --esbuild FILE"
        : {
            program: esbuild,
            args: [
              esbuildEntry,
              "--bundle",
              "--minify",
              "--platform=node",
              "--log-level=error",
              `--outfile=${path.join(scratch, "bundle.js")}`,
            ],
          },
  },
];

/**
 * The benchmarks whose suite is one of `words` or whose name contains one of them, of the guests of Go `versions`; all,
 * and the default versions, where a list is empty.
 */
export function choose(words: readonly string[], versions: readonly string[]): Benchmark[] {
  const unknown = versions.find((version) => !guestVersions().includes(version));
  if (unknown !== undefined) throw new Error(`--go: there is no guest of Go "${unknown}"`);
  const wanted = versions.length ? versions : DEFAULT_VERSIONS;
  return benchmarks.filter(
    ({ suite, name, go }) =>
      (go === undefined || wanted.includes(go)) &&
      (!words.length || words.some((word) => suite === word || name.includes(word))),
  );
}

/** What esbuild bundles unless --esbuild-entry says otherwise: a large package of real JavaScript. */
export const defaultEsbuildEntry = path.join(projectRoot, "node_modules", "prettier", "index.mjs");

export const suiteNames: readonly string[] = [...new Set(benchmarks.map(({ suite }) => suite))];
