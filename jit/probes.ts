/**
 * Probes: guest addresses at which the engine calls out before the instruction there runs, with the thread's registers
 * in its CPU block. The table is in shared memory: translator, decoders and all threads see one state of it.
 *
 * One thread sets and clears, any number read. A probe's number stays with its address for the table's life, so that
 * code may contain it, also after the probe has been taken away and set again. With none set, nothing that is emitted or
 * decoded differs from what it is without this table.
 */

/** Addresses that may ever have been probed in one process. */
export const MAX_PROBES = 4096;
/** The number that every address without a probe of its own has while all instructions are probed. */
export const EVERY_INSTRUCTION = 4096;
const HASH_SIZE = 2 * MAX_PROBES;

// Words.
const P_COUNT = 0;
const P_EVERYWHERE = 1;
const ADDRESS_AT = 2;
const SET_AT = ADDRESS_AT + MAX_PROBES;
/** Number + 1 of the probe that an address leads to, or 0. */
const HASH_AT = SET_AT + MAX_PROBES;
const WORDS = HASH_AT + HASH_SIZE;

export class Probes {
  readonly buffer: SharedArrayBuffer;
  private readonly words: Int32Array;

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(4 * WORDS);
  }
  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
  }

  /** Every address that a probe was ever set at, by the probe's number. */
  addresses(): number[] {
    return Array.from(this.words.subarray(ADDRESS_AT, ADDRESS_AT + this.count), (address) => address >>> 0);
  }
  /** Whether every instruction is probed. Code that exists already must be forgotten by who changes it. */
  get everywhere(): boolean {
    return Atomics.load(this.words, P_EVERYWHERE) !== 0;
  }
  set everywhere(on: boolean) {
    Atomics.store(this.words, P_EVERYWHERE, on ? 1 : 0);
  }

  /** The number of the probe that is set at a guest address, or -1. */
  at(pc: number): number {
    const { words } = this;
    const others = this.everywhere ? EVERY_INSTRUCTION : -1;
    if (Atomics.load(words, P_COUNT) === 0) return others;
    const probe = words[HASH_AT + this.place(pc)]! - 1;
    return probe >= 0 && Atomics.load(words, SET_AT + probe) !== 0 ? probe : others;
  }

  /**
   * Sets a probe and returns its number. Code that exists already must be forgotten by the caller.
   * @throws RangeError if too many addresses have been probed
   */
  set(pc: number): number {
    const { words } = this;
    const at = HASH_AT + this.place(pc);
    let probe = words[at]! - 1;
    if (probe < 0) {
      probe = this.count;
      if (probe === MAX_PROBES) throw new RangeError(`no more than ${MAX_PROBES} addresses can be probed`);
      words[ADDRESS_AT + probe] = pc | 0;
      Atomics.store(words, at, probe + 1);
      Atomics.store(words, P_COUNT, probe + 1);
    }
    Atomics.store(words, SET_AT + probe, 1);
    return probe;
  }

  /** Takes away the probe at `pc`, if there is one. Code that exists already goes on calling out until it is forgotten. */
  clear(pc: number): void {
    const probe = this.at(pc);
    if (probe >= 0 && probe !== EVERY_INSTRUCTION) Atomics.store(this.words, SET_AT + probe, 0);
  }

  private get count(): number {
    return Atomics.load(this.words, P_COUNT);
  }

  /** Index in the hash table of the word that `pc` has, or would get. */
  private place(pc: number): number {
    const { words } = this;
    for (let at = Math.imul(pc, 0x9e3779b1) >>> 19; ; at = (at + 1) & (HASH_SIZE - 1)) {
      const probe = Atomics.load(words, HASH_AT + at) - 1;
      if (probe < 0 || words[ADDRESS_AT + probe] === (pc | 0)) return at;
    }
  }
}
