/**
 * Which Worker runs which guest thread, in shared memory, so that threads start and resume others without asking the
 * supervisor. Threads without a Worker queue here, first come first served, and idle Workers wait here. Worker `i` owns
 * CPU block `i` for its whole life.
 */
import { header, MAX_THREADS } from "../../runtime-shims/kernel-memory.js";
import { acquireWord, NAP_MS, releaseWord } from "../../runtime-shims/lock.js";
import { claimWorker } from "../../runtime-shims/wait-queue.js";

/** Most Workers of any machine, and so guest threads at once. */
export const MAX_WORKERS = 256;

// Words of the header.
const LOCK = 0;
const WORKERS = 1;
const LIMIT = 2;
const QUEUE_START = 3;
const HEADER_WORDS = 16;
/** Of each Worker, `IDLE` or `BUSY`. */
const STATE_AT = HEADER_WORDS;
/** Of each Worker, the slot of its thread + 1, or 0. */
const THREAD_AT = STATE_AT + MAX_WORKERS;
/** Of each slot of the thread table, the Worker of its thread + 1, or 0. */
const WORKER_AT = THREAD_AT + MAX_WORKERS;
/** A ring of slots. */
const QUEUE_AT = WORKER_AT + MAX_THREADS;
const WORDS = QUEUE_AT + MAX_THREADS;

/** Waits until it is called, or will once it has started. */
const IDLE = 0;
/** Runs a thread, or is going to look at the queue. */
const BUSY = 1;

export class ThreadPool {
  private readonly words: Int32Array;
  private readonly kernelWords: Int32Array;

  /** @param limit most Workers of this machine, up to MAX_WORKERS */
  static allocate(limit: number): SharedArrayBuffer {
    const buffer = new SharedArrayBuffer(WORDS * 4);
    new Int32Array(buffer)[LIMIT] = limit;
    return buffer;
  }
  /** @param kernelWords of the kernel memory: the length of the queue is a word there, and the threads' park words are. */
  constructor(buffer: SharedArrayBuffer, kernelWords: Int32Array) {
    this.words = new Int32Array(buffer);
    this.kernelWords = kernelWords;
  }

  /** Most Workers, and so threads: each can have one of its own if need be. */
  get limit(): number {
    return this.words[LIMIT]!;
  }
  /** Threads without a Worker that could run. */
  get runnable(): number {
    return Atomics.load(this.kernelWords, header.runnable);
  }
  /** The Worker that runs the thread in `slot`, or -1. */
  workerOf(slot: number): number {
    return Atomics.load(this.words, WORKER_AT + slot) - 1;
  }

  /** Announces a Worker that the supervisor creates; its number, or -1 if there can be no more. */
  addWorker(): number {
    return this.hold(() => {
      const { words } = this;
      const worker = words[WORKERS]!;
      if (worker >= this.limit) return -1;
      Atomics.store(words, STATE_AT + worker, this.runnable === 0 ? IDLE : BUSY);
      Atomics.store(words, WORKERS, worker + 1);
      return worker;
    });
  }

  /**
   * Queues the thread in `slot`, whose context is stored, and calls a Worker: an idle one, or else one whose thread waits
   * and lends it. False if there is none: the thread goes on when some Worker is free.
   */
  enqueue(slot: number): boolean {
    const { words, kernelWords } = this;
    this.hold(() => {
      const length = kernelWords[header.runnable]!;
      words[QUEUE_AT + ((words[QUEUE_START]! + length) % MAX_THREADS)] = slot;
      Atomics.store(kernelWords, header.runnable, length + 1);
    });
    // The first Workers have started first, and have the most code linked.
    const workers = Atomics.load(words, WORKERS);
    for (let worker = 0; worker < workers; worker++) if (this.call(worker)) return true;
    for (let worker = 0; worker < workers; worker++) {
      const lender = Atomics.load(words, THREAD_AT + worker) - 1;
      if (lender >= 0 && claimWorker(kernelWords, lender)) return true;
    }
    return false;
  }
  private call(worker: number): boolean {
    const state = STATE_AT + worker;
    if (Atomics.compareExchange(this.words, state, IDLE, BUSY) !== IDLE) return false;
    Atomics.notify(this.words, state);
    return true;
  }

  /** The Worker's side: the slot of the next thread that it is to run. Waits for one. */
  next(worker: number): number {
    for (;;) {
      Atomics.wait(this.words, STATE_AT + worker, IDLE, NAP_MS);
      const slot = this.hold(() => this.take(worker));
      if (slot >= 0) return slot;
    }
  }
  /** The Worker's side: it is done with its thread, which may already run elsewhere. */
  release(worker: number): void {
    const { words } = this;
    const slot = Atomics.exchange(words, THREAD_AT + worker, 0) - 1;
    Atomics.compareExchange(words, WORKER_AT + slot, worker + 1, 0);
  }
  /** The next thread of the queue, now the Worker's; -1 if there is none, and the Worker idle. Under the lock. */
  private take(worker: number): number {
    const { words, kernelWords } = this;
    const length = kernelWords[header.runnable]!;
    if (length === 0) {
      Atomics.store(words, STATE_AT + worker, IDLE);
      return -1;
    }
    const start = words[QUEUE_START]!;
    const slot = words[QUEUE_AT + start]!;
    words[QUEUE_START] = (start + 1) % MAX_THREADS;
    Atomics.store(kernelWords, header.runnable, length - 1);
    Atomics.store(words, WORKER_AT + slot, worker + 1);
    Atomics.store(words, THREAD_AT + worker, slot + 1);
    return slot;
  }

  private hold<T>(body: () => T): T {
    acquireWord(this.words, LOCK);
    try {
      return body();
    } finally {
      releaseWord(this.words, LOCK);
    }
  }
}
