import { ENOMEM } from "./errno.js";
import { header } from "./kernel-memory.js";
import { EXEC, PAGE_SIZE, WRITE } from "./page-map.js";
import type { Process } from "./process.js";

/**
 * Changes to the guest address space. All run under the memory lock, in units of pages, and are told which pages to
 * use: the checks of mmap(2) and its relatives are in syscalls/memory.ts.
 */

/** Requests of this many pages or more are placed on their natural 64 MiB alignment: Go then needs no trimming. */
const HUGE_PAGES = (64 << 20) / PAGE_SIZE;
/** Requests from here on are placed downwards from the top, so that they never split the space heaps grow into. */
const TABLE_PAGES = (128 << 20) / PAGE_SIZE;

/** First page that can be mapped; below it nothing is memory. */
export const FIRST_PAGE = 16;

/** Where a new mapping of `count` pages goes. Returns the first page, or −ENOMEM. */
export const placePages = (process: Process, count: number): number => {
  const words = process.kernel.words;
  const low = words[header.mmapBasePage];
  const high = words[header.topPage];
  if (count >= high) return -ENOMEM;
  const { pages } = process;
  if (count >= TABLE_PAGES) {
    const aligned = pages.findDown(count, low, high, HUGE_PAGES);
    if (aligned >= 0) return aligned;
  } else if (count >= HUGE_PAGES) {
    const aligned = pages.findUp(count, low, high, HUGE_PAGES);
    if (aligned >= 0) return aligned;
  }
  let page = pages.findUp(count, low, high, 1);
  if (page < 0) page = pages.findUp(count, FIRST_PAGE, low, 1);
  return page < 0 ? -ENOMEM : page;
};

/** Zeroes whatever may be nonzero in [first, end). */
export const clearPages = (process: Process, first: number, end: number): void => {
  process.pages.takeDirty(first, end, (from, to) => process.memory.fill(from * PAGE_SIZE, (to - from) * PAGE_SIZE, 0));
};

const noteCode = (process: Process, first: number, end: number): void =>
  process.hooks.codeChanged(first * PAGE_SIZE, (end - first) * PAGE_SIZE);

/** Maps zeroed pages, replacing what was there. */
export const mapPages = (process: Process, first: number, end: number, flags: number): void => {
  const { pages } = process;
  const hadCode = pages.any(first, end, EXEC);
  clearPages(process, first, end);
  pages.set(first, end, flags);
  if ((flags & WRITE) !== 0) pages.markDirty(first, end);
  if (hadCode || (flags & EXEC) !== 0) noteCode(process, first, end);
};

/** Unmaps pages. Their content is cleared when they are used again. */
export const unmapPages = (process: Process, first: number, end: number): void => {
  const { pages } = process;
  const hadCode = pages.any(first, end, EXEC);
  pages.set(first, end, 0);
  if (hadCode) noteCode(process, first, end);
};

/** Changes the protection of mapped pages. */
export const protectPages = (process: Process, first: number, end: number, protection: number): void => {
  const { pages } = process;
  const hadCode = pages.any(first, end, EXEC);
  pages.protect(first, end, protection);
  if ((protection & WRITE) !== 0) pages.markDirty(first, end);
  if (hadCode || (protection & EXEC) !== 0) noteCode(process, first, end);
};
