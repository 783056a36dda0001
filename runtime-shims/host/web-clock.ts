import type { HostClock } from "../hooks.js";
import { header, type KernelMemory } from "../kernel-memory.js";

const RANDOM_CHUNK = 65536;

/** The part of a page's or Worker's global scope that the clock needs. */
interface WebScope {
  readonly performance: { now(): number; readonly timeOrigin: number };
  readonly crypto: { getRandomValues(target: Uint8Array<ArrayBuffer>): unknown };
}

/** How far the clocks of two Workers are taken to differ at most. */
const SKEW_US = 10_000;

/**
 * Clocks and entropy from what every JavaScript engine has.
 * @param kernel where given, no Worker that shares it sees a time before one that another has seen: pages round the
 *   time of each Worker in another way.
 */
export const webClock = ({ performance, crypto }: WebScope, kernel?: KernelMemory): HostClock => {
  // Counted from late 2023: so near, a number still tells 16 ns apart.
  const originUs = (performance.timeOrigin - 1.7e12) * 1000;
  const readUs = (): number => Math.floor(originUs + performance.now() * 1000);
  return {
    monotonicNs: kernel ? () => notBefore(kernel, readUs()) * 1000 : () => readUs() * 1000,
    realtimeMs: () => Date.now(),
    threadCpuNs: () => undefined,
    hostThread: () => 0,
    cpuNsOf: () => undefined,
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

/** The later of `us` and the latest time that was read; becomes that. Only its low 32 bits are kept. */
const notBefore = ({ words }: KernelMemory, us: number): number => {
  for (;;) {
    const latest = Atomics.load(words, header.latestUs);
    const ahead = (latest - us) | 0;
    if (ahead >= 0 && ahead < SKEW_US) return us + ahead;
    if (Atomics.compareExchange(words, header.latestUs, latest, us | 0) === latest) return us;
  }
};
