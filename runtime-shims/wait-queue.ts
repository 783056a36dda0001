import { ERESTARTSYS, ETIMEDOUT } from "./errno.js";
import type { Scheduler } from "./hooks.js";
import { header, type KernelMemory, sections, WAIT_BUCKET_WORDS, WAIT_BUCKETS } from "./kernel-memory.js";
import { acquireWord, NAP_MS, releaseWord } from "./lock.js";
import { THREAD_LEAVES } from "./outcome.js";
import { interrupted } from "./signals.js";
import { parking, row, rowOf, type Thread } from "./threads.js";

/**
 * Wait queues: threads that wait for something named by a key stand in a queue in kernel memory, each parked on a word
 * of its own. So a wake reaches exactly the threads that it names, in order, and a signal can reach any one of them.
 *
 * A key is a number: the guest address of a futex, or 2^32 and more for objects of the kernel (see `kernelKey`).
 */

/** Ways a wait ends other than by what it waits for. */
export const INTERRUPTED = -ERESTARTSYS;
export const TIMED_OUT = -ETIMEDOUT;

/** Key of a kernel object: `kind` 1.., `index` below 2^32. */
export const kernelKey = (kind: number, index: number): number => kind * 0x1_0000_0000 + index;

const HEAD = 1;
const TAIL = 2;

/** Word index of the bucket of a key. */
const bucketOf = (lo: number, hi: number): number => {
  const hash = Math.imul((lo >>> 2) ^ Math.imul(hi, 0x85ebca6b), 0x9e3779b1) >>> 24;
  return sections.waitBuckets / 4 + (hash % WAIT_BUCKETS) * WAIT_BUCKET_WORDS;
};

const keyHi = (key: number): number => Math.floor(key / 0x1_0000_0000);

/** Appends the thread in `slot` to the locked bucket. */
const append = (words: Int32Array, bucket: number, slot: number, lo: number, hi: number, bits: number): void => {
  const base = rowOf(slot);
  const tail = words[bucket + TAIL];
  words[base + row.waitKeyLo] = lo;
  words[base + row.waitKeyHi] = hi;
  words[base + row.waitBits] = bits;
  words[base + row.waitNext] = 0;
  words[base + row.waitPrevious] = tail;
  if (tail === 0) words[bucket + HEAD] = slot + 1;
  else words[rowOf(tail - 1) + row.waitNext] = slot + 1;
  words[bucket + TAIL] = slot + 1;
  Atomics.store(words, base + row.waiting, 1);
};

/** Takes the thread in `slot` out of the locked bucket it stands in. */
const unlink = (words: Int32Array, bucket: number, slot: number): void => {
  const base = rowOf(slot);
  const next = words[base + row.waitNext];
  const previous = words[base + row.waitPrevious];
  if (previous === 0) words[bucket + HEAD] = next;
  else words[rowOf(previous - 1) + row.waitNext] = next;
  if (next === 0) words[bucket + TAIL] = previous;
  else words[rowOf(next - 1) + row.waitPrevious] = previous;
};

/** Makes a parked thread look again at what it waits for. True if it has no Worker: then the caller has it resumed. */
export const unpark = (words: Int32Array, slot: number): boolean => {
  const park = rowOf(slot) + row.park;
  let state = Atomics.load(words, park);
  for (;;) {
    // It leaves its Worker, and looks after that.
    if (state === parking.claimed) return false;
    const found = Atomics.compareExchange(words, park, state, parking.awake);
    if (found === state) break;
    state = found;
  }
  Atomics.notify(words, park, 1);
  return state === parking.away;
};

/** Whether what a parked thread waits for has come, or a signal. */
const isDone = (thread: Thread): boolean =>
  Atomics.load(thread.process.kernel.words, thread.row + row.waiting) === 0 || interrupted(thread);

/** The thread, whose context is stored, is off its Worker. True if it is to be resumed at once. */
export const parkAway = (thread: Thread): boolean => {
  const { words } = thread.process.kernel;
  const park = thread.row + row.park;
  Atomics.store(words, park, parking.away);
  return isDone(thread) && Atomics.compareExchange(words, park, parking.away, parking.awake) === parking.away;
};

/** Claims the Worker of the thread in `slot`, if that waits and lends it. */
export const claimWorker = (words: Int32Array, slot: number): boolean => {
  const park = rowOf(slot) + row.park;
  if (Atomics.compareExchange(words, park, parking.lends, parking.claimed) !== parking.lends) return false;
  Atomics.notify(words, park, 1);
  return true;
};

/** Leaves the queue. False when a waker has already taken the thread out. */
const leave = (thread: Thread): boolean => {
  const words = thread.process.kernel.words;
  for (;;) {
    // A requeue may move the thread to another bucket while its lock is awaited.
    const lo = Atomics.load(words, thread.row + row.waitKeyLo);
    const hi = Atomics.load(words, thread.row + row.waitKeyHi);
    const bucket = bucketOf(lo, hi);
    acquireWord(words, bucket);
    const moved = words[thread.row + row.waitKeyLo] !== lo || words[thread.row + row.waitKeyHi] !== hi;
    if (moved) {
      releaseWord(words, bucket);
      continue;
    }
    const waiting = words[thread.row + row.waiting] === 1;
    if (waiting) {
      unlink(words, bucket, thread.slot);
      Atomics.store(words, thread.row + row.waiting, 0);
    }
    releaseWord(words, bucket);
    return waiting;
  }
};

/** Parks until taken out of the queue, a signal, or the deadline (monotonic ns; Infinity for none). */
export const parkQueued = (thread: Thread, deadlineNs: number): 0 | typeof INTERRUPTED | typeof TIMED_OUT => {
  const { kernel, clock } = thread.process;
  const words = kernel.words;
  const park = thread.row + row.park;
  for (;;) {
    Atomics.store(words, park, parking.waits);
    if (Atomics.load(words, thread.row + row.waiting) === 0) return 0;
    if (interrupted(thread)) return leave(thread) ? INTERRUPTED : 0;
    if (deadlineNs === Infinity) {
      Atomics.wait(words, park, parking.waits, NAP_MS);
    } else {
      const remaining = deadlineNs - clock.monotonicNs();
      if (remaining <= 0) return leave(thread) ? TIMED_OUT : 0;
      Atomics.wait(words, park, parking.waits, Math.min(remaining / 1e6, NAP_MS));
    }
  }
};

/**
 * Parks without a time limit in the queue where the thread stands, and lends its Worker meanwhile: also how a thread
 * goes on that has come to another Worker.
 * @returns 0, INTERRUPTED, or THREAD_LEAVES: its Worker is claimed (see `leaveWorker`), whether it has been woken or not.
 */
export const parkLending = (thread: Thread): 0 | typeof INTERRUPTED | typeof THREAD_LEAVES => {
  const { words } = thread.process.kernel;
  const park = thread.row + row.park;
  for (;;) {
    const state = Atomics.load(words, park);
    if (state === parking.claimed) return THREAD_LEAVES;
    // Only who lends can be claimed, so this undoes no claim.
    if (state !== parking.lends) Atomics.store(words, park, parking.lends);
    if (isDone(thread)) {
      if (Atomics.compareExchange(words, park, parking.lends, parking.awake) === parking.claimed) return THREAD_LEAVES;
      return Atomics.load(words, thread.row + row.waiting) === 1 && leave(thread) ? INTERRUPTED : 0;
    }
    // Who puts a thread into the machine's queue looks for such a Worker after it: one of the two sees the other.
    if (Atomics.load(words, header.runnable) > 0) claimWorker(words, thread.slot);
    else Atomics.wait(words, park, parking.lends, NAP_MS);
  }
};

/**
 * Waits in the queue of `key` until woken, provided that `stillValid` holds once the thread stands in the queue.
 * @param stillValid only loads a word; it runs under the queue's lock.
 * @param bits which wakes are meant for this thread (see `wake`).
 * @returns 1 when `stillValid` was false, else what `park` returns.
 */
export const waitIf = (
  thread: Thread,
  key: number,
  bits: number,
  deadlineNs: number,
  stillValid: () => boolean,
  park: (thread: Thread, deadlineNs: number) => number = parkQueued,
): number => {
  const words = thread.process.kernel.words;
  const lo = key | 0;
  const hi = keyHi(key);
  const bucket = bucketOf(lo, hi);
  acquireWord(words, bucket);
  append(words, bucket, thread.slot, lo, hi, bits);
  const valid = stillValid();
  if (!valid) {
    unlink(words, bucket, thread.slot);
    Atomics.store(words, thread.row + row.waiting, 0);
  }
  releaseWord(words, bucket);
  return valid ? park(thread, deadlineNs) : 1;
};

/**
 * Blocks until `ready` gives a value; whoever may change that value afterwards calls `wake` or `wakeAll` on the key.
 * @param ready runs without any lock of the wait queues, so it may take locks; undefined means not yet.
 * @param deadlineNs CLOCK_MONOTONIC, Infinity for no time limit.
 * @returns the value, INTERRUPTED (answer it as the result, see errno.ts) or TIMED_OUT.
 */
export const waitUntil = (thread: Thread, key: number, deadlineNs: number, ready: () => number | undefined): number => {
  const words = thread.process.kernel.words;
  const lo = key | 0;
  const hi = keyHi(key);
  const bucket = bucketOf(lo, hi);
  for (;;) {
    acquireWord(words, bucket);
    append(words, bucket, thread.slot, lo, hi, -1);
    releaseWord(words, bucket);
    const value = ready();
    if (value !== undefined) {
      leave(thread);
      return value;
    }
    const end = parkQueued(thread, deadlineNs);
    if (end !== 0) return end;
  }
};

/** Sleeps without waiting for anything. Returns INTERRUPTED or TIMED_OUT. */
export const sleepUntil = (thread: Thread, deadlineNs: number): number =>
  waitIf(thread, kernelKey(1, thread.slot), -1, deadlineNs, () => true);

/**
 * Wakes up to `count` threads in the queue of `key` whose bits meet `bits`, first come first. Returns how many.
 * @param scheduler null where threads wait that keep their Workers
 */
export const wake = (
  kernel: KernelMemory,
  scheduler: Scheduler | null,
  key: number,
  count: number,
  bits = -1,
): number => {
  const words = kernel.words;
  const lo = key | 0;
  const hi = keyHi(key);
  const bucket = bucketOf(lo, hi);
  let woken = 0;
  acquireWord(words, bucket);
  let link = words[bucket + HEAD];
  while (link !== 0 && woken < count) {
    const slot = link - 1;
    const base = rowOf(slot);
    link = words[base + row.waitNext];
    if (words[base + row.waitKeyLo] !== lo || words[base + row.waitKeyHi] !== hi) continue;
    if ((words[base + row.waitBits] & bits) === 0) continue;
    unlink(words, bucket, slot);
    Atomics.store(words, base + row.waiting, 0);
    if (unpark(words, slot)) scheduler?.resume(slot);
    woken++;
  }
  releaseWord(words, bucket);
  return woken;
};

/** Wakes every thread in the queue of `key`. */
export const wakeAll = (kernel: KernelMemory, key: number): number => wake(kernel, null, key, Infinity);

/**
 * FUTEX_CMP_REQUEUE: wakes `wakeCount` threads of `from` and moves up to `moveCount` more to the queue of `to`.
 * @param stillValid runs under the queues' locks.
 * @returns the number woken and moved, or −1 when `stillValid` was false.
 */
export const requeue = (
  kernel: KernelMemory,
  scheduler: Scheduler,
  from: number,
  to: number,
  wakeCount: number,
  moveCount: number,
  stillValid: () => boolean,
): { woken: number; moved: number } | undefined => {
  const words = kernel.words;
  const [fromLo, fromHi, toLo, toHi] = [from | 0, keyHi(from), to | 0, keyHi(to)];
  const source = bucketOf(fromLo, fromHi);
  const target = bucketOf(toLo, toHi);
  acquireWord(words, Math.min(source, target));
  if (source !== target) acquireWord(words, Math.max(source, target));
  let [woken, moved] = [0, 0];
  const valid = stillValid();
  let link = valid ? words[source + HEAD] : 0;
  // Moving within one bucket appends behind the cursor: stop at what was the last entry.
  const last = words[source + TAIL];
  while (link !== 0 && (woken < wakeCount || moved < moveCount)) {
    const slot = link - 1;
    const base = rowOf(slot);
    const current = link;
    link = link === last ? 0 : words[base + row.waitNext];
    if (words[base + row.waitKeyLo] !== fromLo || words[base + row.waitKeyHi] !== fromHi) continue;
    unlink(words, source, slot);
    if (woken < wakeCount) {
      Atomics.store(words, base + row.waiting, 0);
      if (unpark(words, slot)) scheduler.resume(slot);
      woken++;
    } else {
      append(words, target, slot, toLo, toHi, words[base + row.waitBits]);
      moved++;
    }
    if (current === last) break;
  }
  if (source !== target) releaseWord(words, Math.max(source, target));
  releaseWord(words, Math.min(source, target));
  return valid ? { woken, moved } : undefined;
};
