import { EAGAIN } from "./errno.js";
import { flockKey } from "./file-kinds/notify.js";
import { filesHeader, fileKind, OPEN_FILE_CAPACITY, openFile } from "./files-layout.js";
import type { Files } from "./files.js";
import { FileStat } from "./host/types.js";
import { acquireWord, releaseWord } from "./lock.js";
import { filesHeaderWord } from "./open-files.js";
import type { Thread } from "./threads.js";
import { waitUntil, wakeAll } from "./wait-queue.js";

export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const LOCK_UN = 8;

const scratch = new FileStat();

/** Whether another open file of the same inode holds a lock against `mode`. Under the table lock. */
const conflicts = (files: Files, index: number, mode: number): boolean => {
  const { open } = files;
  for (let other = 0; other < OPEN_FILE_CAPACITY; other++) {
    if (other === index || open.get(other, openFile.kind) === fileKind.free) continue;
    const held = open.get(other, openFile.flock);
    if (held === 0 || (held === LOCK_SH && mode === LOCK_SH)) continue;
    const sameFile =
      open.inode(other) === open.inode(index) && open.get(other, openFile.mount) === open.get(index, openFile.mount);
    if (sameFile) return true;
  }
  return false;
};

/** Learns the inode number of an open file, the identity of what is locked. */
const identify = (files: Files, index: number): void => {
  const status = files.kindOf(index).stat(files, index, scratch);
  files.open.setInode(index, status < 0 ? -1 : scratch.ino);
};

const tryLock = (files: Files, index: number, mode: number): boolean => {
  const lock = filesHeaderWord(filesHeader.tableLock);
  acquireWord(files.open.words, lock);
  const free = !conflicts(files, index, mode);
  if (free) files.open.set(index, openFile.flock, mode);
  releaseWord(files.open.words, lock);
  return free;
};

/** Gives up the lock of an open file. */
export const unlock = (files: Files, index: number): void => {
  files.open.set(index, openFile.flock, 0);
  wakeAll(files.process.kernel, flockKey);
};

/**
 * flock(2) among the open files of the guest process; node:fs and WASI offer no lock against other processes.
 * @param operation LOCK_SH or LOCK_EX
 */
export const lockFile = (files: Files, thread: Thread, index: number, operation: number, block: boolean): number => {
  if (files.open.inode(index) === 0) identify(files, index);
  if (tryLock(files, index, operation)) {
    wakeAll(files.process.kernel, flockKey);
    return 0;
  }
  // Linux gives up the old lock before it waits for the new one.
  if (files.open.get(index, openFile.flock) !== 0) unlock(files, index);
  if (!block) return -EAGAIN;
  return waitUntil(thread, flockKey, Infinity, () => (tryLock(files, index, operation) ? 0 : undefined));
};
