/** The Worker that translates: the only one that loads the decoder and Binaryen. */
import { CodeArena } from "../../jit/code-arena.js";
import { Counters } from "../../jit/counters.js";
import { TranslationChannel } from "../../jit/channel.js";
import { Records } from "../../jit/interpreter/records.js";
import { DEFAULT_TRANSLATOR_OPTIONS, Translator } from "../../jit/translator.js";
import { GUEST_BASE, GuestMemory } from "../../runtime-shims/guest-memory.js";
import { KernelMemory, header } from "../../runtime-shims/kernel-memory.js";
import { PAGE_SIZE, PageMap } from "../../runtime-shims/page-map.js";
import { FunctionTable } from "../go/function-table.js";
import { MAX_GUEST_PAGES, type MachineParts } from "./parts.js";
import { ProgramCode } from "./program-code.js";
import { reportTranslation } from "./stats.js";

/** What a translator needs of a machine. */
export type TranslatorParts = Pick<
  MachineParts,
  | "kernel"
  | "guestMemory"
  | "functions"
  | "convention"
  | "piecesAddress"
  | "probes"
  | "arena"
  | "programEnd"
  | "records"
  | "interprets"
  | "countsInstructions"
>;

/** A function is translated along with its callers once it was called so often. */
const LIKELY_CALLS = 4;

/** A translator of a mapped program. `now` gives milliseconds. */
export function createTranslator(parts: TranslatorParts, now: () => number): Translator {
  const kernel = new KernelMemory(parts.kernel);
  const pages = new PageMap(kernel);
  const vdso = kernel.words[header.vdso]! >>> 0;
  const memory = new GuestMemory(parts.guestMemory.buffer as SharedArrayBuffer, pages);
  const functions = parts.functions ? new FunctionTable(parts.functions) : null;
  const arena = new CodeArena(parts.arena);
  const records = new Records(parts.records);
  return new Translator(
    new ProgramCode(memory, functions, parts),
    arena,
    {
      guestBase: GUEST_BASE,
      guestPages: MAX_GUEST_PAGES,
      now,
      countsInstructions: parts.countsInstructions,
      ...DEFAULT_TRANSLATOR_OPTIONS,
    },
    {
      isDynamic: (pc) => pc >= parts.programEnd && !(pc >= vdso && pc < vdso + PAGE_SIZE),
      isHot: (pc) => parts.interprets && records.isNearlyHot(pc),
      isFollowed: (branch, taken) => !parts.interprets || records.isFollowed(branch, taken),
      likelyTargets: (pc) => (parts.interprets ? records.likelyTargets(pc) : []),
      isReached: (pc) => !parts.interprets || records.find(pc) !== 0,
      isLikely: (pc) => !parts.interprets || records.timesAt(pc) >= LIKELY_CALLS,
      published: (pc) => records.markTranslated(pc),
    },
  );
}

/** Serves translation requests for ever. `now` gives milliseconds, for counters. */
export function serveTranslation(parts: MachineParts, now: () => number): never {
  const translator = createTranslator(parts, now);
  const counters = parts.stats && new Counters(parts.stats.counters);
  const report = (): void => {
    if (counters) reportTranslation(counters, translator.counts);
  };
  return new TranslationChannel(parts.channel).serve(
    (pc, more) => {
      const found = translator.translate(pc, more);
      report();
      return found;
    },
    (pc) => {
      translator.improve(pc);
      report();
    },
  );
}
