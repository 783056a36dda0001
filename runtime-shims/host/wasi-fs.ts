import type {
  Datetime,
  Descriptor,
  DescriptorStat,
  DescriptorType,
  NewTimestamp,
} from "@bytecodealliance/preview2-shim/interfaces/wasi-filesystem-types";
import { EBADF, ENOENT, EOPNOTSUPP, EACCES } from "../errno.js";
import { ModeOverlay } from "./mode-overlay.js";
import { resultOfError } from "./errors.js";
import type { StandardOutput } from "./memory-files.js";
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
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from "./types.js";

/** A directory of `wasi:filesystem` 0.2, such as one from its `preopens`. */
export type WasiDirectory = Descriptor;

export interface WasiFilesOptions {
  /** The directory of each root. */
  readonly roots: readonly WasiDirectory[];
  readonly output: StandardOutput;
  /** Owner that all files seem to have; WASI has none. */
  readonly uid: number;
  readonly gid: number;
}

interface OpenHandle {
  readonly descriptor: Descriptor;
  root: number;
  path: string;
}

const NO_FOLLOW = {};
const FIRST_HANDLE = 3;
/** Most bytes of one transfer: they are copied on the way. */
const TRANSFER_BYTES = 1 << 22;
const TMPFS_MAGIC = 0x01021994;

/**
 * Files through `wasi:filesystem` 0.2. Descriptors live in this realm: other Workers reach them through
 * remote-files.ts. Modes, which WASI does not have, are kept in memory beside it.
 */
export class WasiFiles implements HostFiles {
  readonly #roots: readonly Descriptor[];
  readonly #output: StandardOutput;
  readonly #uid: number;
  readonly #gid: number;
  readonly #handles = new Map<number, OpenHandle>();
  readonly #overlay = new ModeOverlay();
  #nextHandle = FIRST_HANDLE;

  constructor(options: WasiFilesOptions) {
    this.#roots = options.roots;
    this.#output = options.output;
    this.#uid = options.uid;
    this.#gid = options.gid;
  }

  openAt(root: number, path: string, openFlags: number, access: number, mode: number): number {
    return attempt(() => {
      const descriptor = this.#root(root, path).openAt(
        NO_FOLLOW,
        path,
        {
          create: (openFlags & OPEN_CREATE) !== 0,
          exclusive: (openFlags & OPEN_EXCLUSIVE) !== 0,
          truncate: (openFlags & OPEN_TRUNCATE) !== 0,
        },
        { read: (access & ACCESS_READ) !== 0, write: (access & ACCESS_WRITE) !== 0 },
      );
      // The shim's files in memory know no truncation, but a write at 0 replaces them.
      if (openFlags & OPEN_TRUNCATE && descriptor.stat().size > 0n) descriptor.write(new Uint8Array(), 0n);
      if (openFlags & OPEN_EXCLUSIVE) this.#overlay.set(root, path, mode);
      const handle = this.#nextHandle++;
      this.#handles.set(handle, { descriptor, root, path });
      return handle;
    });
  }

  reopen(): number {
    return -ENOENT;
  }

  close(handle: number): number {
    const open = this.#handles.get(handle);
    if (open === undefined) return -EBADF;
    this.#handles.delete(handle);
    dispose(open.descriptor);
    return 0;
  }

  read(handle: number, into: Uint8Array, offset: number): number {
    return this.#on(handle, ({ descriptor }) => {
      if (into.length === 0) return 0;
      let done = 0;
      // A short answer is no end: the shim reads in its own portions.
      while (done < into.length) {
        const wanted = Math.min(into.length - done, TRANSFER_BYTES);
        const [bytes, end] = descriptor.read(BigInt(wanted), BigInt(offset + done));
        into.set(bytes, done);
        done += bytes.length;
        if (end || bytes.length === 0) break;
      }
      return done;
    });
  }

  write(handle: number, from: Uint8Array, offset: number): number {
    if (handle < FIRST_HANDLE) return this.#output.write(handle, from);
    return this.#on(handle, ({ descriptor }) => {
      let done = 0;
      while (done < from.length) {
        // The shim may keep or post what it is given: never guest memory itself.
        const bytes = from.slice(done, done + TRANSFER_BYTES);
        const written = writeAt(descriptor, bytes, offset + done);
        if (written === 0) break;
        done += written;
      }
      return done;
    });
  }

  append(handle: number, from: Uint8Array): number {
    return this.#on(handle, ({ descriptor }) => this.write(handle, from, Number(descriptor.stat().size)));
  }

  stat(handle: number, out: FileStat): number {
    if (handle < FIRST_HANDLE) {
      this.#fill({ root: -1, path: `stream ${handle}` }, STREAM, out);
      return 0;
    }
    return this.#on(handle, (open) => {
      this.#fill(open, open.descriptor.stat(), out);
      return 0;
    });
  }

  statAt(root: number, path: string, out: FileStat): number {
    return attempt(() => {
      this.#fill({ root, path }, this.#root(root, path).statAt(NO_FOLLOW, path), out);
      return 0;
    });
  }

  readlinkAt(root: number, path: string): string | number {
    try {
      return this.#root(root, path).readlinkAt(path);
    } catch (error) {
      return resultOfError(error);
    }
  }

  readDirectory(root: number, path: string): DirectoryEntry[] | number {
    try {
      const directory = this.#root(root, path).openAt(NO_FOLLOW, path, { directory: true }, { read: true });
      const stream = directory.readDirectory();
      const entries: DirectoryEntry[] = [];
      for (let entry = stream.readDirectoryEntry(); entry !== undefined; entry = stream.readDirectoryEntry()) {
        entries.push({ name: entry.name, type: TYPES[entry.type] });
      }
      dispose(stream);
      dispose(directory);
      return entries;
    } catch (error) {
      return resultOfError(error);
    }
  }

  createDirectoryAt(root: number, path: string, mode: number): number {
    return attempt(() => {
      this.#root(root, path).createDirectoryAt(path);
      this.#overlay.set(root, path, mode);
      return 0;
    });
  }

  removeDirectoryAt(root: number, path: string): number {
    return attempt(() => {
      this.#root(root, path).removeDirectoryAt(path);
      this.#overlay.remove(root, path);
      return 0;
    });
  }

  unlinkFileAt(root: number, path: string): number {
    return attempt(() => {
      this.#root(root, path).unlinkFileAt(path);
      this.#overlay.remove(root, path);
      return 0;
    });
  }

  renameAt(oldRoot: number, oldPath: string, newRoot: number, newPath: string): number {
    return attempt(() => {
      this.#root(oldRoot, oldPath).renameAt(oldPath, this.#root(newRoot, newPath), newPath);
      this.#overlay.move(oldRoot, oldPath, newRoot, newPath);
      for (const open of this.#handles.values()) {
        if (open.root !== oldRoot || (open.path !== oldPath && !open.path.startsWith(`${oldPath}/`))) continue;
        open.root = newRoot;
        open.path = newPath + open.path.slice(oldPath.length);
      }
      return 0;
    });
  }

  linkAt(oldRoot: number, oldPath: string, newRoot: number, newPath: string): number {
    return attempt(() => {
      this.#root(oldRoot, oldPath).linkAt(NO_FOLLOW, oldPath, this.#root(newRoot, newPath), newPath);
      const mode = this.#overlay.get(oldRoot, oldPath);
      if (mode !== undefined) this.#overlay.set(newRoot, newPath, mode);
      return 0;
    });
  }

  symlinkAt(target: string, root: number, path: string): number {
    return attempt(() => {
      this.#root(root, path).symlinkAt(target, path);
      return 0;
    });
  }

  setSize(handle: number, size: number): number {
    return this.#on(handle, ({ descriptor }) => {
      descriptor.setSize(BigInt(size));
      return 0;
    });
  }

  setTimes(handle: number, atime: NewTime, mtime: NewTime): number {
    return this.#on(handle, ({ descriptor }) => {
      descriptor.setTimes(timestamp(atime), timestamp(mtime));
      return 0;
    });
  }

  setTimesAt(root: number, path: string, atime: NewTime, mtime: NewTime): number {
    return attempt(() => {
      this.#root(root, path).setTimesAt(NO_FOLLOW, path, timestamp(atime), timestamp(mtime));
      return 0;
    });
  }

  sync(handle: number, dataOnly: boolean): number {
    return this.#on(handle, ({ descriptor }) => {
      if (dataOnly) descriptor.syncData();
      else descriptor.sync();
      return 0;
    });
  }

  setMode(handle: number, mode: number): number {
    return this.#on(handle, ({ root, path }) => this.setModeAt(root, path, mode));
  }

  setModeAt(root: number, path: string, mode: number): number {
    return attempt(() => {
      this.#root(root, path).statAt(NO_FOLLOW, path);
      this.#overlay.set(root, path, mode);
      return 0;
    });
  }

  setOwner(_handle: number, uid: number, gid: number): number {
    return this.#ownerChange(uid, gid);
  }

  setOwnerAt(_root: number, _path: string, uid: number, gid: number): number {
    return this.#ownerChange(uid, gid);
  }

  accessAt(root: number, path: string, mode: number): number {
    return attempt(() => {
      const { type } = this.#root(root, path).statAt(NO_FOLLOW, path);
      const permissions = this.#overlay.get(root, path) ?? defaultMode(TYPES[type]);
      return ((permissions >> 6) & mode) === mode ? 0 : -EACCES;
    });
  }

  space(root: number): FileSystemSpace | number {
    if (this.#roots[root] === undefined) return -ENOENT;
    const unknown = { blocks: 0, blocksFree: 0, blocksAvailable: 0, files: 0, filesFree: 0 };
    return { type: TMPFS_MAGIC, blockSize: 4096, ...unknown };
  }

  isTerminal(): boolean {
    return false;
  }

  position(): number {
    return -1;
  }

  /** The directory that a path starts from. The shim takes a backslash for a separator: such a name would be a path. */
  #root(root: number, path: string): Descriptor {
    if (path.includes("\\")) throw "no-entry";
    return this.#roots[root];
  }

  /** Only the owner that everything has can be set. */
  #ownerChange(uid: number, gid: number): number {
    return (uid === -1 || uid === this.#uid) && (gid === -1 || gid === this.#gid) ? 0 : -EOPNOTSUPP;
  }

  #on(handle: number, operation: (open: OpenHandle) => number): number {
    const open = this.#handles.get(handle);
    return open === undefined ? -EBADF : attempt(() => operation(open));
  }

  #fill(at: { readonly root: number; readonly path: string }, from: DescriptorStat, out: FileStat): void {
    const type = TYPES[from.type];
    out.mode = type | (this.#overlay.get(at.root, at.path) ?? defaultMode(type));
    out.ino = inodeOf(at.root, at.path);
    out.dev = at.root + 1;
    out.rdev = 0;
    out.nlink = Number(from.linkCount);
    out.uid = this.#uid;
    out.gid = this.#gid;
    out.size = Number(from.size);
    out.blockSize = 4096;
    out.blocks = Math.ceil(out.size / 512);
    [out.atimeSec, out.atimeNsec] = timeOf(from.dataAccessTimestamp);
    [out.mtimeSec, out.mtimeNsec] = timeOf(from.dataModificationTimestamp);
    [out.ctimeSec, out.ctimeNsec] = timeOf(from.statusChangeTimestamp);
  }
}

const TYPES: Readonly<Record<DescriptorType, number>> = {
  unknown: S_IFREG,
  "block-device": S_IFBLK,
  "character-device": S_IFCHR,
  directory: S_IFDIR,
  fifo: S_IFIFO,
  "symbolic-link": S_IFLNK,
  "regular-file": S_IFREG,
  socket: S_IFSOCK,
};

const STREAM: DescriptorStat = { type: "fifo", linkCount: 1n, size: 0n };

const defaultMode = (type: number): number => {
  switch (type & S_IFMT) {
    case S_IFDIR:
      return 0o755;
    case S_IFLNK:
      return 0o777;
    default:
      return 0o644;
  }
};

/** Most bytes that one call may give to a stream of WASI. */
const STREAM_BYTES = 4096;

/** The shim's files in memory write at an offset through streams only, and are replaced by a write at 0. */
const writeAt = (descriptor: Descriptor, bytes: Uint8Array, offset: number): number => {
  if (offset > 0 || descriptor.stat().size <= bytes.length) {
    try {
      return Number(descriptor.write(bytes, BigInt(offset)));
    } catch (error) {
      if (error !== "invalid-seek") throw error;
    }
  }
  const stream = descriptor.writeViaStream(BigInt(offset));
  for (let at = 0; at < bytes.length; at += STREAM_BYTES) {
    stream.blockingWriteAndFlush(bytes.slice(at, at + STREAM_BYTES));
  }
  dispose(stream);
  return bytes.length;
};

const attempt = (operation: () => number): number => {
  try {
    return operation();
  } catch (error) {
    return resultOfError(error);
  }
};

/** The shim's resources are disposable; its types do not say so. */
const dispose = (resource: object): void => {
  (resource as { [Symbol.dispose]?: () => void })[Symbol.dispose]?.();
};

/** WASI names no inode: the place stands for it. */
const inodeOf = (root: number, path: string): number => {
  let hash = 0x811c9dc5 ^ root;
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path.charCodeAt(i), 0x01000193);
  return (hash >>> 0) + 2;
};

const timeOf = (host: Datetime | undefined): [sec: number, nsec: number] =>
  host === undefined ? [0, 0] : [Number(host.seconds), host.nanoseconds];

const timestamp = (time: NewTime): NewTimestamp => {
  if (time === "now") return { tag: "now" };
  return { tag: "timestamp", val: { seconds: BigInt(time.sec), nanoseconds: time.nsec } };
};
