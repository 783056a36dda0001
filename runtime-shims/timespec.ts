import { realtimeOffsetUs } from "./clock.js";
import { EFAULT, EINVAL } from "./errno.js";
import type { Thread } from "./threads.js";

/** struct timespec and struct timeval in guest memory: 16 bytes, seconds and ns (or µs). */

/** Reads a timespec as ns. Returns a negated errno: EFAULT, or EINVAL for a negative or denormal one. */
export const readTimespec = (thread: Thread, at: number): number => {
  const { memory } = thread.process;
  if (!memory.readable(at, 16)) return -EFAULT;
  const seconds = memory.getInt64(at);
  const nanoseconds = memory.getInt64(at + 8);
  if (seconds < 0 || nanoseconds < 0 || nanoseconds >= 1e9) return -EINVAL;
  return seconds * 1e9 + nanoseconds;
};

/** Stores ns (≥ 0) as a timespec; the caller has checked the address. */
export const writeTimespec = (thread: Thread, at: number, ns: number): void => {
  const { memory } = thread.process;
  const seconds = Math.floor(ns / 1e9);
  memory.setUint64(at, seconds);
  memory.setUint64(at + 8, Math.floor(ns - seconds * 1e9));
};

/**
 * Reads a timeout as a deadline on CLOCK_MONOTONIC in ns. While a call is being restarted, a relative timeout counts
 * from its first start. Returns a negated errno when the timespec is bad.
 */
export const readDeadline = (thread: Thread, at: number, relative: boolean, realtime: boolean): number => {
  const { memory, clock, kernel } = thread.process;
  const ns = readTimespec(thread, at);
  if (ns < 0) return ns;
  if (relative) {
    const restarted = thread.restartDeadlineNs;
    thread.restartDeadlineNs = -1;
    return restarted >= 0 ? restarted : clock.monotonicNs() + ns;
  }
  if (!realtime) return ns;
  // Seconds since 1970 in ns do not fit a number: subtract the offset part by part.
  const offsetUs = realtimeOffsetUs(kernel, clock, clock.monotonicNs());
  const microseconds = memory.getInt64(at) * 1e6 - offsetUs;
  return Math.max(0, microseconds * 1000 + memory.getInt64(at + 8));
};
