/**
 * File names between guest bytes and strings. Linux names are bytes; a byte that is not part of valid UTF-8 becomes the
 * lone surrogate U+DC00 + byte, so that every name survives the way there and back.
 */
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The name in `bytes`. */
export const decodeName = (bytes: Uint8Array): string => {
  let ascii = "";
  const length = bytes.length;
  for (let i = 0; i < length; i++) {
    const byte = bytes[i];
    if (byte >= 0x80) return decodeWide(bytes);
    ascii += String.fromCharCode(byte);
  }
  return ascii;
};

const decodeWide = (shared: Uint8Array): string => {
  const bytes = shared.slice();
  try {
    return decoder.decode(bytes);
  } catch {
    let text = "";
    for (let i = 0; i < bytes.length;) {
      const length = sequenceLength(bytes, i);
      text += length === 0 ? String.fromCharCode(0xdc00 + bytes[i]) : decoder.decode(bytes.subarray(i, i + length));
      i += length || 1;
    }
    return text;
  }
};

/** Length of the valid UTF-8 sequence at `at`, or 0. */
const sequenceLength = (bytes: Uint8Array, at: number): number => {
  const first = bytes[at];
  if (first < 0x80) return 1;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length === 0 || at + length > bytes.length) return 0;
  try {
    decoder.decode(bytes.subarray(at, at + length));
    return length;
  } catch {
    return 0;
  }
};

/** Whether the name holds bytes that are not UTF-8. */
export const hasRawBytes = (name: string): boolean => !name.isWellFormed();

/** The bytes of a name. */
export const encodeName = (name: string): Uint8Array => {
  if (name.isWellFormed()) return encoder.encode(name);
  const bytes: number[] = [];
  for (const character of name) {
    const code = character.codePointAt(0)!;
    if (code >= 0xdc80 && code <= 0xdcff) bytes.push(code - 0xdc00);
    else bytes.push(...encoder.encode(character));
  }
  return Uint8Array.from(bytes);
};
