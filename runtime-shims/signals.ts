import { EAGAIN, ESRCH } from "./errno.js";
import type { Scheduler } from "./hooks.js";
import {
  header,
  KernelMemory,
  locks,
  MAX_QUEUED_SIGNALS,
  MAX_THREADS,
  QUEUED_SIGNAL_WORDS,
  sections,
  SIGACTION_WORDS,
} from "./kernel-memory.js";
import { acquireWord, releaseWord } from "./lock.js";
import { attention, row, rowOf, type Thread, threadState } from "./threads.js";
import { unpark } from "./wait-queue.js";

/**
 * Signal state shared by all threads: actions, pending sets, queued siginfo. Everything here runs under the signal
 * lock, except where it says otherwise. Delivery to a thread is in signal-delivery.ts.
 */

export const SIGHUP = 1;
export const SIGINT = 2;
export const SIGQUIT = 3;
export const SIGILL = 4;
export const SIGTRAP = 5;
export const SIGABRT = 6;
export const SIGBUS = 7;
export const SIGFPE = 8;
export const SIGKILL = 9;
export const SIGSEGV = 11;
export const SIGPIPE = 13;
export const SIGALRM = 14;
export const SIGTERM = 15;
export const SIGCHLD = 17;
export const SIGCONT = 18;
export const SIGSTOP = 19;
export const SIGTSTP = 20;
export const SIGTTIN = 21;
export const SIGTTOU = 22;
export const SIGURG = 23;
export const SIGXCPU = 24;
export const SIGXFSZ = 25;
export const SIGVTALRM = 26;
export const SIGPROF = 27;
export const SIGWINCH = 28;
export const SIGIO = 29;
export const SIGPWR = 30;
export const SIGSYS = 31;
/** First real-time signal: these queue, the others merge. */
export const SIGRTMIN = 32;

export const SIG_DFL = 0;
export const SIG_IGN = 1;

/** siginfo codes. */
export const SI_USER = 0;
export const SI_KERNEL = 0x80;
export const SI_QUEUE = -1;
export const SI_TIMER = -2;
export const SI_TKILL = -6;

/** A 64-bit signal set as two halves; bit signo − 1. */
export interface SignalSet {
  lo: number;
  hi: number;
}

/** Bit of a signal in its half of the set. */
const bitOf = (signo: number): number => 1 << ((signo - 1) & 31);

/** True when the set holds the signal. */
export const hasSignal = (lo: number, hi: number, signo: number): boolean =>
  ((signo <= 32 ? lo : hi) & bitOf(signo)) !== 0;

/** SIGKILL and SIGSTOP cannot be blocked; both are in the low half. */
export const UNBLOCKABLE_LO = bitOf(SIGKILL) | bitOf(SIGSTOP);

/** Signals that a fault raises: delivered before all others. */
export const SYNCHRONOUS_LO =
  bitOf(SIGSEGV) | bitOf(SIGBUS) | bitOf(SIGILL) | bitOf(SIGTRAP) | bitOf(SIGFPE) | bitOf(SIGSYS);

/** What a signal carries. Which fields mean something depends on `code` as in siginfo_t. */
export interface SignalInfo {
  signo: number;
  code: number;
  pid: number;
  uid: number;
  valueLo: number;
  valueHi: number;
  /** si_addr of a fault, si_timerid and si_overrun of a timer. */
  address: number;
}

export const userSignal = (signo: number, code: number, pid: number, uid: number): SignalInfo => ({
  signo,
  code,
  pid,
  uid,
  valueLo: 0,
  valueHi: 0,
  address: 0,
});

/** Word offsets in a sigaction. */
export const action = {
  handlerLo: 0,
  handlerHi: 1,
  flags: 2,
  restorerLo: 4,
  restorerHi: 5,
  maskLo: 6,
  maskHi: 7,
} as const;

/** Word index of the sigaction of a signal. */
export const actionOf = (signo: number): number => sections.sigactions / 4 + signo * SIGACTION_WORDS;

const defaultIgnoredLo = bitOf(SIGCHLD) | bitOf(SIGCONT) | bitOf(SIGURG) | bitOf(SIGWINCH);
const defaultStopLo = bitOf(SIGSTOP) | bitOf(SIGTSTP) | bitOf(SIGTTIN) | bitOf(SIGTTOU);
const defaultCoreLo =
  bitOf(SIGQUIT) |
  bitOf(SIGILL) |
  bitOf(SIGTRAP) |
  bitOf(SIGABRT) |
  bitOf(SIGBUS) |
  bitOf(SIGFPE) |
  bitOf(SIGSEGV) |
  bitOf(SIGXCPU) |
  bitOf(SIGXFSZ) |
  bitOf(SIGSYS);

/** What the kernel does with a signal whose action is SIG_DFL. */
export const defaultAction = (signo: number): "ignore" | "stop" | "core" | "terminate" => {
  if (signo > 31) return "terminate";
  if (hasSignal(defaultIgnoredLo, 0, signo)) return "ignore";
  if (hasSignal(defaultStopLo, 0, signo)) return "stop";
  return hasSignal(defaultCoreLo, 0, signo) ? "core" : "terminate";
};

/** True when the signal's action is to do nothing. */
export const isIgnored = (words: Int32Array, signo: number): boolean => {
  if (signo === SIGKILL) return false;
  const base = actionOf(signo);
  if (words[base + action.handlerHi] !== 0) return false;
  const handler = words[base + action.handlerLo];
  if (handler === SIG_IGN) return true;
  if (handler !== SIG_DFL) return false;
  return defaultAction(signo) === "ignore";
};

/** Where the pending state of a target starts: a thread's row or the process header share this shape. */
interface Target {
  readonly lo: number;
  readonly hi: number;
  readonly head: number;
  readonly tail: number;
}

const threadTarget = (slot: number): Target => {
  const base = rowOf(slot);
  return { lo: base + row.pendingLo, hi: base + row.pendingHi, head: base + row.queueHead, tail: base + row.queueTail };
};

const processTarget: Target = {
  lo: header.pendingLo,
  hi: header.pendingHi,
  head: header.pendingHead,
  tail: header.pendingTail,
};

/** Word offsets in a queued signal; links are index + 1. */
const queued = {
  next: 0,
  signo: 1,
  code: 2,
  pid: 3,
  uid: 4,
  valueLo: 5,
  valueHi: 6,
  addressLo: 7,
  addressHi: 8,
} as const;
const queuedAt = (index: number): number => sections.queuedSignals / 4 + index * QUEUED_SIGNAL_WORDS;

/** Puts all queue entries on the free list. Once, before the process starts. */
export const initSignals = (kernel: KernelMemory): void => {
  for (let index = 0; index < MAX_QUEUED_SIGNALS; index++) {
    kernel.words[queuedAt(index) + queued.next] = index + 1 < MAX_QUEUED_SIGNALS ? index + 2 : 0;
  }
  kernel.words[header.queuedFreeHead] = 1;
};

/** Adds a signal to a target. False when a queueing signal found no room. */
const enqueue = (words: Int32Array, target: Target, info: SignalInfo): boolean => {
  const { signo } = info;
  const half = signo <= 32 ? target.lo : target.hi;
  if (signo < SIGRTMIN && (words[half] & bitOf(signo)) !== 0) return true;
  const link = words[header.queuedFreeHead];
  if (link === 0) {
    if (signo >= SIGRTMIN && info.code !== SI_USER) return false;
  } else {
    const entry = queuedAt(link - 1);
    words[header.queuedFreeHead] = words[entry + queued.next];
    words[entry + queued.next] = 0;
    words[entry + queued.signo] = signo;
    words[entry + queued.code] = info.code;
    words[entry + queued.pid] = info.pid;
    words[entry + queued.uid] = info.uid;
    words[entry + queued.valueLo] = info.valueLo;
    words[entry + queued.valueHi] = info.valueHi;
    words[entry + queued.addressLo] = info.address | 0;
    words[entry + queued.addressHi] = Math.floor(info.address / 0x1_0000_0000);
    if (words[target.tail] === 0) words[target.head] = link;
    else words[queuedAt(words[target.tail] - 1) + queued.next] = link;
    words[target.tail] = link;
  }
  Atomics.or(words, half, bitOf(signo));
  return true;
};

/** Takes the first queued entry of a signal off a target and clears its pending bit when it was the last one. */
const take = (words: Int32Array, target: Target, signo: number): SignalInfo => {
  let info: SignalInfo | undefined;
  let more = false;
  let previous = 0;
  let link = words[target.head];
  while (link !== 0) {
    const entry = queuedAt(link - 1);
    const next = words[entry + queued.next];
    if (words[entry + queued.signo] !== signo) {
      previous = link;
    } else if (info === undefined) {
      info = {
        signo,
        code: words[entry + queued.code],
        pid: words[entry + queued.pid],
        uid: words[entry + queued.uid],
        valueLo: words[entry + queued.valueLo],
        valueHi: words[entry + queued.valueHi],
        address: words[entry + queued.addressHi] * 0x1_0000_0000 + (words[entry + queued.addressLo] >>> 0),
      };
      if (previous === 0) words[target.head] = next;
      else words[queuedAt(previous - 1) + queued.next] = next;
      if (next === 0) words[target.tail] = previous;
      words[entry + queued.next] = words[header.queuedFreeHead];
      words[header.queuedFreeHead] = link;
    } else {
      more = true;
      break;
    }
    link = next;
  }
  if (!more) Atomics.and(words, signo <= 32 ? target.lo : target.hi, ~bitOf(signo));
  return info ?? userSignal(signo, SI_USER, 0, 0);
};

/** Forgets a pending signal everywhere, as setting its action to "ignore" does. */
export const discardEverywhere = (words: Int32Array, signo: number): void => {
  const half = signo <= 32 ? "lo" : "hi";
  const drop = (target: Target): void => {
    while ((words[target[half]] & bitOf(signo)) !== 0) take(words, target, signo);
  };
  drop(processTarget);
  for (let slot = 0; slot < MAX_THREADS; slot++) {
    if (words[rowOf(slot) + row.state] !== threadState.free) drop(threadTarget(slot));
  }
};

/** Forgets all signals directed at a thread that ends. */
export const discardThread = (words: Int32Array, slot: number): void => {
  const target = threadTarget(slot);
  for (let signo = 1; signo <= 64; signo++) {
    while (hasSignal(words[target.lo], words[target.hi], signo)) take(words, target, signo);
  }
};

const masks = (words: Int32Array, slot: number, signo: number): boolean => {
  const base = rowOf(slot);
  return hasSignal(Atomics.load(words, base + row.maskLo), Atomics.load(words, base + row.maskHi), signo);
};

/** Makes the thread look at its signals: in translated code at the next safepoint, in a blocking call at once. */
const alert = (words: Int32Array, slot: number, scheduler: Scheduler): void => {
  Atomics.or(words, rowOf(slot) + row.attention, attention.signal);
  if (unpark(words, slot)) scheduler.resume(slot);
  else scheduler.kick(slot);
};

/**
 * Sends a signal to one thread.
 * @returns 0, −ESRCH when the thread has ended, or −EAGAIN when a real-time signal found no room in the queue.
 */
export const sendToThread = (
  kernel: KernelMemory,
  slot: number,
  tid: number,
  info: SignalInfo,
  scheduler: Scheduler,
): number => {
  const words = kernel.words;
  const base = rowOf(slot);
  let result = 0;
  acquireWord(words, locks.signals);
  const blocked = masks(words, slot, info.signo);
  if (words[base + row.state] === threadState.free || words[base + row.tid] !== tid) {
    result = -ESRCH;
  } else if (blocked || !isIgnored(words, info.signo)) {
    // The thread may unblock the signal meanwhile: it stores its mask before it looks for pending signals, and here
    // the signal is pending before the mask is read again, so one of the two sees the other.
    if (!enqueue(words, threadTarget(slot), info)) result = -EAGAIN;
    else if (!masks(words, slot, info.signo)) alert(words, slot, scheduler);
  }
  releaseWord(words, locks.signals);
  return result;
};

/** The thread that shall take a process-directed signal: the main thread when it can, else any that does not block it. */
const pickThread = (words: Int32Array, signo: number): number => {
  for (let slot = 0; slot < MAX_THREADS; slot++) {
    if (Atomics.load(words, rowOf(slot) + row.state) === threadState.running && !masks(words, slot, signo)) return slot;
  }
  return -1;
};

/** Sends a signal to the process. Parameters and result as for `sendToThread`. */
export const sendToProcess = (kernel: KernelMemory, info: SignalInfo, scheduler: Scheduler): number => {
  const words = kernel.words;
  acquireWord(words, locks.signals);
  let result = 0;
  if (pickThread(words, info.signo) < 0 || !isIgnored(words, info.signo)) {
    if (!enqueue(words, processTarget, info)) {
      result = -EAGAIN;
    } else {
      // Chosen only now, for the reason given in sendToThread.
      const slot = pickThread(words, info.signo);
      if (slot >= 0) alert(words, slot, scheduler);
    }
  }
  releaseWord(words, locks.signals);
  return result;
};

/** A signal from the host's user (`SI_USER`) or terminal (`SI_KERNEL`), injected by the supervisor. */
export const raiseProcessSignal = (
  kernel: KernelMemory,
  signo: number,
  code: typeof SI_USER | typeof SI_KERNEL,
  scheduler: Scheduler,
): number => sendToProcess(kernel, userSignal(signo, code, 0, 0), scheduler);

/** Whether an unmasked signal is pending for the thread. Takes no lock. */
export const deliverable = (thread: Thread): boolean => {
  const words = thread.process.kernel.words;
  const base = thread.row;
  const lo = Atomics.load(words, base + row.pendingLo) | Atomics.load(words, header.pendingLo);
  if ((lo & ~words[base + row.maskLo]) !== 0) return true;
  const hi = Atomics.load(words, base + row.pendingHi) | Atomics.load(words, header.pendingHi);
  return (hi & ~words[base + row.maskHi]) !== 0;
};

/** Whether a blocking call must end now: the process exits or a signal can be delivered. */
export const interrupted = (thread: Thread): boolean => {
  const words = thread.process.kernel.words;
  const index = thread.row + row.attention;
  const reasons = Atomics.load(words, index);
  if (reasons === 0) return false;
  if ((reasons & attention.exit) !== 0) return true;
  Atomics.and(words, index, ~attention.signal);
  if (!deliverable(thread)) return false;
  Atomics.or(words, index, attention.signal);
  return true;
};

const lowestIn = (lo: number, hi: number): number => {
  const first = lo & SYNCHRONOUS_LO;
  if (first !== 0) lo = first;
  if (lo !== 0) return 32 - Math.clz32(lo & -lo);
  return hi === 0 ? 0 : 64 - Math.clz32(hi & -hi);
};

/** Takes the next signal of `thread` that is not in the mask: its own before the process's, faults first, then by number. */
export const dequeue = (thread: Thread, maskLo: number, maskHi: number): SignalInfo | undefined => {
  const words = thread.process.kernel.words;
  acquireWord(words, locks.signals);
  let info: SignalInfo | undefined;
  for (const target of [threadTarget(thread.slot), processTarget]) {
    const signo = lowestIn(words[target.lo] & ~maskLo, words[target.hi] & ~maskHi);
    if (signo === 0) continue;
    info = take(words, target, signo);
    break;
  }
  releaseWord(words, locks.signals);
  return info;
};

/**
 * Replaces the thread's signal mask. A process-directed signal that this thread was to take may now need another one.
 */
export const setMask = (thread: Thread, lo: number, hi: number): void => {
  const words = thread.process.kernel.words;
  Atomics.store(words, thread.row + row.maskLo, lo & ~UNBLOCKABLE_LO);
  Atomics.store(words, thread.row + row.maskHi, hi);
  const sharedLo = Atomics.load(words, header.pendingLo);
  const sharedHi = Atomics.load(words, header.pendingHi);
  if ((sharedLo & lo) !== 0 || (sharedHi & hi) !== 0) retarget(thread, sharedLo & lo, sharedHi & hi);
  if (deliverable(thread)) Atomics.or(words, thread.row + row.attention, attention.signal);
};

/** Alerts another thread for each process-directed signal of the set that it can take. */
export const retarget = (thread: Thread, lo: number, hi: number): void => {
  const { kernel, hooks } = thread.process;
  const words = kernel.words;
  acquireWord(words, locks.signals);
  for (let signo = 1; signo <= 64; signo++) {
    if (!hasSignal(lo, hi, signo)) continue;
    const slot = pickThread(words, signo);
    if (slot >= 0 && slot !== thread.slot) alert(words, slot, hooks);
  }
  releaseWord(words, locks.signals);
};
