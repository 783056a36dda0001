import { expect, test } from "vitest";
import { KernelMemory } from "../runtime-shims/kernel-memory.js";
import { parking, row, rowOf } from "../runtime-shims/threads.js";
import { ThreadPool } from "../src/machine/thread-pool.js";

/** A pool of at most three Workers, of which none runs here. */
const newPool = (): { pool: ThreadPool; words: Int32Array; lend(slot: number): void; park(slot: number): number } => {
  const { words } = KernelMemory.create();
  const park = (slot: number): number => rowOf(slot) + row.park;
  return {
    pool: new ThreadPool(ThreadPool.allocate(3), words),
    words,
    lend: (slot) => void Atomics.store(words, park(slot), parking.lends),
    park: (slot) => Atomics.load(words, park(slot)),
  };
};

test("an idle Worker is called, the first one first, and takes the thread that has queued longest", () => {
  const { pool } = newPool();
  expect([pool.addWorker(), pool.addWorker()]).toEqual([0, 1]);
  expect([pool.enqueue(7), pool.enqueue(8)]).toEqual([true, true]);
  expect(pool.runnable).toBe(2);
  expect([pool.next(1), pool.next(0)]).toEqual([7, 8]);
  expect([pool.runnable, pool.workerOf(7), pool.workerOf(8), pool.workerOf(9)]).toEqual([0, 1, 0, -1]);
});

test("without an idle Worker, one is claimed whose thread lends it; else the thread queues", () => {
  const { pool, lend, park } = newPool();
  pool.addWorker();
  pool.enqueue(1);
  expect(pool.next(0)).toBe(1);
  expect(pool.enqueue(2)).toBe(false);
  lend(1);
  expect(pool.enqueue(3)).toBe(true);
  expect(park(1)).toBe(parking.claimed);
  // It is claimed once.
  expect(pool.enqueue(4)).toBe(false);
  pool.release(0);
  expect(pool.workerOf(1)).toBe(-1);
  expect([pool.next(0), pool.workerOf(2)]).toEqual([2, 0]);
  // A Worker that is made while threads queue serves them.
  expect(pool.addWorker()).toBe(1);
  expect([pool.next(1), pool.runnable]).toEqual([3, 1]);
});

test("a thread that already runs elsewhere is not taken away by the Worker that it has left", () => {
  const { pool } = newPool();
  pool.addWorker();
  pool.addWorker();
  pool.enqueue(1);
  expect(pool.next(0)).toBe(1);
  pool.enqueue(1);
  expect(pool.next(1)).toBe(1);
  pool.release(0);
  expect(pool.workerOf(1)).toBe(1);
});

test("there are no more Workers than the limit says", () => {
  const { pool } = newPool();
  expect(Array.from({ length: 4 }, () => pool.addWorker())).toEqual([0, 1, 2, -1]);
});
