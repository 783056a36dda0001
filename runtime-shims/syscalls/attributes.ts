import { EBADF, EFAULT, EFBIG, EINVAL, EISDIR, ENOENT, EOPNOTSUPP, EPERM, EROFS, EACCES } from "../errno.js";
import { filesOf, MAX_OFFSET, withFd } from "../fd-io.js";
import { O_ACCMODE, O_PATH, O_RDONLY } from "../file-kinds/open-flags.js";
import { fileKind, openFile } from "../files-layout.js";
import type { Files } from "../files.js";
import { ACCESS_WRITE, FileStat, type NewTime, S_IFMT, S_IFREG } from "../host/types.js";
import { splitCanonical } from "../paths.js";
import type { Thread } from "../threads.js";
import { afterFileResize } from "../shared-mappings.js";
import { address, cstring, dirfd, fd, flags, int, long, mode } from "./kinds.js";
import { AT_FDCWD, basePath, readPath } from "./path-argument.js";
import { AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW } from "./stat.js";
import type { SyscallRow } from "./table.js";

const AT_EACCESS = 0x200;
const W_OK = 2;

/**
 * Resolves a path argument to an existing place and runs `step` on `files.at`, under the tree lock. With
 * AT_EMPTY_PATH and an empty path, the place is what the descriptor was opened as.
 */
const withPlace = (
  thread: Thread,
  directory: number,
  pathAddress: number,
  how: number,
  step: (files: Files) => number,
): number => {
  const files = filesOf(thread);
  let path = readPath(thread, pathAddress);
  if (typeof path === "number") return path;
  let base: string | number = "/";
  let follow = (how & AT_SYMLINK_NOFOLLOW) === 0;
  if (path === "" && how & AT_EMPTY_PATH) {
    follow = false;
    const opened = directory === AT_FDCWD ? files.cwd : openPathOf(thread, directory);
    if (opened === "") return -EBADF;
    [base, path] = splitCanonical(opened);
  } else if (path === "") {
    return -ENOENT;
  } else {
    base = basePath(thread, directory, path);
  }
  if (typeof base === "number") return base;
  const from = base;
  const name = path;
  return files.withTree(() => {
    const status = files.paths.resolve(from, name, follow, files.at);
    if (status < 0) return status;
    return files.at.exists ? step(files) : -ENOENT;
  });
};

const openPathOf = (thread: Thread, number: number): string => {
  const files = filesOf(thread);
  const index = files.open.acquire(number);
  if (index < 0) return "";
  const path = files.open.path(index);
  files.release(index);
  return path;
};

/** Runs `onHandle` or `onPath` on an open file, whichever the host can. */
const withOpen = (
  thread: Thread,
  number: number,
  onHandle: (files: Files, handle: number) => number,
  onPath: (files: Files, mount: number, relative: string) => number,
): number =>
  withFd(thread, number, (files, index) => {
    if (files.open.get(index, openFile.flags) & O_PATH) return -EBADF;
    const kind = files.open.get(index, openFile.kind);
    const mount = files.open.get(index, openFile.mount);
    if (mount >= 0) {
      if (files.tree.mounts[mount].readOnly) return -EROFS;
      if (kind === fileKind.directory) {
        return files.withTree(() => {
          const place = files.placeOf(index);
          if (typeof place === "number") return place;
          return place.isDirectory ? onPath(files, mount, place.relative) : -ENOENT;
        });
      }
    }
    if (kind === fileKind.host || kind === fileKind.stream)
      return onHandle(files, files.open.get(index, openFile.handle));
    // Pipes and the like take any attribute; synthetic files none.
    return kind === fileKind.synthetic || kind === fileKind.directory ? -EPERM : 0;
  });

/** Why the attributes of the place just resolved cannot change; 0 when they can. */
const unchangeable = (files: Files): number => (files.at.mount < 0 ? -EPERM : files.writableMount(files.at));

const chmodAt = (thread: Thread, directory: number, path: number, fileMode: number, how: number): number =>
  withPlace(thread, directory, path, how, (files) => {
    const refused = unchangeable(files);
    if (refused !== 0) return refused;
    // Links have no mode of their own (fs/attr.c), and the host would follow the link.
    if (files.at.isLink) return -EOPNOTSUPP;
    return files.host.setModeAt(files.at.mount, files.at.relative, fileMode & 0o7777);
  });

const fchmod = (thread: Thread, number: number, fileMode: number): number =>
  withOpen(
    thread,
    number,
    (files, handle) => files.host.setMode(handle, fileMode & 0o7777),
    (files, mount, relative) => files.host.setModeAt(mount, relative, fileMode & 0o7777),
  );

/** A user or group number; −1 keeps the old one. */
const idOf = (argument: number): number => (argument === -1 ? -1 : argument >>> 0);

const chownAt = (thread: Thread, directory: number, path: number, uid: number, gid: number, how: number): number => {
  if (how & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  return withPlace(thread, directory, path, how, (files) => {
    const refused = unchangeable(files);
    return refused !== 0 ? refused : files.host.setOwnerAt(files.at.mount, files.at.relative, idOf(uid), idOf(gid));
  });
};

const fchown = (thread: Thread, number: number, uid: number, gid: number): number =>
  withOpen(
    thread,
    number,
    (files, handle) => files.host.setOwner(handle, idOf(uid), idOf(gid)),
    (files, mount, relative) => files.host.setOwnerAt(mount, relative, idOf(uid), idOf(gid)),
  );

const UTIME_NOW = 0x3fff_ffff;
const UTIME_OMIT = 0x3fff_fffe;

/** `"keep"`: the time that the file has. */
type Times = readonly [atime: NewTime | "keep", mtime: NewTime | "keep"];
const NOW: Times = ["now", "now"];

/** The two timestamps at an address; `unitNs` is the unit of their fractions (1 timespec, 1000 timeval). */
const readTimes = (thread: Thread, at: number, unitNs: number): Times | number => {
  if (at === 0) return NOW;
  const { memory } = thread.process;
  if (!memory.readable(at, 32)) return -EFAULT;
  const times: (NewTime | "keep")[] = [];
  for (const from of [at, at + 16]) {
    const sec = memory.getInt64(from);
    const fraction = memory.getInt64(from + 8);
    if (unitNs === 1 && fraction === UTIME_NOW) times.push("now");
    else if (unitNs === 1 && fraction === UTIME_OMIT) times.push("keep");
    else if (fraction < 0 || fraction * unitNs >= 1e9) return -EINVAL;
    else times.push({ sec, nsec: fraction * unitNs });
  }
  return [times[0], times[1]];
};

const scratch = new FileStat();

/** Sets times, and notes the exact ones. A time that is to stay is set again: node:fs can only set both. */
const setTimesExactly = (
  files: Files,
  stat: (out: FileStat) => number,
  set: (atime: NewTime, mtime: NewTime) => number,
  times: Times,
): number => {
  if (times.includes("keep")) {
    const status = stat(scratch);
    if (status < 0) return status;
    files.exactTimes.refine(scratch);
  }
  const atime = times[0] === "keep" ? { sec: scratch.atimeSec, nsec: scratch.atimeNsec } : times[0];
  const mtime = times[1] === "keep" ? { sec: scratch.mtimeSec, nsec: scratch.mtimeNsec } : times[1];
  const result = set(atime, mtime);
  if (result === 0 && stat(scratch) === 0) files.exactTimes.note(scratch, atime, mtime);
  return result;
};

const setTimesOf = (files: Files, mount: number, relative: string, times: Times): number =>
  setTimesExactly(
    files,
    (out) => files.host.statAt(mount, relative, out),
    (atime, mtime) => files.host.setTimesAt(mount, relative, atime, mtime),
    times,
  );

const setTimesAt = (thread: Thread, directory: number, path: number, times: Times | number, how: number): number => {
  if (typeof times === "number") return times;
  if (times[0] === "keep" && times[1] === "keep") return 0;
  return withPlace(thread, directory, path, how, (files) => {
    const refused = unchangeable(files);
    return refused !== 0 ? refused : setTimesOf(files, files.at.mount, files.at.relative, times);
  });
};

const utimensat = (thread: Thread, directory: number, path: number, at: number, how: number): number => {
  const times = readTimes(thread, at, 1);
  if (typeof times === "number") return times;
  if (path !== 0 || directory === AT_FDCWD) {
    if (how & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
    return setTimesAt(thread, directory, path, times, how);
  }
  if (how !== 0) return -EINVAL;
  return withOpen(
    thread,
    directory,
    (files, handle) =>
      setTimesExactly(
        files,
        (out) => files.host.stat(handle, out),
        (atime, mtime) => files.host.setTimes(handle, atime, mtime),
        times,
      ),
    (files, mount, relative) => setTimesOf(files, mount, relative, times),
  );
};

/** utime(2): whole seconds. */
const utime = (thread: Thread, path: number, at: number): number => {
  if (at === 0) return setTimesAt(thread, AT_FDCWD, path, NOW, 0);
  const { memory } = thread.process;
  if (!memory.readable(at, 16)) return -EFAULT;
  const times: Times = [
    { sec: memory.getInt64(at), nsec: 0 },
    { sec: memory.getInt64(at + 8), nsec: 0 },
  ];
  return setTimesAt(thread, AT_FDCWD, path, times, 0);
};

const truncate = (thread: Thread, path: number, length: number): number => {
  if (length < 0) return -EINVAL;
  if (length > MAX_OFFSET) return -EFBIG;
  return withPlace(thread, AT_FDCWD, path, 0, (files) => {
    const { at } = files;
    if (at.isDirectory) return -EISDIR;
    if ((at.stat.mode & S_IFMT) !== S_IFREG) return -EINVAL;
    const refused = files.writableMount(at);
    if (refused !== 0) return refused;
    const handle = files.host.openAt(at.mount, at.relative, 0, ACCESS_WRITE, 0);
    if (handle < 0) return handle;
    const result = files.host.setSize(handle, length);
    if (result >= 0) afterFileResize(files, handle, length);
    files.host.close(handle);
    return result;
  });
};

const ftruncate = (thread: Thread, number: number, length: number): number => {
  if (length < 0) return -EINVAL;
  if (length > MAX_OFFSET) return -EFBIG;
  return withFd(thread, number, (files, index) => {
    const status = files.open.get(index, openFile.flags);
    if (status & O_PATH) return -EBADF;
    if (files.open.get(index, openFile.kind) !== fileKind.host || (status & O_ACCMODE) === O_RDONLY) return -EINVAL;
    const handle = files.open.get(index, openFile.handle);
    const result = files.host.setSize(handle, length);
    if (result >= 0) afterFileResize(files, handle, length);
    return result;
  });
};

const access = (thread: Thread, directory: number, path: number, wanted: number, how: number): number => {
  if (wanted & ~7 || how & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return -EINVAL;
  return withPlace(thread, directory, path, how, (files) => {
    const { at } = files;
    const writing = (wanted & W_OK) !== 0;
    if (at.mount >= 0 && at.node === undefined) {
      if (writing && files.tree.mounts[at.mount].readOnly) return -EROFS;
      // The host would follow the link itself; its own permissions allow everything.
      return at.isLink ? 0 : files.host.accessAt(at.mount, at.relative, wanted);
    }
    if (at.mount >= 0) {
      if (writing && files.tree.mounts[at.mount].readOnly) return -EROFS;
      return files.host.accessAt(at.mount, at.relative, wanted);
    }
    const permissions = at.stat.mode & 0o777;
    return ((permissions | (permissions >> 3) | (permissions >> 6)) & 7 & wanted) === wanted ? 0 : -EACCES;
  });
};

const followFlags = flags({ AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH });
const accessFlags = flags({ AT_EACCESS, AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH });
const accessMode = flags({ R_OK: 4, W_OK, X_OK: 1 }, "F_OK");

/** Permissions, owners, times and sizes. */
export const attributeCalls: readonly SyscallRow[] = [
  {
    nr: 90,
    name: "chmod",
    args: [cstring, mode],
    run: (thread, path, fileMode) => chmodAt(thread, AT_FDCWD, path, fileMode, 0),
  },
  { nr: 91, name: "fchmod", args: [fd, mode], run: fchmod },
  {
    nr: 268,
    name: "fchmodat",
    args: [dirfd, cstring, mode],
    run: (thread, directory, path, fileMode) => chmodAt(thread, directory, path, fileMode, 0),
  },
  {
    nr: 452,
    name: "fchmodat2",
    args: [dirfd, cstring, mode, followFlags],
    run: (thread, directory, path, fileMode, how) =>
      how & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) ? -EINVAL : chmodAt(thread, directory, path, fileMode, how),
  },
  {
    nr: 92,
    name: "chown",
    args: [cstring, int, int],
    run: (thread, path, uid, gid) => chownAt(thread, AT_FDCWD, path, uid, gid, 0),
  },
  { nr: 93, name: "fchown", args: [fd, int, int], run: fchown },
  {
    nr: 94,
    name: "lchown",
    args: [cstring, int, int],
    run: (thread, path, uid, gid) => chownAt(thread, AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW),
  },
  { nr: 260, name: "fchownat", args: [dirfd, cstring, int, int, followFlags], run: chownAt },
  { nr: 280, name: "utimensat", args: [dirfd, cstring, address, followFlags], run: utimensat },
  {
    nr: 235,
    name: "utimes",
    args: [cstring, address],
    run: (thread, path, at) => setTimesAt(thread, AT_FDCWD, path, readTimes(thread, at, 1000), 0),
  },
  {
    nr: 261,
    name: "futimesat",
    args: [dirfd, cstring, address],
    run: (thread, directory, path, at) => setTimesAt(thread, directory, path, readTimes(thread, at, 1000), 0),
  },
  { nr: 132, name: "utime", args: [cstring, address], run: utime },
  { nr: 76, name: "truncate", args: [cstring, long], run: truncate },
  { nr: 77, name: "ftruncate", args: [fd, long], run: ftruncate },
  {
    nr: 21,
    name: "access",
    args: [cstring, accessMode],
    run: (thread, path, wanted) => access(thread, AT_FDCWD, path, wanted, 0),
  },
  {
    nr: 269,
    name: "faccessat",
    args: [dirfd, cstring, accessMode],
    run: (thread, directory, path, wanted) => access(thread, directory, path, wanted, 0),
  },
  { nr: 439, name: "faccessat2", args: [dirfd, cstring, accessMode, accessFlags], run: access },
];
