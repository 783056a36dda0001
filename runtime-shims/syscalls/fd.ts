import { EBADF, EFAULT, EFBIG, EINVAL, EISDIR, ENODEV, ENXIO, EOPNOTSUPP, EOVERFLOW, ESPIPE, EXDEV } from "../errno.js";
import {
  filesOf,
  MAX_OFFSET,
  MAX_TRANSFER,
  OWN_OFFSET,
  readFd,
  transferBytes,
  vectorFd,
  withFd,
  writeFd,
} from "../fd-io.js";
import { O_ACCMODE, O_APPEND, O_CLOEXEC, O_PATH, O_RDONLY } from "../file-kinds/open-flags.js";
import { FD_CAPACITY, fileKind, openFile } from "../files-layout.js";
import { rewindDirectory } from "../directory-stream.js";
import type { Files } from "../files.js";
import { FileStat } from "../host/types.js";
import type { Thread } from "../threads.js";
import { address, buffer, choice, fd, flags, int, long, size, uint } from "./kinds.js";
import type { SyscallRow } from "./table.js";

const SEEK = { SEEK_SET: 0, SEEK_CUR: 1, SEEK_END: 2, SEEK_DATA: 3, SEEK_HOLE: 4 } as const;
const CLOSE_RANGE_UNSHARE = 2;
const CLOSE_RANGE_CLOEXEC = 4;

/** pread and pwrite: a negative position is invalid, whatever the file. */
const positional =
  (call: typeof readFd) =>
  (thread: Thread, fdNumber: number, at: number, count: number, position: number): number =>
    position < 0 ? -EINVAL : call(thread, fdNumber, at, count, position);

const seekTo = (files: Files, index: number, offset: number, whence: number): number => {
  const { open } = files;
  const kind = open.get(index, openFile.kind);
  if (open.get(index, openFile.flags) & O_PATH) return -EBADF;
  if (kind === fileKind.directory) return rewindDirectory(files, index, offset, whence);
  // Linux lets these seek, to no effect.
  if (kind === fileKind.device || kind === fileKind.eventfd || kind === fileKind.epoll) return 0;
  if (!files.kindOf(index).seekable) return -ESPIPE;
  let current = open.offset(index);
  if (current < 0) current = Math.max(0, files.host.position(open.get(index, openFile.handle)));
  let target = offset;
  if (whence === SEEK.SEEK_CUR) target = current + offset;
  else if (whence !== SEEK.SEEK_SET) {
    const end = kind === fileKind.host ? files.sizeOf(index) : 0;
    if (end < 0) return end;
    if (whence === SEEK.SEEK_END) target = end + offset;
    else if (whence === SEEK.SEEK_DATA || whence === SEEK.SEEK_HOLE) {
      if (offset < 0 || offset >= end) return -ENXIO;
      target = whence === SEEK.SEEK_DATA ? offset : end;
    } else return -EINVAL;
  }
  if (!(target >= 0 && target <= MAX_OFFSET)) return -EINVAL;
  // A stream position that the host keeps stays with the host as long as nobody moves it.
  if (target !== current || open.offset(index) >= 0) open.setOffset(index, target);
  return target;
};

const seek = (thread: Thread, fdNumber: number, offset: number, whence: number): number =>
  withFd(thread, fdNumber, (files, index) => {
    files.open.lock(index);
    const result = seekTo(files, index, offset, whence);
    files.open.unlock(index);
    return result;
  });

const duplicate = (thread: Thread, from: number, to: number, closeOnExec: boolean): number => {
  const files = filesOf(thread);
  if (to < 0 || to >= files.fds.limit) return -EBADF;
  const index = files.open.acquire(from);
  if (index < 0) return -EBADF;
  const old = files.fds.replace(to, index, closeOnExec);
  if (old >= 0) files.release(old);
  return to;
};

const duplicateLowest = (thread: Thread, from: number): number => {
  const files = filesOf(thread);
  const index = files.open.acquire(from);
  if (index < 0) return -EBADF;
  const result = files.fds.install(index, false);
  if (result < 0) files.release(index);
  return result;
};

const closeRange = (thread: Thread, first: number, last: number, how: number): number => {
  if (how & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) || first > last) return -EINVAL;
  const files = filesOf(thread);
  for (let number = first; number <= Math.min(last, FD_CAPACITY - 1); number++) {
    if (how & CLOSE_RANGE_CLOEXEC) files.fds.setCloseOnExec(number, true);
    else files.close(number);
  }
  return 0;
};

const COPY_CHUNK = 1 << 18;

/** Copies between two open files through host memory. −1 as a position means the file's own offset. */
const copyOpen = (
  files: Files,
  thread: Thread,
  source: number,
  from: number,
  target: number,
  to: number,
  count: number,
): number => {
  const chunk = new Uint8Array(Math.min(count, COPY_CHUNK));
  let done = 0;
  while (done < count) {
    const wanted = Math.min(chunk.length, count - done);
    const got = transferBytes(files, thread, source, chunk.subarray(0, wanted), from < 0 ? from : from + done, false);
    if (got <= 0) return done > 0 ? done : got;
    const put = transferBytes(files, thread, target, chunk.subarray(0, got), to < 0 ? to : to + done, true);
    if (put < 0) return done > 0 ? done : put;
    done += put;
    if (put < got || got < wanted) break;
  }
  return done;
};

/** The offset that a pointer argument names: OWN_OFFSET for NULL, or −errno. */
const readOffset = (thread: Thread, pointer: number): number => {
  if (pointer === 0) return OWN_OFFSET;
  const { memory } = thread.process;
  if (!memory.readable(pointer, 8) || !memory.writable(pointer, 8)) return -EFAULT;
  const value = memory.getInt64(pointer);
  if (value < 0) return -EINVAL;
  return value > MAX_OFFSET ? -EOVERFLOW : value;
};

const sendfile = (thread: Thread, out: number, source: number, pointer: number, count: number): number => {
  const from = readOffset(thread, pointer);
  if (from < OWN_OFFSET) return from;
  return withFd(thread, source, (files, sourceIndex) =>
    withFd(thread, out, (_files, targetIndex) => {
      if (!files.kindOf(sourceIndex).seekable) return from === OWN_OFFSET ? -EINVAL : -ESPIPE;
      if (files.open.get(sourceIndex, openFile.kind) === fileKind.directory) return -EINVAL;
      if (files.open.get(targetIndex, openFile.flags) & O_APPEND) return -EINVAL;
      const length = Math.min(count, MAX_TRANSFER);
      const result = copyOpen(files, thread, sourceIndex, from, targetIndex, OWN_OFFSET, length);
      if (pointer !== 0 && result > 0) thread.process.memory.setUint64(pointer, from + result);
      return result;
    }),
  );
};

/**
 * Whether a copy within one file would read what it writes. The length counts up to the end of the file only.
 * Source: fs/read_write.c, generic_copy_file_checks.
 */
const copiesOverItself = (
  files: Files,
  [source, from]: readonly [index: number, position: number],
  [target, to]: readonly [index: number, position: number],
  count: number,
): boolean => {
  const [a, b] = [new FileStat(), new FileStat()];
  const { host, open } = files;
  if (host.stat(open.get(source, openFile.handle), a) < 0 || host.stat(open.get(target, openFile.handle), b) < 0) {
    return false;
  }
  if (a.ino !== b.ino || a.dev !== b.dev) return false;
  const begin = from === OWN_OFFSET ? open.offset(source) : from;
  const targetBegin = to === OWN_OFFSET ? open.offset(target) : to;
  const length = Math.max(0, Math.min(count, a.size - begin));
  return targetBegin + length > begin && targetBegin < begin + length;
};

const copyRange = (
  thread: Thread,
  source: number,
  sourcePointer: number,
  out: number,
  targetPointer: number,
  count: number,
  how: number,
): number => {
  const from = readOffset(thread, sourcePointer);
  if (from < OWN_OFFSET) return from;
  const to = readOffset(thread, targetPointer);
  if (to < OWN_OFFSET) return to;
  return withFd(thread, source, (files, sourceIndex) =>
    withFd(thread, out, (_files, targetIndex) => {
      if (how !== 0) return -EINVAL;
      const sourceKind = files.open.get(sourceIndex, openFile.kind);
      const targetKind = files.open.get(targetIndex, openFile.kind);
      if (sourceKind === fileKind.directory || targetKind === fileKind.directory) return -EISDIR;
      // /proc is another file system, whose files are regular ones.
      if (sourceKind === fileKind.synthetic && targetKind === fileKind.host) return -EXDEV;
      if (sourceKind !== fileKind.host || targetKind !== fileKind.host) return -EINVAL;
      if (files.open.get(targetIndex, openFile.flags) & O_APPEND) return -EBADF;
      if (copiesOverItself(files, [sourceIndex, from], [targetIndex, to], count)) return -EINVAL;
      const result = copyOpen(files, thread, sourceIndex, from, targetIndex, to, Math.min(count, MAX_TRANSFER));
      const { memory } = thread.process;
      if (result > 0 && sourcePointer !== 0) memory.setUint64(sourcePointer, from + result);
      if (result > 0 && targetPointer !== 0) memory.setUint64(targetPointer, to + result);
      return result;
    }),
  );
};

const FALLOC_FL_KEEP_SIZE = 1;

/** No host interface reserves space: the file grows if asked to, and writes find out whether there is room. */
const fallocate = (thread: Thread, fdNumber: number, how: number, offset: number, length: number): number =>
  withFd(thread, fdNumber, (files, index) => {
    if (files.open.get(index, openFile.flags) & O_PATH) return -EBADF;
    if (offset < 0 || length <= 0) return -EINVAL;
    if (how & ~FALLOC_FL_KEEP_SIZE) return -EOPNOTSUPP;
    if ((files.open.get(index, openFile.flags) & O_ACCMODE) === O_RDONLY) return -EBADF;
    const kind = files.open.get(index, openFile.kind);
    if (kind === fileKind.pipeReader || kind === fileKind.pipeWriter) return -ESPIPE;
    if (kind !== fileKind.host) return -ENODEV;
    const size = files.sizeOf(index);
    if (size < 0 || how & FALLOC_FL_KEEP_SIZE || offset + length <= size) return Math.min(size, 0);
    if (offset + length > MAX_OFFSET) return -EFBIG;
    return files.host.setSize(files.open.get(index, openFile.handle), offset + length);
  });

const advise = (thread: Thread, fdNumber: number, _offset: number, length: number, advice: number): number =>
  withFd(thread, fdNumber, (files, index) => {
    if (files.open.get(index, openFile.flags) & O_PATH) return -EBADF;
    const kind = files.open.get(index, openFile.kind);
    if (kind === fileKind.pipeReader || kind === fileKind.pipeWriter) return -ESPIPE;
    return length < 0 || advice < 0 || advice > 5 ? -EINVAL : 0;
  });

const sync = (dataOnly: boolean) => (thread: Thread, fdNumber: number) =>
  withFd(thread, fdNumber, (files, index) => {
    if (files.open.get(index, openFile.flags) & O_PATH) return -EBADF;
    switch (files.open.get(index, openFile.kind)) {
      case fileKind.host:
        return files.host.sync(files.open.get(index, openFile.handle), dataOnly);
      // The host keeps no directory open; its file system writes names in its own time.
      case fileKind.directory:
        return 0;
      default:
        return -EINVAL;
    }
  });

/** Transfers, offsets, and descriptors themselves. */
export const fdCalls: readonly SyscallRow[] = [
  {
    nr: 0,
    name: "read",
    args: [fd, buffer("result"), size],
    run: (thread, number, at, count) => readFd(thread, number, at, count, OWN_OFFSET),
  },
  {
    nr: 1,
    name: "write",
    args: [fd, buffer(2), size],
    run: (thread, number, at, count) => writeFd(thread, number, at, count, OWN_OFFSET),
  },
  { nr: 3, name: "close", args: [fd], run: (thread, number) => filesOf(thread).close(number) },
  { nr: 8, name: "lseek", args: [fd, long, choice(SEEK)], run: seek },
  { nr: 17, name: "pread64", args: [fd, buffer("result"), size, long], run: positional(readFd) },
  { nr: 18, name: "pwrite64", args: [fd, buffer(2), size, long], run: positional(writeFd) },
  {
    nr: 19,
    name: "readv",
    args: [fd, address, int],
    run: (thread, number, at, count) => vectorFd(thread, number, at, count, OWN_OFFSET, false),
  },
  {
    nr: 20,
    name: "writev",
    args: [fd, address, int],
    run: (thread, number, at, count) => vectorFd(thread, number, at, count, OWN_OFFSET, true),
  },
  {
    nr: 295,
    name: "preadv",
    args: [fd, address, int, long],
    run: (thread, number, at, count, position) =>
      position < 0 ? -EINVAL : vectorFd(thread, number, at, count, position, false),
  },
  {
    nr: 296,
    name: "pwritev",
    args: [fd, address, int, long],
    run: (thread, number, at, count, position) =>
      position < 0 ? -EINVAL : vectorFd(thread, number, at, count, position, true),
  },
  {
    nr: 327,
    name: "preadv2",
    args: [fd, address, int, long, long, uint],
    run: (thread, number, at, count, position, _high, how) =>
      how !== 0 ? -EOPNOTSUPP : position < -1 ? -EINVAL : vectorFd(thread, number, at, count, position, false),
  },
  {
    nr: 328,
    name: "pwritev2",
    args: [fd, address, int, long, long, uint],
    run: (thread, number, at, count, position, _high, how) =>
      how !== 0 ? -EOPNOTSUPP : position < -1 ? -EINVAL : vectorFd(thread, number, at, count, position, true),
  },
  { nr: 32, name: "dup", args: [fd], run: duplicateLowest },
  {
    nr: 33,
    name: "dup2",
    args: [fd, fd],
    run: (thread, from, to) =>
      from === to && filesOf(thread).fds.isOpen(from) ? to : duplicate(thread, from, to, false),
  },
  {
    nr: 292,
    name: "dup3",
    args: [fd, fd, flags({ O_CLOEXEC })],
    run: (thread, from, to, how) =>
      how & ~O_CLOEXEC || from === to ? -EINVAL : duplicate(thread, from, to, how !== 0),
  },
  {
    nr: 436,
    name: "close_range",
    args: [uint, uint, flags({ CLOSE_RANGE_UNSHARE, CLOSE_RANGE_CLOEXEC })],
    run: closeRange,
  },
  { nr: 40, name: "sendfile", args: [fd, fd, address, size], run: sendfile },
  {
    nr: 326,
    name: "copy_file_range",
    args: [fd, address, fd, address, size, uint],
    run: copyRange,
  },
  { nr: 285, name: "fallocate", args: [fd, int, long, long], run: fallocate },
  { nr: 221, name: "fadvise64", args: [fd, long, long, int], run: advise },
  { nr: 74, name: "fsync", args: [fd], run: sync(false) },
  { nr: 75, name: "fdatasync", args: [fd], run: sync(true) },
  { nr: 162, name: "sync", args: [], reason: "every write is already the host's", run: () => 0 },
  {
    nr: 306,
    name: "syncfs",
    args: [fd],
    reason: "every write is already the host's",
    run: (thread, number) => withFd(thread, number, () => 0),
  },
  {
    nr: 277,
    name: "sync_file_range",
    args: [fd, long, long, uint],
    reason: "every write is already the host's",
    run: (thread, number, from, length, how) =>
      withFd(thread, number, () => (how & ~7 || from < 0 || length < 0 || from + length >= 2 ** 63 ? -EINVAL : 0)),
  },
  {
    nr: 187,
    name: "readahead",
    args: [fd, long, size],
    reason: "the host reads ahead by itself",
    run: (thread, number) => withFd(thread, number, () => 0),
  },
];
