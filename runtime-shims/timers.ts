import type { HostClock, Scheduler } from "./hooks.js";
import { type KernelMemory, locks, MAX_TIMERS, sections, TIMER_WORDS } from "./kernel-memory.js";
import { acquireWord, releaseWord } from "./lock.js";
import { sendToProcess, sendToThread, SI_KERNEL, SI_TIMER, type SignalInfo, userSignal } from "./signals.js";
import { threadCpuNsOf } from "./thread-context.js";
import { row, rowOf, slotOfTidIn } from "./threads.js";

/**
 * Interval timers and POSIX timers. Rows in kernel memory; the supervisor, which never blocks, fires them: a thread
 * that changes one calls MachineHooks.timersChanged, and the supervisor answers with `runTimers`.
 *
 * CPU-time timers are checked every few milliseconds, against the CPU time of the process or of the thread. Where the
 * host does not tell a thread's, it counts the time in which the thread is not blocked.
 */

/** Words of a timer's row; times are float64 at word 8 and up. */
const field = {
  kind: 0,
  clock: 1,
  /** Thread that gets the signal, or 0 for the process. */
  tid: 2,
  signo: 3,
  valueLo: 4,
  valueHi: 5,
  /** Expirations since the signal was last sent, less one. */
  overrun: 6,
} as const;
const DEADLINE = 4;
const INTERVAL = 5;

export const timerKind = { free: 0, interval: 1, posix: 2 } as const;

/** What a timer counts. A real-time one counts like a monotonic one: steps of the host's clock do not move it. */
export const timerClock = { monotonic: 0, realtime: 1, processCpu: 2, threadCpu: 3 } as const;

/** Rows 0..2 are ITIMER_REAL, ITIMER_VIRTUAL and ITIMER_PROF; the id of a POSIX timer is its row. */
export const FIRST_POSIX_TIMER = 3;

const CPU_TICK_NS = 5e6;

export interface TimerSetting {
  /** Time to the next expiration on the timer's clock in ns; 0 is disarmed. */
  readonly remainingNs: number;
  readonly intervalNs: number;
}

export interface TimerTarget {
  readonly clock: number;
  /** 0 for the process. */
  readonly tid: number;
  /** 0 for no signal. */
  readonly signo: number;
  readonly valueLo: number;
  readonly valueHi: number;
}

const rowAt = (index: number): number => sections.timers / 4 + index * TIMER_WORDS;
const doubleAt = (index: number): number => rowAt(index) / 2;

/** The present on a timer's clock, in ns. */
export const timerNow = (kernel: KernelMemory, clock: HostClock, id: number): number => {
  const { words } = kernel;
  switch (words[rowAt(id) + field.clock]) {
    case timerClock.processCpu: {
      const used = clock.processCpuNs();
      return used === undefined ? clock.monotonicNs() : used[0] + used[1];
    }
    case timerClock.threadCpu: {
      const slot = slotOfTidIn(kernel, words[rowAt(id) + field.tid]);
      return (slot < 0 ? undefined : threadCpuNsOf(kernel, clock, slot)) ?? clock.monotonicNs();
    }
    default:
      return clock.monotonicNs();
  }
};

/**
 * Creates a POSIX timer, disarmed.
 * @param valueIsId its signal carries its id instead of the target's value.
 * @returns its id, or −1 when there are too many.
 */
export const createTimer = (kernel: KernelMemory, target: TimerTarget, valueIsId: boolean): number => {
  const { words } = kernel;
  acquireWord(words, locks.timers);
  let id = FIRST_POSIX_TIMER;
  while (id < MAX_TIMERS && words[rowAt(id) + field.kind] !== timerKind.free) id++;
  if (id < MAX_TIMERS) fillRow(kernel, id, timerKind.posix, valueIsId ? { ...target, valueLo: id } : target);
  releaseWord(words, locks.timers);
  return id < MAX_TIMERS ? id : -1;
};

const fillRow = (kernel: KernelMemory, index: number, kind: number, target: TimerTarget): void => {
  const { words, doubles } = kernel;
  const base = rowAt(index);
  words[base + field.kind] = kind;
  words[base + field.clock] = target.clock;
  words[base + field.tid] = target.tid;
  words[base + field.signo] = target.signo;
  words[base + field.valueLo] = target.valueLo;
  words[base + field.valueHi] = target.valueHi;
  words[base + field.overrun] = 0;
  doubles[doubleAt(index) + DEADLINE] = 0;
  doubles[doubleAt(index) + INTERVAL] = 0;
};

/** True when `id` names a POSIX timer. */
export const isTimer = (kernel: KernelMemory, id: number): boolean =>
  id >= FIRST_POSIX_TIMER && id < MAX_TIMERS && kernel.words[rowAt(id) + field.kind] === timerKind.posix;

/** Clock of a timer. */
export const clockOfTimer = (kernel: KernelMemory, id: number): number => kernel.words[rowAt(id) + field.clock];

export const deleteTimer = (kernel: KernelMemory, id: number): void => {
  acquireWord(kernel.words, locks.timers);
  kernel.words[rowAt(id) + field.kind] = timerKind.free;
  kernel.doubles[doubleAt(id) + DEADLINE] = 0;
  releaseWord(kernel.words, locks.timers);
};

/** Overruns of the last signal of a timer. */
export const timerOverrun = (kernel: KernelMemory, id: number): number => kernel.words[rowAt(id) + field.overrun];

/** Time left and interval of a timer. */
export const readTimer = (kernel: KernelMemory, clock: HostClock, id: number): TimerSetting => {
  const deadline = kernel.doubles[doubleAt(id) + DEADLINE];
  const now = timerNow(kernel, clock, id);
  // An armed timer never shows zero, which would mean disarmed.
  return {
    remainingNs: deadline === 0 ? 0 : Math.max(1, deadline - now),
    intervalNs: kernel.doubles[doubleAt(id) + INTERVAL],
  };
};

/** Arms or disarms a timer; `target` redefines an interval timer's row. The caller then calls timersChanged. */
export const setTimer = (
  kernel: KernelMemory,
  clock: HostClock,
  id: number,
  setting: TimerSetting,
  target?: TimerTarget,
): void => {
  const { words, doubles } = kernel;
  acquireWord(words, locks.timers);
  if (target !== undefined) fillRow(kernel, id, timerKind.interval, target);
  const now = timerNow(kernel, clock, id);
  doubles[doubleAt(id) + DEADLINE] = setting.remainingNs === 0 ? 0 : now + setting.remainingNs;
  doubles[doubleAt(id) + INTERVAL] = setting.remainingNs === 0 ? 0 : setting.intervalNs;
  releaseWord(words, locks.timers);
};

/** A timer that has expired: where its signal goes. */
interface Expiry {
  readonly tid: number;
  readonly info: SignalInfo;
}

const expire = (kernel: KernelMemory, id: number, now: number): Expiry | undefined => {
  const { words, doubles } = kernel;
  const base = rowAt(id);
  const deadline = doubles[doubleAt(id) + DEADLINE];
  const interval = doubles[doubleAt(id) + INTERVAL];
  const missed = interval === 0 ? 0 : Math.floor((now - deadline) / interval);
  doubles[doubleAt(id) + DEADLINE] = interval === 0 ? 0 : deadline + (missed + 1) * interval;
  const signo = words[base + field.signo];
  if (signo === 0) return undefined;
  words[base + field.overrun] = missed;
  const tid = words[base + field.tid];
  if (words[base + field.kind] === timerKind.interval) return { tid, info: userSignal(signo, SI_KERNEL, 0, 0) };
  const info = userSignal(signo, SI_TIMER, id, missed);
  info.valueLo = words[base + field.valueLo];
  info.valueHi = words[base + field.valueHi];
  return { tid, info };
};

/** True when a CPU timer's thread is running, or at least not waiting in a call. */
const isBusy = (kernel: KernelMemory, tid: number): boolean => {
  const slot = slotOfTidIn(kernel, tid);
  return slot >= 0 && Atomics.load(kernel.words, rowOf(slot) + row.waiting) === 0;
};

/**
 * Fires what is due.
 * @returns how long until it has to run again, in ns; Infinity when no timer is armed.
 */
export const runTimers = (kernel: KernelMemory, clock: HostClock, scheduler: Scheduler): number => {
  const { words, doubles } = kernel;
  const due: Expiry[] = [];
  let next = Infinity;
  acquireWord(words, locks.timers);
  for (let id = 0; id < MAX_TIMERS; id++) {
    const base = rowAt(id);
    if (words[base + field.kind] === timerKind.free || doubles[doubleAt(id) + DEADLINE] === 0) continue;
    const which = words[base + field.clock];
    const now = timerNow(kernel, clock, id);
    const idle = which === timerClock.threadCpu && !isBusy(kernel, words[base + field.tid]);
    if (doubles[doubleAt(id) + DEADLINE] <= now && !idle) {
      const expiry = expire(kernel, id, now);
      if (expiry !== undefined) due.push(expiry);
    }
    const deadline = doubles[doubleAt(id) + DEADLINE];
    if (deadline === 0) continue;
    const isCpu = which === timerClock.processCpu || which === timerClock.threadCpu;
    const wait = isCpu ? Math.max(CPU_TICK_NS, deadline - now) : deadline - now;
    next = Math.min(next, Math.max(0, wait));
  }
  releaseWord(words, locks.timers);
  for (const { tid, info } of due) {
    const slot = tid === 0 ? -1 : slotOfTidIn(kernel, tid);
    if (tid === 0) sendToProcess(kernel, info, scheduler);
    else if (slot >= 0) sendToThread(kernel, slot, tid, info, scheduler);
  }
  return next;
};
