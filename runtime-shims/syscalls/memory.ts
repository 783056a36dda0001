import { EACCES, EBADF, EEXIST, EFAULT, EINVAL, ENODEV, ENOMEM, EPERM } from "../errno.js";
import { GUEST_TOP } from "../guest-memory.js";
import { header } from "../kernel-memory.js";
import { clearPages, FIRST_PAGE, mapPages, placePages, protectPages, unmapPages } from "../mappings.js";
import { EXEC, FILE, MAPPED, PAGE_SIZE, READ, SHARED, WRITE } from "../page-map.js";
import type { Process } from "../process.js";
import { allowStores, dropMappings, recordMapping, syncMappings } from "../shared-mappings.js";
import type { Thread } from "../threads.js";
import { address, choice, fd, flags, long, size } from "./kinds.js";
import { type SyscallRow } from "./table.js";

const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const PROT_ALL = 0xf | 0x0100_0000 | 0x0200_0000;
const MAP_SHARED = 1;
const MAP_PRIVATE = 2;
const MAP_SHARED_VALIDATE = 3;
const MAP_FIXED = 0x10;
const MAP_ANONYMOUS = 0x20;
const MAP_HUGETLB = 0x40000;
const MAP_FIXED_NOREPLACE = 0x10_0000;
const MREMAP_MAYMOVE = 1;
const MREMAP_FIXED = 2;
const MREMAP_DONTUNMAP = 4;

/** End of user space on x86-64: addresses from here on are invalid, those between 4 GiB and here merely empty. */
const TASK_SIZE = 0x7fff_ffff_f000;

const protection = flags({ PROT_READ, PROT_WRITE, PROT_EXEC }, "PROT_NONE");
const mapFlags = flags({
  MAP_SHARED_VALIDATE,
  MAP_SHARED,
  MAP_PRIVATE,
  MAP_FIXED,
  MAP_ANONYMOUS,
  MAP_GROWSDOWN: 0x100,
  MAP_LOCKED: 0x2000,
  MAP_NORESERVE: 0x4000,
  MAP_POPULATE: 0x8000,
  MAP_STACK: 0x20000,
  MAP_HUGETLB,
  MAP_FIXED_NOREPLACE,
});
const advice = {
  MADV_NORMAL: 0,
  MADV_RANDOM: 1,
  MADV_SEQUENTIAL: 2,
  MADV_WILLNEED: 3,
  MADV_DONTNEED: 4,
  MADV_FREE: 8,
  MADV_DONTFORK: 10,
  MADV_DOFORK: 11,
  MADV_MERGEABLE: 12,
  MADV_UNMERGEABLE: 13,
  MADV_HUGEPAGE: 14,
  MADV_NOHUGEPAGE: 15,
  MADV_DONTDUMP: 16,
  MADV_DODUMP: 17,
  MADV_WIPEONFORK: 18,
  MADV_KEEPONFORK: 19,
  MADV_COLD: 20,
  MADV_PAGEOUT: 21,
  MADV_POPULATE_READ: 22,
  MADV_POPULATE_WRITE: 23,
  MADV_DONTNEED_LOCKED: 24,
  MADV_COLLAPSE: 25,
} as const;
const knownAdvice = new Set<number>(Object.values(advice));

/** Page flags of a protection. On x86 a page that can be written or executed can be read. */
const pageProtection = (prot: number): number => {
  let bits = (prot & (PROT_READ | PROT_WRITE | PROT_EXEC)) !== 0 ? READ : 0;
  if ((prot & PROT_WRITE) !== 0) bits |= WRITE;
  if ((prot & PROT_EXEC) !== 0) bits |= EXEC;
  return bits;
};

const pageCount = (length: number): number => Math.ceil(length / PAGE_SIZE);

/** The pages of [start, start + length) that lie in the guest address space. */
const clip = (start: number, length: number): [first: number, end: number] => {
  const end = Math.min(start + length, GUEST_TOP);
  return [Math.min(start, GUEST_TOP) / PAGE_SIZE, Math.ceil(end / PAGE_SIZE)];
};

/** Chooses the pages of a mapping and maps them. Returns the first page or a negated error number. */
const reserve = (process: Process, hint: number, count: number, mmapFlags: number, pageFlags: number): number => {
  const { pages, kernel } = process;
  const top = kernel.words[header.topPage];
  const fixed = (mmapFlags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0;
  let first = Math.ceil(hint / PAGE_SIZE);
  if (fixed) {
    if (hint % PAGE_SIZE !== 0) return -EINVAL;
    if (first + count > top) return -ENOMEM;
    if (first < FIRST_PAGE) return -EPERM;
    const replace = (mmapFlags & MAP_FIXED_NOREPLACE) === 0;
    if (!replace && !pages.isFree(first, first + count)) return -EEXIST;
  } else if (first < FIRST_PAGE || first + count > top || !pages.isFree(first, first + count)) {
    first = placePages(process, count);
    if (first < 0) return first;
  }
  mapPages(process, first, first + count, pageFlags);
  return first;
};

const fillFromFile = (thread: Thread, at: number, length: number, descriptor: number, offset: number): number => {
  const { process } = thread;
  let done = 0;
  while (done < length) {
    const target = process.memory.slice(at + done, length - done);
    const count = process.fileMapper?.read(thread, descriptor, offset + done, target) ?? -ENODEV;
    if (count < 0) return count;
    if (count === 0) break;
    done += count;
  }
  return 0;
};

const mmap = (
  thread: Thread,
  hint: number,
  length: number,
  prot: number,
  mmapFlags: number,
  descriptor: number,
  offset: number,
): number => {
  const { process } = thread;
  if (offset % PAGE_SIZE !== 0) return -EINVAL;
  const anonymous = (mmapFlags & MAP_ANONYMOUS) !== 0;
  const type = mmapFlags & 0xf;
  if (!anonymous) {
    const checked = process.fileMapper?.check(thread, descriptor, prot, mmapFlags) ?? -EBADF;
    if (checked < 0) return checked;
  } else if ((mmapFlags & MAP_HUGETLB) !== 0) {
    return -ENOMEM;
  }
  if (length === 0) return -EINVAL;
  if (length > TASK_SIZE) return -ENOMEM;
  if (type !== MAP_SHARED && type !== MAP_PRIVATE && (anonymous || type !== MAP_SHARED_VALIDATE)) return -EINVAL;
  const shared = type !== MAP_PRIVATE;
  if (!anonymous && offset < 0) return -EINVAL;

  const count = pageCount(length);
  const bits = MAPPED | pageProtection(prot) | (shared ? SHARED : 0) | (anonymous ? 0 : FILE);
  const fixed = (mmapFlags & MAP_FIXED) !== 0;
  if (fixed && hint % PAGE_SIZE !== 0) return -EINVAL;
  if (fixed) dropMappings(process, hint / PAGE_SIZE, hint / PAGE_SIZE + count);
  const first = process.memoryLock.hold(() => reserve(process, hint, count, mmapFlags, bits));
  if (first < 0) return first;
  const at = first * PAGE_SIZE;
  if (anonymous) return at;
  process.pages.markDirty(first, first + count);
  let filled = fillFromFile(thread, at, count * PAGE_SIZE, descriptor, offset);
  // A private copy needs no record; /dev/zero and the like are private in either case.
  if (filled === 0 && shared) {
    filled = recordMapping(process, descriptor, first, first + count, offset, (prot & PROT_WRITE) !== 0);
  }
  if (filled < 0) {
    process.memoryLock.hold(() => unmapPages(process, first, first + count));
    return filled;
  }
  if ((bits & EXEC) !== 0) process.hooks.codeChanged(at, count * PAGE_SIZE);
  return at;
};

const munmap = (thread: Thread, start: number, length: number): number => {
  if (start % PAGE_SIZE !== 0 || start > TASK_SIZE || length > TASK_SIZE - start || length === 0) return -EINVAL;
  const [first, end] = clip(start, length);
  const { process } = thread;
  if (end <= first) return 0;
  dropMappings(process, first, end);
  process.memoryLock.hold(() => unmapPages(process, first, end));
  return 0;
};

/** Calls `body` for each run of mapped pages in the range. Returns −ENOMEM when there was a hole, else 0. */
const eachMapped = (
  process: Process,
  start: number,
  length: number,
  body: (first: number, end: number) => void,
): number => {
  const [first, end] = clip(start, length);
  const { flags: pageFlags } = process.pages;
  let hole = start + length > GUEST_TOP;
  let page = first;
  while (page < end) {
    const run = page;
    while (page < end && pageFlags[page] !== 0) page++;
    if (page > run) body(run, page);
    while (page < end && pageFlags[page] === 0) {
      hole = true;
      page++;
    }
  }
  return hole ? -ENOMEM : 0;
};

const mprotect = (thread: Thread, start: number, length: number, prot: number): number => {
  const { process } = thread;
  if (start % PAGE_SIZE !== 0) return -EINVAL;
  if (length === 0) return 0;
  if ((prot & ~PROT_ALL) !== 0) return -EINVAL;
  if (start + length > TASK_SIZE) return -ENOMEM;
  const bits = pageProtection(prot);
  const [from, to] = clip(start, length);
  if ((bits & WRITE) !== 0 && !allowStores(process, from, to)) return -EACCES;
  return process.memoryLock.hold(() => {
    const [first, end] = clip(start, length);
    // Linux changes what lies before the first hole.
    let mapped = first;
    while (mapped < end && process.pages.flags[mapped] !== 0) mapped++;
    if (mapped > first) protectPages(process, first, mapped, bits);
    return mapped < Math.ceil((start + length) / PAGE_SIZE) ? -ENOMEM : 0;
  });
};

const madvise = (thread: Thread, start: number, length: number, behavior: number): number => {
  const { process } = thread;
  if (!knownAdvice.has(behavior) || start % PAGE_SIZE !== 0) return -EINVAL;
  if (length > 2 ** 63) return -EINVAL;
  if (length === 0) return 0;
  return process.memoryLock.hold(() =>
    eachMapped(process, start, length, (first, end) => {
      if (behavior === advice.MADV_DONTNEED || behavior === advice.MADV_DONTNEED_LOCKED) discard(process, first, end);
    }),
  );
};

/** Zeroes anonymous pages that stay mapped; the pages of files keep their content. */
const discard = (process: Process, first: number, end: number): void => {
  const { pages } = process;
  let page = first;
  while (page < end) {
    const isFile = pages.flags[page] & FILE;
    const run = page;
    let writable = false;
    while (page < end && (pages.flags[page] & FILE) === isFile) {
      if ((pages.flags[page] & WRITE) !== 0) writable = true;
      page++;
    }
    if (isFile !== 0) continue;
    clearPages(process, run, page);
    if (writable) pages.markDirty(run, page);
  }
};

const mincore = (thread: Thread, start: number, length: number, vector: number): number => {
  const { process } = thread;
  if (start % PAGE_SIZE !== 0) return -EINVAL;
  if (start + length > TASK_SIZE) return -ENOMEM;
  const count = pageCount(length);
  if (!process.memory.writable(vector, count)) return -EFAULT;
  const [first, end] = clip(start, length);
  if (end - first < count || !process.pages.isMapped(first, end)) return -ENOMEM;
  process.memory.fill(vector, count, 1);
  return 0;
};

const brk = (thread: Thread, wanted: number): number => {
  const { process } = thread;
  const words = process.kernel.words;
  return process.memoryLock.hold(() => {
    const start = words[header.brkStart] >>> 0;
    const current = words[header.brk] >>> 0;
    if (wanted < start || wanted > GUEST_TOP) return current;
    const from = Math.ceil(current / PAGE_SIZE);
    const to = Math.ceil(wanted / PAGE_SIZE);
    if (to < from) unmapPages(process, to, from);
    if (to > from) {
      if (to > words[header.topPage] || !process.pages.isFree(from, to)) return current;
      mapPages(process, from, to, MAPPED | READ | WRITE);
    }
    words[header.brk] = wanted;
    return wanted;
  });
};

const mremap = (
  thread: Thread,
  old: number,
  oldLength: number,
  newLength: number,
  remapFlags: number,
  target: number,
): number => {
  const { process } = thread;
  const { pages } = process;
  if ((remapFlags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return -EINVAL;
  if ((remapFlags & MREMAP_FIXED) !== 0 && (remapFlags & MREMAP_MAYMOVE) === 0) return -EINVAL;
  if ((remapFlags & MREMAP_DONTUNMAP) !== 0) return -EINVAL;
  if (old % PAGE_SIZE !== 0 || newLength === 0 || oldLength === 0) return -EINVAL;
  if (newLength > GUEST_TOP) return -ENOMEM;
  const first = old / PAGE_SIZE;
  const oldCount = pageCount(oldLength);
  const count = pageCount(newLength);
  const fixed = (remapFlags & MREMAP_FIXED) !== 0;
  if (fixed && (target % PAGE_SIZE !== 0 || target > GUEST_TOP - newLength)) return -EINVAL;
  const wanted = target / PAGE_SIZE;
  if (fixed && wanted < first + oldCount && first < wanted + count) return -EINVAL;
  if (old < GUEST_TOP) dropMappings(process, first, Math.min(first + oldCount, GUEST_TOP / PAGE_SIZE));
  if (fixed) dropMappings(process, wanted, wanted + count);
  return process.memoryLock.hold(() => {
    if (old >= GUEST_TOP || !pages.isMapped(first, first + oldCount)) return -EFAULT;
    const bits = pages.flags[first];
    const end = first + oldCount;
    if (!fixed && count <= oldCount) {
      if (count < oldCount) unmapPages(process, first + count, end);
      return old;
    }
    const top = process.kernel.words[header.topPage];
    if (!fixed && first + count <= top && pages.isFree(end, first + count)) {
      mapPages(process, end, first + count, bits);
      return old;
    }
    if ((remapFlags & MREMAP_MAYMOVE) === 0) return -ENOMEM;
    if (fixed && (wanted < FIRST_PAGE || wanted + count > top)) return wanted < FIRST_PAGE ? -EPERM : -ENOMEM;
    const moved = fixed ? wanted : placePages(process, count);
    if (moved < 0) return moved;
    mapPages(process, moved, moved + count, bits);
    pages.markDirty(moved, moved + count);
    const kept = Math.min(count, oldCount) * PAGE_SIZE;
    process.memory.store(moved * PAGE_SIZE, process.memory.slice(old, kept));
    if ((bits & EXEC) !== 0) process.hooks.codeChanged(moved * PAGE_SIZE, kept);
    unmapPages(process, first, end);
    return moved * PAGE_SIZE;
  });
};

/** mlock and its relatives: all memory is resident as far as the guest can tell. */
const lockRange = (thread: Thread, start: number, length: number): number => {
  const from = start - (start % PAGE_SIZE);
  if (start + length > TASK_SIZE) return -EINVAL;
  return length === 0 ? 0 : eachMapped(thread.process, from, length + (start - from), () => {});
};

const mlock2 = (thread: Thread, start: number, length: number, lockFlags: number): number =>
  (lockFlags & ~1) !== 0 ? -EINVAL : lockRange(thread, start, length);

const mlockall = (_thread: Thread, lockFlags: number): number =>
  lockFlags === 0 || (lockFlags & ~7) !== 0 || lockFlags === 4 ? -EINVAL : 0;

const MS_ASYNC = 1;
const MS_SYNC = 4;

const msync = (thread: Thread, start: number, length: number, syncFlags: number): number => {
  if ((syncFlags & ~7) !== 0 || start % PAGE_SIZE !== 0) return -EINVAL;
  if ((syncFlags & MS_ASYNC) !== 0 && (syncFlags & MS_SYNC) !== 0) return -EINVAL;
  if (start + length > TASK_SIZE) return -ENOMEM;
  if (length === 0) return 0;
  return eachMapped(thread.process, start, length, (first, end) => syncMappings(thread.process, first, end));
};

/** Memory mapping system calls. */
export const memoryCalls: readonly SyscallRow[] = [
  { nr: 9, name: "mmap", args: [address, size, protection, mapFlags, fd, long], result: "address", run: mmap },
  { nr: 10, name: "mprotect", args: [address, size, protection], run: mprotect },
  { nr: 11, name: "munmap", args: [address, size], run: munmap },
  { nr: 12, name: "brk", args: [address], result: "address", run: brk },
  {
    nr: 25,
    name: "mremap",
    args: [address, size, size, flags({ MREMAP_MAYMOVE, MREMAP_FIXED, MREMAP_DONTUNMAP }), address],
    result: "address",
    run: mremap,
  },
  { nr: 26, name: "msync", args: [address, size, flags({ MS_ASYNC, MS_INVALIDATE: 2, MS_SYNC })], run: msync },
  { nr: 27, name: "mincore", args: [address, size, address], run: mincore },
  { nr: 28, name: "madvise", args: [address, size, choice(advice)], run: madvise },
  { nr: 149, name: "mlock", args: [address, size], run: lockRange },
  { nr: 150, name: "munlock", args: [address, size], run: lockRange },
  { nr: 151, name: "mlockall", args: [flags({ MCL_CURRENT: 1, MCL_FUTURE: 2, MCL_ONFAULT: 4 })], run: mlockall },
  { nr: 152, name: "munlockall", args: [], run: () => 0 },
  { nr: 325, name: "mlock2", args: [address, size, flags({ MLOCK_ONFAULT: 1 })], run: mlock2 },
];
