/**
 * What a debugger and the Workers of a guest tell each other, in shared memory: whether threads are to stand still, what
 * each Worker does, why it is held, and how it is to go on.
 *
 * The debugger writes orders, each Worker writes its own row. A held Worker waits on its `resume` word and touches
 * nothing of its thread: the debugger may read and write registers in the CPU block, and guest memory.
 */
import type { CpuState } from "../../jit/cpu-state.js";
import { MAX_PROBES } from "../../jit/probes.js";
import { RSP } from "../../jit/registers.js";
import { GUEST_BASE } from "../../runtime-shims/guest-memory.js";
import { MAX_WORKERS } from "../machine/thread-pool.js";

/** What a Worker does. */
export const ACTIVITY = {
  /** It has no thread. */
  idle: 0,
  running: 1,
  /** In a system call, which may block; before it goes on in guest code it looks whether it is to stop. */
  inCall: 2,
  held: 3,
} as const;

/** Why a Worker is held. */
export const REASON = {
  /** All threads are to stop. */
  stopped: 1,
  /** At a probe that is a breakpoint; detail: its number. */
  breakpoint: 2,
  /** Outside the range that it was to step through. */
  stepped: 3,
  /** A watched value is no longer what it was; detail: the watchpoint's number. RIP is behind what has changed it. */
  watchpoint: 4,
  /** A processor exception before it becomes a signal, or a signal before it is delivered; detail: its number. */
  signal: 5,
  /** Before and after a system call that is hooked; detail: the call's number. */
  callBegins: 6,
  callReturned: 7,
  /** A thread has begun, and nothing of it has run. */
  began: 8,
} as const;
export type Reason = (typeof REASON)[keyof typeof REASON];

/** How a held Worker goes on. */
export const ORDER = {
  wait: 0,
  /** As if nothing had been. */
  go: 1,
  /** At `signal`: without the signal. At `callBegins`: without the call; RAX is its result. */
  skip: 2,
} as const;
export type Order = (typeof ORDER)[keyof typeof ORDER];

/** How far a Worker's thread may go; also one's that is in a system call. */
const LEEWAY = {
  /** Until something stops it. */
  free: 0,
  /** It is held again where it comes to an instruction outside the row's range. */
  range: 1,
  /** Nowhere: it is held when its system call returns. */
  none: 2,
} as const;

/** Watched places at a time. */
export const MAX_WATCHES = 16;
/** System calls have numbers below this. */
export const MAX_CALLS = 512;
/** Signals are 1 to 64. */
const SIGNAL_BITS = 96;

// Words of the header.
const STOPPING = 0;
const WATCH_COUNT = 1;
const HEADER_WORDS = 16;
// Words of a Worker's row.
const W_ACTIVITY = 0;
const W_REASON = 1;
const W_DETAIL = 2;
const W_RESUME = 3;
const W_LOW = 4;
const W_HIGH = 5;
const W_TID = 6;
const W_SLOT = 7;
const W_LIMIT = 8;
const W_LEEWAY = 9;
/** How often it has been held. */
const W_HOLDS = 10;
/** A signal that the debugger itself has sent its thread, until it is delivered; or 0. */
const W_SENT = 11;
const ROW_WORDS = 16;
// Words of a watchpoint.
const V_ADDRESS = 0;
const V_LENGTH = 1;
/** What was last seen there, low half and high half. */
const V_SEEN = 2;
const WATCH_WORDS = 4;

const ROWS_AT = HEADER_WORDS;
const WATCHES_AT = ROWS_AT + MAX_WORKERS * ROW_WORDS;
/** A bit for each probe: it is a breakpoint. */
const BREAKPOINTS_AT = WATCHES_AT + MAX_WATCHES * WATCH_WORDS;
/** A bit for each system call that is hooked. */
const CALLS_AT = BREAKPOINTS_AT + MAX_PROBES / 32;
/** A bit for each signal that stops the program. */
const SIGNALS_AT = CALLS_AT + MAX_CALLS / 32;
const WORDS = SIGNALS_AT + SIGNAL_BITS / 32;

/** Guest addresses [low, high) to step through, as long as RSP is not above `limit`: then a recursive call has returned. */
export interface StepRange {
  readonly low: number;
  readonly high: number;
  readonly limit: number;
}
/** Whether a thread has stepped out of a range. */
export function isOutside({ rip, gpr32 }: CpuState, { low, high, limit }: StepRange): boolean {
  return rip < low || rip >= high || gpr32[2 * RSP]! > limit;
}
/** Of a single instruction. */
export const ONE_INSTRUCTION: StepRange = { low: 0, high: 0, limit: 0 };

/** A watched place: `length` is 1 to 8 bytes. */
export interface WatchedPlace {
  readonly address: number;
  readonly length: number;
}

export class DebugControl {
  readonly buffer: SharedArrayBuffer;
  private readonly words: Int32Array;

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(4 * WORDS);
  }
  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
  }

  // --- the debugger's side ---

  /** Whether all threads are to stand still. Who sets it makes them look. */
  get stopping(): boolean {
    return Atomics.load(this.words, STOPPING) !== 0;
  }
  set stopping(on: boolean) {
    Atomics.store(this.words, STOPPING, on ? 1 : 0);
  }

  /** What a Worker does, for which thread, and why it is held. */
  row(worker: number): {
    readonly activity: number;
    readonly reason: Reason;
    readonly detail: number;
    readonly tid: number;
    readonly slot: number;
    /** A number that differs each time it is held. */
    readonly hold: number;
  } {
    const { words } = this;
    const at = rowAt(worker);
    return {
      activity: Atomics.load(words, at + W_ACTIVITY),
      reason: words[at + W_REASON] as Reason,
      detail: words[at + W_DETAIL]!,
      tid: words[at + W_TID]!,
      slot: words[at + W_SLOT]!,
      hold: words[at + W_HOLDS]!,
    };
  }

  /** How far a Worker's thread may go from now on. @param range what it steps through; null: it stays where it is */
  setLeeway(worker: number, range: StepRange | null | undefined): void {
    const { words } = this;
    const at = rowAt(worker);
    if (range) {
      words[at + W_LOW] = range.low;
      words[at + W_HIGH] = range.high;
      words[at + W_LIMIT] = range.limit;
    }
    Atomics.store(words, at + W_LEEWAY, range ? LEEWAY.range : range === null ? LEEWAY.none : LEEWAY.free);
  }
  /** Lets a held Worker go on. */
  resume(worker: number, order: Order): void {
    const { words } = this;
    const at = rowAt(worker);
    // At once: who asks after this must not find it held for the old reason.
    Atomics.store(words, at + W_ACTIVITY, ACTIVITY.running);
    Atomics.store(words, at + W_RESUME, order);
    Atomics.notify(words, at + W_RESUME);
  }

  markBreakpoint(probe: number, on: boolean): void {
    mark(this.words, BREAKPOINTS_AT, probe, on);
  }
  markCall(nr: number, on: boolean): void {
    mark(this.words, CALLS_AT, nr, on);
  }
  markSignal(signo: number, on: boolean): void {
    mark(this.words, SIGNALS_AT, signo, on);
  }
  /** The debugger has sent a Worker's thread a signal: that one does not stop it. */
  sent(worker: number, signo: number): void {
    Atomics.store(this.words, rowAt(worker) + W_SENT, signo);
  }

  /** While threads stand still. @param guest the guest's memory, from `GUEST_BASE` on */
  setWatches(places: readonly WatchedPlace[], guest: Uint8Array): void {
    const { words } = this;
    places.forEach(({ address, length }, i) => {
      const at = WATCHES_AT + i * WATCH_WORDS;
      words[at + V_ADDRESS] = address;
      words[at + V_LENGTH] = length;
      this.look(i, guest);
    });
    Atomics.store(words, WATCH_COUNT, places.length);
  }

  // --- a Worker's side ---

  isBreakpoint(probe: number): boolean {
    return isMarked(this.words, BREAKPOINTS_AT, probe);
  }
  isHookedCall(nr: number): boolean {
    return nr < MAX_CALLS && isMarked(this.words, CALLS_AT, nr);
  }
  /** Whether a signal that is about to be delivered stops the program. */
  stopsAtSignal(worker: number, signo: number): boolean {
    if (Atomics.compareExchange(this.words, rowAt(worker) + W_SENT, signo, 0) === signo) return false;
    return isMarked(this.words, SIGNALS_AT, signo);
  }

  begin(worker: number, tid: number, slot: number): void {
    const { words } = this;
    const at = rowAt(worker);
    words[at + W_TID] = tid;
    words[at + W_SLOT] = slot;
    words[at + W_LEEWAY] = LEEWAY.free;
    Atomics.store(words, at + W_SENT, 0);
    Atomics.store(words, at + W_ACTIVITY, ACTIVITY.running);
  }
  setActivity(worker: number, activity: number): void {
    Atomics.store(this.words, rowAt(worker) + W_ACTIVITY, activity);
  }
  /** Says why the Worker is held; `waitForOrder` follows. */
  hold(worker: number, reason: Reason, detail: number): void {
    const { words } = this;
    const at = rowAt(worker);
    words[at + W_REASON] = reason;
    words[at + W_DETAIL] = detail;
    words[at + W_HOLDS]!++;
    Atomics.store(words, at + W_RESUME, ORDER.wait);
    Atomics.store(words, at + W_ACTIVITY, ACTIVITY.held);
  }
  waitForOrder(worker: number): Order {
    const { words } = this;
    const at = rowAt(worker);
    let order: number;
    while ((order = Atomics.load(words, at + W_RESUME)) === ORDER.wait) Atomics.wait(words, at + W_RESUME, ORDER.wait);
    return order as Order;
  }
  /** What the Worker's thread steps through; null if it is to stay where it is, undefined if it goes on freely. */
  leeway(worker: number): StepRange | null | undefined {
    const { words } = this;
    const at = rowAt(worker);
    const leeway = Atomics.load(words, at + W_LEEWAY);
    if (leeway !== LEEWAY.range) return leeway === LEEWAY.none ? null : undefined;
    const [low, high, limit] = [W_LOW, W_HIGH, W_LIMIT].map((word) => words[at + word]! >>> 0);
    return { low: low!, high: high!, limit: limit! };
  }

  /** The first watchpoint whose value is not what any Worker has last seen there, or -1. */
  changedWatch(guest: Uint8Array): number {
    const count = Atomics.load(this.words, WATCH_COUNT);
    for (let i = 0; i < count; i++) if (this.look(i, guest)) return i;
    return -1;
  }

  /** Looks at watchpoint `i`: whether its value has changed since this was last done. */
  private look(i: number, guest: Uint8Array): boolean {
    const { words } = this;
    const at = WATCHES_AT + i * WATCH_WORDS;
    const address = words[at + V_ADDRESS]! >>> 0;
    const length = words[at + V_LENGTH]!;
    const low = valueAt(guest, address, Math.min(4, length));
    const high = valueAt(guest, address + 4, length - 4);
    const changed = words[at + V_SEEN] !== low || words[at + V_SEEN + 1] !== high;
    words[at + V_SEEN] = low;
    words[at + V_SEEN + 1] = high;
    return changed;
  }
}

/** The little-endian value of `length` bytes, at most 4, as an int32; 0 for none. */
function valueAt(guest: Uint8Array, address: number, length: number): number {
  let value = 0;
  for (let i = length - 1; i >= 0; i--) value = (value << 8) | guest[address - GUEST_BASE + i]!;
  return value;
}

const rowAt = (worker: number): number => ROWS_AT + worker * ROW_WORDS;

const isMarked = (words: Int32Array, at: number, index: number): boolean =>
  ((Atomics.load(words, at + (index >>> 5)) >>> (index & 31)) & 1) !== 0;

function mark(words: Int32Array, at: number, index: number, on: boolean): void {
  if (on) Atomics.or(words, at + (index >>> 5), 1 << (index & 31));
  else Atomics.and(words, at + (index >>> 5), ~(1 << (index & 31)));
}
