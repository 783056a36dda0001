/**
 * A pack: the decoded and the translated code of one program, as a file. All numbers are little-endian.
 *
 *     offset  size  what
 *          0     8  "GOJITPK" and the format's version, one byte
 *          8    32  key: what the code was made from, see code-key.ts
 *         40     4  CRC-32 of what follows the prefix, up to the code
 *         44     4  length of the description, a multiple of 8
 *         48     4  slots
 *         52     4  modules
 *         56     8  bytes of code
 *         64     4  bytes of records
 *         68     4  leaves of the records
 *         72     4  instructions decoded
 *         76     4  0
 *         80        description: JSON, padded with spaces; see PackDescription
 *                   the arena's tables: per slot five words in five tables, per module seven words; see code-arena.ts
 *                   places of the leaves, then records and leaves: see interpreter/layout.ts
 *                   code: bytes and trap maps of the modules, each with a CRC-32 in the tables
 */
import type { ArenaSize } from "../../jit/code-arena.js";
import type { RecordSize } from "../../jit/interpreter/records.js";

const MAGIC = new Uint8Array([...new TextEncoder().encode("GOJITPK"), 5]);
export const PREFIX_BYTES = 80;
export const KEY_BYTES = 32;
const KEY_AT = MAGIC.length;
const CRC_AT = KEY_AT + KEY_BYTES;
/** A path on Linux has at most 4096 bytes; nothing else in a description can be long. */
const MAX_DESCRIPTION_BYTES = 16384;

/** What people want to know of a pack. */
export interface PackDescription {
  /** Path of the program when the pack was written. */
  readonly program: string;
  /** Modules that are in use. */
  readonly modules: number;
}

export interface PackPrefix {
  readonly key: Uint8Array;
  readonly crc: number;
  readonly descriptionBytes: number;
  readonly size: ArenaSize;
  readonly records: RecordSize;
}

/** The description's bytes, padded. */
export function encodeDescription(description: PackDescription): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(description));
  const bytes = new Uint8Array((text.length + 7) & ~7).fill(0x20);
  bytes.set(text);
  return bytes;
}

/** @returns undefined if the bytes hold no description. */
export function decodeDescription(bytes: Uint8Array): PackDescription | undefined {
  try {
    const { program, modules } = JSON.parse(new TextDecoder().decode(bytes)) as Partial<PackDescription>;
    return typeof program === "string" && typeof modules === "number" ? { program, modules } : undefined;
  } catch {
    return undefined;
  }
}

export function encodePrefix(prefix: PackPrefix): Uint8Array {
  const bytes = new Uint8Array(PREFIX_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  bytes.set(prefix.key, KEY_AT);
  view.setUint32(CRC_AT, prefix.crc, true);
  view.setUint32(CRC_AT + 4, prefix.descriptionBytes, true);
  view.setUint32(CRC_AT + 8, prefix.size.slots, true);
  view.setUint32(CRC_AT + 12, prefix.size.modules, true);
  view.setFloat64(CRC_AT + 16, prefix.size.codeBytes, true);
  view.setUint32(CRC_AT + 24, prefix.records.bytes, true);
  view.setUint32(CRC_AT + 28, prefix.records.leaves, true);
  view.setUint32(CRC_AT + 32, prefix.records.count, true);
  return bytes;
}

/** @returns undefined if the bytes are not the beginning of a pack of this version. */
export function decodePrefix(bytes: Uint8Array): PackPrefix | undefined {
  if (bytes.length < PREFIX_BYTES || MAGIC.some((byte, index) => bytes[index] !== byte)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, PREFIX_BYTES);
  const descriptionBytes = view.getUint32(CRC_AT + 4, true);
  const codeBytes = view.getFloat64(CRC_AT + 16, true);
  if (descriptionBytes > MAX_DESCRIPTION_BYTES || !Number.isSafeInteger(codeBytes)) return undefined;
  return {
    key: bytes.slice(KEY_AT, KEY_AT + KEY_BYTES),
    crc: view.getUint32(CRC_AT, true),
    descriptionBytes,
    size: { slots: view.getUint32(CRC_AT + 8, true), modules: view.getUint32(CRC_AT + 12, true), codeBytes },
    records: {
      bytes: view.getUint32(CRC_AT + 24, true),
      leaves: view.getUint32(CRC_AT + 28, true),
      count: view.getUint32(CRC_AT + 32, true),
    },
  };
}
