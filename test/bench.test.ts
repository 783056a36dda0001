import { describe, expect, it } from "vitest";
import { suiteNames, unitOf } from "../src/cli/bench/benchmark.js";
import { formatChart } from "../src/cli/bench/chart.js";
import { readLines, speedupOf, valueOf } from "../src/cli/bench/guest-lines.js";
import { benchmarkGoVersions } from "../src/cli/bench/guests.js";
import { insideCounters } from "../src/cli/bench/inside.js";
import { ticksFrom } from "../src/cli/bench/machine.js";
import { formatLine, formatMarkdown } from "../src/cli/bench/markdown.js";
import {
  mergeReports,
  reportFormat,
  type BenchmarkResult,
  type Report,
  type RunnerResult,
} from "../src/cli/bench/results.js";
import type { RunnerName } from "../src/cli/bench/runners.js";
import { geometricMean, summarize } from "../src/cli/bench/statistics.js";
import { allBenchmarks, choose } from "../src/cli/bench/suites/index.js";
import { isAheadOfJsWasm, meanRatio, ratioOf, verdictOf } from "../src/cli/bench/verdict.js";
import { parseCommandLine, type ParsedCommand } from "../src/cli/commands.js";

const parse = (...words: string[]) => (parseCommandLine(["bench", ...words], () => "") as ParsedCommand).options;

function run(runner: RunnerName, ...values: number[]): RunnerResult {
  return { runner, values, check: "1", peakBytes: null, failure: null };
}

function result(more: Partial<BenchmarkResult>): BenchmarkResult {
  return {
    suite: "compute",
    name: "fib <&>",
    go: "1.27",
    what: "one call",
    unit: "ns/op",
    goal: null,
    aheadOfJsWasm: false,
    skipped: null,
    runs: [],
    ...more,
  };
}

function report(benchmarks: BenchmarkResult[], more: Partial<Report> = {}): Report {
  return {
    format: reportFormat,
    date: "2026-11-22T04:00:00.000Z",
    gojit: "1.2.3",
    machine: { cpu: "a processor", cpus: 2, memoryBytes: 2 ** 34, kernel: "linux 6" },
    runners: { native: "this machine", qemu: "7.2", "js-wasm": "port", gojit: "Node 26" },
    rounds: 3,
    loadBefore: 0.1,
    loadAfter: 1.2,
    others: 0.01,
    benchmarks,
    ...more,
  };
}

const ratioGoal = { of: "ratio", goal: 1.5, limit: 2.5 } as const;

describe("statistics", () => {
  it("gives the median and the range", () => {
    expect(summarize([5, 1, 3])).toEqual({ median: 3, low: 1, high: 5 });
    expect(summarize([4, 1, 3, 2])).toEqual({ median: 2.5, low: 1, high: 4 });
    expect(geometricMean([1, 4, 16])).toBeCloseTo(4);
  });
});

describe("what guests print", () => {
  it("is read line by line", () => {
    const lines = readLines("fib 1 2.5 ff\nfib 1 1.5 ff\nfib 1 9.125 ff\n");
    expect(lines[0]).toEqual({ procs: 1, ns: 2.5, check: "ff" });
    expect(valueOf(lines)).toBe(2.5);
  });

  it("gives how much faster two processors are", () => {
    expect(speedupOf(readLines("x 1 20 a\nx 2 10 a\nx 1 40 a\nx 2 10 a\n"))).toBeCloseTo(3);
    expect(() => speedupOf(readLines("x 1 20 a\nx 1 10 a\n"))).toThrow("other samples");
    expect(() => speedupOf(readLines("x 1 20 a\n"))).toThrow("too few");
  });

  it.each(["", "fib 1 2.5\n", "panic: no\n", "fib 1 -2 ff\n"])("is refused where it is %j", (text) => {
    expect(() => readLines(text)).toThrow("it printed");
  });

  it("tells of an operation what gojit's counters say", () => {
    const stats = (run: number, miss: number) => ({ timeMs: { run, systemCalls: 0 }, dispatcherExits: { miss } });
    const counted = (executedInstructions: number) => ({ ...stats(0, 0), executedInstructions });
    expect(insideCounters([stats(10, 5), stats(12, 105)], [counted(1e6), counted(1.5e6)], 1000)).toMatchObject({
      "guest instructions": 500,
      "ns of running": 2000,
      "dispatcher exits, miss": 0.1,
    });
  });
});

describe("verdicts", () => {
  const judge = (gojit: number[], native: number[]) =>
    verdictOf(result({ goal: ratioGoal, runs: [run("native", ...native), run("gojit", ...gojit)] }));

  it("compares round by round", () => {
    const row = result({ runs: [run("native", 1, 10, 100), run("gojit", 2, 30, 100)] });
    expect(ratioOf(row, "gojit")).toEqual({ median: 2, low: 1, high: 3 });
    expect(ratioOf(row, "qemu")).toBeNull();
  });

  it("are met, within the limit, missed, or open", () => {
    expect(judge([1.4, 1.45, 1.5], [1, 1, 1])).toBe("met");
    expect(judge([1.6, 1.7, 1.8], [1, 1, 1])).toBe("within");
    expect(judge([3, 4, 6], [1, 1, 1])).toBe("missed");
    expect(judge([1.2, 2, 3], [1, 1, 1])).toBe("too noisy to tell");
    expect(verdictOf(result({ goal: ratioGoal }))).toBeNull();
  });

  it("want speedups to be high, and starts to be near Node's", () => {
    const speedup = { of: "speedup", goal: 1.8, limit: 1.6 } as const;
    const parallel = (value: number) => result({ unit: "times", goal: speedup, runs: [run("gojit", value)] });
    expect([1.9, 1.7, 1.2].map((value) => verdictOf(parallel(value)))).toEqual(["met", "within", "missed"]);
    const start = { of: "over node", goal: 60, limit: 150 } as const;
    const runs = [run("node", 40, 50), run("gojit", 120, 150)];
    expect(verdictOf(result({ unit: "ms", goal: start, runs }))).toBe("within");
  });

  it("say where js/wasm is faster, and where that does not matter", () => {
    const runs = [run("js-wasm", 2), run("gojit", 3)];
    expect(isAheadOfJsWasm(result({ aheadOfJsWasm: true, runs }))).toBe(false);
    expect(isAheadOfJsWasm(result({ runs }))).toBeNull();
  });

  it("have means over common rows only", () => {
    const rows = [2, 8].map((gojit) => result({ runs: [run("native", 1), run("gojit", gojit), run("qemu", 4)] }));
    const lonely = result({ runs: [run("native", 1), run("gojit", 100)] });
    expect(meanRatio([...rows, lonely], "gojit", ["gojit", "qemu"])).toBeCloseTo(4);
    expect(meanRatio([lonely], "gojit")).toBeNull();
  });
});

describe("reports", () => {
  const rows = [
    result({
      goal: ratioGoal,
      aheadOfJsWasm: true,
      runs: [run("native", 2, 2, 2), run("qemu", 20, 20, 20), run("js-wasm", 5, 5, 5), run("gojit", 8, 8, 9)],
    }),
    result({ name: "second", runs: [run("native", 2, 2, 2), run("gojit", 2, 2, 2)] }),
    result({ suite: "real", name: "absent", go: null, unit: "ms", skipped: "there is no npm" }),
    result({
      suite: "real",
      name: "broken",
      go: null,
      unit: "ms",
      runs: [run("native", 1, 1, 1), { ...run("gojit"), failure: "status 1: oh" }],
    }),
  ];

  it("tell in Markdown what was measured, what failed and what misses its goal", () => {
    const text = formatMarkdown(report(rows));
    expect(text).toContain("a processor, 2 processors, 16.0 GiB");
    expect(text).toMatch(
      /\| fib <&> \| one call \| 2\.00 ns \| 10\.0x .* \| 4\.00x \(4\.00–4\.50\) .* missed, behind js\/wasm \|/,
    );
    expect(text).toContain("skipped: there is no npm");
    expect(text).toContain("failed: status 1: oh");
    expect(text).toContain(
      "- fib <&>, Go 1.27: 4.00x, ≤ 1.5x, at worst 2.5\n- fib <&>, Go 1.27: behind Go's js/wasm port\n",
    );
    expect(text).not.toContain("too noisy for exact figures");
    expect(formatMarkdown(report(rows, { others: 0.3 }))).toContain("too noisy for exact figures");
    expect(formatLine(rows[2]!)).toBe("real: absent: skipped, there is no npm");
  });

  it("say in Markdown what is beyond any limit, worst first", () => {
    const peak = (bytes: number) => [
      { ...run("native", 1, 1), peakBytes: 50e6 },
      { ...run("gojit", 1, 1), peakBytes: bytes },
    ];
    const overNode = { of: "over node", goal: 60, limit: 150 } as const;
    const start = (name: string, ms: number) =>
      result({ name, go: null, unit: "ms", goal: overNode, runs: [run("gojit", ms), run("node", 30)] });
    const text = formatMarkdown(
      report([
        result({ name: "frugal", go: null, runs: peak(290e6) }),
        result({ name: "greedy", go: null, runs: peak(310e6) }),
        result({
          name: "parallel",
          unit: "times",
          goal: { of: "speedup", goal: 1.8, limit: 1.6 },
          runs: [run("gojit", 1.5)],
        }),
        start("slow", 200),
        start("slower", 240),
        start("quick", 170),
        ...[1, 4].map((gojit) => result({ runs: [run("native", 1), run("gojit", gojit)] })),
      ]),
    );
    expect(text.slice(text.indexOf("## What misses its goal")).split("\n").slice(2, -1)).toEqual([
      "- mean of compute, Go 1.27: 2.00x, at worst 1.8",
      "- slower: 210 ms over Node, ≤ 60 ms over Node, at worst 150",
      "- slow: 170 ms over Node, ≤ 60 ms over Node, at worst 150",
      "- parallel, Go 1.27: 1.50x, ≥ 1.8x, at worst 1.6",
      "- peak memory of greedy: +260 MB, 150 MB over native, at worst 250",
    ]);
    expect(formatMarkdown(report([]))).toContain("Nothing is beyond its limit.");
  });

  it("are put together from parts, in the order of the suites", () => {
    const parts = [
      report([rows[2]!], { others: 0.2, loadAfter: 1 }),
      report([rows[0]!], { others: null, loadAfter: 3 }),
    ];
    const merged = mergeReports(parts);
    expect(merged.benchmarks.map(({ name }) => name)).toEqual(["fib <&>", "absent"]);
    expect(merged).toMatchObject({ others: 0.2, loadAfter: 3 });
    expect(() => mergeReports([...parts, report([], { rounds: 9 })])).toThrow("different");
  });

  it("draw a chart that is well-formed", () => {
    const chart = formatChart(report(rows));
    expect(chart).toContain("fib &lt;&amp;&gt;");
    expect(chart).not.toMatch(/NaN|undefined|Infinity/);
    const depth = [...chart.matchAll(/<(\/?)[a-z][^>]*?(\/?)>/g)].reduce(
      (open, [, end, alone]) => open + (end ? -1 : alone ? 0 : 1),
      0,
    );
    expect(depth).toBe(0);
    expect(formatChart(report([]))).toContain("</svg>");
  });
});

describe("the machine", () => {
  it("is watched by the kernel's clock ticks", () => {
    const system = "cpu  100 0 50 1000 30 0 20 0 0 0\ncpu0 1 2 3\n";
    const self = "1 (a ) b) S 1 1 1 0 -1 0 0 0 0 0 7 3 20 10 20 0";
    expect(ticksFrom(system, self)).toEqual({ all: 1200, busy: 170, own: 40 });
  });
});

describe("gojit bench", () => {
  it("reads its options", () => {
    expect(
      parse("--json", "a", "--md=b", "--svg", "c", "--against", "native,qemu", "--go", "1.27", "--rounds", "5"),
    ).toMatchObject({
      jsonFile: "a",
      markdownFile: "b",
      chartFile: "c",
      against: ["native", "qemu"],
      goVersions: ["1.27"],
      rounds: 5,
    });
    expect(() => parse("--json")).toThrow("needs a value");
    expect(() => parse("--rounds", "0")).toThrow("whole number");
  });

  it("chooses by suite and by part of a name", () => {
    const all = allBenchmarks(benchmarkGoVersions());
    expect(new Set(choose(all, ["memory"]).map(({ suite }) => suite))).toEqual(new Set(["memory"]));
    expect(choose(all, ["hello, cached"])).toHaveLength(benchmarkGoVersions().length);
    expect(choose(all, [])).toHaveLength(all.length);
    expect(() => choose(all, ["nothing like it"])).toThrow("no benchmark is called");
  });

  it("has every suite in each Go version, and no two benchmarks of one name", () => {
    const all = allBenchmarks(["1.27"]);
    expect(new Set(all.map(({ suite }) => suite))).toEqual(new Set(suiteNames));
    expect(new Set(all.map(({ suite, name }) => `${suite} ${name}`)).size).toBe(all.length);
    expect(new Set(all.map(unitOf))).toEqual(new Set(["ns/op", "ms", "times"]));
  });
});
