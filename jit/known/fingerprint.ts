import type { BodyName } from "./bodies.js";

/** One compilation of a known function: everything of its machine code that does not depend on where it is linked. */
export interface Fingerprint {
  readonly body: BodyName;
  /** Go releases whose compiler makes this code, of those that were looked at. */
  readonly go: readonly string[];
  /** Where the arguments are at the function's first instruction: see docs/known-functions.md. */
  readonly arguments: "registers" | "stack";
  /** Bytes of code, padding left out. */
  readonly size: number;
  /** Offsets of 32-bit fields that the linker fills in. */
  readonly linked: readonly number[];
  /** Offset of that of them which refers to the table that the body wants to see, -1 if there is none. */
  readonly table: number;
  /** Of the code with those fields zero: `fingerprintHash`. */
  readonly hash: string;
}

const PADDING = 0xcc;

/** The code without the padding behind it. */
export function withoutPadding(code: Uint8Array): Uint8Array {
  let size = code.length;
  while (size > 0 && code[size - 1] === PADDING) size--;
  return code.subarray(0, size);
}

/** FNV-1a of 64 bits, over the code with the 32-bit fields at `linked` taken as zero; in 16 hexadecimal digits. */
export function fingerprintHash(code: Uint8Array, linked: readonly number[]): string {
  const bytes = code.slice();
  for (const at of linked) bytes.fill(0, at, at + 4);
  let hash = 0xcbf29ce484222325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, "0");
}
