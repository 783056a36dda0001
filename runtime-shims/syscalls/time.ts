import { realtimeOffsetUs } from "../clock.js";
import { EFAULT, EINVAL, EOPNOTSUPP, EPERM, ERESTART_RESTARTBLOCK, ERESTARTNOHAND } from "../errno.js";
import { threadCpuNs } from "../thread-context.js";
import type { Thread } from "../threads.js";
import { readDeadline, readTimespec, writeTimespec } from "../timespec.js";
import { INTERRUPTED, sleepUntil } from "../wait-queue.js";
import { address, choice, flags } from "./kinds.js";
import { refuse, type SyscallRow } from "./table.js";

const clocks = {
  CLOCK_REALTIME: 0,
  CLOCK_MONOTONIC: 1,
  CLOCK_PROCESS_CPUTIME_ID: 2,
  CLOCK_THREAD_CPUTIME_ID: 3,
  CLOCK_MONOTONIC_RAW: 4,
  CLOCK_REALTIME_COARSE: 5,
  CLOCK_MONOTONIC_COARSE: 6,
  CLOCK_BOOTTIME: 7,
  CLOCK_REALTIME_ALARM: 8,
  CLOCK_BOOTTIME_ALARM: 9,
  CLOCK_TAI: 11,
} as const;
const clockId = choice(clocks);
const TIMER_ABSTIME = 1;

/** Stores CLOCK_REALTIME as seconds and a fraction counted in units of `unitNs`. */
const writeRealtime = (thread: Thread, at: number, unitNs: number): void => {
  const { memory, clock, kernel } = thread.process;
  const monotonic = clock.monotonicNs();
  const offsetUs = realtimeOffsetUs(kernel, clock, monotonic);
  const monotonicSeconds = Math.floor(monotonic / 1e9);
  const offsetSeconds = Math.floor(offsetUs / 1e6);
  let seconds = monotonicSeconds + offsetSeconds;
  let ns = monotonic - monotonicSeconds * 1e9 + (offsetUs - offsetSeconds * 1e6) * 1000;
  if (ns >= 1e9) {
    ns -= 1e9;
    seconds++;
  }
  memory.setUint64(at, seconds);
  memory.setUint64(at + 8, Math.floor(ns / unitNs));
};

/** CPU time of the process in ns: [user, system]. */
export const processCpu = (thread: Thread): readonly [user: number, system: number] =>
  thread.process.clock.processCpuNs() ?? [thread.process.clock.monotonicNs() - startOf(thread), 0];

const startOf = (thread: Thread): number => thread.process.startMonotonicNs;

/** Reads a clock other than the real-time ones. Returns ns, or a negated errno. */
const readClock = (thread: Thread, id: number): number => {
  const { clock } = thread.process;
  switch (id) {
    case clocks.CLOCK_MONOTONIC:
    case clocks.CLOCK_MONOTONIC_RAW:
    case clocks.CLOCK_MONOTONIC_COARSE:
    case clocks.CLOCK_BOOTTIME:
    case clocks.CLOCK_BOOTTIME_ALARM:
      return clock.monotonicNs();
    case clocks.CLOCK_PROCESS_CPUTIME_ID: {
      const [user, system] = processCpu(thread);
      return user + system;
    }
    case clocks.CLOCK_THREAD_CPUTIME_ID:
      return threadCpuNs(thread) ?? clock.monotonicNs() - startOf(thread);
    default:
      return -EINVAL;
  }
};

const isRealtime = (id: number): boolean =>
  id === clocks.CLOCK_REALTIME ||
  id === clocks.CLOCK_REALTIME_COARSE ||
  id === clocks.CLOCK_REALTIME_ALARM ||
  id === clocks.CLOCK_TAI;

const clockGettime = (thread: Thread, id: number, at: number): number => {
  const { memory } = thread.process;
  if (isRealtime(id)) {
    if (!memory.writable(at, 16)) return -EFAULT;
    writeRealtime(thread, at, 1);
    return 0;
  }
  const ns = readClock(thread, id);
  if (ns < 0) return ns;
  if (!memory.writable(at, 16)) return -EFAULT;
  writeTimespec(thread, at, ns);
  return 0;
};

const COARSE_NS = 4_000_000;

const clockGetres = (thread: Thread, id: number, at: number): number => {
  if (!isRealtime(id) && readClock(thread, id) < 0) return -EINVAL;
  if (at === 0) return 0;
  if (!thread.process.memory.writable(at, 16)) return -EFAULT;
  const coarse = id === clocks.CLOCK_REALTIME_COARSE || id === clocks.CLOCK_MONOTONIC_COARSE;
  writeTimespec(thread, at, coarse ? COARSE_NS : 1);
  return 0;
};

const gettimeofday = (thread: Thread, at: number, zone: number): number => {
  const { memory } = thread.process;
  if (at !== 0) {
    if (!memory.writable(at, 16)) return -EFAULT;
    writeRealtime(thread, at, 1000);
  }
  if (zone === 0) return 0;
  if (!memory.writable(zone, 8)) return -EFAULT;
  memory.setUint64(zone, 0);
  return 0;
};

const time = (thread: Thread, at: number): number => {
  const { clock, kernel, memory } = thread.process;
  const monotonic = clock.monotonicNs();
  const seconds = Math.floor((monotonic / 1000 + realtimeOffsetUs(kernel, clock, monotonic)) / 1e6);
  if (at === 0) return seconds;
  if (!memory.writable(at, 8)) return -EFAULT;
  memory.setUint64(at, seconds);
  return seconds;
};

/** Sleeps to a deadline; when interrupted, stores what remains. */
const sleepRelative = (thread: Thread, deadlineNs: number, remaining: number): number => {
  if (sleepUntil(thread, deadlineNs) !== INTERRUPTED) return 0;
  const { clock, memory } = thread.process;
  const left = deadlineNs - clock.monotonicNs();
  if (left <= 0) return 0;
  if (remaining !== 0) {
    if (!memory.writable(remaining, 16)) return -EFAULT;
    writeTimespec(thread, remaining, left);
  }
  thread.restartDeadlineNs = deadlineNs;
  return -ERESTART_RESTARTBLOCK;
};

const nanosleep = (thread: Thread, request: number, remaining: number): number => {
  const deadline = readDeadline(thread, request, true, false);
  return deadline < 0 ? deadline : sleepRelative(thread, deadline, remaining);
};

const clockNanosleep = (thread: Thread, id: number, sleepFlags: number, request: number, remaining: number): number => {
  const realtime = isRealtime(id);
  if (id === clocks.CLOCK_THREAD_CPUTIME_ID || (!realtime && readClock(thread, id) < 0)) return -EINVAL;
  if (id !== clocks.CLOCK_REALTIME && id !== clocks.CLOCK_MONOTONIC && id !== clocks.CLOCK_BOOTTIME) {
    return id === clocks.CLOCK_TAI ? clockSleep(thread, true, sleepFlags, request, remaining) : -EOPNOTSUPP;
  }
  return clockSleep(thread, realtime, sleepFlags, request, remaining);
};

const clockSleep = (
  thread: Thread,
  realtime: boolean,
  sleepFlags: number,
  request: number,
  remaining: number,
): number => {
  const absolute = (sleepFlags & TIMER_ABSTIME) !== 0;
  const deadline = readDeadline(thread, request, !absolute, realtime);
  if (deadline < 0) return deadline;
  if (!absolute) return sleepRelative(thread, deadline, remaining);
  return sleepUntil(thread, deadline) === INTERRUPTED ? -ERESTARTNOHAND : 0;
};

const clockSettime = (thread: Thread, id: number, at: number): number => {
  if (!isRealtime(id)) return -EINVAL;
  const ns = readTimespec(thread, at);
  return ns < 0 ? ns : -EPERM;
};

/** Clock and sleep system calls. */
export const timeCalls: readonly SyscallRow[] = [
  { nr: 35, name: "nanosleep", args: [address, address], run: nanosleep },
  { nr: 96, name: "gettimeofday", args: [address, address], run: gettimeofday },
  refuse(164, "settimeofday", EPERM, "the host's clock is not the guest's to set"),
  { nr: 201, name: "time", args: [address], run: time },
  {
    nr: 227,
    name: "clock_settime",
    args: [clockId, address],
    run: clockSettime,
    reason: "EPERM: the host's clock is not the guest's to set",
  },
  { nr: 228, name: "clock_gettime", args: [clockId, address], run: clockGettime },
  { nr: 229, name: "clock_getres", args: [clockId, address], run: clockGetres },
  {
    nr: 230,
    name: "clock_nanosleep",
    args: [clockId, flags({ TIMER_ABSTIME }), address, address],
    run: clockNanosleep,
  },
];
