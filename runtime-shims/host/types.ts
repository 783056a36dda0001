/**
 * What the personality asks of a host's files: the operations of `wasi:filesystem` 0.2, plus the Linux details
 * (modes, owners, inode numbers) that a host may or may not know. All calls are synchronous and answer a value ≥ 0
 * (or the object asked for), or a negated Linux errno; none throws.
 *
 * `root` is the index of a mount's host directory. `path` is relative to it, has no empty, `.` or `..` component and
 * does not end in a slash; "" is the root itself. The personality resolves symbolic links itself, so no operation
 * follows one in the last component, and none is expected in the others.
 */

/** Bits of `openAt`'s `openFlags`, as WASI's `open-flags`. */
export const OPEN_CREATE = 1;
export const OPEN_EXCLUSIVE = 4;
export const OPEN_TRUNCATE = 8;

/** Bits of `openAt`'s `access`, as WASI's `descriptor-flags`; ACCESS_APPEND makes `append` atomic where the host can. */
export const ACCESS_READ = 1;
export const ACCESS_WRITE = 2;
export const ACCESS_SYNC = 4;
export const ACCESS_DATA_SYNC = 8;
export const ACCESS_APPEND = 16;

/** File types of `st_mode`. */
export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

/** Attributes of a file. Times are seconds and nanoseconds since 1970; sizes are bytes, `blocks` are of 512. */
export class FileStat {
  /** `st_mode`: file type and permissions. */
  mode = 0;
  ino = 0;
  /** Device numbers as makedev(3) packs them. */
  dev = 0;
  rdev = 0;
  nlink = 1;
  uid = 0;
  gid = 0;
  size = 0;
  blockSize = 4096;
  blocks = 0;
  atimeSec = 0;
  atimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;
}

/** One name in a directory; `type` is an S_IF constant, or 0 when the host does not know it without a stat. */
export interface DirectoryEntry {
  readonly name: string;
  readonly type: number;
}

/** A new timestamp: `"now"`, or seconds and nanoseconds since 1970. */
export type NewTime = "now" | { readonly sec: number; readonly nsec: number };

/** Space on the file system that holds a root; all sizes in blocks. */
export interface FileSystemSpace {
  type: number;
  blockSize: number;
  blocks: number;
  blocksFree: number;
  blocksAvailable: number;
  files: number;
  filesFree: number;
}

/**
 * Files of the host. A handle is a small integer that names an open file in every Worker of the process; handles 0, 1
 * and 2 are the standard streams. Names are strings in which a byte that is not UTF-8 is a lone surrogate
 * U+DC80..U+DCFF (see names.ts).
 */
export interface HostFiles {
  /** Opens a file (never a directory): a handle. `mode` holds the exact permissions of a file that is created. */
  openAt(root: number, path: string, openFlags: number, access: number, mode: number): number;
  /**
   * Opens the regular file of a handle once more, with a position of its own and although it may have no name any more:
   * a handle. ENOENT where the host cannot.
   */
  reopen(handle: number, openFlags: number, access: number): number;
  close(handle: number): number;
  /** Reads at most `into.length` bytes at `offset`, or at the handle's own position if it is −1: bytes read, 0 at the end. */
  read(handle: number, into: Uint8Array, offset: number): number;
  /** Writes at `offset`, or at the handle's own position if it is −1: bytes written. */
  write(handle: number, from: Uint8Array, offset: number): number;
  /** Writes at the end of the file: bytes written. */
  append(handle: number, from: Uint8Array): number;
  stat(handle: number, out: FileStat): number;
  statAt(root: number, path: string, out: FileStat): number;
  readlinkAt(root: number, path: string): string | number;
  /** Every entry but `.` and `..`, in any order. */
  readDirectory(root: number, path: string): DirectoryEntry[] | number;
  createDirectoryAt(root: number, path: string, mode: number): number;
  removeDirectoryAt(root: number, path: string): number;
  unlinkFileAt(root: number, path: string): number;
  renameAt(oldRoot: number, oldPath: string, newRoot: number, newPath: string): number;
  linkAt(oldRoot: number, oldPath: string, newRoot: number, newPath: string): number;
  symlinkAt(target: string, root: number, path: string): number;
  setSize(handle: number, size: number): number;
  setTimes(handle: number, atime: NewTime, mtime: NewTime): number;
  setTimesAt(root: number, path: string, atime: NewTime, mtime: NewTime): number;
  sync(handle: number, dataOnly: boolean): number;
  /** Sets permissions (bits 07777). EOPNOTSUPP where the host has none. */
  setMode(handle: number, mode: number): number;
  setModeAt(root: number, path: string, mode: number): number;
  /** Sets owners; −1 keeps one. */
  setOwner(handle: number, uid: number, gid: number): number;
  setOwnerAt(root: number, path: string, uid: number, gid: number): number;
  /** Whether the user may do what `mode` asks (R_OK 4, W_OK 2, X_OK 1, F_OK 0); the path is no symbolic link. */
  accessAt(root: number, path: string, mode: number): number;
  space(root: number, path: string): FileSystemSpace | number;
  /** Whether the handle is a terminal. */
  isTerminal(handle: number): boolean;
  /** The position that a stream opened by someone else stands at, or −1 when the host cannot tell. */
  position(handle: number): number;
}
