/**
 * How long a thread waits at most before it looks again. V8's background compilers, four for all threads of a process, may
 * need memory of the thread that they compile for, and wait until that thread collects garbage: it does so when it wakes.
 */
export const NAP_MS = 1000;

/** A mutual-exclusion lock in a word of shared memory: 0 free, 1 held, 2 held with waiters. Not recursive. */
export class Lock {
  readonly #words: Int32Array;
  readonly #index: number;

  constructor(words: Int32Array, index: number) {
    this.#words = words;
    this.#index = index;
  }

  acquire(): void {
    acquireWord(this.#words, this.#index);
  }

  release(): void {
    releaseWord(this.#words, this.#index);
  }

  /** Runs `body` with the lock held. */
  hold<T>(body: () => T): T {
    acquireWord(this.#words, this.#index);
    try {
      return body();
    } finally {
      releaseWord(this.#words, this.#index);
    }
  }
}

/** A page's main thread may not wait: there the lock spins, which the short critical sections allow. */
let mayWait = true;

/** Acquires the lock in `words[index]`. */
export const acquireWord = (words: Int32Array, index: number): void => {
  if (Atomics.compareExchange(words, index, 0, 1) === 0) return;
  for (let spins = 0; spins < 100; spins++) {
    if (Atomics.load(words, index) === 0 && Atomics.compareExchange(words, index, 0, 1) === 0) return;
  }
  while (Atomics.exchange(words, index, 2) !== 0) {
    if (!mayWait) continue;
    try {
      Atomics.wait(words, index, 2);
    } catch {
      mayWait = false;
    }
  }
};

/** Releases the lock in `words[index]`, which the caller holds. */
export const releaseWord = (words: Int32Array, index: number): void => {
  if (Atomics.exchange(words, index, 0) === 2) Atomics.notify(words, index, 1);
};
