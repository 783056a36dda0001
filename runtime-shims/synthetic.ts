import { ENOENT } from "./errno.js";
import { device } from "./file-kinds/device.js";
import { O_ACCMODE, O_PATH, O_RDONLY, O_WRONLY } from "./file-kinds/open-flags.js";
import { fileKind, openFile } from "./files-layout.js";
import type { Files } from "./files.js";
import { FileStat, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from "./host/types.js";
import { type DynamicChildren, newNode, type TreeNode } from "./mounts.js";
import { procFiles } from "./proc-files.js";
import { majorOf, minorOf } from "./stat-layout.js";
import type { Thread } from "./threads.js";

/** Something in guest space that no host directory holds. */
export type Synthetic =
  | { readonly path: string; readonly kind: "directory"; readonly dynamic: DynamicChildren | undefined }
  | { readonly path: string; readonly kind: "link"; readonly target: string }
  /** A link of /proc/self/fd. */
  | { readonly path: string; readonly kind: "fd"; readonly fd: number }
  /** /dev/tty: opened, it is the terminal that the host's standard streams are, if one of them is. */
  | { readonly path: string; readonly kind: "terminal" }
  /** A character device that is `handle` of file-kinds/device.ts. */
  | { readonly path: string; readonly kind: "device"; readonly handle: number }
  | { readonly path: string; readonly kind: "file"; readonly content: (thread: Thread) => string | Uint8Array };

/** Every synthetic entry of guest space. */
export const syntheticFiles = (files: Files): Synthetic[] => {
  const proc = `/proc/${files.process.pid}`;
  const devices = Object.entries(device).map(([name, handle]): Synthetic => ({
    path: `/dev/${name}`,
    kind: "device",
    handle,
  }));
  return [
    ...devices,
    { path: "/dev/fd", kind: "link", target: "/proc/self/fd" },
    { path: "/dev/tty", kind: "terminal" },
    { path: "/dev/stdin", kind: "link", target: "/proc/self/fd/0" },
    { path: "/dev/stdout", kind: "link", target: "/proc/self/fd/1" },
    { path: "/dev/stderr", kind: "link", target: "/proc/self/fd/2" },
    { path: "/proc/self", kind: "link", target: `${files.process.pid}` },
    { path: "/proc/thread-self", kind: "link", target: `${files.process.pid}` },
    { path: proc, kind: "directory", dynamic: undefined },
    { path: `${proc}/exe`, kind: "link", target: files.executable },
    { path: `${proc}/cwd`, kind: "link", target: "" },
    { path: `${proc}/root`, kind: "link", target: "/" },
    { path: `${proc}/fd`, kind: "directory", dynamic: descriptorLinks(files, `${proc}/fd`) },
    ...procFiles(files, proc),
  ];
};

/** The entries of /proc/self/fd. */
const descriptorLinks = (files: Files, path: string): DynamicChildren => ({
  child: (name) => {
    const fd = /^(0|[1-9]\d{0,5})$/.test(name) ? Number(name) : -1;
    return files.fds.isOpen(fd) ? newNode(`${path}/${name}`, { path: `${path}/${name}`, kind: "fd", fd }) : undefined;
  },
  list: () => files.fds.list().map(String),
});

/** Text of a synthetic link, as readlink(2) gives it. */
export const linkText = (files: Files, node: TreeNode): string => {
  const { synthetic } = node;
  if (synthetic?.kind === "fd") return descriptorPath(files, synthetic.fd);
  if (synthetic?.kind !== "link") return "";
  return synthetic.target === "" ? files.cwd : synthetic.target;
};

/** Where a synthetic link leads; undefined for an open file without a path. */
export const followTarget = (files: Files, node: TreeNode): string | undefined => {
  const text = linkText(files, node);
  const isName = text.startsWith("/") && !text.startsWith(TERMINALS) && !text.endsWith(DELETED);
  return node.synthetic?.kind === "fd" && !isName ? undefined : text;
};

const scratch = new FileStat();
/** What the kernel puts after the path of a file that has none any more (d_path in fs/d_path.c). */
const DELETED = " (deleted)";

/** What /proc/self/fd/N says of a descriptor. */
const descriptorPath = (files: Files, fd: number): string => {
  const index = files.open.acquire(fd);
  if (index < 0) return "";
  const { open } = files;
  const path = open.path(index);
  const kind = open.get(index, openFile.kind);
  const handle = open.get(index, openFile.handle);
  const removed = kind === fileKind.host && files.host.stat(handle, scratch) === 0 && scratch.nlink === 0;
  files.release(index);
  if (path !== "") return removed ? path + DELETED : path;
  if (kind === fileKind.pipeReader || kind === fileKind.pipeWriter) return `pipe:[${0x10000 + handle}]`;
  if (kind === fileKind.eventfd) return "anon_inode:[eventfd]";
  if (kind === fileKind.epoll) return "anon_inode:[eventpoll]";
  return streamName(files, handle);
};

/** Where Linux names the terminals of windows and of logins over a network, and their first major number. */
const TERMINALS = "/dev/pts/";
const TERMINAL_MAJOR = 136;

/** What Linux calls a standard stream of the host, as far as its attributes tell. */
const streamName = (files: Files, handle: number): string => {
  if (files.host.stat(handle, scratch) === 0) {
    const type = scratch.mode & S_IFMT;
    if (type === S_IFIFO) return `pipe:[${scratch.ino}]`;
    if (type === S_IFSOCK) return `socket:[${scratch.ino}]`;
    const { rdev } = scratch;
    if (type === S_IFCHR && majorOf(rdev) === TERMINAL_MAJOR) return `${TERMINALS}${minorOf(rdev)}`;
  }
  return `host:[${handle}]`;
};

/** A number that stays the same for a path: inode number of what has none. */
export const pathInode = (path: string): number => {
  let hash = 0x811c9dc5;
  for (let i = 0; i < path.length; i++) hash = Math.imul(hash ^ path.charCodeAt(i), 0x01000193);
  return (hash >>> 0) + 2;
};

/** Permissions of a link in /proc/self/fd: what the descriptor was opened for (proc_fd_link in fs/proc/fd.c). */
const linkMode = (flags: number): number => {
  if (flags & O_PATH) return 0;
  const access = flags & O_ACCMODE;
  return 0o100 | (access === O_WRONLY ? 0 : 0o400) | (access === O_RDONLY ? 0 : 0o200);
};

/** Attributes of a place in the skeleton of guest space. */
export const statSynthetic = (files: Files, node: TreeNode, out: FileStat): number => {
  const { synthetic } = node;
  if (synthetic?.kind === "device") return files.statDevice(1, synthetic.handle, out);
  files.statAnonymous(out);
  out.ino = pathInode(node.path);
  switch (synthetic?.kind) {
    case "terminal":
      return files.statDevice(5, 0, out);
    case "link":
      out.mode = S_IFLNK | 0o777;
      // The links of proc that lead somewhere else each time have no size.
      out.size = node.path.startsWith("/proc/") && node.path !== "/proc/mounts" ? 0 : linkText(files, node).length;
      return 0;
    case "fd": {
      const index = files.open.acquire(synthetic.fd);
      if (index < 0) return -ENOENT;
      const flags = files.open.get(index, openFile.flags);
      files.release(index);
      out.mode = S_IFLNK | linkMode(flags);
      out.size = 64;
      return 0;
    }
    case "file":
      out.mode = S_IFREG | 0o444;
      return 0;
    default:
      out.mode = S_IFDIR | (node.dynamic === undefined ? 0o555 : 0o500);
      out.nlink = 2;
      return 0;
  }
};
