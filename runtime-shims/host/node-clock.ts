import { readFileSync, readlinkSync } from "node:fs";
import { hrtime } from "node:process";
import type { HostClock } from "../hooks.js";

/** Two readings of the wall clock this far apart (ms) are the same time: the finer one is used. */
const SAME_MS = 2;
const RANDOM_CHUNK = 65536;

/** Linux tells one thread of another: proc(5). Elsewhere there are no such files. */
const readHostThread = (): number => {
  try {
    return Number(/\d+$/.exec(readlinkSync("/proc/thread-self"))?.[0] ?? 0);
  } catch {
    return 0;
  }
};
/** This Worker's, which runs one guest thread after another. */
let ownHostThread: number | undefined;

/** Clocks and entropy from Node. hrtime is the one clock that all Workers share. */
export const nodeClock: HostClock = {
  monotonicNs: () => {
    const [seconds, ns] = hrtime();
    return seconds * 1e9 + ns;
  },
  realtimeMs: () => {
    const coarse = Date.now();
    const fine = performance.timeOrigin + performance.now();
    return Math.abs(fine - coarse) < SAME_MS ? fine : coarse;
  },
  threadCpuNs: () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) * 1000;
  },
  hostThread: () => (ownHostThread ??= readHostThread()),
  cpuNsOf: (hostThread) => {
    if (hostThread === 0) return undefined;
    try {
      return parseInt(readFileSync(`/proc/self/task/${hostThread}/schedstat`, "latin1"), 10);
    } catch {
      return undefined;
    }
  },
  processCpuNs: () => {
    const { user, system } = process.cpuUsage();
    return [user * 1000, system * 1000];
  },
  random: (target) => {
    // Loaded here: it takes as long as all else that a Worker loads, and few of them need it.
    const { randomFillSync } = process.getBuiltinModule("node:crypto");
    for (let start = 0; start < target.length; start += RANDOM_CHUNK) {
      const length = Math.min(RANDOM_CHUNK, target.length - start);
      target.set(randomFillSync(new Uint8Array(length)), start);
    }
  },
};
