import { EAGAIN, EINVAL } from "../errno.js";
import type { Files } from "../files.js";
import { openFile } from "../files-layout.js";
import type { Thread } from "../threads.js";
import { waitUntil } from "../wait-queue.js";
import { type FileKind, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "./kind.js";
import { eventKey, readinessChanged } from "./notify.js";
import { O_NONBLOCK } from "./open-flags.js";

/** Read takes 1 instead of the whole counter; kept in `streamFlags`. */
export const SEMAPHORE = 1;
const ALL_ONES = 0xffff_ffff;

const block = (files: Files, thread: Thread, index: number, step: () => number | undefined): number => {
  const locked = (): number | undefined => {
    files.open.lock(index);
    const result = step();
    files.open.unlock(index);
    return result;
  };
  const result = locked() ?? waitUntil(thread, eventKey(index), Infinity, locked);
  if (result > 0) readinessChanged(files.process.kernel, eventKey(index));
  return result;
};

const readCounter = (files: Files, thread: Thread, index: number, into: Uint8Array): number => {
  if (into.length < 8) return -EINVAL;
  const open = files.open;
  return block(files, thread, index, () => {
    const lo = open.get(index, openFile.counterLo) >>> 0;
    const hi = open.get(index, openFile.counterHi) >>> 0;
    if (lo === 0 && hi === 0) return open.get(index, openFile.flags) & O_NONBLOCK ? -EAGAIN : undefined;
    const semaphore = open.get(index, openFile.streamFlags) === SEMAPHORE;
    const view = new DataView(into.buffer, into.byteOffset, 8);
    view.setUint32(0, semaphore ? 1 : lo, true);
    view.setUint32(4, semaphore ? 0 : hi, true);
    open.set(index, openFile.counterLo, semaphore ? lo - 1 : 0);
    open.set(index, openFile.counterHi, semaphore ? (lo === 0 ? hi - 1 : hi) : 0);
    Atomics.add(open.words, open.base(index) + openFile.writeEdge, 1);
    return 8;
  });
};

const addCounter = (files: Files, thread: Thread, index: number, from: Uint8Array): number => {
  if (from.length < 8) return -EINVAL;
  const open = files.open;
  const view = new DataView(from.buffer, from.byteOffset, 8);
  const addLo = view.getUint32(0, true);
  const addHi = view.getUint32(4, true);
  if (addLo === ALL_ONES && addHi === ALL_ONES) return -EINVAL;
  return block(files, thread, index, () => {
    const low = (open.get(index, openFile.counterLo) >>> 0) + addLo;
    const high = (open.get(index, openFile.counterHi) >>> 0) + addHi + (low > ALL_ONES ? 1 : 0);
    // The counter stays below 2^64 − 1.
    if (high > ALL_ONES || (high === ALL_ONES && low >>> 0 === ALL_ONES)) {
      return open.get(index, openFile.flags) & O_NONBLOCK ? -EAGAIN : undefined;
    }
    open.set(index, openFile.counterLo, low);
    open.set(index, openFile.counterHi, high);
    Atomics.add(open.words, open.base(index) + openFile.readEdge, 1);
    return 8;
  });
};

/** An eventfd counter. */
export const eventfd: FileKind = {
  seekable: false,
  watchable: true,
  read: readCounter,
  write: addCounter,
  stat: (files, _index, out) => files.statAnonymous(out),
  ready: (files, index) => {
    const lo = files.open.get(index, openFile.counterLo) >>> 0;
    const hi = files.open.get(index, openFile.counterHi) >>> 0;
    const readable = lo !== 0 || hi !== 0 ? POLLIN | POLLRDNORM : 0;
    return hi === ALL_ONES && lo >= ALL_ONES - 1 ? readable : readable | POLLOUT | POLLWRNORM;
  },
  readEdge: (files, index) => Atomics.load(files.open.words, files.open.base(index) + openFile.readEdge),
  writeEdge: (files, index) => Atomics.load(files.open.words, files.open.base(index) + openFile.writeEdge),
  destroy: () => {},
};
