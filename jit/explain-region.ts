/** One region on its own, translated for people to read: its blocks, its Wasm text, and what it costs. */
import { functionBodies } from "./byte-reader.js";
import type { CodeSource } from "./code-source.js";
import { RegionEmitter } from "./emit-region.js";
import { Lifter } from "./lift/lifter.js";
import { MARK_BIAS } from "./region-name.js";
import { RegionFinder, type Region } from "./region.js";
import { addLookup, addLookupFunction, regionImports } from "./runtime-module.js";
import { bodyOf, countOperations, foldLines, functionsOf, parseWasmText } from "./wasm-text.js";
import { WasmBuilder } from "./wasm.js";

export interface ExplainOptions {
  /** Guest address of Wasm address 0. */
  readonly guestBase: number;
  /** Maximum size of the guest memory in Wasm pages. */
  readonly guestPages: number;
  /** Instructions in one region. */
  readonly regionInstructions: number;
  /** Columns for a line of Wasm text. */
  readonly width: number;
}

export interface ExplainedRegion {
  readonly region: Region;
  /** Wasm text; `pc` is the instruction that a line was made from, or -1 if that is the line before's. */
  readonly lines: readonly { readonly text: string; readonly pc: number }[];
  /** Size of the region's code in Wasm bytes, without what a module adds around it. */
  readonly bytes: number;
  /** Operations by name, most frequent first; memory accesses as `i64.load $g` (guest) and `i64.load $c` (CPU block). */
  readonly operations: ReadonlyMap<string, number>;
}

/** Translates the region at `pc`; null if nothing executable is there. Callees are reached through the table. */
export function explainRegion(source: CodeSource, pc: number, options: ExplainOptions): ExplainedRegion | null {
  const w = new WasmBuilder();
  const lifter = new Lifter(w, { guestBase: options.guestBase, markStatements: true });
  const region = new RegionFinder(source).find(pc, options.regionInstructions);
  if (!region) return null;
  const slots = new Map<number, number>();
  const name = "region";
  w.begin(regionImports(options.guestPages, false, region.known ? [region.known.body] : []));
  w.openMarks();
  addLookup(w);
  addLookupFunction(w);
  new RegionEmitter(w, lifter, source).emit(region, name, {
    localName: (target) => (target === region.entry ? name : null),
    // The runtime's own functions have slots 0 and 1.
    slot: (target) => slots.get(target) ?? slots.set(target, slots.size + 2).get(target)!,
  });
  const text = w.text();
  const withRegion = w.emit(false).bytes;
  w.dispose();
  const { start, end } = functionBodies(withRegion).bodies[2]!;
  const body = bodyOf(functionsOf(parseWasmText(text)).get(name)!);
  const operations = countOperations(body);
  return {
    region,
    lines: foldLines(body, options.width).map(({ text: line, mark }) => ({
      text: line,
      pc: mark < 0 ? -1 : region.entry + mark - MARK_BIAS,
    })),
    bytes: end - start,
    operations: new Map([...operations].sort((a, b) => b[1] - a[1])),
  };
}
