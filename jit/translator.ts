/** Translation: guest addresses → published modules. The driver: find regions, lift and emit, publish. */
import { type CodeArena, type PublishedRegion } from "./code-arena.js";
import type { CodeSource } from "./code-source.js";
import { RegionEmitter, TABLE } from "./emit-region.js";
import { Lifter } from "./lift/lifter.js";
import { regionName } from "./region-name.js";
import { RegionFinder, type Profile, type Region } from "./region.js";
import { addLookup, addLookupFunction, regionImports } from "./runtime-module.js";
import { WasmBuilder } from "./wasm.js";

export interface TranslatorOptions {
  /** Guest address of Wasm address 0. */
  readonly guestBase: number;
  /** Maximum size of the guest memory in Wasm pages. */
  readonly guestPages: number;
  /** Instructions of a function that become one region; what goes beyond becomes others when it is reached. */
  readonly functionInstructions: number;
  /** Instructions in one module: likely callees are brought along up to this. */
  readonly moduleInstructions: number;
  /** Whether translated code counts the guest instructions that it comes to, in its thread's CPU block; default: no. */
  readonly countsInstructions?: boolean;
  /** Milliseconds, for counters. */
  readonly now: () => number;
}

/** What the translator asks and tells the machine. Addresses are guest addresses. */
export interface TranslatorHooks extends Profile {
  /** True where the code does not come from the program's file. */
  readonly isDynamic: (pc: number) => boolean;
  /** True if a function is likely to be called again: then it is brought along with its callers. */
  readonly isLikely: (pc: number) => boolean;
  /** There is a region for `pc` now. */
  readonly published: (pc: number) => void;
}

export const DEFAULT_TRANSLATOR_OPTIONS = {
  functionInstructions: 1200,
  moduleInstructions: 250,
} as const;

export interface TranslationCounts {
  regions: number;
  instructions: number;
  modules: number;
  bytes: number;
  /** Milliseconds spent in finding regions (decoding), lifting and emitting. */
  findMs: number;
  liftMs: number;
  emitMs: number;
}

/** Regions of a dozen instructions fit every stack. */
const SMALLEST_SHARE = 1 / 16;

export class Translator {
  readonly counts: TranslationCounts = {
    regions: 0,
    instructions: 0,
    modules: 0,
    bytes: 0,
    findMs: 0,
    liftMs: 0,
    emitMs: 0,
  };
  private readonly w = new WasmBuilder();
  private readonly lifter: Lifter;
  private readonly finder: RegionFinder;
  private readonly emitter: RegionEmitter;
  private readonly arena: CodeArena;
  private readonly options: TranslatorOptions;
  private readonly hooks: TranslatorHooks;
  private epoch = 0;
  /** Found for a module that had no room for it, in code as it was at `epoch`. */
  private left: Region | null = null;

  constructor(source: CodeSource, arena: CodeArena, options: TranslatorOptions, hooks: TranslatorHooks) {
    this.arena = arena;
    this.options = options;
    this.hooks = hooks;
    this.lifter = new Lifter(this.w, { guestBase: options.guestBase });
    this.finder = new RegionFinder(source, hooks);
    this.emitter = new RegionEmitter(this.w, this.lifter, source, options.countsInstructions);
  }

  /**
   * Translates and publishes the region at `pc` and likely callees. False if nothing executable is there.
   * @param more gives addresses that are to be translated as well, or 0: as long as there are any, small regions share modules
   */
  translate(pc: number, more: () => number = () => 0): boolean {
    const published = this.translateTogether([pc], more);
    while (this.left) this.translateTogether([this.left.entry], more);
    return published;
  }

  /**
   * Makes one module, or none if all is translated.
   * @param entries grows by what is taken from `more`
   * @returns false if nothing executable is at the first of them
   */
  private translateTogether(entries: number[], more: () => number): boolean {
    let share = 1;
    for (;;) {
      const { epoch } = this.arena;
      if (epoch !== this.epoch) {
        this.finder.forget();
        this.left = null;
      }
      this.epoch = epoch;
      const regions = this.collect(entries, more, share);
      const found = regions[0]?.entry === entries[0] || this.arena.isTranslated(entries[0]!);
      if (regions.length === 0) return found;
      try {
        if (this.publish(regions, epoch) >= 0) return found;
      } catch (error) {
        // Binaryen recurses as deep as blocks nest, and a page's Workers have small stacks.
        if (!(error instanceof RangeError) || share < SMALLEST_SHARE) throw error;
        share /= 2;
      }
    }
  }

  /**
   * The regions at `entries` and, breadth first, the untranslated functions they call, as far as the budget goes; then what
   * `more` gives. What no longer fits of that is left for the next module.
   * @param share of the usual sizes
   */
  private collect(entries: number[], more: () => number, share: number): Region[] {
    const started = this.options.now();
    const left = share === 1 ? this.left : null;
    this.left = null;
    const regions: Region[] = [];
    const queue: number[] = [];
    const seen = new Set<number>();
    let next = 0;
    let budget = this.options.moduleInstructions * share;
    while (budget > 0) {
      let entry = queue.shift();
      const wanted = entry === undefined;
      if (entry === undefined) {
        if (next === entries.length) {
          const another = more();
          if (!another) break;
          entries.push(another);
        }
        entry = entries[next++]!;
        if (seen.has(entry)) continue;
        seen.add(entry);
      }
      if (this.arena.isTranslated(entry)) continue;
      const region =
        left?.entry === entry ? left : this.finder.find(entry, this.options.functionInstructions * share, share);
      if (!region) continue;
      if (regions.length && region.instructionCount > budget) {
        if (!wanted) continue;
        this.left = region;
        break;
      }
      budget -= region.instructionCount;
      regions.push(region);
      for (const callee of directCallees(region)) {
        if (seen.has(callee)) continue;
        seen.add(callee);
        if (!this.arena.isTranslated(callee) && this.hooks.isLikely(callee)) queue.push(callee);
      }
    }
    this.counts.findMs += this.options.now() - started;
    return regions;
  }

  private publish(regions: readonly Region[], epoch: number): number {
    const { w, arena } = this;
    const started = this.options.now();
    const module = arena.moduleCount;
    const members = new Set(regions.map((region) => region.entry));
    const linkage = {
      localName: (pc: number) => (members.has(pc) ? regionName(module, pc) : null),
      slot: (pc: number) => arena.reserve(pc),
    };
    const probed = regions.some(({ blocks }) => blocks.some(({ probe }) => probe >= 0));
    const bodies = new Set(regions.flatMap(({ known }) => (known ? [known.body] : [])));
    w.begin(regionImports(this.options.guestPages, probed, bodies));
    w.openMarks();
    const { helpers } = this.emitter;
    helpers.clear();
    const published: PublishedRegion[] = [];
    let instructions = 0;
    for (const region of regions) {
      const name = regionName(module, region.entry);
      this.emitter.emit(region, name, linkage);
      w.addElement(TABLE, arena.reserve(region.entry), name);
      published.push(extent(region));
      instructions += region.instructionCount;
    }
    if (helpers.has("lookup")) addLookup(w);
    if (helpers.has("lookupFunction")) addLookupFunction(w);
    const lifted = this.options.now();
    const { bytes, sourceMap } = w.emit(true);
    const emitted = this.options.now();
    const id = arena.publish(
      {
        bytes,
        map: sourceMap ?? new Uint8Array(0),
        regions: published,
        dynamic: regions.some((region) => this.hooks.isDynamic(region.entry)),
      },
      epoch,
    );
    if (id >= 0) for (const { entry } of regions) this.hooks.published(entry);
    this.counts.regions += regions.length;
    this.counts.instructions += instructions;
    this.counts.modules++;
    this.counts.bytes += bytes.length;
    this.counts.liftMs += lifted - started;
    this.counts.emitMs += emitted - lifted;
    return id;
  }
}

/** Functions that the region calls and that return to it: calls of panics and throws are left for when they happen. */
function* directCallees(region: Region): Iterable<number> {
  for (const { end } of region.blocks) {
    if (end.kind === "call" && end.target >= 0 && "block" in end.next && !isDeadEnd(region, end.next.block)) {
      yield end.target;
    }
  }
}

/** The compiler puts UD2 or padding behind a call that never returns. */
function isDeadEnd(region: Region, block: number): boolean {
  const { end } = region.blocks[block]!;
  return end.kind === "stop" || end.kind === "illegal";
}

function extent(region: Region): PublishedRegion {
  // A probe anywhere in a known function must take its head start away.
  const whole = region.known && region.function;
  let start = whole ? whole.start : region.entry;
  let end = whole ? whole.end : region.entry + 1;
  for (const block of region.blocks) {
    start = Math.min(start, block.pc);
    for (const { insn } of block.items) end = Math.max(end, insn.next);
  }
  return { pc: region.entry, start, end };
}
