import { filesParts, STDIN_BYTES } from "../files-layout.js";
import { stdinKey, readinessChanged } from "../file-kinds/notify.js";
import { type KernelMemory, sections } from "../kernel-memory.js";
import { acquireWord, releaseWord } from "../lock.js";

const base = (sections.files + filesParts.stdin) / 4;
const ring = sections.files + filesParts.stdin + 64;

/** Words of the ring's header. */
const word = {
  lock: 0,
  start: 1,
  length: 2,
  /** 1 while the guest waits for bytes and the feeder has not answered. */
  demand: 3,
  /** 1 once no more bytes come; `error` is why, 0 for the end of the stream. */
  ended: 4,
  error: 5,
  edge: 6,
} as const;

/**
 * Standard input on its way from the host's event loop to the guest: a ring in kernel memory. The guest asks, the
 * feeder (see node-stdin.ts) answers, so that nothing is read that the guest did not ask for.
 */
export class StdinRing {
  readonly #kernel: KernelMemory;
  readonly #words: Int32Array;

  constructor(kernel: KernelMemory) {
    this.#kernel = kernel;
    this.#words = kernel.words;
  }

  /** Takes up to `into.length` bytes: their number, 0 at the end, −errno, or undefined when none has come yet. */
  take(into: Uint8Array): number | undefined {
    const words = this.#words;
    acquireWord(words, base + word.lock);
    const length = words[base + word.length];
    const count = Math.min(length, into.length);
    const start = words[base + word.start];
    const first = Math.min(count, STDIN_BYTES - start);
    into.set(this.#kernel.bytes.subarray(ring + start, ring + start + first));
    if (count > first) into.set(this.#kernel.bytes.subarray(ring, ring + count - first), first);
    words[base + word.start] = (start + count) % STDIN_BYTES;
    Atomics.sub(words, base + word.length, count);
    const ended = words[base + word.ended] !== 0;
    releaseWord(words, base + word.lock);
    if (count > 0) return count;
    return ended ? -words[base + word.error] : undefined;
  }

  /** Forgets the bytes that wait for the guest. */
  discard(): void {
    acquireWord(this.#words, base + word.lock);
    Atomics.store(this.#words, base + word.length, 0);
    releaseWord(this.#words, base + word.lock);
  }

  /** Bytes that wait for the guest. */
  get length(): number {
    return Atomics.load(this.#words, base + word.length);
  }

  get ended(): boolean {
    return Atomics.load(this.#words, base + word.ended) !== 0;
  }

  /** A number that grows with every arrival. */
  get edge(): number {
    return Atomics.load(this.#words, base + word.edge);
  }

  /** Asks the feeder for bytes. */
  ask(): void {
    if (this.ended || this.length > 0) return;
    if (Atomics.exchange(this.#words, base + word.demand, 1) === 0) Atomics.notify(this.#words, base + word.demand);
  }

  /** Feeder: resolves when the guest asks; at once if it already has. */
  async asked(): Promise<void> {
    while (Atomics.load(this.#words, base + word.demand) === 0) {
      const wait = Atomics.waitAsync(this.#words, base + word.demand, 0);
      if (wait.async) await wait.value;
    }
  }

  /** Feeder: resolves `asked`, since the guest has ended and will ask no more. */
  dismiss(): void {
    Atomics.store(this.#words, base + word.demand, 1);
    Atomics.notify(this.#words, base + word.demand);
  }

  /** Feeder: room in the ring, in bytes. */
  get room(): number {
    return STDIN_BYTES - this.length;
  }

  /** Feeder: puts bytes, at most `room`, and wakes who waits for them. */
  put(from: Uint8Array): void {
    const words = this.#words;
    acquireWord(words, base + word.lock);
    const length = words[base + word.length];
    const end = (words[base + word.start] + length) % STDIN_BYTES;
    const first = Math.min(from.length, STDIN_BYTES - end);
    this.#kernel.bytes.set(from.subarray(0, first), ring + end);
    if (from.length > first) this.#kernel.bytes.set(from.subarray(first), ring);
    Atomics.add(words, base + word.length, from.length);
    this.#answer();
  }

  /** Feeder: no more bytes come. @param error errno, 0 for the end of the stream. */
  end(error: number): void {
    acquireWord(this.#words, base + word.lock);
    this.#words[base + word.error] = error;
    Atomics.store(this.#words, base + word.ended, 1);
    this.#answer();
  }

  #answer(): void {
    Atomics.add(this.#words, base + word.edge, 1);
    Atomics.store(this.#words, base + word.demand, 0);
    releaseWord(this.#words, base + word.lock);
    readinessChanged(this.#kernel, stdinKey);
  }
}
