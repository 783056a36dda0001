/** The record memory from JavaScript; record-decoder.ts fills it. */
import {
  D_COUNT,
  D_FREE,
  D_HOT,
  D_LOCK,
  FIRST_FREE,
  GRANULE_BITS,
  LEAVES,
  R_HANDLER,
  R_TIMES,
  RECORD_PAGES,
} from "./layout.js";
import { H_STALE, H_TRANSLATED } from "./shape.js";

export const GRANULE = 1 << GRANULE_BITS;

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

  /** Instructions decoded. */
  get count(): number {
    return this.words[D_COUNT / 4]!;
  }
  /** The record at a guest address, or 0. */
  find(pc: number): number {
    const leaf = this.words[pc >>> GRANULE_BITS]!;
    return Atomics.load(this.words, (LEAVES + leaf) / 4 + (pc & (GRANULE - 1)));
  }
  /** How often control came to `pc` by a call, backwards or from outside; 0 if it never did. */
  timesAt(pc: number): number {
    const record = this.find(pc);
    return record ? this.view.getUint16(record + R_TIMES, true) : 0;
  }
  handlerAt(pc: number): number {
    const record = this.find(pc);
    return record ? this.words[(record + R_HANDLER) / 4]! : -1;
  }
  /** From now on control that comes to `pc` goes on in translated code. */
  markTranslated(pc: number): void {
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
          Atomics.store(this.words, (record + R_HANDLER) / 4, H_STALE);
          Atomics.store(this.words, at, 0);
        }
      }
    } finally {
      this.unlock();
    }
  }

  protected lock(): void {
    while (Atomics.compareExchange(this.words, D_LOCK / 4, 0, 1) !== 0) Atomics.wait(this.words, D_LOCK / 4, 1, 10);
  }
  protected unlock(): void {
    Atomics.store(this.words, D_LOCK / 4, 0);
    Atomics.notify(this.words, D_LOCK / 4, 1);
  }
}
