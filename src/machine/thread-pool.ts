/**
 * Which Worker runs which guest thread, in shared memory, so that a thread starts another without asking the
 * supervisor: idle Workers wait here. Worker `i` owns CPU block `i` for its whole life.
 */
import type { ThreadStart } from "../../runtime-shims/hooks.js";
import { acquireWord, releaseWord } from "../../runtime-shims/lock.js";

/** Most Workers of any machine, and so guest threads at once. */
export const MAX_WORKERS = 256;

// Header words.
const LOCK = 0;
const NEXT_WORKER = 1;
const IDLE_COUNT = 2;
const LIMIT = 3;
const HEADER_WORDS = 16;
const IDLE_AT = HEADER_WORDS;
const OWNER_AT = IDLE_AT + MAX_WORKERS;
const MAILBOX_AT = OWNER_AT + 1024;

// Words of a Worker's mailbox.
const M_STATE = 0;
const M_SLOT = 1;
const M_TID = 2;
const M_CLEAR_TID = 3;
const M_RIP = 4;
const M_RFLAGS = 5;
const M_FS_BASE = 6;
const M_GPR = 8;
const M_XMM = M_GPR + 16 * 2;
const MAILBOX_WORDS = M_XMM + 16 * 4;

const EMPTY = 0;
const FULL = 1;

export class ThreadPool {
  readonly buffer: SharedArrayBuffer;
  private readonly words: Int32Array;

  /** @param limit most Workers of this machine, up to MAX_WORKERS */
  static allocate(limit: number): SharedArrayBuffer {
    const buffer = new SharedArrayBuffer((MAILBOX_AT + MAX_WORKERS * MAILBOX_WORDS) * 4);
    new Int32Array(buffer)[LIMIT] = limit;
    return buffer;
  }
  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
  }

  /**
   * Reserves a Worker for a new thread. `idle` is false if it has yet to be created (by the supervisor).
   * Returns null if there can be no more.
   */
  reserve(): { readonly worker: number; readonly idle: boolean } | null {
    const { words } = this;
    this.lock();
    try {
      const idleCount = words[IDLE_COUNT]!;
      if (idleCount > 0) {
        words[IDLE_COUNT] = idleCount - 1;
        return { worker: words[IDLE_AT + idleCount - 1]!, idle: true };
      }
      const worker = words[NEXT_WORKER]!;
      if (worker >= words[LIMIT]!) return null;
      words[NEXT_WORKER] = worker + 1;
      return { worker, idle: false };
    } finally {
      this.unlock();
    }
  }
  /** Announces a Worker that the supervisor creates before it is needed; its number, or -1 if there can be no more. */
  addSpare(): number {
    this.lock();
    try {
      const worker = this.words[NEXT_WORKER]!;
      if (worker >= this.words[LIMIT]!) return -1;
      this.words[NEXT_WORKER] = worker + 1;
      // Idle even before it has started: what it is assigned waits in its mailbox.
      this.offer(worker);
      return worker;
    } finally {
      this.unlock();
    }
  }
  /** Workers that wait for a thread, or will once they have started. */
  get idleCount(): number {
    return Atomics.load(this.words, IDLE_COUNT);
  }
  /** Hands a guest thread to a reserved Worker. */
  assign(worker: number, start: ThreadStart): void {
    const { words } = this;
    const at = MAILBOX_AT + worker * MAILBOX_WORDS;
    words[at + M_SLOT] = start.slot;
    words[at + M_TID] = start.tid;
    words[at + M_CLEAR_TID] = start.clearChildTid;
    words[at + M_RIP] = start.rip;
    words[at + M_RFLAGS] = start.rflags;
    const { gpr, xmm, fsBase } = this.registers(worker);
    gpr.set(start.gpr);
    xmm.set(start.xmm);
    fsBase[0] = start.fsBase;
    Atomics.store(words, OWNER_AT + start.slot, worker + 1);
    Atomics.store(words, at + M_STATE, FULL);
    Atomics.notify(words, at + M_STATE);
  }
  /** The Worker's side, after a thread has ended: makes the Worker available again. */
  release(worker: number): void {
    this.lock();
    this.offer(worker);
    this.unlock();
  }
  /** The Worker's side: waits for its next thread. */
  next(worker: number): ThreadStart {
    const { words } = this;
    const at = MAILBOX_AT + worker * MAILBOX_WORDS;
    while (Atomics.load(words, at + M_STATE) === EMPTY) Atomics.wait(words, at + M_STATE, EMPTY);
    Atomics.store(words, at + M_STATE, EMPTY);
    const { gpr, xmm, fsBase } = this.registers(worker);
    return {
      slot: words[at + M_SLOT]!,
      tid: words[at + M_TID]!,
      clearChildTid: words[at + M_CLEAR_TID]! >>> 0,
      gpr: gpr.slice(),
      xmm: xmm.slice(),
      rip: words[at + M_RIP]! >>> 0,
      rflags: words[at + M_RFLAGS]! >>> 0,
      fsBase: fsBase[0]!,
    };
  }
  /** The Worker that runs the thread in `slot`, or -1. */
  workerOf(slot: number): number {
    return Atomics.load(this.words, OWNER_AT + slot) - 1;
  }

  /** The registers in a Worker's mailbox. */
  private registers(worker: number): { gpr: BigUint64Array; xmm: Uint8Array; fsBase: Float64Array } {
    const at = (MAILBOX_AT + worker * MAILBOX_WORDS) * 4;
    return {
      gpr: new BigUint64Array(this.buffer, at + M_GPR * 4, 16),
      xmm: new Uint8Array(this.buffer, at + M_XMM * 4, 256),
      fsBase: new Float64Array(this.buffer, at + M_FS_BASE * 4, 1),
    };
  }
  private offer(worker: number): void {
    const count = this.words[IDLE_COUNT]!;
    this.words[IDLE_AT + count] = worker;
    this.words[IDLE_COUNT] = count + 1;
  }
  private lock(): void {
    acquireWord(this.words, LOCK);
  }
  private unlock(): void {
    releaseWord(this.words, LOCK);
  }
}
