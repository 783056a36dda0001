import { EAGAIN, EFAULT, EINVAL } from "../errno.js";
import { realtimeOffsetUs } from "../clock.js";
import { SIGALRM, SIGPROF, SIGVTALRM } from "../signals.js";
import { slotOfTid, type Thread } from "../threads.js";
import {
  clockOfTimer,
  createTimer,
  deleteTimer,
  isTimer,
  readTimer,
  setTimer,
  timerClock,
  timerNow,
  timerOverrun,
  type TimerSetting,
  type TimerTarget,
} from "../timers.js";
import { readTimespec, writeTimespec } from "../timespec.js";
import { address, choice, flags, int, uint } from "./kinds.js";
import type { SyscallRow } from "./table.js";

const ITIMER_REAL = 0;
const ITIMER_PROF = 2;
const intervalSignals = [SIGALRM, SIGVTALRM, SIGPROF];

const intervalTarget = (which: number): TimerTarget => ({
  clock: which === ITIMER_REAL ? timerClock.monotonic : timerClock.processCpu,
  tid: 0,
  signo: intervalSignals[which],
  valueLo: 0,
  valueHi: 0,
});

/** Reads a timeval as ns, or −EINVAL. */
const readTimeval = (thread: Thread, at: number): number => {
  const { memory } = thread.process;
  const seconds = memory.getInt64(at);
  const microseconds = memory.getInt64(at + 8);
  return seconds < 0 || microseconds < 0 || microseconds >= 1e6 ? -EINVAL : seconds * 1e9 + microseconds * 1000;
};

const writeIntervalTimer = (thread: Thread, at: number, { remainingNs, intervalNs }: TimerSetting): void => {
  const { memory } = thread.process;
  [intervalNs, remainingNs].forEach((ns, index) => {
    // Rounded up: what is armed does not look disarmed.
    const microseconds = Math.ceil(ns / 1000);
    memory.setUint64(at + 16 * index, Math.floor(microseconds / 1e6));
    memory.setUint64(at + 16 * index + 8, microseconds % 1e6);
  });
};

const getitimer = (thread: Thread, which: number, at: number): number => {
  const { kernel, clock, memory } = thread.process;
  if (which < ITIMER_REAL || which > ITIMER_PROF) return -EINVAL;
  if (!memory.writable(at, 32)) return -EFAULT;
  writeIntervalTimer(thread, at, readTimer(kernel, clock, which));
  return 0;
};

const setitimer = (thread: Thread, which: number, next: number, old: number): number => {
  const { kernel, clock, memory, hooks } = thread.process;
  let setting: TimerSetting = { remainingNs: 0, intervalNs: 0 };
  if (next !== 0) {
    if (!memory.readable(next, 32)) return -EFAULT;
    setting = { intervalNs: readTimeval(thread, next), remainingNs: readTimeval(thread, next + 16) };
    if (setting.intervalNs < 0 || setting.remainingNs < 0) return -EINVAL;
  }
  if (which < ITIMER_REAL || which > ITIMER_PROF) return -EINVAL;
  const before = readTimer(kernel, clock, which);
  setTimer(kernel, clock, which, setting, intervalTarget(which));
  hooks.timersChanged();
  if (old === 0) return 0;
  if (!memory.writable(old, 32)) return -EFAULT;
  writeIntervalTimer(thread, old, before);
  return 0;
};

const alarm = (thread: Thread, seconds: number): number => {
  const { kernel, clock, hooks } = thread.process;
  const before = readTimer(kernel, clock, ITIMER_REAL).remainingNs;
  setTimer(kernel, clock, ITIMER_REAL, { remainingNs: seconds * 1e9, intervalNs: 0 }, intervalTarget(ITIMER_REAL));
  hooks.timersChanged();
  return before === 0 ? 0 : Math.max(1, Math.round(before / 1e9));
};

const clocks = {
  CLOCK_REALTIME: 0,
  CLOCK_MONOTONIC: 1,
  CLOCK_PROCESS_CPUTIME_ID: 2,
  CLOCK_THREAD_CPUTIME_ID: 3,
  CLOCK_BOOTTIME: 7,
} as const;

/** What a timer on a POSIX clock counts, or undefined for a clock without timers. */
const timerClockOf = (id: number): number | undefined => {
  switch (id) {
    case clocks.CLOCK_REALTIME:
      return timerClock.realtime;
    case clocks.CLOCK_MONOTONIC:
    case clocks.CLOCK_BOOTTIME:
      return timerClock.monotonic;
    case clocks.CLOCK_PROCESS_CPUTIME_ID:
      return timerClock.processCpu;
    case clocks.CLOCK_THREAD_CPUTIME_ID:
      return timerClock.threadCpu;
    default:
      return undefined;
  }
};

const SIGEV_SIGNAL = 0;
const SIGEV_NONE = 1;
const SIGEV_THREAD_ID = 4;
const SIGEVENT_BYTES = 64;

/** Reads a sigevent, or gives a negated errno. Without one: SIGALRM to the process. */
const readEvent = (thread: Thread, at: number, clock: number): TimerTarget | number => {
  const { memory } = thread.process;
  const watched = clock === timerClock.threadCpu ? thread.tid : 0;
  if (at === 0) return { clock, tid: watched, signo: SIGALRM, valueLo: 0, valueHi: 0 };
  if (!memory.readable(at, SIGEVENT_BYTES)) return -EFAULT;
  const signo = memory.getInt32(at + 8);
  const notify = memory.getInt32(at + 12);
  const tid = memory.getInt32(at + 16);
  const value = { valueLo: memory.getInt32(at), valueHi: memory.getInt32(at + 4) };
  if (notify === SIGEV_NONE) return { clock, tid: watched, signo: 0, ...value };
  if (signo < 1 || signo > 64) return -EINVAL;
  if (notify === SIGEV_SIGNAL) return { clock, tid: watched, signo, ...value };
  if (notify !== SIGEV_THREAD_ID || slotOfTid(thread.process, tid) < 0) return -EINVAL;
  return { clock, tid, signo, ...value };
};

const timerCreate = (thread: Thread, id: number, event: number, out: number): number => {
  const { memory, kernel } = thread.process;
  const clock = timerClockOf(id);
  if (clock === undefined) return -EINVAL;
  const target = readEvent(thread, event, clock);
  if (typeof target === "number") return target;
  if (!memory.writable(out, 4)) return -EFAULT;
  const timer = createTimer(kernel, target, event === 0);
  if (timer < 0) return -EAGAIN;
  memory.setUint32(out, timer);
  return 0;
};

const TIMER_ABSTIME = 1;

const writeSetting = (thread: Thread, at: number, { remainingNs, intervalNs }: TimerSetting): void => {
  writeTimespec(thread, at, intervalNs);
  writeTimespec(thread, at + 16, remainingNs);
};

/** Turns an absolute time on the timer's clock into the time that remains, at least 1 ns. */
const remainingUntil = (thread: Thread, id: number, at: number): number => {
  const { clock, kernel, memory } = thread.process;
  const seconds = memory.getInt64(at);
  const ns = memory.getInt64(at + 8);
  const now = timerNow(kernel, clock, id);
  const offsetUs = clockOfTimer(kernel, id) === timerClock.realtime ? realtimeOffsetUs(kernel, clock, now) : 0;
  return Math.max(1, (seconds * 1e6 - offsetUs) * 1000 + ns - now);
};

const timerSettime = (thread: Thread, id: number, timeFlags: number, next: number, old: number): number => {
  const { kernel, clock, memory, hooks } = thread.process;
  if (next === 0) return -EINVAL;
  const intervalNs = readTimespec(thread, next);
  const valueNs = readTimespec(thread, next + 16);
  if (intervalNs < 0 || valueNs < 0) return Math.min(intervalNs, valueNs) === -EINVAL ? -EINVAL : -EFAULT;
  if (!isTimer(kernel, id)) return -EINVAL;
  const before = readTimer(kernel, clock, id);
  const absolute = (timeFlags & TIMER_ABSTIME) !== 0 && valueNs > 0;
  const remainingNs = absolute ? remainingUntil(thread, id, next + 16) : valueNs;
  setTimer(kernel, clock, id, { remainingNs, intervalNs });
  hooks.timersChanged();
  if (old === 0) return 0;
  if (!memory.writable(old, 32)) return -EFAULT;
  writeSetting(thread, old, before);
  return 0;
};

const timerGettime = (thread: Thread, id: number, at: number): number => {
  const { kernel, clock, memory } = thread.process;
  if (!isTimer(kernel, id)) return -EINVAL;
  if (!memory.writable(at, 32)) return -EFAULT;
  writeSetting(thread, at, readTimer(kernel, clock, id));
  return 0;
};

const timerDelete = (thread: Thread, id: number): number => {
  if (!isTimer(thread.process.kernel, id)) return -EINVAL;
  deleteTimer(thread.process.kernel, id);
  thread.process.hooks.timersChanged();
  return 0;
};

const which = choice({ ITIMER_REAL, ITIMER_VIRTUAL: 1, ITIMER_PROF });
const clockId = choice(clocks);

/** Timer system calls. */
export const timerCalls: readonly SyscallRow[] = [
  { nr: 36, name: "getitimer", args: [which, address], run: getitimer },
  { nr: 37, name: "alarm", args: [uint], run: alarm },
  { nr: 38, name: "setitimer", args: [which, address, address], run: setitimer },
  { nr: 222, name: "timer_create", args: [clockId, address, address], run: timerCreate },
  {
    nr: 223,
    name: "timer_settime",
    args: [int, flags({ TIMER_ABSTIME }), address, address],
    run: timerSettime,
    reason: "CPU-time timers tick every 5 ms",
  },
  { nr: 224, name: "timer_gettime", args: [int, address], run: timerGettime },
  {
    nr: 225,
    name: "timer_getoverrun",
    args: [int],
    run: (thread, id) => (isTimer(thread.process.kernel, id) ? timerOverrun(thread.process.kernel, id) : -EINVAL),
  },
  { nr: 226, name: "timer_delete", args: [int], run: timerDelete },
];
