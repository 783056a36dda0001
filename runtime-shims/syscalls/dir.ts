import { EBADF, EFAULT, EINVAL, ENAMETOOLONG, ENOENT, ENOTDIR, ERANGE } from "../errno.js";
import { readEntries } from "../directory-stream.js";
import { filesOf, withFd } from "../fd-io.js";
import { O_PATH } from "../file-kinds/open-flags.js";
import { fileKind, openFile, PATH_MAX } from "../files-layout.js";
import type { Files } from "../files.js";
import { FileStat } from "../host/types.js";
import { header } from "../kernel-memory.js";
import { encodeName } from "../names.js";
import {
  linkFile,
  makeDirectory,
  makeLink,
  makeNode,
  removeDirectory,
  rename,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
  unlinkFile,
} from "../name-operations.js";
import { linkText } from "../synthetic.js";
import { type Resolution, splitCanonical } from "../paths.js";
import type { Thread } from "../threads.js";
import { address, cstring, dirfd, fd, flags, int, mode, size, uint } from "./kinds.js";
import { AT_FDCWD, basePath, readPath } from "./path-argument.js";
import { AT_EMPTY_PATH } from "./stat.js";
import type { SyscallRow } from "./table.js";

const AT_REMOVEDIR = 0x200;
const AT_SYMLINK_FOLLOW = 0x400;

/** Runs `step` on a path argument and the directory it starts from, under the tree lock. */
const withPath = (
  thread: Thread,
  directory: number,
  pathAddress: number,
  step: (files: Files, base: string, path: string) => number,
): number => {
  const path = readPath(thread, pathAddress);
  if (typeof path === "number") return path;
  if (path === "") return -ENOENT;
  const base = basePath(thread, directory, path);
  if (typeof base === "number") return base;
  const files = filesOf(thread);
  return files.withTree(() => step(files, base, path));
};

/** The same for calls that take two paths. */
const withPaths = (
  thread: Thread,
  oldDirectory: number,
  oldAddress: number,
  newDirectory: number,
  newAddress: number,
  step: (files: Files, oldBase: string, oldPath: string, newBase: string, newPath: string) => number,
): number => {
  const newPath = readPath(thread, newAddress);
  if (typeof newPath === "number") return newPath;
  const newBase = newPath === "" ? "/" : basePath(thread, newDirectory, newPath);
  if (typeof newBase === "number") return newBase;
  return withPath(thread, oldDirectory, oldAddress, (files, oldBase, oldPath) =>
    newPath === "" ? -ENOENT : step(files, oldBase, oldPath, newBase, newPath),
  );
};

const mkdir = (thread: Thread, directory: number, path: number, fileMode: number): number =>
  withPath(thread, directory, path, (files, base, name) => makeDirectory(files, base, name, fileMode));

const mknod = (thread: Thread, directory: number, path: number, fileMode: number): number =>
  withPath(thread, directory, path, (files, base, name) => makeNode(files, base, name, fileMode));

const unlink = (thread: Thread, directory: number, path: number, how: number): number => {
  if (how & ~AT_REMOVEDIR) return -EINVAL;
  return withPath(thread, directory, path, how === 0 ? unlinkFile : removeDirectory);
};

const renameCall = (
  thread: Thread,
  oldDirectory: number,
  oldPath: number,
  newDirectory: number,
  newPath: number,
  how: number,
): number => {
  if (how & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) return -EINVAL;
  return withPaths(thread, oldDirectory, oldPath, newDirectory, newPath, (files, oldBase, from, newBase, to) =>
    rename(files, oldBase, from, newBase, to, how),
  );
};

/** AT_EMPTY_PATH: a second name for what is open, under the name that it has. */
const linkOpen = (thread: Thread, number: number, newDirectory: number, newPath: number): number =>
  withFd(thread, number, (_files, index) =>
    withPath(thread, newDirectory, newPath, (files, newBase, to) => {
      const place = files.placeOf(index);
      return typeof place === "number"
        ? place
        : linkFile(files, ...splitCanonical(files.open.path(index)), newBase, to, false);
    }),
  );

const link = (
  thread: Thread,
  oldDirectory: number,
  oldPath: number,
  newDirectory: number,
  newPath: number,
  how: number,
): number => {
  if (how & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  if (how & AT_EMPTY_PATH && readPath(thread, oldPath) === "")
    return linkOpen(thread, oldDirectory, newDirectory, newPath);
  return withPaths(thread, oldDirectory, oldPath, newDirectory, newPath, (files, oldBase, from, newBase, to) =>
    linkFile(files, oldBase, from, newBase, to, (how & AT_SYMLINK_FOLLOW) !== 0),
  );
};

const symlink = (thread: Thread, target: number, directory: number, path: number): number => {
  const text = readPath(thread, target);
  if (typeof text === "number") return text;
  return withPath(thread, directory, path, (files, base, name) => makeLink(files, text, base, name));
};

/** The link that a descriptor of O_PATH | O_NOFOLLOW stands for: what an empty path names (do_readlinkat in fs/stat.c). */
const linkOf = (thread: Thread, number: number): Resolution | number => {
  const files = filesOf(thread);
  const index = number === AT_FDCWD ? -1 : files.open.acquire(number);
  if (index < 0) return number === AT_FDCWD ? -ENOENT : -EBADF;
  const isPath = files.open.get(index, openFile.kind) === fileKind.path;
  const place = isPath ? files.placeOf(index) : -ENOENT;
  files.release(index);
  return typeof place === "number" || !place.isLink ? -ENOENT : place;
};

const linkAt = (files: Files, base: string, name: string): Resolution | number => {
  const { at } = files;
  const status = files.paths.resolve(base, name, false, at);
  if (status < 0) return status;
  if (!at.exists) return -ENOENT;
  return at.isLink ? at : -EINVAL;
};

const readlink = (thread: Thread, directory: number, pathAddress: number, target: number, room: number): number => {
  if (room <= 0) return -EINVAL;
  const path = readPath(thread, pathAddress);
  if (typeof path === "number") return path;
  const base = path === "" ? "/" : basePath(thread, directory, path);
  if (typeof base === "number") return base;
  const files = filesOf(thread);
  return files.withTree(() => {
    const at = path === "" ? linkOf(thread, directory) : linkAt(files, base, path);
    if (typeof at === "number") return at;
    const text = at.mount >= 0 ? files.host.readlinkAt(at.mount, at.relative) : linkText(files, at.node!);
    if (typeof text === "number") return text;
    const bytes = encodeName(text).subarray(0, room);
    const { memory } = thread.process;
    if (!memory.writable(target, bytes.length)) return -EFAULT;
    memory.store(target, bytes);
    return bytes.length;
  });
};

const scratch = new FileStat();

const getcwd = (thread: Thread, target: number, room: number): number => {
  const files = filesOf(thread);
  const path = files.cwd;
  const mount = files.mountOf(path);
  if (files.statPath(path, mount, scratch) < 0) return -ENOENT;
  const bytes = encodeName(`${path}\0`);
  // Source: fs/d_path.c, getcwd.
  if (bytes.length > PATH_MAX) return -ENAMETOOLONG;
  if (bytes.length > room) return -ERANGE;
  const { memory } = thread.process;
  if (!memory.writable(target, bytes.length)) return -EFAULT;
  memory.store(target, bytes);
  return bytes.length;
};

const X_OK = 1;

/** Makes the place that was just resolved the working directory. */
const enter = (files: Files): number => {
  const { at } = files;
  if (!at.exists) return -ENOENT;
  if (!at.isDirectory) return -ENOTDIR;
  if (at.mount >= 0 && at.node === undefined) {
    const denied = files.host.accessAt(at.mount, at.relative, X_OK);
    if (denied < 0) return denied;
  }
  files.cwd = at.path;
  return 0;
};

const chdir = (thread: Thread, path: number): number =>
  withPath(thread, AT_FDCWD, path, (files, base, name) => {
    const status = files.paths.resolve(base, name, true, files.at);
    return status < 0 ? status : enter(files);
  });

const fchdir = (thread: Thread, number: number): number =>
  withFd(thread, number, (files, index) => {
    if (files.open.get(index, openFile.kind) !== fileKind.directory) return -ENOTDIR;
    return files.withTree(() => {
      const status = files.paths.resolve(...splitCanonical(files.open.path(index)), false, files.at);
      return status < 0 ? status : enter(files);
    });
  });

/** The most that one call lists; a longer buffer is filled only this far. */
const LISTING_BYTES = 1 << 20;

const getdents = (thread: Thread, number: number, target: number, count: number): number =>
  withFd(thread, number, (files, index) => {
    if (files.open.get(index, openFile.flags) & O_PATH) return -EBADF;
    if (files.open.get(index, openFile.kind) !== fileKind.directory) return -ENOTDIR;
    const room = Math.min(count, LISTING_BYTES);
    if (!thread.process.memory.writable(target, room)) return -EFAULT;
    files.open.lock(index);
    const result = readEntries(files, thread, index, target, room);
    files.open.unlock(index);
    return result;
  });

const umask = (thread: Thread, mask: number): number =>
  Atomics.exchange(thread.process.kernel.words, header.umask, mask & 0o777);

const renameFlags = flags({ RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT });
const linkFlags = flags({ AT_SYMLINK_FOLLOW, AT_EMPTY_PATH });

/** Names, directories, links, the working directory. */
export const dirCalls: readonly SyscallRow[] = [
  { nr: 79, name: "getcwd", args: [address, size], run: getcwd },
  { nr: 80, name: "chdir", args: [cstring], run: chdir },
  { nr: 81, name: "fchdir", args: [fd], run: fchdir },
  {
    nr: 82,
    name: "rename",
    args: [cstring, cstring],
    run: (thread, from, to) => renameCall(thread, AT_FDCWD, from, AT_FDCWD, to, 0),
  },
  {
    nr: 264,
    name: "renameat",
    args: [dirfd, cstring, dirfd, cstring],
    run: (thread, oldDirectory, from, newDirectory, to) => renameCall(thread, oldDirectory, from, newDirectory, to, 0),
  },
  { nr: 316, name: "renameat2", args: [dirfd, cstring, dirfd, cstring, renameFlags], run: renameCall },
  {
    nr: 83,
    name: "mkdir",
    args: [cstring, mode],
    run: (thread, path, fileMode) => mkdir(thread, AT_FDCWD, path, fileMode),
  },
  { nr: 258, name: "mkdirat", args: [dirfd, cstring, mode], run: mkdir },
  {
    nr: 133,
    name: "mknod",
    args: [cstring, mode, uint],
    reason: "only regular files: no host interface makes others",
    run: (thread, path, fileMode) => mknod(thread, AT_FDCWD, path, fileMode),
  },
  {
    nr: 259,
    name: "mknodat",
    args: [dirfd, cstring, mode, uint],
    reason: "only regular files: no host interface makes others",
    run: mknod,
  },
  {
    nr: 84,
    name: "rmdir",
    args: [cstring],
    run: (thread, path) => unlink(thread, AT_FDCWD, path, AT_REMOVEDIR),
  },
  { nr: 87, name: "unlink", args: [cstring], run: (thread, path) => unlink(thread, AT_FDCWD, path, 0) },
  { nr: 263, name: "unlinkat", args: [dirfd, cstring, flags({ AT_REMOVEDIR })], run: unlink },
  {
    nr: 86,
    name: "link",
    args: [cstring, cstring],
    run: (thread, from, to) => link(thread, AT_FDCWD, from, AT_FDCWD, to, 0),
  },
  { nr: 265, name: "linkat", args: [dirfd, cstring, dirfd, cstring, linkFlags], run: link },
  {
    nr: 88,
    name: "symlink",
    args: [cstring, cstring],
    run: (thread, target, path) => symlink(thread, target, AT_FDCWD, path),
  },
  { nr: 266, name: "symlinkat", args: [cstring, dirfd, cstring], run: symlink },
  {
    nr: 89,
    name: "readlink",
    args: [cstring, address, int],
    run: (thread, path, target, room) => readlink(thread, AT_FDCWD, path, target, room),
  },
  { nr: 267, name: "readlinkat", args: [dirfd, cstring, address, int], run: readlink },
  { nr: 217, name: "getdents64", args: [fd, address, uint], run: getdents },
  { nr: 95, name: "umask", args: [mode], run: umask },
];
