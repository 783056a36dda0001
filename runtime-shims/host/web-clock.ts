import type { HostClock } from "../hooks.js";

const RANDOM_CHUNK = 65536;

/** The part of a page's or Worker's global scope that the clock needs. */
interface WebScope {
  readonly performance: { now(): number; readonly timeOrigin: number };
  readonly crypto: { getRandomValues(target: Uint8Array<ArrayBuffer>): unknown };
}

/** Clocks and entropy from what every JavaScript engine has. All Workers count from one epoch, so they agree. */
export const webClock = ({ performance, crypto }: WebScope): HostClock => {
  // Counted from late 2023: so near, a number still tells 16 ns apart.
  const originMs = performance.timeOrigin - 1.7e12;
  return {
    monotonicNs: () => Math.round((originMs + performance.now()) * 1e6),
    realtimeMs: () => Date.now(),
    threadCpuNs: () => undefined,
    processCpuNs: () => undefined,
    random: (target) => {
      for (let start = 0; start < target.length; start += RANDOM_CHUNK) {
        const chunk = new Uint8Array(Math.min(RANDOM_CHUNK, target.length - start));
        crypto.getRandomValues(chunk);
        target.set(chunk, start);
      }
    },
  };
};
