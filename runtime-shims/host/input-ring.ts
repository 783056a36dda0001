import { filesParts, INPUT_BYTES } from "../files-layout.js";
import { readinessChanged, stdinKey, terminalKey } from "../file-kinds/notify.js";
import { type KernelMemory, sections } from "../kernel-memory.js";
import { acquireWord, releaseWord } from "../lock.js";

/** Where the header of each ring is, in bytes of the files section, and the wait key of its readers. */
const SOURCES = {
  stdin: { part: filesParts.stdinInput, key: stdinKey },
  terminal: { part: filesParts.terminalInput, key: terminalKey },
} as const;

/** Words of the ring's header. */
const word = {
  lock: 0,
  start: 1,
  length: 2,
  /** 1 while the guest waits for bytes and the feeder has not answered. */
  demand: 3,
  /** What comes after the bytes: nothing, the end, or an end that the next read uses up. */
  ended: 4,
  /** Why it ended: errno, 0 for the end of the stream. */
  error: 5,
  edge: 6,
} as const;

/** Values of `ended`. */
const ENDED = 1;
const ENDED_ONCE = 2;

const NEWLINE = 0x0a;

/**
 * Standard input, or what is typed at the terminal, on its way from the host's event loop to the guest: a ring in kernel memory. The guest asks, the
 * feeder (see node-stdin.ts, node-terminal-input.ts) answers, so that nothing is read that the guest did not ask for.
 */
export class InputRing {
  readonly #kernel: KernelMemory;
  readonly #words: Int32Array;
  /** Word of the header, byte of the ring. */
  readonly #base: number;
  readonly #ring: number;
  /** Those who read wait in this queue. */
  readonly key: number;

  constructor(kernel: KernelMemory, source: keyof typeof SOURCES) {
    this.#kernel = kernel;
    this.#words = kernel.words;
    const start = sections.files + SOURCES[source].part;
    this.#base = start / 4;
    this.#ring = start + 64;
    this.key = SOURCES[source].key;
  }

  /**
   * Takes up to `into.length` bytes: their number, 0 at the end, −errno, or undefined when none has come yet.
   * @param line nothing behind the first newline
   */
  take(into: Uint8Array, line = false): number | undefined {
    const words = this.#words;
    const base = this.#base;
    acquireWord(words, base + word.lock);
    const length = words[base + word.length];
    const start = words[base + word.start];
    const wanted = Math.min(length, into.length);
    const count = line ? this.#lineLength(start, wanted) : wanted;
    const first = Math.min(count, INPUT_BYTES - start);
    const { bytes } = this.#kernel;
    into.set(bytes.subarray(this.#ring + start, this.#ring + start + first));
    if (count > first) into.set(bytes.subarray(this.#ring, this.#ring + count - first), first);
    words[base + word.start] = (start + count) % INPUT_BYTES;
    Atomics.sub(words, base + word.length, count);
    const ended = count === 0 ? words[base + word.ended] : 0;
    if (ended === ENDED_ONCE) Atomics.store(words, base + word.ended, 0);
    releaseWord(words, base + word.lock);
    if (count > 0) return count;
    return ended ? -words[base + word.error] : undefined;
  }

  /** Bytes up to and with the first newline, at most `limit`. */
  #lineLength(start: number, limit: number): number {
    const { bytes } = this.#kernel;
    let length = 0;
    while (length < limit && bytes[this.#ring + ((start + length++) % INPUT_BYTES)] !== NEWLINE);
    return length;
  }

  /** Forgets the bytes that wait for the guest. */
  discard(): void {
    acquireWord(this.#words, this.#base + word.lock);
    Atomics.store(this.#words, this.#base + word.length, 0);
    releaseWord(this.#words, this.#base + word.lock);
  }

  /** Bytes that wait for the guest. */
  get length(): number {
    return Atomics.load(this.#words, this.#base + word.length);
  }

  /** Whether a read that finds no bytes finds the end. */
  get ended(): boolean {
    return Atomics.load(this.#words, this.#base + word.ended) !== 0;
  }

  /** Whether nothing more can come. */
  get endedForGood(): boolean {
    return Atomics.load(this.#words, this.#base + word.ended) === ENDED;
  }

  /** A number that grows with every arrival. */
  get edge(): number {
    return Atomics.load(this.#words, this.#base + word.edge);
  }

  /** Asks the feeder for bytes. */
  ask(): void {
    if (this.ended || this.length > 0) return;
    if (Atomics.exchange(this.#words, this.#base + word.demand, 1) === 0)
      Atomics.notify(this.#words, this.#base + word.demand);
  }

  /** Feeder: resolves when the guest asks; at once if it already has. */
  async asked(): Promise<void> {
    while (Atomics.load(this.#words, this.#base + word.demand) === 0) {
      const wait = Atomics.waitAsync(this.#words, this.#base + word.demand, 0);
      if (wait.async) await wait.value;
    }
  }

  /** Feeder: resolves `asked`, since the guest has ended and will ask no more. */
  dismiss(): void {
    Atomics.store(this.#words, this.#base + word.demand, 1);
    Atomics.notify(this.#words, this.#base + word.demand);
  }

  /** Feeder: room in the ring, in bytes. */
  get room(): number {
    return INPUT_BYTES - this.length;
  }

  /** Feeder: puts bytes, at most `room`, and wakes who waits for them. */
  put(from: Uint8Array): void {
    const words = this.#words;
    acquireWord(words, this.#base + word.lock);
    const length = words[this.#base + word.length];
    const end = (words[this.#base + word.start] + length) % INPUT_BYTES;
    const first = Math.min(from.length, INPUT_BYTES - end);
    this.#kernel.bytes.set(from.subarray(0, first), this.#ring + end);
    if (from.length > first) this.#kernel.bytes.set(from.subarray(first), this.#ring);
    Atomics.add(words, this.#base + word.length, from.length);
    this.#answer();
  }

  /** Feeder: an end of file was typed, behind which more can come. */
  endOnce(): void {
    this.#end(ENDED_ONCE, 0);
  }

  /** Feeder: no more bytes come. @param error errno, 0 for the end of the stream. */
  end(error: number): void {
    this.#end(ENDED, error);
  }

  #end(kind: number, error: number): void {
    acquireWord(this.#words, this.#base + word.lock);
    this.#words[this.#base + word.error] = error;
    Atomics.store(this.#words, this.#base + word.ended, kind);
    this.#answer();
  }

  #answer(): void {
    Atomics.add(this.#words, this.#base + word.edge, 1);
    Atomics.store(this.#words, this.#base + word.demand, 0);
    releaseWord(this.#words, this.#base + word.lock);
    readinessChanged(this.#kernel, this.key);
  }
}
