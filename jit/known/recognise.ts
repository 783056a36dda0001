import type { CodeSource, FunctionInfo } from "../code-source.js";
import { type BodyName } from "./bodies.js";
import { fingerprintHash, withoutPadding, type Fingerprint } from "./fingerprint.js";
import { FINGERPRINTS } from "./fingerprints.js";

/** A function of the program that a body gives a head start. */
export interface KnownFunction {
  readonly body: BodyName;
  readonly arguments: Fingerprint["arguments"];
  /** Guest address of the table that the code refers to, 0 if it refers to none. */
  readonly table: number;
}

/** Functions begin at multiples of this, so that there is less padding than that behind each. */
const MOST_ALIGNED = 64;

/**
 * What is known of a function, by its code alone: names can lie. Null if there is a probe in it, too, whose observer
 * must see all that the function does.
 */
export function recognise(source: CodeSource, { start, end }: FunctionInfo): KnownFunction | null {
  const span = end - start;
  const candidates = FINGERPRINTS.filter(({ size }) => size <= span && span < size + MOST_ALIGNED);
  if (candidates.length === 0) return null;
  const code = withoutPadding(source.read(start, span));
  const found = candidates.find(
    ({ size, linked, hash }) => size === code.length && fingerprintHash(code, linked) === hash,
  );
  if (!found) return null;
  for (let pc = start; pc < end; pc++) if (source.probeAt(pc) >= 0) return null;
  return { body: found.body, arguments: found.arguments, table: tableAddress(found, start, code) };
}

/** The field is relative to the instruction's end, which it is the last part of. */
function tableAddress({ table }: Fingerprint, start: number, code: Uint8Array): number {
  if (table < 0) return 0;
  const distance = new DataView(code.buffer, code.byteOffset).getInt32(table, true);
  return start + table + 4 + distance;
}
