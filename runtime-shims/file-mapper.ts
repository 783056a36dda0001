import { EACCES, EBADF, ENODEV } from "./errno.js";
import { filesOf, transferBytes, withFd } from "./fd-io.js";
import { O_ACCMODE, O_PATH, O_RDWR, O_WRONLY } from "./file-kinds/open-flags.js";
import { fileKind, openFile } from "./files-layout.js";
import type { FileMapper } from "./hooks.js";

const PROT_WRITE = 2;
const MAP_SHARED = 1;

/** How mmap reads files. */
export const fileMapper: FileMapper = {
  check: (thread, fd, protection, flags) =>
    withFd(thread, fd, (files, index) => {
      const status = files.open.get(index, openFile.flags);
      if (status & O_PATH) return -EBADF;
      const kind = files.open.get(index, openFile.kind);
      const access = status & O_ACCMODE;
      if (access === O_WRONLY) return -EACCES;
      if (flags & MAP_SHARED && protection & PROT_WRITE && access !== O_RDWR) return -EACCES;
      return kind === fileKind.host || kind === fileKind.device ? 0 : -ENODEV;
    }),
  read: (thread, fd, offset, target) =>
    withFd(thread, fd, (files, index) => transferBytes(files, thread, index, target, offset, false)),
  path: (thread, fd) => {
    const files = filesOf(thread);
    const index = files.open.acquire(fd);
    if (index < 0) return "";
    const path = files.open.path(index);
    files.release(index);
    return path;
  },
};
