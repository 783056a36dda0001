import { GUEST_PAGES, type KernelMemory, sections } from "./kernel-memory.js";

/** Guest page size in bytes. */
export const PAGE_SIZE = 4096;
export const PAGE_SHIFT = 12;

/** Page flags. A page without MAPPED is free. */
export const MAPPED = 1;
export const READ = 2;
export const WRITE = 4;
export const EXEC = 8;
/** Belongs to a MAP_SHARED mapping. */
export const SHARED = 16;
/** Content came from a file. */
export const FILE = 32;
export const STACK = 64;

/** The largest multiple of the page size not above `address`. */
export const pageFloor = (address: number): number => address - (address % PAGE_SIZE);
/** The smallest multiple of the page size not below `address`. */
export const pageCeil = (address: number): number => Math.ceil(address / PAGE_SIZE) * PAGE_SIZE;

/** What is mapped where: one byte of flags for each 4 KiB guest page. Pages are numbered address >>> 12. */
export class PageMap {
  readonly flags: Uint8Array;
  readonly #dirty: Uint8Array;
  readonly #flagWords: Int32Array;

  constructor(kernel: KernelMemory) {
    this.flags = new Uint8Array(kernel.buffer, sections.pageFlags, GUEST_PAGES);
    this.#flagWords = new Int32Array(kernel.buffer, sections.pageFlags, GUEST_PAGES / 4);
    this.#dirty = new Uint8Array(kernel.buffer, sections.pageDirty, GUEST_PAGES);
  }

  /** True when all pages of [address, address + length) have all bits of `wanted`. An empty range is always allowed. */
  allows(address: number, length: number, wanted: number): boolean {
    if (length <= 0) return length === 0;
    const end = address + length;
    if (!(address >= 0 && end <= 0x1_0000_0000)) return false;
    const flags = this.flags;
    const last = (end - 1) >>> PAGE_SHIFT;
    for (let page = address >>> PAGE_SHIFT; page <= last; page++) {
      if ((flags[page] & wanted) !== wanted) return false;
    }
    return true;
  }

  /** How many bytes from `address` on, at most `length`, lie in pages that have all bits of `wanted`. */
  allowedPrefix(address: number, length: number, wanted: number): number {
    const limit = Math.min(length, 0x1_0000_0000 - address);
    let done = 0;
    while (done < limit) {
      const at = address + done;
      if ((this.flags[at >>> PAGE_SHIFT] & wanted) !== wanted) break;
      done += PAGE_SIZE - (at & (PAGE_SIZE - 1));
    }
    return Math.max(0, Math.min(done, limit));
  }

  /** True when no page of [first, end) is mapped. */
  isFree(first: number, end: number): boolean {
    return this.#lastMapped(first, end) < 0;
  }

  /** True when every page of [first, end) is mapped. */
  isMapped(first: number, end: number): boolean {
    for (let page = first; page < end; page++) if (this.flags[page] === 0) return false;
    return true;
  }

  /** The highest mapped page in [first, end), or −1. */
  #lastMapped(first: number, end: number): number {
    const flags = this.flags;
    const words = this.#flagWords;
    let page = end - 1;
    while (page >= first) {
      if ((page & 3) === 3 && page - 3 >= first && words[page >> 2] === 0) page -= 4;
      else if (flags[page] !== 0) return page;
      else page--;
    }
    return -1;
  }

  /** The lowest start, a multiple of `align` pages, of `count` free pages within [low, high), or −1. */
  findUp(count: number, low: number, high: number, align: number): number {
    let start = Math.ceil(low / align) * align;
    while (start + count <= high) {
      const blocker = this.#lastMapped(start, start + count);
      if (blocker < 0) return start;
      const free = this.flags.indexOf(0, blocker + 1);
      if (free < 0) return -1;
      start = Math.ceil(free / align) * align;
    }
    return -1;
  }

  /** The highest start, a multiple of `align` pages, of `count` free pages within [low, high), or −1. */
  findDown(count: number, low: number, high: number, align: number): number {
    let start = Math.floor((high - count) / align) * align;
    while (start >= low) {
      if (this.isFree(start, start + count)) return start;
      const words = this.flags;
      let blocker = start + count - 1;
      while (words[blocker] === 0) blocker--;
      while (blocker >= low && words[blocker] !== 0) blocker--;
      start = Math.min(start - align, Math.floor((blocker + 1 - count) / align) * align);
    }
    return -1;
  }

  /** Sets the flags of the pages [first, end). */
  set(first: number, end: number, flags: number): void {
    this.flags.fill(flags, first, end);
  }

  /** Replaces the protection bits of the pages [first, end), which are mapped. */
  protect(first: number, end: number, protection: number): void {
    const flags = this.flags;
    for (let page = first; page < end; page++) {
      flags[page] = (flags[page] & ~(READ | WRITE | EXEC)) | protection;
    }
  }

  /** True when any page of [first, end) has a bit of `mask`. */
  any(first: number, end: number, mask: number): boolean {
    const flags = this.flags;
    const words = this.#flagWords;
    const wordMask = mask * 0x01010101;
    let page = first;
    while (page < end) {
      if ((page & 3) === 0 && page + 4 <= end) {
        if ((words[page >> 2] & wordMask) !== 0) return true;
        page += 4;
      } else if ((flags[page++] & mask) !== 0) return true;
    }
    return false;
  }

  /** Notes that the pages [first, end) may hold something other than zeros. */
  markDirty(first: number, end: number): void {
    this.#dirty.fill(1, first, end);
  }

  /** Calls `clear(first, end)` for each run of possibly nonzero pages in [first, end) and forgets them. */
  takeDirty(first: number, end: number, clear: (first: number, end: number) => void): void {
    const dirty = this.#dirty.subarray(first, end);
    let page = 0;
    for (;;) {
      const start = dirty.indexOf(1, page);
      if (start < 0) return;
      const clean = dirty.indexOf(0, start);
      page = clean < 0 ? dirty.length : clean;
      dirty.fill(0, start, page);
      clear(first + start, first + page);
    }
  }
}
