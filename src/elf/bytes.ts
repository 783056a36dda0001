/**
 * Little-endian reads from a file that nobody has checked. Offsets outside the bytes answer 0 instead of throwing, so a
 * caller checks the range of a whole structure once (`has`) and then reads its fields.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.length;
  }

  /** Whether `length` bytes can be read at `offset`. Both may be any number, NaN and infinity included. */
  has(offset: number, length: number): boolean {
    return offset >= 0 && length >= 0 && offset + length <= this.bytes.length;
  }

  u8(offset: number): number {
    return this.has(offset, 1) ? this.bytes[offset]! : 0;
  }

  u16(offset: number): number {
    return this.has(offset, 2) ? this.view.getUint16(offset, true) : 0;
  }

  u32(offset: number): number {
    return this.has(offset, 4) ? this.view.getUint32(offset, true) : 0;
  }

  i32(offset: number): number {
    return this.has(offset, 4) ? this.view.getInt32(offset, true) : 0;
  }

  /** A 64-bit field as a number: exact below 2^53, and above it still too large for any length check. */
  u64(offset: number): number {
    return this.u32(offset + 4) * 0x1_0000_0000 + this.u32(offset);
  }

  /** The NUL-terminated text at `offset`, cut at `end` and at `limit` bytes. */
  cString(offset: number, end = this.bytes.length, limit = 65_536): string {
    if (!(offset >= 0)) return "";
    const stop = Math.min(end, this.bytes.length, offset + limit);
    let at = offset;
    while (at < stop && this.bytes[at] !== 0) at++;
    return decodeText(this.bytes, offset, at);
  }
}

const decoder = new TextDecoder();

/** UTF-8 text of bytes that may lie in shared memory, which TextDecoder does not accept in browsers. */
export function decodeText(bytes: Uint8Array, start: number, end: number): string {
  return end > start ? decoder.decode(bytes.slice(start, end)) : "";
}
