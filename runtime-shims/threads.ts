import type { Cpu } from "./cpu.js";
import { type KernelMemory, MAX_THREADS, sections, THREAD_WORDS } from "./kernel-memory.js";
import type { Process } from "./process.js";

/** Words of a row of the thread table. */
export const row = {
  /** See `threadState`. */
  state: 0,
  tid: 1,
  maskLo: 2,
  maskHi: 3,
  pendingLo: 4,
  pendingHi: 5,
  /** Queued signals directed at this thread: index + 1 of the first and the last entry. */
  queueHead: 6,
  queueTail: 7,
  /** See `attention`. */
  attention: 8,
  /** The word a blocked thread waits on: see `parking`. */
  park: 9,
  /** Links of the wait queue, as slot + 1. */
  waitNext: 10,
  waitPrevious: 11,
  waitKeyLo: 12,
  waitKeyHi: 13,
  waitBits: 14,
  /** 1 while the thread stands in a wait queue. */
  waiting: 15,
  /** Thread name: 16 bytes. */
  name: 16,
  /** HostClock.hostThread of the Worker that runs the thread; −1 while it has none. */
  hostThread: 20,
  /** The KEEPCAPS flag (prctl), which changes nothing: there are no capabilities. */
  keepCapabilities: 21,
} as const;

export const threadState = { free: 0, starting: 1, running: 2 } as const;

/**
 * States of the park word. A thread that waits without a time limit lends its Worker to whoever needs one: who claims it
 * has a thread without a Worker in the machine's queue, and the one that waits leaves (see `parkLending`).
 */
export const parking = {
  /** Runs, or is to look again at what it waits for. */
  awake: 0,
  waits: 1,
  /** Waits, and can be claimed. */
  lends: 2,
  /** Is to leave its Worker. */
  claimed: 3,
  /** Waits without a Worker; its context is stored. Whoever makes it awake has the machine resume it. */
  away: 4,
} as const;

/** Reasons to leave translated code or a blocking call, as bits of the attention word. */
export const attention = { signal: 1, exit: 2 } as const;

/** Word index of the row of a thread. */
export const rowOf = (slot: number): number => sections.threads / 4 + slot * THREAD_WORDS;

/** What only a thread itself needs, as it is at its start. It comes along when the thread changes its Worker. */
export class ThreadState {
  /** Alternate signal stack: address 0 and size 0 when disabled. */
  altStackBase = 0;
  altStackSize = 0;
  /** Flags as sigaltstack set them; SS_DISABLE at first. */
  altStackFlags = 2;
  /** What the last fault leaves in every later signal frame. */
  trapNumber = 0;
  trapErrorCode = 0;
  trapAddress = 0;
  /** Cleared and woken when the thread ends, or 0. */
  clearChildTid = 0;
  robustListHead = 0;
  /** Absolute deadline of the interrupted call that is being restarted, or −1. */
  restartDeadlineNs = -1;
  /** Whether it has left its Worker in the middle of a futex wait, and has not gone on with that. */
  away = false;
  /** Signal mask to put back after the handler, while a call such as ppoll or rt_sigsuspend replaced it. */
  savedMask: { lo: number; hi: number } | undefined = undefined;
}

/** One guest thread, on the Worker that runs it. What other threads may see of it is in its row of the thread table. */
export class Thread extends ThreadState {
  readonly process: Process;
  readonly cpu: Cpu;
  readonly slot: number;
  readonly tid: number;
  /** Word index of this thread's row. */
  readonly row: number;

  constructor(process: Process, cpu: Cpu, slot: number, tid: number) {
    super();
    this.process = process;
    this.cpu = cpu;
    this.slot = slot;
    this.tid = tid;
    this.row = rowOf(slot);
  }

  /** True when the process ends: the thread must return to the dispatcher at once. */
  get exiting(): boolean {
    return (Atomics.load(this.process.kernel.words, this.row + row.attention) & attention.exit) !== 0;
  }
}

/** Takes a free row of the thread table. Returns its slot, or −1. */
export const reserveSlot = (process: Process, tid: number): number => {
  const words = process.kernel.words;
  for (let slot = 0; slot < MAX_THREADS; slot++) {
    const base = rowOf(slot);
    if (Atomics.compareExchange(words, base + row.state, threadState.free, threadState.starting) !== 0) continue;
    for (let word = 1; word < THREAD_WORDS; word++) Atomics.store(words, base + word, 0);
    Atomics.store(words, base + row.tid, tid);
    return slot;
  }
  return -1;
};

/** The slot of the live thread with this tid, or −1. */
export const slotOfTidIn = (kernel: KernelMemory, tid: number): number => {
  const { words } = kernel;
  for (let slot = 0; slot < MAX_THREADS; slot++) {
    const base = rowOf(slot);
    if (Atomics.load(words, base + row.state) !== threadState.free && Atomics.load(words, base + row.tid) === tid) {
      return slot;
    }
  }
  return -1;
};

/** The slot of the live thread with this tid, or −1. */
export const slotOfTid = (process: Process, tid: number): number => slotOfTidIn(process.kernel, tid);
