/** How long programs take to start. */
import type { Benchmark, Goal } from "../benchmark.js";
import { guestCommand } from "../guests.js";
import { esbuild } from "./esbuild.js";

const cachedGoal: Goal = { of: "over node", goal: 60, limit: 150 };
const firstGoal: Goal = { of: "over node", goal: 500, limit: 1000 };

/** A program that is started once with gojit's cache empty and once with it filled. */
function starts(name: string, go: string | null, prepare: Benchmark["prepare"], withGoals: boolean): Benchmark[] {
  return (["empty", "warm"] as const).map((cache) => ({
    suite: "start",
    name: `${name}, ${cache === "empty" ? "first run" : "cached"}`,
    go,
    what: "the whole process",
    timing: { kind: "process", cache },
    ...(withGoals && { goal: cache === "empty" ? firstGoal : cachedGoal }),
    besideNode: true,
    prepare,
  }));
}

/** The starts of one Go version's guest. */
export function startBenchmarks(go: string): Benchmark[] {
  return starts("hello", go, () => guestCommand(go, "hello", []), true);
}

export const realStartBenchmarks: readonly Benchmark[] = starts(
  "esbuild --version",
  null,
  () => esbuild(["--version"]),
  false,
);
