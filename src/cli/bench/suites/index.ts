/** All benchmarks, by suite. */
import { GojitError } from "../../../errors.js";
import { suiteNames, type Benchmark } from "../benchmark.js";
import { kernelBenchmarks } from "./kernels.js";
import { realBenchmarks } from "./real.js";
import { realStartBenchmarks, startBenchmarks } from "./start.js";

/** The benchmarks with guests of these Go versions, in the order of the suites, one version after the other in each. */
export function allBenchmarks(versions: readonly string[]): Benchmark[] {
  const all = [
    ...versions.flatMap((go) => [...kernelBenchmarks(go), ...startBenchmarks(go)]),
    ...realStartBenchmarks,
    ...realBenchmarks,
  ];
  return suiteNames.flatMap((suite) => all.filter((benchmark) => benchmark.suite === suite));
}

/**
 * The benchmarks whose suite is one of `words` or whose name contains one of them; all if there are none.
 * @throws GojitError (exit status 2) for a word that chooses nothing
 */
export function choose(all: readonly Benchmark[], words: readonly string[]): Benchmark[] {
  const isSuite = (word: string): boolean => suiteNames.some((suite) => suite === word);
  const fits = ({ suite, name }: Benchmark, word: string): boolean =>
    isSuite(word) ? suite === word : name.includes(word);
  const lost = words.find((word) => !all.some((benchmark) => fits(benchmark, word)));
  if (lost !== undefined) {
    const names = suiteNames.join(", ");
    throw new GojitError(
      "bad-option",
      `no benchmark is called "${lost}"; the suites are ${names}, and --list names all.`,
    );
  }
  return words.length === 0 ? [...all] : all.filter((benchmark) => words.some((word) => fits(benchmark, word)));
}
