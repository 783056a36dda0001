import type { Cpu } from "./cpu.js";
import type { HostClock, ThreadStart } from "./hooks.js";
import { CONTEXT_BYTES, type KernelMemory, sections } from "./kernel-memory.js";
import type { Process } from "./process.js";
import { row, rowOf, Thread, ThreadState } from "./threads.js";
import { parkAway } from "./wait-queue.js";

/**
 * Contexts: all that a thread needs to go on, in kernel memory, for threads that have no Worker: those that begin, and
 * those that have left theirs in the middle of a futex wait. While a thread has a Worker its context is out of date, but
 * for its times.
 */

const XMM_AT = 128;
const DOUBLES_AT = XMM_AT + 256;

/** What the personality keeps of a thread, as a Worker has it. */
const OWN_FIELDS = [
  "altStackBase",
  "altStackSize",
  "altStackFlags",
  "trapNumber",
  "trapErrorCode",
  "trapAddress",
  "clearChildTid",
  "robustListHead",
  "restartDeadlineNs",
] as const;

// Doubles of a context.
const RIP = 0;
const RFLAGS = 1;
const FS_BASE = 2;
const MXCSR = 3;
/** 1 if the thread is in the middle of a futex wait. */
const AWAY = 4;
/** 1 if the next two are halves of `Thread.savedMask`. */
const HAS_SAVED_MASK = 5;
const SAVED_MASK_LO = 6;
const SAVED_MASK_HI = 7;
/** Processor time on the Workers that it had before, in ns. */
const USED_NS = 8;
/** Processor time of its Worker when it came there, in ns. */
const WORKER_NS = 9;
const OWN = 10;

/** In the place of `HostClock.hostThread`. */
const NO_WORKER = -1;

type Registers = Pick<Cpu, "gpr" | "xmm" | "rip" | "rflags" | "fsBase" | "mxcsr">;

const at = (slot: number): number => sections.contexts + slot * CONTEXT_BYTES;
const doublesAt = (slot: number): number => (at(slot) + DOUBLES_AT) / 8;

const storeRegisters = ({ buffer, bytes, doubles }: KernelMemory, slot: number, from: Registers): void => {
  const base = at(slot);
  const first = doublesAt(slot);
  new BigUint64Array(buffer, base, 16).set(from.gpr);
  bytes.set(from.xmm, base + XMM_AT);
  doubles[first + RIP] = from.rip;
  doubles[first + RFLAGS] = from.rflags;
  doubles[first + FS_BASE] = from.fsBase;
  doubles[first + MXCSR] = from.mxcsr;
};

const storeState = ({ doubles }: KernelMemory, slot: number, state: ThreadState): void => {
  const first = doublesAt(slot);
  doubles[first + AWAY] = state.away ? 1 : 0;
  doubles[first + HAS_SAVED_MASK] = state.savedMask ? 1 : 0;
  doubles[first + SAVED_MASK_LO] = state.savedMask?.lo ?? 0;
  doubles[first + SAVED_MASK_HI] = state.savedMask?.hi ?? 0;
  OWN_FIELDS.forEach((name, index) => (doubles[first + OWN + index] = state[name]));
};

/** Stores the context of a thread that is to begin. */
export const storeStart = (kernel: KernelMemory, start: ThreadStart): void => {
  const { slot } = start;
  const state = new ThreadState();
  state.clearChildTid = start.clearChildTid;
  storeRegisters(kernel, slot, start);
  storeState(kernel, slot, state);
  kernel.doubles[doublesAt(slot) + USED_NS] = 0;
  Atomics.store(kernel.words, rowOf(slot) + row.hostThread, NO_WORKER);
};

/** The thread in `slot`, which goes on on this Worker: takes its registers into the processor. */
export const takeThread = (process: Process, slot: number, cpu: Cpu): Thread => {
  const { kernel, clock } = process;
  const { buffer, bytes, words, doubles } = kernel;
  const base = at(slot);
  const first = doublesAt(slot);
  const thread = new Thread(process, cpu, slot, words[rowOf(slot) + row.tid]);
  cpu.gpr.set(new BigUint64Array(buffer, base, 16));
  cpu.xmm.set(bytes.subarray(base + XMM_AT, base + DOUBLES_AT));
  cpu.rip = doubles[first + RIP];
  cpu.rflags = doubles[first + RFLAGS];
  cpu.fsBase = doubles[first + FS_BASE];
  cpu.mxcsr = doubles[first + MXCSR];
  thread.away = doubles[first + AWAY] === 1;
  const hasSavedMask = doubles[first + HAS_SAVED_MASK] === 1;
  if (hasSavedMask) thread.savedMask = { lo: doubles[first + SAVED_MASK_LO], hi: doubles[first + SAVED_MASK_HI] };
  OWN_FIELDS.forEach((name, index) => (thread[name] = doubles[first + OWN + index]));
  doubles[first + WORKER_NS] = clock.threadCpuNs() ?? 0;
  Atomics.store(words, thread.row + row.hostThread, clock.hostThread());
  // Signals may have come before the Worker did.
  const waiting = Atomics.load(words, thread.row + row.attention) !== 0;
  Atomics.store(cpu.pending, 0, waiting ? 1 : 0);
  return thread;
};

/** A thread whose Worker was claimed (see `parkLending`) leaves it; if it has been woken meanwhile, it queues for another. */
export const leaveWorker = (thread: Thread): void => {
  const { process, slot } = thread;
  const { kernel, clock, hooks } = process;
  thread.away = true;
  storeRegisters(kernel, slot, thread.cpu);
  storeState(kernel, slot, thread);
  const first = doublesAt(slot);
  kernel.doubles[first + USED_NS] += (clock.threadCpuNs() ?? 0) - kernel.doubles[first + WORKER_NS];
  Atomics.store(kernel.words, thread.row + row.hostThread, NO_WORKER);
  if (parkAway(thread)) hooks.resume(slot);
};

/** Processor time of the calling thread in ns, or undefined where the host cannot tell. */
export const threadCpuNs = ({ process, slot }: Thread): number | undefined => {
  const now = process.clock.threadCpuNs();
  return now === undefined ? undefined : sinceStart(process.kernel, slot, now);
};

/** Processor time of the thread in `slot` in ns, or undefined where the host cannot tell. */
export const threadCpuNsOf = (kernel: KernelMemory, clock: HostClock, slot: number): number | undefined => {
  const hostThread = Atomics.load(kernel.words, rowOf(slot) + row.hostThread);
  if (hostThread === NO_WORKER) return kernel.doubles[doublesAt(slot) + USED_NS];
  const now = clock.cpuNsOf(hostThread);
  return now === undefined ? undefined : sinceStart(kernel, slot, now);
};

const sinceStart = ({ doubles }: KernelMemory, slot: number, workerNs: number): number =>
  doubles[doublesAt(slot) + USED_NS] + workerNs - doubles[doublesAt(slot) + WORKER_NS];
