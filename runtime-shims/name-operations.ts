import { EBUSY, EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, EPERM, EXDEV } from "./errno.js";
import { fileKind, OPEN_FILE_CAPACITY, openFile } from "./files-layout.js";
import type { Files } from "./files.js";
import {
  ACCESS_WRITE,
  OPEN_CREATE,
  OPEN_EXCLUSIVE,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from "./host/types.js";
import type { Resolution } from "./paths.js";

/**
 * Operations on names. `base` is the guest path of the directory that a relative path starts from. The caller holds
 * the tree lock. All return 0 or −errno.
 */

/** Finds the place of a name that shall be made: 0 when it is free and may be made. */
const freePlace = (files: Files, base: string, path: string, at: Resolution, directory: boolean): number => {
  const status = files.paths.resolve(base, path, false, at, true);
  if (status < 0) return status;
  if (at.exists) return -EEXIST;
  if (at.trailingSlash && !directory) return -ENOENT;
  return files.writableMount(at);
};

/** Finds a name that shall go away: 0 when it is there and may go. */
const usedPlace = (files: Files, base: string, path: string, at: Resolution): number => {
  const status = files.paths.resolve(base, path, false, at, true);
  if (status < 0) return status;
  if (at.last !== "name") return 0;
  if (!at.exists) {
    const refused = files.writableMount(at);
    return at.mount >= 0 && refused !== 0 ? refused : -ENOENT;
  }
  return files.writableMount(at);
};

export const makeDirectory = (files: Files, base: string, path: string, mode: number): number => {
  const { at } = files;
  const status = freePlace(files, base, path, at, true);
  return status < 0 ? status : files.host.createDirectoryAt(at.mount, at.relative, mode & 0o1777 & ~files.umask);
};

/** mknod(2). Only regular files: no host interface makes others. `mode` holds type and permissions. */
export const makeNode = (files: Files, base: string, path: string, mode: number): number => {
  const type = mode & S_IFMT;
  if (type === S_IFDIR) return -EPERM;
  if (type !== 0 && !NODE_TYPES.has(type)) return -EINVAL;
  const { at } = files;
  const status = freePlace(files, base, path, at, false);
  if (status < 0) return status;
  if (type !== 0 && type !== S_IFREG) return -EPERM;
  const permissions = mode & 0o7777 & ~files.umask;
  const handle = files.host.openAt(at.mount, at.relative, OPEN_CREATE | OPEN_EXCLUSIVE, ACCESS_WRITE, permissions);
  return handle < 0 ? handle : files.host.close(handle);
};

const NODE_TYPES = new Set([S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK]);

export const removeDirectory = (files: Files, base: string, path: string): number => {
  const { at } = files;
  const status = usedPlace(files, base, path, at);
  if (status < 0) return status;
  if (at.last === "dot") return -EINVAL;
  if (at.last === "dotdot") return -ENOTEMPTY;
  if (at.last === "root" || at.relative === "") return -EBUSY;
  if (!at.isDirectory) return -ENOTDIR;
  const result = files.host.removeDirectoryAt(at.mount, at.relative);
  if (result === 0) files.paths.changed();
  return result;
};

export const unlinkFile = (files: Files, base: string, path: string): number => {
  const { at } = files;
  const status = usedPlace(files, base, path, at);
  if (status < 0) return status;
  if (at.last !== "name" || at.isDirectory) return -EISDIR;
  if (at.trailingSlash) return -ENOTDIR;
  if (at.relative === "") return -EBUSY;
  const result = files.host.unlinkFileAt(at.mount, at.relative);
  if (result === 0 && at.isLink) files.paths.changed();
  return result;
};

/** @param target what the link says, stored as it is */
export const makeLink = (files: Files, target: string, base: string, path: string): number => {
  if (target === "") return -ENOENT;
  const { at } = files;
  const status = freePlace(files, base, path, at, false);
  if (status < 0) return status;
  const result = files.host.symlinkAt(target, at.mount, at.relative);
  if (result === 0) files.paths.changed();
  return result;
};

export const linkFile = (
  files: Files,
  oldBase: string,
  oldPath: string,
  newBase: string,
  newPath: string,
  follow: boolean,
): number => {
  const { at, to } = files;
  const found = files.paths.resolve(oldBase, oldPath, follow, at);
  if (found < 0) return found;
  if (!at.exists) return -ENOENT;
  const status = freePlace(files, newBase, newPath, to, false);
  if (status < 0) return status;
  if (at.mount !== to.mount) return -EXDEV;
  if (at.isDirectory) return -EPERM;
  const result = files.host.linkAt(at.mount, at.relative, to.mount, to.relative);
  if (result === 0 && at.isLink) files.paths.changed();
  return result;
};

export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;
export const RENAME_WHITEOUT = 4;

export const rename = (
  files: Files,
  oldBase: string,
  oldPath: string,
  newBase: string,
  newPath: string,
  how: number,
): number => {
  // No host interface swaps two names at once.
  if (how & ~RENAME_NOREPLACE) return -EINVAL;
  const { at, to } = files;
  const found = files.paths.resolve(oldBase, oldPath, false, at, true);
  if (found < 0) return found;
  const target = files.paths.resolve(newBase, newPath, false, to, true);
  if (target < 0) return target;
  if (at.mount !== to.mount) return -EXDEV;
  if (at.last !== "name") return -EBUSY;
  if (to.last !== "name") return how & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
  const refused = files.writableMount(to);
  if (refused !== 0) return refused;
  if (!at.exists) return -ENOENT;
  if (to.exists && how & RENAME_NOREPLACE) return -EEXIST;
  if (!at.isDirectory && (at.trailingSlash || to.trailingSlash)) return -ENOTDIR;
  if (at.relative === "" || to.relative === "") return -EBUSY;
  if (to.path.startsWith(`${at.path}/`)) return -EINVAL;
  if (at.path.startsWith(`${to.path}/`)) return -ENOTEMPTY;
  const result = files.host.renameAt(at.mount, at.relative, to.mount, to.relative);
  if (result < 0 || at.path === to.path) return result;
  if (at.isDirectory || at.isLink || (to.exists && to.isLink)) files.paths.changed();
  movePaths(files, at.path, to.path);
  return 0;
};

/** What is open, and the working directory, go along when a directory above them is renamed. */
const movePaths = (files: Files, from: string, to: string): void => {
  const moved = (path: string): string | undefined =>
    path === from || path.startsWith(`${from}/`) ? to + path.slice(from.length) : undefined;
  const cwd = moved(files.cwd);
  if (cwd !== undefined) files.cwd = cwd;
  const { open } = files;
  for (let index = 0; index < OPEN_FILE_CAPACITY; index++) {
    if (open.get(index, openFile.kind) === fileKind.free || open.get(index, openFile.mount) < 0) continue;
    const path = moved(open.path(index));
    if (path !== undefined) open.setPath(index, path);
  }
};
