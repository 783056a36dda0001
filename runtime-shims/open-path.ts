import { EACCES, EEXIST, EINVAL, EISDIR, ELOOP, ENOENT, ENOTDIR, ENXIO, EOPNOTSUPP, EROFS } from "./errno.js";
import { HOST_APPENDS } from "./file-kinds/host-file.js";
import {
  O_ACCMODE,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_DSYNC,
  O_EXCL,
  O_LARGEFILE,
  O_NOCTTY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_SYNC_BIT,
  O_TMPFILE_BIT,
  O_TRUNC,
  O_WRONLY,
} from "./file-kinds/open-flags.js";
import { holdPipe } from "./file-kinds/pipe.js";
import { STREAM_WATCHABLE } from "./file-kinds/stream.js";
import { fileKind, openFile } from "./files-layout.js";
import type { Files } from "./files.js";
import {
  ACCESS_APPEND,
  ACCESS_DATA_SYNC,
  ACCESS_READ,
  ACCESS_SYNC,
  ACCESS_WRITE,
  OPEN_CREATE,
  OPEN_EXCLUSIVE,
  OPEN_TRUNCATE,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from "./host/types.js";

const R_OK = 4;

const writes = (flags: number): boolean => (flags & O_ACCMODE) !== O_RDONLY;

/** Flags that F_GETFL gives back; all others mean nothing with O_PATH (build_open_flags in fs/open.c). */
const statusFlags = (flags: number): number =>
  flags & O_PATH
    ? flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW)
    : (flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC)) | O_LARGEFILE;

/** Names a new open file. */
const named = (files: Files, index: number, path: string, mount: number): number => {
  if (index < 0) return index;
  files.open.setPath(index, path);
  files.open.set(index, openFile.mount, mount);
  return index;
};

/**
 * Opens a guest path. The caller does not hold the tree lock.
 * @param base guest path of the directory that a relative path starts from
 * @returns an open file that the caller holds, or −errno
 */
export const openPath = (files: Files, base: string, path: string, flags: number, mode: number): number => {
  if ((flags & O_TMPFILE_BIT) !== 0) return openUnnamed(files, base, path, flags);
  if ((flags & O_CREAT) !== 0 && (flags & O_DIRECTORY) !== 0) return -EINVAL;
  return files.withTree(() => {
    const { at } = files;
    const create = (flags & O_CREAT) !== 0 && (flags & O_PATH) === 0;
    const exclusive = create && (flags & O_EXCL) !== 0;
    const follow = (flags & O_NOFOLLOW) === 0 && !exclusive;
    const status = files.paths.resolve(base, path, follow, at);
    if (status < 0) return status === -ENOTDIR && create && at.trailingSlash && at.last === "name" ? -EISDIR : status;
    if (!at.exists) {
      if (!create) return -ENOENT;
      if (at.trailingSlash) return -EISDIR;
      return createFile(files, flags, mode);
    }
    if (exclusive) return -EEXIST;
    if (create && (at.isDirectory || at.trailingSlash)) return -EISDIR;
    return openExisting(files, flags);
  });
};

/** O_TMPFILE: no host interface gives such a file a name later, so there are none. */
const openUnnamed = (files: Files, base: string, path: string, flags: number): number => {
  if ((flags & O_DIRECTORY) === 0 || flags & O_CREAT || !writes(flags)) return -EINVAL;
  return files.withTree(() => {
    const { at } = files;
    const status = files.paths.resolve(base, path, (flags & O_NOFOLLOW) === 0, at);
    if (status < 0) return status;
    if (!at.exists) return -ENOENT;
    return at.isDirectory ? -EOPNOTSUPP : -ENOTDIR;
  });
};

const createFile = (files: Files, flags: number, mode: number): number => {
  const { at } = files;
  const refused = files.writableMount(at);
  if (refused !== 0) return refused;
  const handle = files.host.openAt(
    at.mount,
    at.relative,
    OPEN_CREATE | OPEN_EXCLUSIVE,
    hostAccess(flags),
    mode & 0o7777 & ~files.umask,
  );
  // Someone outside the guest made it first.
  if (handle === -EEXIST) return flags & O_EXCL ? -EEXIST : openHost(files, flags);
  return handle < 0 ? handle : adopt(files, flags, handle);
};

const hostAccess = (flags: number): number =>
  ((flags & O_ACCMODE) !== O_WRONLY ? ACCESS_READ : 0) |
  (writes(flags) ? ACCESS_WRITE : 0) |
  (flags & O_APPEND ? ACCESS_APPEND : 0) |
  (flags & O_SYNC_BIT ? ACCESS_SYNC : 0) |
  (flags & O_DSYNC ? ACCESS_DATA_SYNC : 0);

/** Opens the file of the host at `files.at`. */
const openHost = (files: Files, flags: number): number => {
  const { at } = files;
  const truncate = (flags & O_TRUNC) !== 0;
  if (writes(flags) || truncate) {
    const refused = files.writableMount(at);
    if (refused !== 0) return refused;
  }
  const handle = files.host.openAt(at.mount, at.relative, truncate ? OPEN_TRUNCATE : 0, hostAccess(flags), 0);
  return handle < 0 ? handle : adopt(files, flags, handle);
};

/** Makes an open file of a host handle at `files.at`. */
const adopt = (files: Files, flags: number, handle: number): number => {
  const { at } = files;
  const type = at.exists ? at.stat.mode & S_IFMT : S_IFREG;
  if (type === S_IFREG) return adoptFile(files, flags, handle, at.path, at.mount);
  const index = adoptHandle(files, fileKind.stream, flags, handle);
  if (index >= 0 && type !== S_IFCHR) files.open.set(index, openFile.streamFlags, STREAM_WATCHABLE);
  return named(files, index, at.path, at.mount);
};

/** Makes an open file of a handle of a regular file. */
const adoptFile = (files: Files, flags: number, handle: number, path: string, mount: number): number => {
  const index = adoptHandle(files, fileKind.host, flags, handle);
  if (index >= 0 && flags & O_APPEND) files.open.set(index, openFile.streamFlags, HOST_APPENDS);
  return named(files, index, path, mount);
};

/** An open file for a handle, which is closed if there is no room. */
const adoptHandle = (files: Files, kind: number, flags: number, handle: number): number => {
  const index = files.open.allocate(kind, statusFlags(flags), handle);
  if (index < 0) files.host.close(handle);
  return index;
};

const openExisting = (files: Files, flags: number): number => {
  const { at } = files;
  const type = at.stat.mode & S_IFMT;
  if (at.isLink && (flags & O_PATH) === 0) {
    if (flags & O_DIRECTORY) return -ENOTDIR;
    const { node } = at;
    return node?.synthetic?.kind === "fd" && (flags & O_NOFOLLOW) === 0
      ? reopen(files, node.synthetic.fd, flags)
      : -ELOOP;
  }
  if (flags & O_DIRECTORY && !at.isDirectory) return -ENOTDIR;
  if (at.isDirectory) {
    if ((flags & O_PATH) === 0) {
      if (writes(flags) || flags & O_TRUNC) return -EISDIR;
      const denied = at.mount < 0 ? 0 : files.host.accessAt(at.mount, at.relative, R_OK);
      if (denied < 0 && !(denied === -ENOENT && at.node !== undefined)) return denied;
    }
    return named(files, files.open.allocate(fileKind.directory, statusFlags(flags), 0), at.path, at.mount);
  }
  if (flags & O_PATH) return named(files, files.open.allocate(fileKind.path, statusFlags(flags), 0), at.path, at.mount);
  const synthetic = at.mount < 0 ? at.node?.synthetic : undefined;
  if (synthetic?.kind === "terminal") {
    const handle = [0, 1, 2].find((stream) => files.host.isTerminal(stream));
    if (handle === undefined) return -ENXIO;
    return named(files, files.open.allocate(fileKind.terminal, statusFlags(flags), handle), at.path, -1);
  }
  if (synthetic?.kind === "device") {
    return named(files, files.open.allocate(fileKind.device, statusFlags(flags), synthetic.handle), at.path, -1);
  }
  if (synthetic !== undefined) {
    if (writes(flags)) return -EACCES;
    return named(files, files.open.allocate(fileKind.synthetic, statusFlags(flags), 0), at.path, -1);
  }
  if (type === S_IFSOCK) return -ENXIO;
  // A FIFO of the host without a peer would block in open: let the caller know instead.
  if (type === S_IFIFO && (flags & O_ACCMODE) === O_RDWR) return -EINVAL;
  return openHost(files, flags);
};

/** Opens what a descriptor without a path refers to once more: a new open file on the same stream. */
const reopen = (files: Files, fd: number, flags: number): number => {
  const index = files.open.acquire(fd);
  if (index < 0) return -ENOENT;
  const result = openAgain(files, index, flags);
  files.release(index);
  return result;
};

const openAgain = (files: Files, index: number, flags: number): number => {
  const { open } = files;
  const kind = open.get(index, openFile.kind);
  const handle = open.get(index, openFile.handle);
  if (kind === fileKind.pipeReader || kind === fileKind.pipeWriter) return openPipe(files, handle, flags);
  if (kind === fileKind.host && open.path(index) !== "") return reopenFile(files, index, flags);
  // A stream was given for reading or for writing; what its file's permissions allow beyond that was not.
  const access = open.get(index, openFile.flags) & O_ACCMODE;
  if (access !== O_RDWR && access !== (flags & O_ACCMODE)) return -EACCES;
  if (access === O_RDONLY && flags & O_TRUNC) return -EACCES;
  if (kind === fileKind.host) return reopenFile(files, index, flags);
  // Other handles would be closed twice; what is neither stream nor device cannot be opened on Linux either.
  const stream = kind === fileKind.stream && handle <= 2;
  const shared = stream || kind === fileKind.stdin || kind === fileKind.device || kind === fileKind.terminal;
  if (!shared) return -ENXIO;
  const again = open.allocate(kind, statusFlags(flags), handle);
  if (again >= 0) open.set(again, openFile.streamFlags, open.get(index, openFile.streamFlags));
  return again;
};

/** Opens a file of the host once more that has lost its name, or is a standard stream and never had one. */
const reopenFile = (files: Files, index: number, flags: number): number => {
  const { open } = files;
  const mount = open.get(index, openFile.mount);
  const truncate = (flags & O_TRUNC) !== 0;
  if ((writes(flags) || truncate) && mount >= 0 && files.tree.mounts[mount].readOnly) return -EROFS;
  const handle = files.host.reopen(open.get(index, openFile.handle), truncate ? OPEN_TRUNCATE : 0, hostAccess(flags));
  return handle < 0 ? handle : adoptFile(files, flags, handle, open.path(index), mount);
};

/** Opens one end of a pipe, whichever the flags ask for; both at once is not modelled. */
const openPipe = (files: Files, pipe: number, flags: number): number => {
  const access = flags & O_ACCMODE;
  if (access !== O_RDONLY && access !== O_WRONLY) return -ENXIO;
  const kind = access === O_RDONLY ? fileKind.pipeReader : fileKind.pipeWriter;
  const end = files.open.allocate(kind, statusFlags(flags), pipe);
  if (end >= 0) holdPipe(files, end);
  return end;
};
