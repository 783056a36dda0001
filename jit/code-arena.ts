/**
 * The code arena: all translated modules of a process in one SharedArrayBuffer, so that every thread can instantiate
 * what it meets. A *slot* is the table index of a region's function, the same in every thread; a slot is given to a
 * guest address when code first refers to it, and points to a module once the region is translated.
 *
 * One writer at a time (the translator, or the loader of the code cache before threads start); `invalidate` may come
 * from any thread. Readers need no lock: an address's slot never changes and modules are published after their bytes.
 */

/** Slot 0 is never given out; slot 1 is `bounce`, see runtime-module.ts. */
export const BOUNCE_SLOT = 1;
const FIRST_SLOT = 2;
const MAX_SLOTS = 1 << 20;
const HASH_SIZE = MAX_SLOTS * 2;
const MAX_MODULES = 1 << 18;
const CODE_BYTES = 1 << 29;

// Header words.
const H_SLOTS = 0;
const H_MODULES = 1;
const H_CODE = 2;
const H_EPOCH = 3;
const H_LOCK = 4;
const HEADER_WORDS = 16;

// Words of a module record.
const M_OFFSET = 0;
const M_LENGTH = 1;
const M_MAP_LENGTH = 2;
const M_DYNAMIC = 3;
const MODULE_WORDS = 4;

const HASH_AT = HEADER_WORDS;
const SLOT_PC_AT = HASH_AT + HASH_SIZE;
const SLOT_MODULE_AT = SLOT_PC_AT + MAX_SLOTS;
const SLOT_START_AT = SLOT_MODULE_AT + MAX_SLOTS;
const SLOT_END_AT = SLOT_START_AT + MAX_SLOTS;
const MODULE_AT = SLOT_END_AT + MAX_SLOTS;
const CODE_AT_BYTES = (MODULE_AT + MAX_MODULES * MODULE_WORDS) * 4;

/** A translated region as it is published. */
export interface PublishedRegion {
  readonly pc: number;
  /** Guest code that it was made from: [start, end). */
  readonly start: number;
  readonly end: number;
}

export interface PublishedModule {
  readonly bytes: Uint8Array;
  /** Source map of trap sites, JSON as Latin-1 text. */
  readonly map: Uint8Array;
  readonly regions: readonly PublishedRegion[];
  /** True if its guest code is not part of the program's file; such modules are not cached. */
  readonly dynamic: boolean;
}

export class CodeArena {
  readonly buffer: SharedArrayBuffer;
  private readonly words: Int32Array;
  private readonly code: Uint8Array;

  /** Virtual size; host memory is committed as it is used. */
  static allocate(): SharedArrayBuffer {
    const buffer = new SharedArrayBuffer(CODE_AT_BYTES + CODE_BYTES);
    const words = new Int32Array(buffer, 0, HEADER_WORDS);
    words[H_SLOTS] = FIRST_SLOT;
    return buffer;
  }

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer, 0, CODE_AT_BYTES / 4);
    this.code = new Uint8Array(buffer, CODE_AT_BYTES);
  }

  // --- readers ---

  /** The slot of a guest address, or 0. */
  slotOf(pc: number): number {
    const { words } = this;
    for (let at = hash(pc); ; at = (at + 1) & (HASH_SIZE - 1)) {
      const slot = Atomics.load(words, HASH_AT + at);
      if (slot === 0 || words[SLOT_PC_AT + slot] === (pc | 0)) return slot;
    }
  }
  /** Number of slots given out, slot 0 and 1 included: the size a table needs. */
  get slotCount(): number {
    return Atomics.load(this.words, H_SLOTS);
  }
  /** Module 0 is the runtime module; waits until it has been published. */
  waitForRuntime(): Uint8Array {
    while (this.moduleCount === 0) Atomics.wait(this.words, H_MODULES, 0);
    return this.moduleBytes(0);
  }
  get moduleCount(): number {
    return Atomics.load(this.words, H_MODULES);
  }
  /** Bytes of code and maps published so far. */
  get codeBytes(): number {
    return Atomics.load(this.words, H_CODE) >>> 0;
  }
  /** Counts invalidations. */
  get epoch(): number {
    return Atomics.load(this.words, H_EPOCH);
  }
  pcOf(slot: number): number {
    return this.words[SLOT_PC_AT + slot]! >>> 0;
  }
  /** The module that holds the slot's function, or -1 while it is not translated. */
  moduleOf(slot: number): number {
    return Atomics.load(this.words, SLOT_MODULE_AT + slot) - 1;
  }
  moduleBytes(module: number): Uint8Array {
    const at = MODULE_AT + module * MODULE_WORDS;
    const offset = this.words[at + M_OFFSET]! >>> 0;
    return this.code.subarray(offset, offset + this.words[at + M_LENGTH]!);
  }
  moduleMap(module: number): Uint8Array {
    const at = MODULE_AT + module * MODULE_WORDS;
    const offset = (this.words[at + M_OFFSET]! >>> 0) + this.words[at + M_LENGTH]!;
    return this.code.subarray(offset, offset + this.words[at + M_MAP_LENGTH]!);
  }
  isDynamic(module: number): boolean {
    return this.words[MODULE_AT + module * MODULE_WORDS + M_DYNAMIC] !== 0;
  }
  /** Slots whose function is in `module`, with their regions. */
  regionsOf(module: number): (PublishedRegion & { readonly slot: number })[] {
    const { words } = this;
    const out: (PublishedRegion & { slot: number })[] = [];
    for (let slot = FIRST_SLOT; slot < this.slotCount; slot++) {
      if (words[SLOT_MODULE_AT + slot] !== module + 1) continue;
      out.push({
        slot,
        pc: this.pcOf(slot),
        start: words[SLOT_START_AT + slot]! >>> 0,
        end: words[SLOT_END_AT + slot]! >>> 0,
      });
    }
    return out;
  }

  // --- the writer ---

  /** The slot of `pc`, given out now if it has none. */
  reserve(pc: number): number {
    const { words } = this;
    let at = hash(pc);
    for (; ; at = (at + 1) & (HASH_SIZE - 1)) {
      const slot = words[HASH_AT + at]!;
      if (slot === 0) break;
      if (words[SLOT_PC_AT + slot] === (pc | 0)) return slot;
    }
    const slot = words[H_SLOTS]!;
    if (slot >= MAX_SLOTS) throw new Error("the code arena has no slot left");
    words[SLOT_PC_AT + slot] = pc | 0;
    Atomics.store(words, H_SLOTS, slot + 1);
    Atomics.store(words, HASH_AT + at, slot);
    return slot;
  }

  /**
   * Publishes a module made while the epoch was `epoch`; its regions' slots must be reserved. Returns its number, or
   * -1 if code has been invalidated since and the module must be made again.
   */
  publish(module: PublishedModule, epoch: number): number {
    const { words } = this;
    const id = words[H_MODULES]!;
    const offset = words[H_CODE]! >>> 0;
    const length = module.bytes.length + module.map.length;
    if (id >= MAX_MODULES || offset + length > CODE_BYTES) throw new Error("the code arena is full");
    this.code.set(module.bytes, offset);
    this.code.set(module.map, offset + module.bytes.length);
    const at = MODULE_AT + id * MODULE_WORDS;
    words[at + M_OFFSET] = offset;
    words[at + M_LENGTH] = module.bytes.length;
    words[at + M_MAP_LENGTH] = module.map.length;
    words[at + M_DYNAMIC] = module.dynamic ? 1 : 0;
    this.lock();
    try {
      if (this.epoch !== epoch) return -1;
      Atomics.store(words, H_CODE, (offset + length + 7) & ~7);
      Atomics.store(words, H_MODULES, id + 1);
      if (id === 0) Atomics.notify(words, H_MODULES);
      for (const region of module.regions) {
        const slot = this.slotOf(region.pc);
        words[SLOT_START_AT + slot] = region.start | 0;
        words[SLOT_END_AT + slot] = region.end | 0;
        Atomics.store(words, SLOT_MODULE_AT + slot, id + 1);
      }
    } finally {
      this.unlock();
    }
    return id;
  }

  // --- any thread ---

  /**
   * Forgets every module with a region made from code in [start, start+length) (whole modules, because functions of a
   * module call each other directly). Returns true if there was one. Threads notice by the epoch.
   */
  invalidate(start: number, length: number): boolean {
    const { words } = this;
    const end = start + length;
    this.lock();
    try {
      const hit = new Set<number>();
      const count = this.slotCount;
      for (let slot = FIRST_SLOT; slot < count; slot++) {
        const module = words[SLOT_MODULE_AT + slot]!;
        if (module === 0) continue;
        if (words[SLOT_START_AT + slot]! >>> 0 < end && words[SLOT_END_AT + slot]! >>> 0 > start) hit.add(module);
      }
      // Even without a hit a translation may be under way: the epoch makes the translator look again.
      Atomics.add(words, H_EPOCH, 1);
      if (hit.size === 0) return false;
      for (let slot = FIRST_SLOT; slot < count; slot++) {
        if (hit.has(words[SLOT_MODULE_AT + slot]!)) Atomics.store(words, SLOT_MODULE_AT + slot, 0);
      }
      return true;
    } finally {
      this.unlock();
    }
  }

  private lock(): void {
    while (Atomics.compareExchange(this.words, H_LOCK, 0, 1) !== 0) Atomics.wait(this.words, H_LOCK, 1, 10);
  }
  private unlock(): void {
    Atomics.store(this.words, H_LOCK, 0);
    Atomics.notify(this.words, H_LOCK, 1);
  }
}

function hash(pc: number): number {
  return (Math.imul(pc, 0x9e3779b1) >>> 11) & (HASH_SIZE - 1);
}
