/**
 * The code arena: all translated modules of a process, so that every thread can instantiate what it meets. They are in
 * one SharedArrayBuffer; what an earlier run has left stays in its file until a thread asks for it. A *slot* is the table
 * index of a region's function, the same in every thread; a slot is given to a guest address when code first refers to it,
 * and points to a module once the region is translated. A region that takes much time is translated once more, with more
 * effort: then its slot points to the better module, and knows the *former* one, which has a function for it as well.
 *
 * One writer at a time (the translator, or the loader of the code cache before threads start); `invalidate` may come
 * from any thread. Readers need no lock: an address's slot never changes and modules are published after their bytes.
 */

/** Slot 0 is never given out; slot 1 is `bounce`, see runtime-module.ts. */
export const BOUNCE_SLOT = 1;
const FIRST_SLOT = 2;
/** Module 0 stands for none. */
export const FIRST_MODULE = 1;
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
// Bounds of all invalidated ranges; the lower one is stored complemented, so that 0 means none.
const H_CHANGED_LOW = 5;
const H_CHANGED_HIGH = 6;
// Code before this offset is not in memory but in a file: its descriptor, and the position of offset 0.
const H_FILE_BYTES = 7;
const H_FILE = 8;
const H_FILE_AT = 9;
/** 1 if something in the file was not as it was written. */
const H_DAMAGED = 10;
const H_IMPROVEMENTS = 11;
const HEADER_WORDS = 16;

// Words of a module record.
const M_OFFSET = 0;
const M_LENGTH = 1;
const M_MAP_LENGTH = 2;
const M_DYNAMIC = 3;
const M_FUNCTIONS = 4;
/** Checksum of code and map; of modules that are in the file. */
const M_CHECKSUM = 5;
/** 1 if it is the former module of a slot. */
const M_FORMER = 6;
const MODULE_WORDS = 7;

const HASH_AT = HEADER_WORDS;
const SLOT_PC_AT = HASH_AT + HASH_SIZE;
const SLOT_MODULE_AT = SLOT_PC_AT + MAX_SLOTS;
const SLOT_FORMER_AT = SLOT_MODULE_AT + MAX_SLOTS;
const SLOT_START_AT = SLOT_FORMER_AT + MAX_SLOTS;
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
  /** True if its regions are translated already, and better here. */
  readonly improved: boolean;
}

/** How much of an arena is in use. */
export interface ArenaSize {
  /** Slots given out, the first two included. */
  readonly slots: number;
  /** Modules published, and `FIRST_MODULE`. */
  readonly modules: number;
  readonly codeBytes: number;
}

/** Offsets of code that follows each other. */
interface Run {
  readonly from: number;
  to: number;
}

/** How a platform reads files in which code is kept. */
export interface CodeFiles {
  /** Fills `into` from a position in an open file, which any thread may name. False if that cannot be. */
  read(descriptor: number, position: number, into: Uint8Array): boolean;
  /** 32 bits. */
  checksum(bytes: Uint8Array): number;
}

/** Where the code of an earlier run stands. */
export interface CodePlace {
  readonly descriptor: number;
  readonly position: number;
}

/** A file in which code was kept is not what it was. */
export class DamagedCodeError extends Error {}

/** What is read of a file at a time. */
const CHUNK_BYTES = 1 << 20;

/** A copy of what can be reused of an arena. */
export interface ArenaSnapshot {
  readonly size: ArenaSize;
  /** Modules that are kept; the numbers of the others stay unused. */
  readonly modules: number;
  /** True if there is a module beyond those known. */
  readonly fresh: boolean;
  /** Bytes of the tables, in the host's byte order, which is little-endian everywhere. */
  readonly tables: readonly Uint8Array[];
  /** The code, each piece valid until the next. Throws DamagedCodeError. */
  readonly code: Iterable<Uint8Array>;
}

export class CodeArena {
  readonly buffer: SharedArrayBuffer;
  private readonly words: Int32Array;
  private readonly code: Uint8Array;
  private readonly files: CodeFiles | undefined;
  /** Of the module that was asked for. */
  private scratch = new Uint8Array(1 << 14);

  /** Virtual size; host memory is committed as it is used. */
  static allocate(): SharedArrayBuffer {
    const buffer = new SharedArrayBuffer(CODE_AT_BYTES + CODE_BYTES);
    const words = new Int32Array(buffer, 0, HEADER_WORDS);
    words[H_SLOTS] = FIRST_SLOT;
    words[H_MODULES] = FIRST_MODULE;
    return buffer;
  }

  /** @param files needed by who loads, saves, or links what was loaded */
  constructor(buffer: SharedArrayBuffer, files?: CodeFiles) {
    this.buffer = buffer;
    this.files = files;
    this.words = new Int32Array(buffer, 0, CODE_AT_BYTES / 4);
    this.code = new Uint8Array(buffer, CODE_AT_BYTES);
  }

  // --- readers ---

  /** The slot of a guest address, or 0. */
  slotOf(pc: number): number {
    const { words } = this;
    for (let at = firstProbe(pc); ; at = (at + probeStep(pc)) & (HASH_SIZE - 1)) {
      const slot = Atomics.load(words, HASH_AT + at);
      if (slot === 0 || words[SLOT_PC_AT + slot] === (pc | 0)) return slot;
    }
  }
  /** True if there is a region for `pc`. */
  isTranslated(pc: number): boolean {
    const slot = this.slotOf(pc);
    return slot > BOUNCE_SLOT && this.moduleOf(slot) >= 0;
  }
  /** Number of slots given out, slot 0 and 1 included: the size a table needs. */
  get slotCount(): number {
    return Atomics.load(this.words, H_SLOTS);
  }
  /** Modules published, and `FIRST_MODULE`. */
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
  /** Counts modules that have better code for what was translated before. */
  get improvements(): number {
    return Atomics.load(this.words, H_IMPROVEMENTS);
  }
  /** True if the region for `pc` is translated, and not yet better than at first. */
  isImprovable(pc: number): boolean {
    const slot = this.slotOf(pc);
    return slot > BOUNCE_SLOT && this.moduleOf(slot) >= 0 && this.formerOf(slot) < 0;
  }
  pcOf(slot: number): number {
    return this.words[SLOT_PC_AT + slot]! >>> 0;
  }
  /** The module that holds the slot's function, or -1 while it is not translated. */
  moduleOf(slot: number): number {
    return Atomics.load(this.words, SLOT_MODULE_AT + slot) - 1;
  }
  /** The module that holds a function for the slot as well, which is not to be used any more; or -1. */
  private formerOf(slot: number): number {
    return Atomics.load(this.words, SLOT_FORMER_AT + slot) - 1;
  }
  /** Slots that have a former module: that one, or any. */
  improvedSlots(former?: number): number[] {
    if (former !== undefined && this.words[MODULE_AT + former * MODULE_WORDS + M_FORMER] === 0) return [];
    const out: number[] = [];
    for (let slot = FIRST_SLOT; slot < this.slotCount; slot++) {
      const one = this.formerOf(slot);
      if (one >= 0 && (former === undefined || one === former)) out.push(slot);
    }
    return out;
  }
  /**
   * A module's code, not shared; valid until the next call of this or of `moduleMap`. Null if it is in a file and not as
   * it was.
   */
  moduleBytes(module: number): Uint8Array<ArrayBuffer> | null {
    const length = this.words[MODULE_AT + module * MODULE_WORDS + M_LENGTH]!;
    return this.contents(module)?.subarray(0, length) ?? null;
  }
  /** The same of its map of trap sites. */
  moduleMap(module: number): Uint8Array | null {
    const length = this.words[MODULE_AT + module * MODULE_WORDS + M_LENGTH]!;
    return this.contents(module)?.subarray(length) ?? null;
  }
  private contents(module: number): Uint8Array<ArrayBuffer> | null {
    const { words, files } = this;
    const at = MODULE_AT + module * MODULE_WORDS;
    const offset = words[at + M_OFFSET]! >>> 0;
    const length = words[at + M_LENGTH]! + words[at + M_MAP_LENGTH]!;
    if (this.scratch.length < length) this.scratch = new Uint8Array(2 * length);
    const bytes = this.scratch.subarray(0, length);
    if (offset >= this.fileBytes) {
      bytes.set(this.code.subarray(offset, offset + length));
      return bytes;
    }
    return files && this.readFile(offset, bytes) && (files.checksum(bytes) | 0) === words[at + M_CHECKSUM]
      ? bytes
      : null;
  }
  private get fileBytes(): number {
    return this.words[H_FILE_BYTES]! >>> 0;
  }
  private readFile(offset: number, into: Uint8Array): boolean {
    return this.files?.read(this.words[H_FILE]!, this.words[H_FILE_AT]! + offset, into) ?? false;
  }
  /** How many functions a module has: one for each region that it was published with. */
  functionCount(module: number): number {
    return this.words[MODULE_AT + module * MODULE_WORDS + M_FUNCTIONS]!;
  }
  /** The same of all modules together. */
  get functions(): number {
    let sum = 0;
    for (let module = FIRST_MODULE; module < this.moduleCount; module++) sum += this.functionCount(module);
    return sum;
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
    let at = firstProbe(pc);
    for (; ; at = (at + probeStep(pc)) & (HASH_SIZE - 1)) {
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
    words[at + M_FUNCTIONS] = module.regions.length;
    words[at + M_FORMER] = 0;
    this.lock();
    try {
      if (this.epoch !== epoch) return -1;
      Atomics.store(words, H_CODE, (offset + length + 7) & ~7);
      Atomics.store(words, H_MODULES, id + 1);
      for (const { pc, start, end } of module.regions) {
        const slot = this.slotOf(pc);
        const former = module.improved ? this.moduleOf(slot) : -1;
        // What concerns one of its two functions concerns both.
        const from = former < 0 ? start : Math.min(start, words[SLOT_START_AT + slot]! >>> 0);
        const to = former < 0 ? end : Math.max(end, words[SLOT_END_AT + slot]! >>> 0);
        words[SLOT_START_AT + slot] = from | 0;
        words[SLOT_END_AT + slot] = to | 0;
        if (former >= 0) words[MODULE_AT + former * MODULE_WORDS + M_FORMER] = 1;
        Atomics.store(words, SLOT_FORMER_AT + slot, former + 1);
        Atomics.store(words, SLOT_MODULE_AT + slot, id + 1);
      }
      if (module.improved) Atomics.add(words, H_IMPROVEMENTS, 1);
    } finally {
      this.unlock();
    }
    return id;
  }

  // --- the code cache ---

  /**
   * What a saved arena's tables are read into, before any other thread uses this one: views of the arena, in the order of
   * `ArenaSnapshot`. `finishLoad` makes it visible; until then nothing but the arena's free space changes. Null if so much
   * does not fit.
   */
  beginLoad(size: ArenaSize): Uint8Array[] | null {
    const { slots, modules, codeBytes } = size;
    if (slots < FIRST_SLOT || slots > MAX_SLOTS || modules < FIRST_MODULE || modules > MAX_MODULES) return null;
    if (codeBytes < 0 || codeBytes > CODE_BYTES || codeBytes % 8) return null;
    return this.tableViews(slots, modules);
  }

  /**
   * Publishes what was read into the views of `beginLoad`, and the code at `place`, which stays open. False, and all of it
   * forgotten, if it makes no sense.
   */
  finishLoad(size: ArenaSize, place: CodePlace): boolean {
    const { words } = this;
    const { slots, modules, codeBytes } = size;
    if (!this.tablesAreSound(size)) {
      this.abandonLoad(size);
      return false;
    }
    for (let slot = FIRST_SLOT; slot < slots; slot++) {
      const pc = words[SLOT_PC_AT + slot]!;
      let at = firstProbe(pc);
      while (words[HASH_AT + at] !== 0) at = (at + probeStep(pc)) & (HASH_SIZE - 1);
      words[HASH_AT + at] = slot;
    }
    words[H_FILE] = place.descriptor;
    words[H_FILE_AT] = place.position;
    words[H_FILE_BYTES] = codeBytes;
    Atomics.store(words, H_SLOTS, slots);
    Atomics.store(words, H_CODE, codeBytes);
    Atomics.store(words, H_MODULES, modules);
    return true;
  }

  /** Forgets what was read into the views of `beginLoad`. */
  abandonLoad(size: ArenaSize): void {
    for (const view of this.tableViews(size.slots, size.modules)) view.fill(0);
  }

  /**
   * A consistent copy of everything that may be used again in another run of the same program; modules keep their
   * numbers, because their code contains them. Left out: modules that are dynamic, invalidated, damaged, or
   * made from code in a range that was ever invalidated.
   * @param known modules that were loaded
   */
  snapshot(known: number, files: CodeFiles): ArenaSnapshot {
    this.lock();
    try {
      const slots = this.slotCount;
      const modules = this.moduleCount;
      const tables = this.tableViews(slots, modules).map((view) => view.slice());
      const [, slotModule, slotFormer, slotStart, slotEnd, records] = tables.map(
        (bytes) => new Int32Array(bytes.buffer),
      );
      const kept = this.reusable(slots, modules);
      let fresh = false;
      for (let module = FIRST_MODULE + known; module < modules; module++) fresh ||= kept[module] !== 0;
      for (let slot = FIRST_SLOT; slot < slots; slot++) {
        if (!kept[slotFormer![slot]! - 1]) slotFormer![slot] = 0;
        if (kept[slotModule![slot]! - 1]) continue;
        slotModule![slot] = slotFormer![slot] = slotStart![slot] = slotEnd![slot] = 0;
      }
      const { fileBytes } = this;
      const runs: Run[] = [];
      let codeBytes = 0;
      for (let module = 0; module < modules; module++) {
        const at = module * MODULE_WORDS;
        const offset = records![at + M_OFFSET]! >>> 0;
        const bytes = records![at + M_LENGTH]! + records![at + M_MAP_LENGTH]!;
        const length = (bytes + 7) & ~7;
        records![at + M_OFFSET] = codeBytes;
        if (kept[module]) {
          if (offset >= fileBytes) {
            records![at + M_CHECKSUM] = files.checksum(this.code.subarray(offset, offset + bytes)) | 0;
          }
          const run = runs.at(-1);
          // No run is in the file and in memory.
          if (run?.to === offset && offset !== fileBytes) run.to += length;
          else runs.push({ from: offset, to: offset + length });
          codeBytes += length;
        } else records!.fill(0, at, at + MODULE_WORDS);
      }
      return {
        size: { slots, modules, codeBytes },
        modules: kept.reduce((sum, one) => sum + one, 0),
        fresh,
        tables,
        code: this.codeOf(runs),
      };
    } finally {
      this.unlock();
    }
  }

  private *codeOf(runs: readonly Run[]): Generator<Uint8Array> {
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (const { from, to } of runs) {
      if (from >= this.fileBytes) {
        yield this.code.subarray(from, to);
        continue;
      }
      for (let at = from; at < to; at += CHUNK_BYTES) {
        const piece = chunk.subarray(0, Math.min(CHUNK_BYTES, to - at));
        if (!this.readFile(at, piece)) throw new DamagedCodeError("a module cannot be read");
        yield piece;
      }
    }
  }

  /** One byte for each module: 1 if it may be kept. */
  private reusable(slots: number, modules: number): Uint8Array {
    const { words } = this;
    const low = ~words[H_CHANGED_LOW]! >>> 0;
    const high = words[H_CHANGED_HIGH]! >>> 0;
    const kept = new Uint8Array(modules);
    for (let slot = FIRST_SLOT; slot < slots; slot++) {
      const module = words[SLOT_MODULE_AT + slot]! - 1;
      if (module >= 0 && !this.isDynamic(module)) kept[module] = 1;
    }
    for (let slot = FIRST_SLOT; slot < slots; slot++) {
      const module = words[SLOT_MODULE_AT + slot]! - 1;
      if (module < 0) continue;
      if (words[SLOT_START_AT + slot]! >>> 0 < high && words[SLOT_END_AT + slot]! >>> 0 > low) kept[module] = 0;
    }
    if (this.fileIsDamaged) kept.forEach((_, module) => (kept[module] &&= this.contents(module) ? 1 : 0));
    // As in `drop`: nothing is translated whose slot says that it is not.
    for (let slot = FIRST_SLOT; slot < slots; slot++) {
      if (this.formerOf(slot) >= 0 && !kept[this.moduleOf(slot)]) kept[this.formerOf(slot)] = 0;
    }
    return kept;
  }

  private tablesAreSound({ slots, modules, codeBytes }: ArenaSize): boolean {
    const { words } = this;
    for (let slot = FIRST_SLOT; slot < slots; slot++) {
      for (const table of [SLOT_MODULE_AT, SLOT_FORMER_AT]) {
        const module = words[table + slot]!;
        if (module < 0 || module > modules) return false;
      }
    }
    for (let at = MODULE_AT; at < MODULE_AT + modules * MODULE_WORDS; at += MODULE_WORDS) {
      const offset = words[at + M_OFFSET]! >>> 0;
      if (offset + (words[at + M_LENGTH]! >>> 0) + (words[at + M_MAP_LENGTH]! >>> 0) > codeBytes) return false;
    }
    return true;
  }

  private tableViews(slots: number, modules: number): Uint8Array[] {
    const view = (at: number, length: number) => new Uint8Array(this.buffer, at * 4, length * 4);
    const slotTables = [SLOT_PC_AT, SLOT_MODULE_AT, SLOT_FORMER_AT, SLOT_START_AT, SLOT_END_AT];
    return [...slotTables.map((at) => view(at, slots)), view(MODULE_AT, modules * MODULE_WORDS)];
  }

  /** True if code at `pc` was ever invalidated. */
  wasChanged(pc: number): boolean {
    return pc >= ~this.words[H_CHANGED_LOW]! >>> 0 && pc < this.words[H_CHANGED_HIGH]! >>> 0;
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
      if (start < ~words[H_CHANGED_LOW]! >>> 0) words[H_CHANGED_LOW] = ~start;
      if (end > words[H_CHANGED_HIGH]! >>> 0) words[H_CHANGED_HIGH] = Math.min(end, 0xffffffff) | 0;
      this.drop(hit);
      return hit.size > 0;
    } finally {
      this.unlock();
    }
  }

  /** Forgets a module that could not be read; what it is the code of is as if it had not been translated. */
  forget(module: number): void {
    this.lock();
    try {
      this.words[H_DAMAGED] = 1;
      Atomics.add(this.words, H_EPOCH, 1);
      this.drop(new Set([module + 1]));
    } finally {
      this.unlock();
    }
  }
  /** True if a module of the file could not be read. */
  get fileIsDamaged(): boolean {
    return this.words[H_DAMAGED] !== 0;
  }

  /**
   * Forgets modules, and the former ones of their slots.
   * @param hit as the slots' tables have them: number + 1
   */
  private drop(hit: Set<number>): void {
    if (hit.size === 0) return;
    const { words } = this;
    const slots = this.slotCount;
    for (let slot = FIRST_SLOT; slot < slots; slot++) {
      const former = words[SLOT_FORMER_AT + slot]!;
      if (former && hit.has(words[SLOT_MODULE_AT + slot]!)) hit.add(former);
    }
    for (let slot = FIRST_SLOT; slot < slots; slot++) {
      for (const table of [SLOT_FORMER_AT, SLOT_MODULE_AT]) {
        if (hit.has(words[table + slot]!)) Atomics.store(words, table + slot, 0);
      }
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

/** Where in the hash table an address is looked for first: what is near in the program is near there, so that few of its pages are in use. */
const firstProbe = (pc: number): number => (pc >>> 4) & (HASH_SIZE - 1);
/** From there to where it is looked for next, and so on: an odd number, so that it comes everywhere. */
const probeStep = (pc: number): number => (Math.imul(pc, 0x9e3779b1) >>> 11) | 1;
