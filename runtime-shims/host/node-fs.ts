import * as fs from "node:fs";
import { PATH_MAX } from "../files-layout.js";
import { isTerminal } from "./node-terminal.js";
import { EBUSY, ENOENT } from "../errno.js";
import { encodeName, decodeName, hasRawBytes } from "../names.js";
import { resultOfError } from "./errors.js";
import {
  ACCESS_APPEND,
  ACCESS_DATA_SYNC,
  ACCESS_READ,
  ACCESS_SYNC,
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
  S_IFREG,
  S_IFSOCK,
} from "./types.js";

const { constants } = fs;
const WINDOWS = process.platform === "win32";
/** Of Linux on x86-64 and arm64; node:fs has no name for it. */
const O_PATH = 0o10000000;

/**
 * Files through node:fs. Handles are the process's file descriptors, so they serve in every Worker, and bytes go
 * straight between the kernel and guest memory.
 */
export class NodeFiles implements HostFiles {
  readonly #roots: readonly string[];
  readonly #umask = process.umask();

  /** @param roots Host path of each root: absolute, without symbolic links. */
  constructor(roots: readonly string[]) {
    this.#roots = roots;
  }

  openAt(root: number, path: string, openFlags: number, access: number, mode: number): number {
    const flags = constants.O_NOFOLLOW | hostFlags(openFlags, access);
    try {
      const handle = this.#at(root, path, (name) => fs.openSync(name, flags, mode));
      if (openFlags & OPEN_EXCLUSIVE && mode & this.#umask) fs.fchmodSync(handle, mode);
      return handle;
    } catch (error) {
      return resultOfError(error);
    }
  }

  reopen(handle: number, openFlags: number, access: number): number {
    if (process.platform !== "linux") return -ENOENT;
    try {
      return fs.openSync(`/proc/self/fd/${handle}`, hostFlags(openFlags, access));
    } catch (error) {
      return resultOfError(error);
    }
  }

  close(handle: number): number {
    return attempt(() => fs.closeSync(handle));
  }

  read(handle: number, into: Uint8Array, offset: number): number {
    try {
      return fs.readSync(handle, into, 0, into.length, offset);
    } catch (error) {
      return resultOfError(error);
    }
  }

  write(handle: number, from: Uint8Array, offset: number): number {
    try {
      return fs.writeSync(handle, from, 0, from.length, offset);
    } catch (error) {
      return resultOfError(error);
    }
  }

  append(handle: number, from: Uint8Array): number {
    return this.write(handle, from, -1);
  }

  stat(handle: number, out: FileStat): number {
    try {
      fillStat(fs.fstatSync(handle, { bigint: true }), out);
      return 0;
    } catch (error) {
      return resultOfError(error);
    }
  }

  statAt(root: number, path: string, out: FileStat): number {
    try {
      const stats = this.#at(root, path, (name) => fs.lstatSync(name, { bigint: true, throwIfNoEntry: false }));
      // ENOTDIR is no case: the personality has seen every directory on the way.
      if (stats === undefined) return -ENOENT;
      fillStat(stats, out);
      return 0;
    } catch (error) {
      return resultOfError(error);
    }
  }

  readlinkAt(root: number, path: string): string | number {
    try {
      return decodeName(this.#at(root, path, (name) => fs.readlinkSync(name, { encoding: "buffer" })));
    } catch (error) {
      return resultOfError(error);
    }
  }

  readDirectory(root: number, path: string): DirectoryEntry[] | number {
    try {
      const entries = this.#at(root, path, (name) => fs.readdirSync(name, { withFileTypes: true, encoding: "buffer" }));
      return entries.map((entry) => ({ name: decodeName(entry.name), type: entryType(entry) }));
    } catch (error) {
      return resultOfError(error);
    }
  }

  createDirectoryAt(root: number, path: string, mode: number): number {
    return attempt(() =>
      this.#at(root, path, (name) => {
        fs.mkdirSync(name, mode);
        if (mode & this.#umask) fs.chmodSync(name, mode);
      }),
    );
  }

  removeDirectoryAt(root: number, path: string): number {
    if (this.#holdsRoot(root, path)) return -EBUSY;
    return attempt(() => this.#at(root, path, (name) => fs.rmdirSync(name)));
  }

  unlinkFileAt(root: number, path: string): number {
    return attempt(() => this.#at(root, path, (name) => fs.unlinkSync(name)));
  }

  renameAt(oldRoot: number, oldPath: string, newRoot: number, newPath: string): number {
    if (this.#holdsRoot(oldRoot, oldPath) || this.#holdsRoot(newRoot, newPath)) return -EBUSY;
    return attempt(() =>
      this.#at(oldRoot, oldPath, (from) => this.#at(newRoot, newPath, (to) => fs.renameSync(from, to))),
    );
  }

  linkAt(oldRoot: number, oldPath: string, newRoot: number, newPath: string): number {
    return attempt(() =>
      this.#at(oldRoot, oldPath, (from) => this.#at(newRoot, newPath, (to) => fs.linkSync(from, to))),
    );
  }

  symlinkAt(target: string, root: number, path: string): number {
    return attempt(() => this.#at(root, path, (name) => fs.symlinkSync(hostName(target), name)));
  }

  setSize(handle: number, size: number): number {
    return attempt(() => fs.ftruncateSync(handle, size));
  }

  setTimes(handle: number, atime: NewTime, mtime: NewTime): number {
    return attempt(() => fs.futimesSync(handle, seconds(atime), seconds(mtime)));
  }

  setTimesAt(root: number, path: string, atime: NewTime, mtime: NewTime): number {
    return attempt(() => this.#at(root, path, (name) => fs.lutimesSync(name, seconds(atime), seconds(mtime))));
  }

  sync(handle: number, dataOnly: boolean): number {
    return attempt(() => (dataOnly ? fs.fdatasyncSync(handle) : fs.fsyncSync(handle)));
  }

  setMode(handle: number, mode: number): number {
    return attempt(() => fs.fchmodSync(handle, mode));
  }

  setModeAt(root: number, path: string, mode: number): number {
    return attempt(() => this.#at(root, path, (name) => fs.chmodSync(name, mode)));
  }

  setOwner(handle: number, uid: number, gid: number): number {
    return attempt(() => fs.fchownSync(handle, uid, gid));
  }

  setOwnerAt(root: number, path: string, uid: number, gid: number): number {
    return attempt(() => this.#at(root, path, (name) => fs.lchownSync(name, uid, gid)));
  }

  accessAt(root: number, path: string, mode: number): number {
    return attempt(() => this.#at(root, path, (name) => fs.accessSync(name, mode)));
  }

  space(root: number, path: string): FileSystemSpace | number {
    try {
      const space = this.#at(root, path, (name) => fs.statfsSync(name));
      return {
        type: space.type,
        blockSize: space.bsize,
        blocks: space.blocks,
        blocksFree: space.bfree,
        blocksAvailable: space.bavail,
        files: space.files,
        filesFree: space.ffree,
      };
    } catch (error) {
      return resultOfError(error);
    }
  }

  isTerminal(handle: number): boolean {
    return isTerminal(handle);
  }

  position(handle: number): number {
    try {
      const text = fs.readFileSync(`/proc/self/fdinfo/${handle}`, "latin1");
      return Number(/^pos:\s*(\d+)/.exec(text)?.[1] ?? -1);
    } catch {
      return -1;
    }
  }

  /**
   * Calls `use` with a path that the kernel takes. What is longer than PATH_MAX is reached through directories opened on
   * the way, by the links that Linux has in /proc.
   */
  #at<T>(root: number, path: string, use: (name: string | Buffer) => T): T {
    const whole = this.#path(root, path);
    if (process.platform !== "linux" || whole.length * 3 < PATH_MAX) return use(hostName(whole));
    const opened: number[] = [];
    try {
      return use(shortened(Buffer.from(encodeName(whole)), opened));
    } finally {
      for (const fd of opened) fs.closeSync(fd);
    }
  }

  /** Whether a root is this place or below it. If it could move, a link put there would lead every path of that root. */
  #holdsRoot(root: number, path: string): boolean {
    const place = withSlashes(this.#join(root, path));
    return this.#roots.some((other) => `${withSlashes(other)}/`.startsWith(`${place}/`));
  }

  #join(root: number, path: string): string {
    const base = this.#roots[root];
    return path === "" ? base : base === "/" ? `/${path}` : `${base}/${path}`;
  }

  #path(root: number, path: string): string {
    // There a backslash would separate and a colon name a drive or a stream: the host has no such names.
    if (WINDOWS && /[\\:]/.test(path)) throw Object.assign(new Error(path), { code: "ENOENT" });
    return this.#join(root, path);
  }
}

/** Flags of open(2), on which FIFOs and terminals have no effect. */
const hostFlags = (openFlags: number, access: number): number => {
  let flags = constants.O_NONBLOCK | constants.O_NOCTTY;
  if (access & ACCESS_WRITE) flags |= access & ACCESS_READ ? constants.O_RDWR : constants.O_WRONLY;
  if (access & ACCESS_SYNC) flags |= constants.O_SYNC;
  if (access & ACCESS_DATA_SYNC) flags |= constants.O_DSYNC;
  if (access & ACCESS_APPEND) flags |= constants.O_APPEND;
  if (openFlags & OPEN_CREATE) flags |= constants.O_CREAT;
  if (openFlags & OPEN_EXCLUSIVE) flags |= constants.O_EXCL;
  if (openFlags & OPEN_TRUNCATE) flags |= constants.O_TRUNC;
  return flags;
};

const withSlashes = (path: string): string => (WINDOWS ? path.replaceAll("\\", "/") : path);

/** A path of less than PATH_MAX bytes; the directories opened for it are added to `opened`, to be closed after use. */
const shortened = (path: Buffer, opened: number[]): Buffer => {
  let rest = path;
  while (rest.length >= PATH_MAX) {
    const slash = rest.lastIndexOf("/", PATH_MAX - 1);
    if (slash <= 0) break;
    const fd = fs.openSync(rest.subarray(0, slash), O_PATH | constants.O_DIRECTORY);
    opened.push(fd);
    rest = Buffer.concat([Buffer.from(`/proc/self/fd/${fd}`), rest.subarray(slash)]);
  }
  return rest;
};

const hostName = (name: string): string | Buffer => (hasRawBytes(name) ? Buffer.from(encodeName(name)) : name);

const attempt = (operation: () => void): number => {
  try {
    operation();
    return 0;
  } catch (error) {
    return resultOfError(error);
  }
};

const fillStat = (from: fs.BigIntStats, out: FileStat): void => {
  out.mode = Number(from.mode);
  out.ino = Number(from.ino);
  out.dev = Number(from.dev);
  out.rdev = Number(from.rdev);
  out.nlink = Number(from.nlink);
  out.uid = Number(from.uid);
  out.gid = Number(from.gid);
  out.size = Number(from.size);
  // Windows knows neither.
  out.blockSize = Number(from.blksize ?? 4096n);
  out.blocks = Number(from.blocks ?? (from.size + 511n) / 512n);
  out.atimeSec = secondsOf(from.atimeNs);
  out.atimeNsec = nanosecondsOf(from.atimeNs, out.atimeSec);
  out.mtimeSec = secondsOf(from.mtimeNs);
  out.mtimeNsec = nanosecondsOf(from.mtimeNs, out.mtimeSec);
  out.ctimeSec = secondsOf(from.ctimeNs);
  out.ctimeNsec = nanosecondsOf(from.ctimeNs, out.ctimeSec);
};

/** Whole seconds, rounded towards the past. With one conversion: bigint arithmetic is slow, and stat is frequent. */
const secondsOf = (ns: bigint): number => {
  const sec = Math.floor(Number(ns) / 1e9);
  // The double may have been rounded over the end of the second: then the rest is out of range.
  const rest = nanosecondsOf(ns, sec);
  return rest < 1e9 ? sec : rest < 2 ** 31 ? sec + 1 : sec - 1;
};

/** `ns - sec * 1e9`, modulo 2^32. */
const nanosecondsOf = (ns: bigint, sec: number): number =>
  (Number(BigInt.asUintN(32, ns)) - (Math.imul(sec, 1_000_000_000) >>> 0)) >>> 0;

const entryType = (entry: fs.Dirent<Buffer>): number => {
  if (entry.isFile()) return S_IFREG;
  if (entry.isDirectory()) return S_IFDIR;
  if (entry.isSymbolicLink()) return S_IFLNK;
  if (entry.isFIFO()) return S_IFIFO;
  if (entry.isSocket()) return S_IFSOCK;
  if (entry.isCharacterDevice()) return S_IFCHR;
  return entry.isBlockDevice() ? S_IFBLK : 0;
};

/** node:fs takes seconds as a double, so what is set is exact to about a quarter of a microsecond. */
const seconds = (time: NewTime): number | string => {
  if (time === "now") return Date.now() / 1000;
  // Rounding must not reach the next second, or the personality could not tell which time was meant.
  const since1970 = time.sec + Math.min(time.nsec, 999_999_500) / 1e9;
  // A negative number would mean "now" to node:fs; a string of it does not.
  return since1970 < 0 ? String(since1970) : since1970;
};
