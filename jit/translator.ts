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
  /** Of the regions, those that were translated before, with less effort. */
  improved: number;
  /** Milliseconds spent in finding regions (decoding), lifting and emitting. */
  findMs: number;
  liftMs: number;
  emitMs: number;
}

/** How many addresses that wait are translated at a time. */
const TOGETHER = 16;
/** Instructions of a region up to which it is as soon optimised as any smaller one: see node-tier-up.ts. */
const SMALL = 64;
/** Instructions in a module of regions that only wait together. */
const SHARED_INSTRUCTIONS = 2000;

/** A region, and callees that it brings along. */
interface Bundle {
  readonly regions: readonly Region[];
  readonly instructions: number;
}

/** Regions of a dozen instructions fit every stack. */
const SMALLEST_SHARE = 1 / 16;

export class Translator {
  readonly counts: TranslationCounts = {
    regions: 0,
    instructions: 0,
    modules: 0,
    bytes: 0,
    improved: 0,
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
   * @param more gives addresses that wait for translation as well, or 0: some of them are taken along
   */
  translate(pc: number, more: () => number = () => 0): boolean {
    const entries = [pc];
    while (entries.length < TOGETHER) {
      const another = more();
      if (!another) break;
      entries.push(another);
    }
    return this.make(pc, false, (share) => alike(this.collect(entries, share)));
  }

  /** Translates the region at `pc` again, with its hot callees: it takes a good part of the time. */
  improve(pc: number): void {
    if (!this.arena.isImprovable(pc)) return;
    this.make(pc, true, (share) => {
      const region = this.finder.find(pc, this.options.functionInstructions * share, share);
      return region ? [[region]] : [];
    });
  }

  /**
   * Publishes what `find` finds, the regions of a module each, from the same state of the code. False if `pc` is not among
   * it, nor translated.
   * @param find is told the share of the usual sizes that regions may have
   */
  private make(pc: number, improved: boolean, find: (share: number) => readonly (readonly Region[])[]): boolean {
    let share = 1;
    for (;;) {
      const { epoch } = this.arena;
      if (epoch !== this.epoch) this.finder.forget();
      this.epoch = epoch;
      const started = this.options.now();
      const modules = find(share);
      this.counts.findMs += this.options.now() - started;
      const found = this.arena.isTranslated(pc) || modules.some((regions) => regions.some(({ entry }) => entry === pc));
      try {
        if (modules.every((regions) => this.publish(regions, epoch, improved) >= 0)) return found;
      } catch (error) {
        // Binaryen recurses as deep as blocks nest, and a page's Workers have small stacks.
        if (!(error instanceof RangeError) || share < SMALLEST_SHARE) throw error;
        share /= 2;
      }
    }
  }

  /**
   * For each entry the region there and, breadth first, the untranslated functions it calls, as far as the budget goes.
   * @param share of the usual sizes
   */
  private collect(entries: readonly number[], share: number): Bundle[] {
    const bundles: Bundle[] = [];
    const seen = new Set<number>();
    for (const first of entries) {
      const regions: Region[] = [];
      const queue = [first];
      let instructions = 0;
      const budget = this.options.moduleInstructions * share;
      while (queue.length && instructions < budget) {
        const entry = queue.shift()!;
        if (seen.has(entry) || this.arena.isTranslated(entry)) continue;
        const region = this.finder.find(entry, this.options.functionInstructions * share, share, false);
        if (!region) continue;
        if (regions.length && instructions + region.instructionCount > budget) continue;
        seen.add(entry);
        instructions += region.instructionCount;
        regions.push(region);
        for (const callee of directCallees(region)) {
          if (!this.arena.isTranslated(callee) && this.hooks.isLikely(callee)) queue.push(callee);
        }
      }
      if (regions.length) bundles.push({ regions, instructions });
    }
    return bundles;
  }

  private publish(regions: readonly Region[], epoch: number, improved: boolean): number {
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
      this.emitter.emit(region, name, linkage, !improved && mayInlineMore(region));
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
        improved,
      },
      epoch,
    );
    if (id >= 0) for (const { entry } of regions) this.hooks.published(entry);
    this.counts.regions += regions.length;
    if (improved) this.counts.improved += regions.length;
    this.counts.instructions += instructions;
    this.counts.modules++;
    this.counts.bytes += bytes.length;
    this.counts.liftMs += lifted - started;
    this.counts.emitMs += emitted - lifted;
    return id;
  }
}

/**
 * The regions of one module each. A module takes an engine 15 KB and each thread 0.1 ms, whatever is in it; but all its
 * functions are optimised when that pays for one of their average size.
 */
function alike(bundles: readonly Bundle[]): Region[][] {
  const average = ({ regions, instructions }: Bundle): number => instructions / regions.length;
  const modules: Region[][] = [];
  let smallest = 0;
  let room = 0;
  for (const bundle of bundles.toSorted((a, b) => average(a) - average(b))) {
    const last = modules.at(-1);
    const fits = bundle.instructions <= room && average(bundle) <= Math.max(SMALL, 2 * smallest);
    // What is no instruction is a region of none.
    if (last && fits) last.push(...bundle.regions);
    else {
      modules.push([...bundle.regions]);
      smallest = average(bundle);
      room = SHARED_INSTRUCTIONS;
    }
    room -= bundle.instructions;
  }
  return modules;
}

/** Functions that the region calls and that return to it: calls of panics and throws are left for when they happen. */
function* directCallees(region: Region): Iterable<number> {
  for (const { end } of region.blocks) {
    if (end.kind === "call" && end.target >= 0 && "block" in end.next && !isDeadEnd(region, end.next.block)) {
      yield end.target;
    }
  }
}

/** True if there are calls in a region of the first translation that might be inlined if it were done thoroughly. */
const mayInlineMore = ({ function: info, blocks }: Region): boolean =>
  info?.origin === "compiler" && blocks.some(({ end }) => end.kind === "call");

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
