/** Numbers and names as reports write them. */
import type { Goal } from "./benchmark.js";
import type { RunnerName } from "./runners.js";
import type { Summary } from "./statistics.js";

export const runnerTitles: Readonly<Record<RunnerName, string>> = {
  native: "native",
  qemu: "qemu-x86_64",
  "js-wasm": "Go's js/wasm",
  gojit: "gojit",
  node: "Node's start",
};

/** Three digits, four from 1000 on. */
export function digits(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return String(Math.round(value));
  return value.toFixed(size >= 10 ? 1 : 2);
}

/** A ratio with its range over the rounds. */
export const ratioText = ({ median, low, high }: Summary): string =>
  `${digits(median)}x (${digits(low)}–${digits(high)})`;

/** A duration with a unit that fits; `unit` is that of `value`. */
export function timeText(value: number, unit: "ns/op" | "ms"): string {
  const ns = unit === "ms" ? value * 1e6 : value;
  if (ns < 1e3) return `${digits(ns)} ns`;
  if (ns < 1e6) return `${digits(ns / 1e3)} µs`;
  return ns < 1e9 ? `${digits(ns / 1e6)} ms` : `${digits(ns / 1e9)} s`;
}

export function goalText({ of, goal, limit }: Goal): string {
  const unit = of === "over node" ? " ms over Node" : "x";
  const sign = of === "speedup" ? "≥" : "≤";
  return goal === null ? `${sign} ${limit}${unit}` : `${sign} ${goal}${unit}, at worst ${limit}`;
}
