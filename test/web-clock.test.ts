import { expect, test } from "vitest";
import { webClock } from "../runtime-shims/host/web-clock.js";
import { KernelMemory } from "../runtime-shims/kernel-memory.js";

/** A Worker whose clock stands at a time of its own, in ms. */
const worker = (kernel: KernelMemory) => {
  let now = 0;
  const scope = { performance: { timeOrigin: 1.75e12, now: () => now }, crypto };
  const clock = webClock(scope, kernel);
  return { clock, set: (ms: number) => (now = ms) };
};

test("time never runs backwards from one Worker to another", () => {
  const kernel = KernelMemory.create();
  const first = worker(kernel);
  const second = worker(kernel);
  first.set(100);
  second.set(99.995);
  const earlier = first.clock.monotonicNs();
  expect(second.clock.monotonicNs()).toBe(earlier);
  second.set(100.005);
  expect(second.clock.monotonicNs()).toBe(earlier + 5000);
  expect(first.clock.monotonicNs()).toBe(earlier + 5000);
});

test("a pause longer than the kept half of the time", () => {
  const kernel = KernelMemory.create();
  const { clock, set } = worker(kernel);
  const times = [0, 1000, 2 ** 31 / 1000 + 2000, 2 ** 32 / 1000 + 2500, 3e9].map((ms) => {
    set(ms);
    return clock.monotonicNs();
  });
  expect(times.map((time) => Math.round((time - times[0]!) / 1e6))).toEqual([
    0,
    1000,
    Math.round(2 ** 31 / 1000 + 2000),
    Math.round(2 ** 32 / 1000 + 2500),
    3e9,
  ]);
});
