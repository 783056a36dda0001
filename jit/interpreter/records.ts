/** The record memory from JavaScript; record-decoder.ts fills it. */
import {
  D_COUNT,
  D_FREE,
  D_HOT,
  D_LAST_LEAF,
  D_LOCK,
  FIRST_FREE,
  GRANULE_BITS,
  L_GRANULE,
  L_PREVIOUS,
  LEAF_BYTES,
  LEAF_HEADER_BYTES,
  LEAVES,
  R_ALSO_LEAD,
  R_ALSO_LIKELY,
  R_FALLEN,
  R_HANDLER,
  R_LEAD,
  R_LIKELY,
  R_TAKEN,
  R_TIMES,
  RECORD_PAGES,
} from "./layout.js";
import { H_LEAVE, H_TRANSLATED } from "./shape.js";

export const GRANULE = 1 << GRANULE_BITS;

/** Control hardly ever goes over an edge that is followed less than once in so many times. */
const RARE = 64;

/** A target of a computed call leads by so many before it is taken for a likely one. */
const CLEAR_LEAD = 64;

/** A conditional branch at `pc`. */
export interface Branch {
  readonly pc: number;
  readonly target: number;
  /** The instruction after it. */
  readonly next: number;
}

/** How much of a record memory is in use. */
export interface RecordSize {
  /** Bytes of records and leaves. */
  readonly bytes: number;
  readonly leaves: number;
  /** Instructions decoded. */
  readonly count: number;
}

/** What can be reused of a record memory. */
export interface RecordSnapshot {
  readonly size: RecordSize;
  /** Bytes of the leaves' places, then of the records as they stand in the memory, little-endian. */
  readonly sections: readonly Uint8Array[];
}

/** Record memory as all threads see it. */
export class Records {
  readonly memory: WebAssembly.Memory;
  protected readonly words: Int32Array;
  protected readonly view: DataView;

  /** @param hot how often an entry or a loop is interpreted before it is translated: a power of two up to 2^15 */
  static allocate(hot: number): WebAssembly.Memory {
    const memory = new WebAssembly.Memory({ initial: RECORD_PAGES, maximum: RECORD_PAGES, shared: true });
    const words = new Int32Array(memory.buffer);
    words[D_HOT / 4] = hot - 1;
    words[D_FREE / 4] = FIRST_FREE;
    return memory;
  }
  constructor(memory: WebAssembly.Memory) {
    this.memory = memory;
    this.words = new Int32Array(memory.buffer);
    this.view = new DataView(memory.buffer);
  }

  /** True if there are `bytes` after what is in use. */
  protected hasRoom(bytes: number): boolean {
    return this.words[D_FREE / 4]! + bytes <= this.words.byteLength;
  }

  /** Instructions decoded. */
  get count(): number {
    return this.words[D_COUNT / 4]!;
  }
  /** The record at a guest address, or 0. */
  find(pc: number): number {
    const leaf = Atomics.load(this.words, pc >>> GRANULE_BITS);
    return Atomics.load(this.words, (LEAVES + leaf) / 4 + (pc & (GRANULE - 1)));
  }
  /** How often control came to `pc` by a call, backwards or from outside; 0 if it never did. */
  timesAt(pc: number): number {
    const record = this.find(pc);
    return record ? this.view.getUint16(record + R_TIMES, true) : 0;
  }
  /**
   * False if control goes over an edge of a conditional branch never or hardly ever. What is translated counts nothing:
   * but where it leaves to code that is not, that counts.
   */
  isFollowed({ pc, target, next }: Branch, taken: boolean): boolean {
    const record = this.find(pc);
    const times = (field: number) => (record ? this.words[(record + field) / 4]! >>> 0 : 0);
    const along = times(taken ? R_TAKEN : R_FALLEN) + this.timesAt(taken ? target : next);
    return along > 0 && along * RARE >= times(R_TAKEN) + times(R_FALLEN);
  }
  /** Where the computed call at `pc` goes most of the time: up to two targets, the likelier one first. */
  likelyTargets(pc: number): readonly number[] {
    const record = this.find(pc);
    if (record === 0) return [];
    const candidates = [
      { target: this.view.getUint32(record + R_LIKELY, true), lead: this.view.getUint8(record + R_LEAD) },
      { target: this.view.getUint32(record + R_ALSO_LIKELY, true), lead: this.view.getUint8(record + R_ALSO_LEAD) },
    ];
    return candidates
      .filter(({ lead }) => lead >= CLEAR_LEAD)
      .sort((a, b) => b.lead - a.lead)
      .map(({ target }) => target);
  }
  /**
   * True if the code at `pc` came at least half of the way to being hot: code becomes hot in no particular order, and
   * what is called once a turn of a loop is about as hot as its caller. What an earlier run translated counts no more.
   */
  isNearlyHot(pc: number): boolean {
    return this.timesAt(pc) * 2 > this.words[D_HOT / 4]!;
  }
  handlerAt(pc: number): number {
    const record = this.find(pc);
    return record ? this.words[(record + R_HANDLER) / 4]! : -1;
  }
  /** From now on control that comes to `pc` goes on in translated code, which has been published. */
  markTranslated(pc: number): void {
    this.lock();
    this.mark(pc);
    this.unlock();
  }
  /** The same under the lock. */
  protected mark(pc: number): void {
    const record = this.find(pc);
    if (record) Atomics.store(this.words, (record + R_HANDLER) / 4, H_TRANSLATED);
  }
  /** Forgets the records of code in [start, start + length). Threads that are in them leave at the next. */
  invalidate(start: number, length: number): void {
    this.lock();
    try {
      const end = Math.min(start + length, 0x1_0000_0000);
      for (let granule = start - (start % GRANULE); granule < end; granule += GRANULE) {
        const leaf = this.words[granule >>> GRANULE_BITS]!;
        if (leaf === 0) continue;
        for (let pc = Math.max(start, granule); pc < Math.min(end, granule + GRANULE); pc++) {
          const at = (LEAVES + leaf) / 4 + (pc & (GRANULE - 1));
          const record = this.words[at]!;
          if (record === 0) continue;
          Atomics.store(this.words, (record + R_HANDLER) / 4, H_LEAVE);
          Atomics.store(this.words, at, 0);
        }
      }
    } finally {
      this.unlock();
    }
  }

  // --- the code cache ---

  /**
   * Gives `use` the records of code that `isKept`, for another run of the same program, when the process has ended: until
   * that returns nothing is decoded, and nothing marked as translated, so that a copy of the code arena made in it has all
   * that is. Counts are lost but for those of what is translated, which say who may inline it.
   */
  snapshot<T>(isKept: (pc: number) => boolean, use: (snapshot: RecordSnapshot) => T): T {
    this.lock();
    try {
      const bytes = this.words[D_FREE / 4]! - FIRST_FREE;
      const leaves: number[] = [];
      let count = 0;
      for (let leaf = this.words[D_LAST_LEAF / 4]!; leaf; leaf = this.words[(LEAVES + leaf + L_PREVIOUS) / 4]!) {
        const granule = this.words[(LEAVES + leaf + L_GRANULE) / 4]!;
        if (!isKept(granule * GRANULE)) continue;
        leaves.push(granule, leaf);
        for (let at = (LEAVES + leaf) / 4, end = at + GRANULE; at < end; at++) {
          const record = this.words[at]!;
          if (record === 0) continue;
          if (this.words[(record + R_HANDLER) / 4] !== H_TRANSLATED) this.view.setUint16(record + R_TIMES, 0, true);
          count++;
        }
      }
      const records = new Uint8Array(this.memory.buffer, FIRST_FREE, bytes);
      const sections = [new Uint8Array(Int32Array.from(leaves).buffer), records];
      return use({ size: { bytes, leaves: leaves.length / 2, count }, sections });
    } finally {
      this.unlock();
    }
  }

  /**
   * What a copy is read into, before any thread uses this memory: views in the order of `RecordSnapshot`. Null if so
   * much does not fit.
   */
  beginLoad({ bytes, leaves }: RecordSize): Uint8Array[] | null {
    if (bytes < 0 || leaves < 0 || leaves > LEAVES / 4 || !this.hasRoom(bytes)) return null;
    return [new Uint8Array(8 * leaves), new Uint8Array(this.memory.buffer, FIRST_FREE, bytes)];
  }

  /** Makes visible what was read into the views of `beginLoad`. False if it makes no sense. */
  finishLoad({ bytes, count }: RecordSize, views: readonly Uint8Array[]): boolean {
    const leaves = new Int32Array(views[0]!.buffer);
    const end = FIRST_FREE + bytes - LEAVES;
    for (let i = 0; i < leaves.length; i += 2) {
      const leaf = leaves[i + 1]!;
      if (
        leaf < LEAF_BYTES + LEAF_HEADER_BYTES ||
        leaf > end - LEAF_BYTES ||
        leaf % 4 ||
        leaves[i]! >>> 0 >= LEAVES / 4
      )
        return false;
    }
    for (let i = 0; i < leaves.length; i += 2) {
      const leaf = leaves[i + 1]!;
      this.words[leaves[i]!] = leaf;
      this.words[(LEAVES + leaf + L_PREVIOUS) / 4] = i === 0 ? 0 : leaves[i - 1]!;
    }
    this.words[D_LAST_LEAF / 4] = leaves.length ? leaves[leaves.length - 1]! : 0;
    this.words[D_FREE / 4] = FIRST_FREE + bytes;
    this.words[D_COUNT / 4] = count;
    return true;
  }

  /** Forgets what was read into the views of `beginLoad`. */
  abandonLoad(views: readonly Uint8Array[]): void {
    for (const view of views) view.fill(0);
  }

  protected lock(): void {
    while (Atomics.compareExchange(this.words, D_LOCK / 4, 0, 1) !== 0) Atomics.wait(this.words, D_LOCK / 4, 1, 10);
  }
  protected unlock(): void {
    Atomics.store(this.words, D_LOCK / 4, 0);
    Atomics.notify(this.words, D_LOCK / 4, 1);
  }
}
