/**
 * Tells the engine which way branches go nearly always: the custom section metadata.code.branch_hint of WebAssembly's
 * branch hinting proposal, which engines that do not know it pass over. V8 then makes what a rare way does to registers the rare way's business: it would spill on the
 * common way what a call on the rare one needs saved.
 *
 * Binaryen's C API cannot attach hints. They come through the source map that it writes: a hinted branch has a debug
 * location, in a column of their own.
 */
import { functionBodies } from "./byte-reader.js";
import { pushUnsigned } from "./leb128.js";
import { LIKELY_COLUMN, movedMap, UNLIKELY_COLUMN, visitMappings } from "./source-map.js";

const SECTION_NAME = Array.from("metadata.code.branch_hint", (char) => char.charCodeAt(0));

interface Hint {
  /** Of the branch's opcode in the module. */
  readonly offset: number;
  readonly likely: boolean;
}

/**
 * Puts the hints of the source map `map` into the module `bytes`, whose code moves.
 * @param firstFunction index of the first function that the module defines
 */
export function addBranchHints(
  bytes: Uint8Array,
  map: Uint8Array,
  firstFunction: number,
): { bytes: Uint8Array; map: Uint8Array } {
  const hints: Hint[] = [];
  visitMappings(map, (offset, line, column) => {
    const likely = column === LIKELY_COLUMN;
    if (line >= 0 && (likely || column === UNLIKELY_COLUMN)) hints.push({ offset, likely });
    return false;
  });
  if (hints.length === 0) return { bytes, map };
  const { section: at, bodies } = functionBodies(bytes);
  const functions: number[] = [];
  let functionCount = 0;
  let next = 0;
  bodies.forEach(({ start, end }, index) => {
    const first = next;
    while (next < hints.length && hints[next]!.offset < end) next++;
    if (next === first) return;
    functionCount++;
    pushUnsigned(functions, firstFunction + index);
    pushUnsigned(functions, next - first);
    for (let i = first; i < next; i++) {
      const { offset, likely } = hints[i]!;
      pushUnsigned(functions, offset - start);
      functions.push(1, likely ? 1 : 0);
    }
  });
  const head: number[] = [SECTION_NAME.length, ...SECTION_NAME];
  pushUnsigned(head, functionCount);
  const section: number[] = [0];
  pushUnsigned(section, head.length + functions.length);
  const length = section.length + head.length + functions.length;
  const hinted = new Uint8Array(bytes.length + length);
  hinted.set(bytes.subarray(0, at));
  hinted.set(section, at);
  hinted.set(head, at + section.length);
  hinted.set(functions, at + section.length + head.length);
  hinted.set(bytes.subarray(at), at + length);
  return { bytes: hinted, map: movedMap(map, length) };
}
