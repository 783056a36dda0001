import { S_IFDIR, S_IFLNK, S_IFMT } from "./types.js";

/** A file, directory or symbolic link in memory. Times are ms since 1970. */
export interface Inode {
  readonly ino: number;
  /** st_mode. */
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  atime: TimePair;
  mtime: TimePair;
  ctime: TimePair;
  /** Content of a file: `size` bytes count, the rest is room to grow and holds zeros. */
  bytes: Uint8Array;
  size: number;
  /** Names in a directory. */
  readonly entries: Map<string, Inode> | undefined;
  /** Where a symbolic link leads. */
  readonly target: string;
}

/** Seconds and nanoseconds since 1970. */
export interface TimePair {
  readonly sec: number;
  readonly nsec: number;
}

/** The current time. */
export const now = (): TimePair => {
  const ms = performance.timeOrigin + performance.now();
  const sec = Math.floor(ms / 1000);
  return { sec, nsec: Math.floor((ms - sec * 1000) * 1e6) };
};

let nextInode = 2;

/** A new inode without a name yet. @param mode st_mode: type and permissions */
export const newInode = (mode: number, uid: number, gid: number, target = ""): Inode => {
  const time = now();
  const directory = (mode & S_IFMT) === S_IFDIR;
  return {
    ino: nextInode++,
    mode,
    nlink: directory ? 2 : 1,
    uid,
    gid,
    atime: time,
    mtime: time,
    ctime: time,
    bytes: new Uint8Array(),
    size: 0,
    entries: directory ? new Map() : undefined,
    target,
  };
};

export const isDirectory = (inode: Inode): boolean => (inode.mode & S_IFMT) === S_IFDIR;
export const isLink = (inode: Inode): boolean => (inode.mode & S_IFMT) === S_IFLNK;

/** Bytes for a file of `size` with room to grow; undefined when the engine has no memory for them. */
const allocate = (size: number, room: number): Uint8Array | undefined => {
  try {
    return new Uint8Array(Math.max(size, room));
  } catch {
    return undefined;
  }
};

/** Gives a file a size; what is added reads as zeros. False when there is no memory for it. */
export const resize = (inode: Inode, size: number): boolean => {
  if (size > inode.bytes.length) {
    const grown = allocate(size, Math.min(2 * inode.bytes.length, inode.bytes.length + (1 << 26)));
    if (grown === undefined) return false;
    grown.set(inode.bytes.subarray(0, inode.size));
    inode.bytes = grown;
  } else if (size < inode.bytes.length / 2) {
    inode.bytes = inode.bytes.slice(0, size);
  } else if (size < inode.size) {
    inode.bytes.fill(0, size, inode.size);
  }
  inode.size = size;
  return true;
};

/** Notes that the content or the entries changed. */
export const modified = (inode: Inode): void => {
  inode.mtime = inode.ctime = now();
};
