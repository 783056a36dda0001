import type { HostClock } from "./hooks.js";
import { headerTimes, type KernelMemory } from "./kernel-memory.js";

/**
 * The time lines of the process. CLOCK_MONOTONIC is the host's, as a number of ns (exact for 104 days of uptime);
 * CLOCK_REALTIME is CLOCK_MONOTONIC plus an offset that all Workers share, so they never disagree.
 */

/** How often CLOCK_REALTIME is compared with the host's, in ns. */
const RESYNC_NS = 1e9;
/** A difference in µs that is taken for a step of the host's clock and not for its granularity. */
const STEP_US = 3000;

/** Sets up the time lines. Once, before the process starts. */
export const initClock = (kernel: KernelMemory, clock: HostClock): void => {
  kernel.doubles[headerTimes.startMonotonicNs] = clock.monotonicNs();
  syncRealtime(kernel, clock, clock.monotonicNs());
};

const syncRealtime = (kernel: KernelMemory, clock: HostClock, monotonicNs: number): void => {
  const offsetUs = Math.round(clock.realtimeMs() * 1000 - monotonicNs / 1000);
  const stored = kernel.doubles[headerTimes.realtimeOffsetUs];
  if (stored === 0 || Math.abs(offsetUs - stored) > STEP_US) kernel.doubles[headerTimes.realtimeOffsetUs] = offsetUs;
  kernel.doubles[headerTimes.realtimeSyncedNs] = monotonicNs;
};

/** CLOCK_REALTIME minus CLOCK_MONOTONIC in µs. */
export const realtimeOffsetUs = (kernel: KernelMemory, clock: HostClock, monotonicNs: number): number => {
  if (monotonicNs - kernel.doubles[headerTimes.realtimeSyncedNs] > RESYNC_NS) syncRealtime(kernel, clock, monotonicNs);
  return kernel.doubles[headerTimes.realtimeOffsetUs];
};
