import { EBADF, EFAULT, EFBIG, EINVAL, ESPIPE } from "./errno.js";
import { O_ACCMODE, O_APPEND, O_PATH, O_RDONLY, O_WRONLY } from "./file-kinds/open-flags.js";
import { openFile } from "./files-layout.js";
import type { Files } from "./files.js";
import { MAPPED, READ, WRITE } from "./page-map.js";
import type { Thread } from "./threads.js";

/** Most bytes that one call transfers (MAX_RW_COUNT). */
export const MAX_TRANSFER = 0x7fff_f000;
/** Largest file offset: beyond it a number is not exact. No host file is that long. */
export const MAX_OFFSET = Number.MAX_SAFE_INTEGER;
/** `position` of a call that uses the file's own offset. */
export const OWN_OFFSET = -1;

/** The files layer of a thread's process. */
export const filesOf = (thread: Thread): Files => thread.process.files!;

/** Runs `step` with the open file behind `fd`. */
export const withFd = (thread: Thread, fd: number, step: (files: Files, index: number) => number): number => {
  const files = filesOf(thread);
  const index = files.open.acquire(fd);
  if (index < 0) return -EBADF;
  const result = step(files, index);
  files.release(index);
  return result;
};

/** Stores the int that an ioctl answers: 0 or −EFAULT. */
export const storeInt = (thread: Thread, at: number, value: number): number => {
  const { memory } = thread.process;
  if (!memory.writable(at, 4)) return -EFAULT;
  memory.setUint32(at, value);
  return 0;
};

/** Bytes at the start of [address, address + count) that have the page flags, or −EFAULT when there is none. */
const usable = (thread: Thread, address: number, count: number, flags: number): number => {
  if (count === 0) return 0;
  const length = thread.process.pages.allowedPrefix(address, count, flags);
  return length === 0 ? -EFAULT : length;
};

/** Why an open file cannot be read (`wanted` false) or written; 0 when it can. */
const accessFails = (files: Files, index: number, write: boolean): number => {
  const flags = files.open.get(index, openFile.flags);
  const access = flags & O_ACCMODE;
  return flags & O_PATH || access === (write ? O_RDONLY : O_WRONLY) ? -EBADF : 0;
};

/** Reads or writes `bytes` at `position`, moving the offset when it is the file's own. */
const transfer = (
  files: Files,
  thread: Thread,
  index: number,
  bytes: Uint8Array,
  position: number,
  write: boolean,
): number => {
  const kind = files.kindOf(index);
  if (position !== OWN_OFFSET) {
    if (!kind.seekable) return -ESPIPE;
    // rw_verify_area in fs/read_write.c
    if (position + bytes.length >= 2 ** 63) return -EINVAL;
    if (position > MAX_OFFSET) return write ? -EFBIG : 0;
    return write ? kind.write(files, thread, index, bytes, position) : kind.read(files, thread, index, bytes, position);
  }
  if (!kind.seekable) {
    return write ? kind.write(files, thread, index, bytes, -1) : kind.read(files, thread, index, bytes, -1);
  }
  const { open } = files;
  open.lock(index);
  const offset = open.offset(index);
  const result = write
    ? kind.write(files, thread, index, bytes, offset)
    : kind.read(files, thread, index, bytes, offset);
  // A negative offset is a stream position that the host keeps.
  if (result > 0 && offset >= 0) {
    const appended = write && (open.get(index, openFile.flags) & O_APPEND) !== 0;
    open.setOffset(index, appended ? files.sizeOf(index) : offset + result);
  }
  open.unlock(index);
  return result;
};

/** read(2) and pread64(2). */
export const readFd = (thread: Thread, fd: number, address: number, count: number, position: number): number => {
  const files = filesOf(thread);
  const index = files.open.acquire(fd);
  if (index < 0) return -EBADF;
  let result = accessFails(files, index, false);
  if (result === 0) {
    const length = usable(thread, address, Math.min(count, MAX_TRANSFER), MAPPED | WRITE);
    if (length < 0) {
      result = readIntoNothing(files, thread, index, position);
    } else {
      result = transfer(files, thread, index, thread.process.memory.slice(address, length), position, false);
    }
  }
  files.release(index);
  return result;
};

/** What a read answers when no byte of its buffer can be written: a directory or the end of a file comes first. */
const readIntoNothing = (files: Files, thread: Thread, index: number, position: number): number => {
  const kind = files.kindOf(index);
  if (position !== OWN_OFFSET && !kind.seekable) return -ESPIPE;
  if (!kind.seekable) return -EFAULT;
  const offset = position === OWN_OFFSET ? files.open.offset(index) : position;
  const result = offset < 0 ? -EFAULT : kind.read(files, thread, index, new Uint8Array(1), offset);
  return result > 0 ? -EFAULT : result;
};

/** write(2) and pwrite64(2). */
export const writeFd = (thread: Thread, fd: number, address: number, count: number, position: number): number => {
  const files = filesOf(thread);
  const index = files.open.acquire(fd);
  if (index < 0) return -EBADF;
  let result = accessFails(files, index, true);
  if (result === 0) {
    const length = usable(thread, address, Math.min(count, MAX_TRANSFER), MAPPED | READ);
    result =
      length < 0
        ? length
        : transfer(files, thread, index, thread.process.memory.slice(address, length), position, true);
  }
  files.release(index);
  return result;
};

/** Reads into or writes from host memory, with the file's own offset or a position; for sendfile and its like. */
export const transferBytes = (
  files: Files,
  thread: Thread,
  index: number,
  bytes: Uint8Array,
  position: number,
  write: boolean,
): number => accessFails(files, index, write) || transfer(files, thread, index, bytes, position, write);

/** One element of an iovec array. */
interface Segment {
  readonly address: number;
  readonly length: number;
}

const IOV_MAX = 1024;

/** The iovec array at `address`, or −errno. */
const readVector = (thread: Thread, address: number, count: number): Segment[] | number => {
  if (count < 0 || count > IOV_MAX) return -EINVAL;
  const { memory } = thread.process;
  if (count > 0 && !memory.readable(address, 16 * count)) return -EFAULT;
  const segments: Segment[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const length = memory.getInt64(address + 16 * i + 8);
    if (length < 0) return -EINVAL;
    const room = Math.min(length, MAX_TRANSFER - total);
    total += room;
    segments.push({ address: memory.getUint64(address + 16 * i), length: room });
  }
  return segments;
};

/** Vectors up to this size go through one buffer, and so are one transfer. */
const GATHER_BYTES = 1 << 20;

/** readv(2), writev(2) and their positional forms. */
export const vectorFd = (
  thread: Thread,
  fd: number,
  address: number,
  count: number,
  position: number,
  write: boolean,
): number => {
  const check = withFd(thread, fd, (files, index) => accessFails(files, index, write));
  if (check < 0) return check;
  const segments = readVector(thread, address, count);
  if (typeof segments === "number") return segments;
  const single = write ? writeFd : readFd;
  if (segments.length === 1) return single(thread, fd, segments[0].address, segments[0].length, position);
  const total = segments.reduce((sum, segment) => sum + segment.length, 0);
  if (total > GATHER_BYTES) return oneByOne(thread, fd, segments, position, single);
  const { memory } = thread.process;
  const buffer = new Uint8Array(total);
  let at = 0;
  for (const segment of segments) {
    const flags = MAPPED | (write ? READ : WRITE);
    if (segment.length > 0 && !thread.process.pages.allows(segment.address, segment.length, flags)) {
      if (at === 0) return -EFAULT;
      break;
    }
    if (write) buffer.set(memory.slice(segment.address, segment.length), at);
    at += segment.length;
  }
  const result = withFd(thread, fd, (files, index) =>
    transfer(files, thread, index, buffer.subarray(0, at), position, write),
  );
  if (write || result <= 0) return result;
  let done = 0;
  for (const segment of segments) {
    const length = Math.min(segment.length, result - done);
    if (length > 0) memory.store(segment.address, buffer.subarray(done, done + length));
    done += length;
  }
  return result;
};

const oneByOne = (
  thread: Thread,
  fd: number,
  segments: readonly Segment[],
  position: number,
  single: typeof readFd,
): number => {
  let done = 0;
  for (const segment of segments) {
    const at = position === OWN_OFFSET ? OWN_OFFSET : position + done;
    const result = single(thread, fd, segment.address, segment.length, at);
    if (result < 0) return done > 0 ? done : result;
    done += result;
    if (result < segment.length) break;
  }
  return done;
};
