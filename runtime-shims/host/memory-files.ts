import { EACCES, EBADF, EEXIST, EFBIG, EINVAL, EISDIR, ENOENT, ENOSPC, ENOTDIR, ENOTEMPTY, EPERM } from "../errno.js";
import { encodeName } from "../names.js";
import { type Inode, isDirectory, isLink, modified, newInode, now, resize, type TimePair } from "./memory-inode.js";
import {
  ACCESS_READ,
  ACCESS_WRITE,
  type DirectoryEntry,
  type FileStat,
  type FileSystemSpace,
  type HostFiles,
  type NewTime,
  OPEN_CREATE,
  OPEN_EXCLUSIVE,
  OPEN_TRUNCATE,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
} from "./types.js";

/** Where what is written to the standard streams goes. Answers the number of bytes taken, or −errno. */
export interface StandardOutput {
  write(handle: number, bytes: Uint8Array): number;
}

/** Files to begin with: names to texts, bytes, links or directories. */
export interface MemoryTree {
  readonly [name: string]: string | Uint8Array | { readonly link: string } | MemoryTree;
}

const FIRST_HANDLE = 3;
const TMPFS_MAGIC = 0x01021994;
const DEVICE = 0x30;
/** Largest file: what one typed array can hold in every engine. */
const MAX_FILE_BYTES = 2 ** 31 - 1;

/**
 * Files in memory, with everything Linux keeps about them. They live in this realm: other Workers reach them through
 * remote-files.ts.
 */
export class MemoryFiles implements HostFiles {
  readonly #root: Inode;
  readonly #roots: readonly Inode[];
  readonly #handles = new Map<number, Inode>();
  readonly #output: StandardOutput;
  readonly #uid: number;
  readonly #gid: number;
  #nextHandle = FIRST_HANDLE;

  /**
   * @param tree files to begin with
   * @param roots path in `tree` of each root, such as "home/user"; missing directories are made
   */
  constructor(tree: MemoryTree, roots: readonly string[], output: StandardOutput, uid: number, gid: number) {
    this.#output = output;
    this.#uid = uid;
    this.#gid = gid;
    this.#root = newInode(S_IFDIR | 0o755, uid, gid);
    this.#plant(this.#root, tree);
    this.#roots = roots.map((path) => this.#directory(path));
  }

  /** The bytes of a file by its path from the top of the tree, or undefined. */
  content(path: string): Uint8Array | undefined {
    const inode = this.#walk(this.#root, path);
    return inode === undefined || isDirectory(inode) ? undefined : inode.bytes.slice(0, inode.size);
  }

  openAt(root: number, path: string, openFlags: number, access: number, mode: number): number {
    let inode = this.#find(root, path);
    if (inode === undefined) {
      if ((openFlags & OPEN_CREATE) === 0) return -ENOENT;
      const created = newInode(S_IFREG | mode, this.#uid, this.#gid);
      const status = this.#enter(root, path, created);
      if (status < 0) return status;
      inode = created;
    } else if (openFlags & OPEN_EXCLUSIVE) {
      return -EEXIST;
    }
    return isDirectory(inode) ? -EISDIR : this.#open(inode, openFlags, access);
  }

  reopen(handle: number, openFlags: number, access: number): number {
    const inode = this.#handles.get(handle);
    return inode === undefined ? -ENOENT : this.#open(inode, openFlags, access);
  }

  #open(inode: Inode, openFlags: number, access: number): number {
    if (!permits(inode, readWriteBits(access))) return -EACCES;
    if (openFlags & OPEN_TRUNCATE) {
      resize(inode, 0);
      modified(inode);
    }
    const handle = this.#nextHandle++;
    this.#handles.set(handle, inode);
    return handle;
  }

  close(handle: number): number {
    return this.#handles.delete(handle) ? 0 : -EBADF;
  }

  read(handle: number, into: Uint8Array, offset: number): number {
    const inode = this.#handles.get(handle);
    if (inode === undefined) return -EBADF;
    const bytes = inode.bytes.subarray(Math.min(offset, inode.size), Math.min(offset + into.length, inode.size));
    into.set(bytes);
    return bytes.length;
  }

  write(handle: number, from: Uint8Array, offset: number): number {
    if (handle < FIRST_HANDLE) return this.#output.write(handle, from);
    const inode = this.#handles.get(handle);
    if (inode === undefined) return -EBADF;
    const end = offset + from.length;
    if (end > MAX_FILE_BYTES) return -EFBIG;
    if (from.length === 0) return 0;
    if (end > inode.size && !resize(inode, end)) return -ENOSPC;
    inode.bytes.set(from, offset);
    modified(inode);
    return from.length;
  }

  append(handle: number, from: Uint8Array): number {
    return this.write(handle, from, this.#handles.get(handle)?.size ?? 0);
  }

  stat(handle: number, out: FileStat): number {
    if (handle < FIRST_HANDLE) {
      fill(newInode(S_IFIFO | 0o600, this.#uid, this.#gid), out);
      return 0;
    }
    const inode = this.#handles.get(handle);
    if (inode === undefined) return -EBADF;
    fill(inode, out);
    return 0;
  }

  statAt(root: number, path: string, out: FileStat): number {
    return this.#at(root, path, (inode) => {
      fill(inode, out);
      return 0;
    });
  }

  readlinkAt(root: number, path: string): string | number {
    const inode = this.#find(root, path);
    if (inode === undefined) return -ENOENT;
    return isLink(inode) ? inode.target : -EINVAL;
  }

  readDirectory(root: number, path: string): DirectoryEntry[] | number {
    const inode = this.#find(root, path);
    if (inode === undefined) return -ENOENT;
    if (inode.entries === undefined) return -ENOTDIR;
    return [...inode.entries].map(([name, entry]) => ({ name, type: entry.mode & S_IFMT }));
  }

  createDirectoryAt(root: number, path: string, mode: number): number {
    return this.#enter(root, path, newInode(S_IFDIR | mode, this.#uid, this.#gid));
  }

  removeDirectoryAt(root: number, path: string): number {
    return this.#at(root, path, (inode) => {
      if (inode.entries === undefined) return -ENOTDIR;
      return inode.entries.size > 0 ? -ENOTEMPTY : this.#leave(root, path, inode);
    });
  }

  unlinkFileAt(root: number, path: string): number {
    return this.#at(root, path, (inode) => (isDirectory(inode) ? -EISDIR : this.#leave(root, path, inode)));
  }

  renameAt(oldRoot: number, oldPath: string, newRoot: number, newPath: string): number {
    return this.#at(oldRoot, oldPath, (inode) => {
      const replaced = this.#find(newRoot, newPath);
      if (replaced === inode) return 0;
      if (replaced !== undefined) {
        if (isDirectory(inode) && replaced.entries === undefined) return -ENOTDIR;
        if (!isDirectory(inode) && replaced.entries !== undefined) return -EISDIR;
        if (replaced.entries !== undefined && replaced.entries.size > 0) return -ENOTEMPTY;
        this.#leave(newRoot, newPath, replaced);
      }
      this.#leave(oldRoot, oldPath, inode);
      inode.nlink = isDirectory(inode) ? 2 : inode.nlink + 1;
      return this.#enter(newRoot, newPath, inode);
    });
  }

  linkAt(oldRoot: number, oldPath: string, newRoot: number, newPath: string): number {
    return this.#at(oldRoot, oldPath, (inode) => {
      if (isDirectory(inode)) return -EPERM;
      const status = this.#enter(newRoot, newPath, inode);
      if (status === 0) inode.nlink++;
      return status;
    });
  }

  symlinkAt(target: string, root: number, path: string): number {
    return this.#enter(root, path, newInode(S_IFLNK | 0o777, this.#uid, this.#gid, target));
  }

  setSize(handle: number, size: number): number {
    const inode = this.#handles.get(handle);
    if (inode === undefined) return -EBADF;
    if (size > MAX_FILE_BYTES) return -EFBIG;
    if (!resize(inode, size)) return -ENOSPC;
    modified(inode);
    return 0;
  }

  setTimes(handle: number, atime: NewTime, mtime: NewTime): number {
    return this.#on(handle, (inode) => setTimes(inode, atime, mtime));
  }

  setTimesAt(root: number, path: string, atime: NewTime, mtime: NewTime): number {
    return this.#at(root, path, (inode) => setTimes(inode, atime, mtime));
  }

  sync(handle: number): number {
    return this.#on(handle, () => 0);
  }

  setMode(handle: number, mode: number): number {
    return this.#on(handle, (inode) => setMode(inode, mode));
  }

  setModeAt(root: number, path: string, mode: number): number {
    return this.#at(root, path, (inode) => setMode(inode, mode));
  }

  setOwner(handle: number, uid: number, gid: number): number {
    return this.#on(handle, (inode) => setOwner(inode, uid, gid));
  }

  setOwnerAt(root: number, path: string, uid: number, gid: number): number {
    return this.#at(root, path, (inode) => setOwner(inode, uid, gid));
  }

  accessAt(root: number, path: string, mode: number): number {
    return this.#at(root, path, (inode) => (permits(inode, mode) ? 0 : -EACCES));
  }

  space(root: number): FileSystemSpace | number {
    if (this.#roots[root] === undefined) return -ENOENT;
    const unlimited = { blocks: 0, blocksFree: 0, blocksAvailable: 0, files: 0, filesFree: 0 };
    return { type: TMPFS_MAGIC, blockSize: 4096, ...unlimited };
  }

  isTerminal(): boolean {
    return false;
  }

  position(): number {
    return -1;
  }

  #on(handle: number, operation: (inode: Inode) => number): number {
    const inode = this.#handles.get(handle);
    return inode === undefined ? -EBADF : operation(inode);
  }

  #at(root: number, path: string, operation: (inode: Inode) => number): number {
    const inode = this.#find(root, path);
    return inode === undefined ? -ENOENT : operation(inode);
  }

  #find(root: number, path: string): Inode | undefined {
    const inode = this.#roots[root];
    return inode === undefined ? undefined : this.#walk(inode, path);
  }

  #walk(from: Inode, path: string): Inode | undefined {
    let inode: Inode | undefined = from;
    for (const name of path.split("/")) if (name !== "") inode = inode?.entries?.get(name);
    return inode;
  }

  /** Splits a path into the directory that holds it and the name in it. */
  #parent(root: number, path: string): [directory: Inode | undefined, name: string] {
    const slash = path.lastIndexOf("/");
    return [this.#find(root, slash < 0 ? "" : path.slice(0, slash)), path.slice(slash + 1)];
  }

  /** Gives an inode a name. */
  #enter(root: number, path: string, inode: Inode): number {
    const [directory, name] = this.#parent(root, path);
    if (directory === undefined) return -ENOENT;
    if (directory.entries === undefined) return -ENOTDIR;
    if (name === "" || directory.entries.has(name)) return -EEXIST;
    directory.entries.set(name, inode);
    if (isDirectory(inode)) directory.nlink++;
    modified(directory);
    inode.ctime = now();
    return 0;
  }

  /** Takes a name away from an inode. */
  #leave(root: number, path: string, inode: Inode): number {
    const [directory, name] = this.#parent(root, path);
    if (directory?.entries?.delete(name) !== true) return -ENOENT;
    if (isDirectory(inode)) {
      directory.nlink--;
      inode.nlink = 0;
    } else {
      inode.nlink--;
    }
    modified(directory);
    inode.ctime = now();
    return 0;
  }

  #plant(directory: Inode, tree: MemoryTree): void {
    for (const [name, value] of Object.entries(tree)) {
      let inode: Inode;
      if (typeof value === "string" || value instanceof Uint8Array) {
        inode = newInode(S_IFREG | 0o644, this.#uid, this.#gid);
        inode.bytes = typeof value === "string" ? new TextEncoder().encode(value) : value.slice();
        inode.size = inode.bytes.length;
      } else if (typeof value.link === "string") {
        inode = newInode(S_IFLNK | 0o777, this.#uid, this.#gid, value.link);
      } else {
        inode = newInode(S_IFDIR | 0o755, this.#uid, this.#gid);
        this.#plant(inode, value as MemoryTree);
        directory.nlink++;
      }
      directory.entries!.set(name, inode);
    }
  }

  /** The directory at a path from the top, made as needed. */
  #directory(path: string): Inode {
    let inode = this.#root;
    for (const name of path.split("/")) {
      if (name === "") continue;
      let child = inode.entries?.get(name);
      if (child === undefined) {
        child = newInode(S_IFDIR | 0o755, this.#uid, this.#gid);
        inode.entries?.set(name, child);
        inode.nlink++;
      }
      inode = child;
    }
    return inode;
  }
}

/** The R_OK and W_OK bits that an access asks for. */
const readWriteBits = (access: number): number => (access & ACCESS_READ ? 4 : 0) | (access & ACCESS_WRITE ? 2 : 0);

/** Whether the owner, who is the only user, may do what the R_OK, W_OK and X_OK bits of `wanted` say. */
const permits = (inode: Inode, wanted: number): boolean => {
  const allowed = (inode.mode >> 6) & 7;
  return inode.uid === 0
    ? (wanted & 1) === 0 || isDirectory(inode) || (inode.mode & 0o111) !== 0
    : (allowed & wanted) === wanted;
};

const fill = (inode: Inode, out: FileStat): void => {
  out.mode = inode.mode;
  out.ino = inode.ino;
  out.dev = DEVICE;
  out.rdev = 0;
  out.nlink = inode.nlink;
  out.uid = inode.uid;
  out.gid = inode.gid;
  out.size = isLink(inode) ? encodeName(inode.target).length : inode.size;
  out.blockSize = 4096;
  out.blocks = Math.ceil(out.size / 4096) * 8;
  out.atimeSec = inode.atime.sec;
  out.atimeNsec = inode.atime.nsec;
  out.mtimeSec = inode.mtime.sec;
  out.mtimeNsec = inode.mtime.nsec;
  out.ctimeSec = inode.ctime.sec;
  out.ctimeNsec = inode.ctime.nsec;
};

const timeOf = (time: NewTime): TimePair => (time === "now" ? now() : time);

const setTimes = (inode: Inode, atime: NewTime, mtime: NewTime): number => {
  inode.atime = timeOf(atime);
  inode.mtime = timeOf(mtime);
  inode.ctime = now();
  return 0;
};

const setMode = (inode: Inode, mode: number): number => {
  inode.mode = (inode.mode & S_IFMT) | mode;
  inode.ctime = now();
  return 0;
};

const setOwner = (inode: Inode, uid: number, gid: number): number => {
  if (inode.uid !== 0 && uid !== -1 && uid !== inode.uid) return -EPERM;
  if (uid !== -1) inode.uid = uid;
  if (gid !== -1) inode.gid = gid;
  inode.ctime = now();
  return 0;
};
