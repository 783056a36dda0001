import { EAGAIN, ENFILE, EPIPE } from "../errno.js";
import type { Files } from "../files.js";
import {
  fileKind,
  filesHeader,
  filesParts,
  openFile,
  PIPE_BUF,
  PIPE_BYTES,
  PIPE_CAPACITY,
  PIPE_WORDS,
} from "../files-layout.js";
import { type FileStat, S_IFIFO } from "../host/types.js";
import { sections } from "../kernel-memory.js";
import { acquireWord, releaseWord } from "../lock.js";
import { filesHeaderWord } from "../open-files.js";
import { sendToThread, SI_USER, SIGPIPE, userSignal } from "../signals.js";
import type { Thread } from "../threads.js";
import { waitUntil } from "../wait-queue.js";
import { type FileKind, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "./kind.js";
import { pipeKey, readinessChanged } from "./notify.js";
import { O_NONBLOCK } from "./open-flags.js";

/** Words of a pipe. */
const pipe = {
  used: 0,
  lock: 1,
  /** Position of the first unread byte. */
  start: 2,
  /** Unread bytes. */
  length: 3,
  /** Open files of the reading and of the writing end. */
  reader: 4,
  writer: 5,
  /** Raised when bytes arrive or the writer closes; when bytes leave or the reader closes. */
  readEdge: 6,
  writeEdge: 7,
} as const;

const pipeBase = (index: number): number => (sections.files + filesParts.pipes) / 4 + index * PIPE_WORDS;

/** A new pipe with both ends open, or −ENFILE. */
export const createPipe = (files: Files): number => {
  const words = files.open.words;
  const lock = filesHeaderWord(filesHeader.tableLock);
  acquireWord(words, lock);
  let index = 0;
  while (index < PIPE_CAPACITY && words[pipeBase(index) + pipe.used] !== 0) index++;
  if (index < PIPE_CAPACITY) {
    const base = pipeBase(index);
    words.fill(0, base, base + PIPE_WORDS);
    words[base + pipe.used] = 1;
    words[base + pipe.reader] = 1;
    words[base + pipe.writer] = 1;
  }
  releaseWord(words, lock);
  return index < PIPE_CAPACITY ? index : -ENFILE;
};

/** Unread bytes in the pipe behind an open file. */
export const pipeLength = (files: Files, index: number): number =>
  Atomics.load(files.open.words, pipeBase(files.open.get(index, openFile.handle)) + pipe.length);

/** Copies bytes out of the pipe; its lock is held. */
const takeBytes = (files: Files, handle: number, into: Uint8Array): number => {
  const words = files.open.words;
  const base = pipeBase(handle);
  const start = words[base + pipe.start];
  const count = Math.min(into.length, words[base + pipe.length]);
  const bytes = files.process.kernel.bytes;
  const ring = sections.files + filesParts.pipeBytes + handle * PIPE_BYTES;
  const first = Math.min(count, PIPE_BYTES - start);
  into.set(bytes.subarray(ring + start, ring + start + first));
  if (count > first) into.set(bytes.subarray(ring, ring + count - first), first);
  words[base + pipe.start] = (start + count) % PIPE_BYTES;
  Atomics.sub(words, base + pipe.length, count);
  if (count > 0) Atomics.add(words, base + pipe.writeEdge, 1);
  return count;
};

/** Copies bytes into the pipe; its lock is held. */
const putBytes = (files: Files, handle: number, from: Uint8Array): number => {
  const words = files.open.words;
  const base = pipeBase(handle);
  const length = words[base + pipe.length];
  const end = (words[base + pipe.start] + length) % PIPE_BYTES;
  const count = Math.min(from.length, PIPE_BYTES - length);
  const bytes = files.process.kernel.bytes;
  const ring = sections.files + filesParts.pipeBytes + handle * PIPE_BYTES;
  const first = Math.min(count, PIPE_BYTES - end);
  bytes.set(from.subarray(0, first), ring + end);
  if (count > first) bytes.set(from.subarray(first, count), ring);
  Atomics.add(words, base + pipe.length, count);
  if (count > 0) Atomics.add(words, base + pipe.readEdge, 1);
  return count;
};

/** Runs `step` under the pipe's lock. */
const locked = (files: Files, handle: number, step: () => number | undefined): number | undefined => {
  const lock = pipeBase(handle) + pipe.lock;
  acquireWord(files.open.words, lock);
  try {
    return step();
  } finally {
    releaseWord(files.open.words, lock);
  }
};

const brokenPipe = (files: Files, thread: Thread): number => {
  const { kernel, hooks, pid } = thread.process;
  sendToThread(kernel, thread.slot, thread.tid, userSignal(SIGPIPE, SI_USER, pid, files.identity.uid), hooks);
  return -EPIPE;
};

/** Raises SIGPIPE in the thread. Returns −EPIPE. */
export const raiseSigpipe = brokenPipe;

const readPipe = (files: Files, thread: Thread, index: number, into: Uint8Array): number => {
  if (into.length === 0) return 0;
  const handle = files.open.get(index, openFile.handle);
  const base = pipeBase(handle);
  const words = files.open.words;
  const step = (): number | undefined => {
    if (words[base + pipe.length] > 0) return takeBytes(files, handle, into);
    if (words[base + pipe.writer] === 0) return 0;
    return files.open.get(index, openFile.flags) & O_NONBLOCK ? -EAGAIN : undefined;
  };
  const result =
    locked(files, handle, step) ?? waitUntil(thread, pipeKey(handle), Infinity, () => locked(files, handle, step));
  if (result > 0) readinessChanged(files.process.kernel, pipeKey(handle));
  return result;
};

const writePipe = (files: Files, thread: Thread, index: number, from: Uint8Array): number => {
  if (from.length === 0) return 0;
  const handle = files.open.get(index, openFile.handle);
  const base = pipeBase(handle);
  const words = files.open.words;
  let done = 0;
  while (done < from.length) {
    const rest = from.subarray(done);
    const step = (): number | undefined => {
      if (words[base + pipe.reader] === 0) return -EPIPE;
      const room = PIPE_BYTES - words[base + pipe.length];
      if (room >= Math.min(rest.length, PIPE_BUF)) return putBytes(files, handle, rest);
      if ((files.open.get(index, openFile.flags) & O_NONBLOCK) === 0) return undefined;
      return room > 0 && rest.length > PIPE_BUF ? putBytes(files, handle, rest) : -EAGAIN;
    };
    const result =
      locked(files, handle, step) ?? waitUntil(thread, pipeKey(handle), Infinity, () => locked(files, handle, step));
    if (result === -EPIPE) brokenPipe(files, thread);
    if (result < 0) return done > 0 ? done : result;
    done += result;
    readinessChanged(files.process.kernel, pipeKey(handle));
  }
  return done;
};

const closeEnd = (files: Files, index: number, end: number, edge: number): void => {
  const words = files.open.words;
  const handle = files.open.get(index, openFile.handle);
  const base = pipeBase(handle);
  acquireWord(words, base + pipe.lock);
  Atomics.sub(words, base + end, 1);
  Atomics.add(words, base + edge, 1);
  const unused = words[base + pipe.reader] === 0 && words[base + pipe.writer] === 0;
  releaseWord(words, base + pipe.lock);
  readinessChanged(files.process.kernel, pipeKey(handle));
  if (unused) Atomics.store(words, base + pipe.used, 0);
};

const statPipe = (files: Files, index: number, out: FileStat): number => {
  files.statAnonymous(out);
  out.mode = S_IFIFO | 0o600;
  out.ino = 0x10000 + files.open.get(index, openFile.handle);
  return 0;
};

const edgeOf =
  (word: number) =>
  (files: Files, index: number): number =>
    Atomics.load(files.open.words, pipeBase(files.open.get(index, openFile.handle)) + word);

/** The reading end of a pipe. */
export const pipeReader: FileKind = {
  seekable: false,
  watchable: true,
  read: readPipe,
  write: () => -EAGAIN,
  stat: statPipe,
  ready: (files, index) => {
    const base = pipeBase(files.open.get(index, openFile.handle));
    const words = files.open.words;
    const data = Atomics.load(words, base + pipe.length) > 0 ? POLLIN | POLLRDNORM : 0;
    return Atomics.load(words, base + pipe.writer) === 0 ? data | POLLHUP : data;
  },
  readEdge: edgeOf(pipe.readEdge),
  writeEdge: () => 0,
  destroy: (files, index) => closeEnd(files, index, pipe.reader, pipe.writeEdge),
};

/** The writing end of a pipe. */
export const pipeWriter: FileKind = {
  seekable: false,
  watchable: true,
  read: () => -EAGAIN,
  write: writePipe,
  stat: statPipe,
  ready: (files, index) => {
    const base = pipeBase(files.open.get(index, openFile.handle));
    const words = files.open.words;
    const room = PIPE_BYTES - Atomics.load(words, base + pipe.length);
    const space = room >= PIPE_BUF ? POLLOUT | POLLWRNORM : 0;
    return Atomics.load(words, base + pipe.reader) === 0 ? space | POLLERR : space;
  },
  readEdge: () => 0,
  writeEdge: edgeOf(pipe.writeEdge),
  destroy: (files, index) => closeEnd(files, index, pipe.writer, pipe.readEdge),
};

/** Notes one more open file on the end of a pipe that `index` is. */
export const holdPipe = (files: Files, index: number): void => {
  const base = pipeBase(files.open.get(index, openFile.handle));
  const end = files.open.get(index, openFile.kind) === fileKind.pipeReader ? pipe.reader : pipe.writer;
  Atomics.add(files.open.words, base + end, 1);
};

/** Gives back a pipe that never had ends. */
export const freePipe = (files: Files, handle: number): void => {
  Atomics.store(files.open.words, pipeBase(handle) + pipe.used, 0);
};
