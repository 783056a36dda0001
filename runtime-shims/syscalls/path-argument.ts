import { EBADF, EFAULT, ENAMETOOLONG, ENOTDIR } from "../errno.js";
import { filesOf } from "../fd-io.js";
import { fileKind, openFile, PATH_MAX } from "../files-layout.js";
import { decodeName } from "../names.js";
import type { Thread } from "../threads.js";

export const AT_FDCWD = -100;

/** The path at a guest address, or −EFAULT or −ENAMETOOLONG. */
export const readPath = (thread: Thread, address: number): string | number => {
  const { memory } = thread.process;
  const length = memory.stringLength(address, PATH_MAX);
  if (length < 0) return -EFAULT;
  return length === PATH_MAX ? -ENAMETOOLONG : decodeName(memory.slice(address, length));
};

/** The guest path that a relative `path` starts from, or −EBADF or −ENOTDIR. */
export const basePath = (thread: Thread, dirfd: number, path: string): string | number => {
  const files = filesOf(thread);
  if (path.startsWith("/")) return "/";
  if (dirfd === AT_FDCWD) return files.cwd;
  const index = files.open.acquire(dirfd);
  if (index < 0) return -EBADF;
  const result = files.open.get(index, openFile.kind) === fileKind.directory ? files.open.path(index) : -ENOTDIR;
  files.release(index);
  return result;
};
