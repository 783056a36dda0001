import { EFAULT, EINVAL, ENOENT } from "../errno.js";
import { filesOf, withFd } from "../fd-io.js";
import { openFile } from "../files-layout.js";
import type { Files } from "../files.js";
import { FileStat, type FileSystemSpace } from "../host/types.js";
import { STAT_BYTES, STATFS_BYTES, STATX_BYTES, storeStat, storeStatx } from "../stat-layout.js";
import type { Thread } from "../threads.js";
import { address, cstring, dirfd, fd, flags, uint } from "./kinds.js";
import { AT_FDCWD, basePath, readPath } from "./path-argument.js";
import type { SyscallRow } from "./table.js";

export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_EMPTY_PATH = 0x1000;
const AT_NO_AUTOMOUNT = 0x800;
const AT_STATX_SYNC_TYPE = 0x6000;
const atFlags = flags({ AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT, AT_EMPTY_PATH });

const scratch = new FileStat();
/** What the last `statAt` found: `scratch`, or the attributes in the resolution itself. */
let found: FileStat = scratch;

const statOpen = (thread: Thread, number: number, out: FileStat): number =>
  withFd(thread, number, (files, index) => files.kindOf(index).stat(files, index, out));

/** Finds the attributes of what `dirfd`, path and flags name, and leaves them in `found`. */
const statAt = (thread: Thread, directory: number, pathAddress: number, how: number): number => {
  const files = filesOf(thread);
  found = scratch;
  const path = pathAddress === 0 && how & AT_EMPTY_PATH ? "" : readPath(thread, pathAddress);
  if (typeof path === "number") return path;
  if (path === "") {
    if ((how & AT_EMPTY_PATH) === 0) return -ENOENT;
    if (directory !== AT_FDCWD) return statOpen(thread, directory, scratch);
  }
  const base = basePath(thread, directory, path);
  if (typeof base === "number") return base;
  return files.withTree(() => {
    const { at } = files;
    const status = files.paths.resolve(base, path === "" ? "." : path, (how & AT_SYMLINK_NOFOLLOW) === 0, at);
    if (status < 0) return status;
    if (!at.exists) return -ENOENT;
    // What /proc/self/fd leads to has attributes of its own.
    const synthetic = at.node?.synthetic;
    if (synthetic?.kind === "fd" && (how & AT_SYMLINK_NOFOLLOW) === 0) return statOpen(thread, synthetic.fd, scratch);
    found = at.stat;
    return 0;
  });
};

const store = (thread: Thread, status: number, target: number): number => {
  if (status < 0) return status;
  const { memory } = thread.process;
  if (!memory.writable(target, STAT_BYTES)) return -EFAULT;
  filesOf(thread).exactTimes.refine(found);
  storeStat(memory, target, found);
  return 0;
};

const statPath = (thread: Thread, path: number, target: number, how: number): number =>
  store(thread, statAt(thread, AT_FDCWD, path, how), target);

const statFd = (thread: Thread, number: number, target: number): number => {
  found = scratch;
  return store(thread, statOpen(thread, number, scratch), target);
};

const newfstatat = (thread: Thread, directory: number, path: number, target: number, how: number): number => {
  if (how & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)) return -EINVAL;
  return store(thread, statAt(thread, directory, path, how), target);
};

const statx = (thread: Thread, directory: number, path: number, how: number, mask: number, target: number): number => {
  if (mask & 0x8000_0000 || (how & AT_STATX_SYNC_TYPE) === AT_STATX_SYNC_TYPE) return -EINVAL;
  if (how & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)) return -EINVAL;
  const status = statAt(thread, directory, path, how);
  if (status < 0) return status;
  const { memory } = thread.process;
  if (!memory.writable(target, STATX_BYTES)) return -EFAULT;
  filesOf(thread).exactTimes.refine(found);
  storeStatx(memory, target, found);
  return 0;
};

const NAME_MAX = 255;
/** Magic of file systems without a host: tmpfs. */
const TMPFS_MAGIC = 0x01021994;

const storeSpace = (thread: Thread, target: number, space: FileSystemSpace | number): number => {
  if (typeof space === "number") return space;
  const { memory } = thread.process;
  if (!memory.writable(target, STATFS_BYTES)) return -EFAULT;
  memory.fill(target, STATFS_BYTES, 0);
  const { type, blockSize, blocks, blocksFree, blocksAvailable, files, filesFree } = space;
  [type, blockSize, blocks, blocksFree, blocksAvailable, files, filesFree].forEach((value, index) =>
    memory.setUint64(target + 8 * index, value),
  );
  memory.setUint64(target + 64, NAME_MAX);
  memory.setUint64(target + 72, blockSize);
  return 0;
};

const NO_SPACE: FileSystemSpace = {
  type: TMPFS_MAGIC,
  blockSize: 4096,
  blocks: 0,
  blocksFree: 0,
  blocksAvailable: 0,
  files: 0,
  filesFree: 0,
};

const spaceAt = (files: Files, mount: number, relative: string): FileSystemSpace | number =>
  mount < 0 ? NO_SPACE : files.host.space(mount, relative);

const statfs = (thread: Thread, pathAddress: number, target: number): number => {
  const path = readPath(thread, pathAddress);
  if (typeof path === "number") return path;
  const files = filesOf(thread);
  return files.withTree(() => {
    const { at } = files;
    const status = files.paths.resolve(files.cwd, path, true, at);
    if (status < 0) return status;
    return at.exists ? storeSpace(thread, target, spaceAt(files, at.mount, at.relative)) : -ENOENT;
  });
};

const fstatfs = (thread: Thread, number: number, target: number): number =>
  withFd(thread, number, (files, index) => {
    const mount = files.open.get(index, openFile.mount);
    return files.withTree(() => {
      const place = files.placeOf(index);
      // A file without a name is still on the file system of its mount.
      return storeSpace(thread, target, spaceAt(files, mount, typeof place === "number" ? "" : place.relative));
    });
  });

/** Attributes of files and file systems. */
export const statCalls: readonly SyscallRow[] = [
  { nr: 4, name: "stat", args: [cstring, address], run: (thread, path, target) => statPath(thread, path, target, 0) },
  { nr: 5, name: "fstat", args: [fd, address], run: statFd },
  {
    nr: 6,
    name: "lstat",
    args: [cstring, address],
    run: (thread, path, target) => statPath(thread, path, target, AT_SYMLINK_NOFOLLOW),
  },
  { nr: 262, name: "newfstatat", args: [dirfd, cstring, address, atFlags], run: newfstatat },
  { nr: 332, name: "statx", args: [dirfd, cstring, atFlags, uint, address], run: statx },
  { nr: 137, name: "statfs", args: [cstring, address], run: statfs },
  { nr: 138, name: "fstatfs", args: [fd, address], run: fstatfs },
];
