import { ENOMEM } from "./errno.js";
import { fileKind, openFile } from "./files-layout.js";
import type { Files } from "./files.js";
import { O_ACCMODE, O_RDWR } from "./file-kinds/open-flags.js";
import { FileStat } from "./host/types.js";
import { type KernelMemory, locks, MAX_SHARED_MAPPINGS, sections, SHARED_MAPPING_WORDS } from "./kernel-memory.js";
import { acquireWord, releaseWord } from "./lock.js";
import { PAGE_SIZE } from "./page-map.js";
import type { Process } from "./process.js";

/**
 * MAP_SHARED mappings of files. A mapping is a copy in guest memory; so that it looks shared, what the guest writes to
 * the file goes to the copy as well, and what it stores in the copy goes to the file at msync, munmap, exit, and
 * before the guest reads the file. What other programs do to the file meanwhile is not seen.
 *
 * One row in kernel memory for each mapping, which holds its open file. Rows change under a lock of their own.
 */

const field = { used: 0, firstPage: 1, endPage: 2, file: 3, writable: 4 } as const;
const OFFSET = 3;
const DEVICE = 4;
const INODE = 5;
/** Compared and written back in pieces of this size. */
const CHUNK_BYTES = 1 << 16;

const rowAt = (index: number): number => sections.sharedMappings / 4 + (index + 1) * SHARED_MAPPING_WORDS;
const doubleAt = (index: number, which: number): number => rowAt(index) / 2 + which;
/** Word that counts the rows in use: a cheap "nothing to do" for everyone else. */
const COUNT = sections.sharedMappings / 4;

interface Mapping {
  readonly index: number;
  readonly firstPage: number;
  readonly endPage: number;
  readonly file: number;
  readonly writable: boolean;
  readonly offset: number;
  readonly device: number;
  readonly inode: number;
}

const readRow = ({ words, doubles }: KernelMemory, index: number): Mapping => {
  const base = rowAt(index);
  return {
    index,
    firstPage: words[base + field.firstPage],
    endPage: words[base + field.endPage],
    file: words[base + field.file],
    writable: words[base + field.writable] === 1,
    offset: doubles[doubleAt(index, OFFSET)],
    device: doubles[doubleAt(index, DEVICE)],
    inode: doubles[doubleAt(index, INODE)],
  };
};

const writeRow = ({ words, doubles }: KernelMemory, row: Mapping): void => {
  const base = rowAt(row.index);
  if (words[base + field.used] === 0) Atomics.add(words, COUNT, 1);
  words[base + field.used] = 1;
  words[base + field.firstPage] = row.firstPage;
  words[base + field.endPage] = row.endPage;
  words[base + field.file] = row.file;
  words[base + field.writable] = row.writable ? 1 : 0;
  doubles[doubleAt(row.index, OFFSET)] = row.offset;
  doubles[doubleAt(row.index, DEVICE)] = row.device;
  doubles[doubleAt(row.index, INODE)] = row.inode;
};

const clearRow = ({ words }: KernelMemory, index: number): void => {
  words[rowAt(index) + field.used] = 0;
  Atomics.sub(words, COUNT, 1);
};

const freeRow = ({ words }: KernelMemory): number => {
  for (let index = 0; index < MAX_SHARED_MAPPINGS; index++) if (words[rowAt(index) + field.used] === 0) return index;
  return -1;
};

/** The rows for which `wanted` holds. The caller holds the lock. */
const select = (kernel: KernelMemory, wanted: (row: Mapping) => boolean): Mapping[] => {
  const found: Mapping[] = [];
  for (let index = 0; index < MAX_SHARED_MAPPINGS; index++) {
    if (kernel.words[rowAt(index) + field.used] === 0) continue;
    const row = readRow(kernel, index);
    if (wanted(row)) found.push(row);
  }
  return found;
};

const withRows = <T>(kernel: KernelMemory, body: () => T): T => {
  acquireWord(kernel.words, locks.mappings);
  try {
    return body();
  } finally {
    releaseWord(kernel.words, locks.mappings);
  }
};

const hasRows = (kernel: KernelMemory): boolean => Atomics.load(kernel.words, COUNT) !== 0;

/**
 * Notes that the pages [firstPage, endPage) show the file behind `fd` from `offset` on.
 * @returns 0, or −ENOMEM when there are too many such mappings.
 */
export const recordMapping = (
  { kernel, files }: Process,
  fd: number,
  firstPage: number,
  endPage: number,
  offset: number,
  writable: boolean,
): number => {
  const file = files?.open.acquire(fd) ?? -1;
  if (files === undefined || file < 0) return 0;
  if (files.open.get(file, openFile.kind) !== fileKind.host) {
    files.release(file);
    return 0;
  }
  const stat = new FileStat();
  files.host.stat(files.open.get(file, openFile.handle), stat);
  const full = withRows(kernel, () => {
    const index = freeRow(kernel);
    if (index < 0) return true;
    writeRow(kernel, { index, firstPage, endPage, file, writable, offset, device: stat.dev, inode: stat.ino });
    return false;
  });
  if (full) files.release(file);
  return full ? -ENOMEM : 0;
};

const differs = (bytes: Uint8Array, others: Uint8Array): boolean => {
  for (let at = 0; at < bytes.length; at++) if (bytes[at] !== others[at]) return true;
  return false;
};

/** Writes to the file what differs from it in the pages [first, end) of a mapping. */
const writeBack = ({ memory, files }: Process, row: Mapping, first: number, end: number): void => {
  if (files === undefined || !row.writable) return;
  const handle = files.open.get(row.file, openFile.handle);
  const stat = new FileStat();
  if (files.host.stat(handle, stat) < 0) return;
  let offset = row.offset + (Math.max(first, row.firstPage) - row.firstPage) * PAGE_SIZE;
  // The file does not grow through a mapping.
  const stop = Math.min(stat.size, row.offset + (Math.min(end, row.endPage) - row.firstPage) * PAGE_SIZE);
  const old = new Uint8Array(CHUNK_BYTES);
  while (offset < stop) {
    const length = Math.min(CHUNK_BYTES, stop - offset);
    const present = memory.slice(row.firstPage * PAGE_SIZE + (offset - row.offset), length);
    const known = files.host.read(handle, old.subarray(0, length), offset);
    if (known !== length || differs(present, old)) files.host.write(handle, present, offset);
    offset += length;
  }
};

/**
 * Before the pages [first, end) become writable.
 * @returns false when one of them shows a file that is not open for writing (EACCES).
 */
export const allowStores = (process: Process, first: number, end: number): boolean => {
  const { kernel, files } = process;
  if (!hasRows(kernel) || files === undefined) return true;
  return withRows(kernel, () => {
    const rows = select(kernel, ({ firstPage, endPage }) => firstPage < end && first < endPage);
    const isOpenForWriting = ({ file }: Mapping): boolean =>
      (files.open.get(file, openFile.flags) & O_ACCMODE) === O_RDWR;
    if (!rows.every(isOpenForWriting)) return false;
    for (const row of rows) writeRow(kernel, { ...row, writable: true });
    return true;
  });
};

/** msync: brings the files behind the pages [first, end) up to date. */
export const syncMappings = (process: Process, first: number, end: number): void => {
  const { kernel } = process;
  if (!hasRows(kernel)) return;
  withRows(kernel, () => {
    for (const row of select(kernel, ({ firstPage, endPage }) => firstPage < end && first < endPage)) {
      writeBack(process, row, first, end);
    }
  });
};

/** Before the pages [first, end) are unmapped or replaced: writes them back and forgets what they showed. */
export const dropMappings = (process: Process, first: number, end: number): void => {
  const { kernel, files } = process;
  if (!hasRows(kernel)) return;
  const released: number[] = [];
  withRows(kernel, () => {
    for (const row of select(kernel, ({ firstPage, endPage }) => firstPage < end && first < endPage)) {
      writeBack(process, row, first, end);
      clearRow(kernel, row.index);
      const parts: Mapping[] = [];
      if (row.firstPage < first) parts.push({ ...row, endPage: first });
      if (end < row.endPage) {
        parts.push({ ...row, firstPage: end, offset: row.offset + (end - row.firstPage) * PAGE_SIZE });
      }
      for (const part of parts) {
        const index = freeRow(kernel);
        if (index < 0) continue;
        files?.open.retain(row.file);
        writeRow(kernel, { ...part, index });
      }
      released.push(row.file);
    }
  });
  for (const file of released) files?.release(file);
};

/** Brings all files up to date, when the process ends. */
export const flushMappings = (process: Process): void => syncMappings(process, 0, Infinity);

const showing = (files: Files, handle: number): ((row: Mapping) => boolean) => {
  const stat = new FileStat();
  if (files.host.stat(handle, stat) < 0) return () => false;
  return ({ device, inode }) => device === stat.dev && inode === stat.ino;
};

/** Before the guest reads a file: what it stored in mappings of it must be there. */
export const beforeFileRead = (files: Files, handle: number): void => {
  const { process } = files;
  const { kernel } = process;
  if (!hasRows(kernel)) return;
  const shows = showing(files, handle);
  withRows(kernel, () => {
    for (const row of select(kernel, (candidate) => candidate.writable && shows(candidate))) {
      writeBack(process, row, row.firstPage, row.endPage);
    }
  });
};

/** After the guest wrote `bytes` at `offset` of a file: mappings of it show them. */
export const afterFileWrite = (files: Files, handle: number, bytes: Uint8Array, offset: number): void => {
  const { process } = files;
  if (!hasRows(process.kernel)) return;
  const shows = showing(files, handle);
  withRows(process.kernel, () => {
    for (const row of select(process.kernel, shows)) {
      const stop = row.offset + (row.endPage - row.firstPage) * PAGE_SIZE;
      const from = Math.max(offset, row.offset);
      const to = Math.min(offset + bytes.length, stop);
      if (from >= to) continue;
      const target = row.firstPage * PAGE_SIZE + (from - row.offset);
      process.memory.store(target, bytes.subarray(from - offset, to - offset));
    }
  });
};

/** After the guest changed a file's size: mappings show zeros beyond its end. */
export const afterFileResize = (files: Files, handle: number, size: number): void => {
  const { process } = files;
  if (!hasRows(process.kernel)) return;
  const shows = showing(files, handle);
  withRows(process.kernel, () => {
    for (const row of select(process.kernel, shows)) {
      const bytes = (row.endPage - row.firstPage) * PAGE_SIZE;
      const kept = Math.min(bytes, Math.max(0, size - row.offset));
      if (kept < bytes) process.memory.fill(row.firstPage * PAGE_SIZE + kept, bytes - kept, 0);
    }
  });
};
