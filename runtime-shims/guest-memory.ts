import { MAPPED, PAGE_SIZE, type PageMap, READ, WRITE } from "./page-map.js";

/** Guest address of byte 0 of the linear memory. */
export const GUEST_BASE = 0x10000;
/** First address above everything that can be mapped. */
export const GUEST_TOP = 0x1_0000_0000;

/**
 * Guest memory with checked access: address `a` is byte `a − GUEST_BASE` of the linear memory.
 * The accessors take addresses that `readable` or `writable` has accepted; out of bounds they read undefined or throw
 * RangeError, and never reach anything but guest memory.
 */
export class GuestMemory {
  readonly buffer: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  /** Words of the linear memory: the word at guest address a is `words[(a − GUEST_BASE) >>> 2]`. */
  readonly words: Int32Array;
  readonly view: DataView;
  readonly pages: PageMap;

  constructor(buffer: SharedArrayBuffer, pages: PageMap) {
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer, 0, buffer.byteLength >>> 2);
    this.view = new DataView(buffer);
    this.pages = pages;
  }

  /** True when the guest may read [address, address + length). */
  readable(address: number, length: number): boolean {
    return this.pages.allows(address, length, MAPPED | READ);
  }

  /** True when the guest may write [address, address + length). */
  writable(address: number, length: number): boolean {
    return this.pages.allows(address, length, MAPPED | WRITE);
  }

  /** The bytes [address, address + length) themselves, no copy. Check first. */
  slice(address: number, length: number): Uint8Array {
    return this.bytes.subarray(address - GUEST_BASE, address - GUEST_BASE + length);
  }

  getUint8(address: number): number {
    return this.bytes[address - GUEST_BASE];
  }

  getInt32(address: number): number {
    return this.view.getInt32(address - GUEST_BASE, true);
  }

  getUint32(address: number): number {
    return this.view.getUint32(address - GUEST_BASE, true);
  }

  /** The unsigned 64-bit value; above 2^53 it is rounded. */
  getUint64(address: number): number {
    const offset = address - GUEST_BASE;
    return this.view.getUint32(offset + 4, true) * 0x1_0000_0000 + this.view.getUint32(offset, true);
  }

  /** The signed 64-bit value; beyond ±2^53 it is rounded. */
  getInt64(address: number): number {
    const offset = address - GUEST_BASE;
    return this.view.getInt32(offset + 4, true) * 0x1_0000_0000 + this.view.getUint32(offset, true);
  }

  setUint8(address: number, value: number): void {
    this.view.setUint8(address - GUEST_BASE, value);
  }

  setUint16(address: number, value: number): void {
    this.view.setUint16(address - GUEST_BASE, value, true);
  }

  setUint32(address: number, value: number): void {
    this.view.setUint32(address - GUEST_BASE, value, true);
  }

  /** Stores a 64-bit integer; a negative number is sign-extended. */
  setUint64(address: number, value: number): void {
    const offset = address - GUEST_BASE;
    this.view.setUint32(offset, value, true);
    this.view.setUint32(offset + 4, Math.floor(value / 0x1_0000_0000), true);
  }

  fill(address: number, length: number, value: number): void {
    this.bytes.fill(value, address - GUEST_BASE, address - GUEST_BASE + length);
  }

  /** Copies bytes into guest memory; no bytes may go to any address. */
  store(address: number, bytes: Uint8Array): void {
    if (bytes.length !== 0) this.bytes.set(bytes, address - GUEST_BASE);
  }

  /** A private copy of [address, address + length). */
  load(address: number, length: number): Uint8Array<ArrayBuffer> {
    const copy = new Uint8Array(length);
    copy.set(this.slice(address, length));
    return copy;
  }

  /**
   * Length of the NUL-terminated string at `address`, without the NUL.
   * @returns −1 when unreadable memory comes first, `limit` when no NUL is among the first `limit` bytes.
   */
  stringLength(address: number, limit: number): number {
    let length = 0;
    while (length < limit) {
      const at = address + length;
      const chunk = Math.min(limit - length, PAGE_SIZE - (at % PAGE_SIZE));
      if (!this.readable(at, chunk)) return -1;
      const start = at - GUEST_BASE;
      const nul = this.bytes.subarray(start, start + chunk).indexOf(0);
      if (nul >= 0) return length + nul;
      length += chunk;
    }
    return limit;
  }
}

/** Decodes UTF-8 from shared memory, which TextDecoder itself refuses in some engines. */
export const decodeText = (bytes: Uint8Array): string => decoder.decode(new Uint8Array(bytes));

const decoder = new TextDecoder();
