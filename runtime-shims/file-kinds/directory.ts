import { readOfDirectory } from "../directory-stream.js";
import { EBADF } from "../errno.js";
import { openFile } from "../files-layout.js";
import { type FileKind, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "./kind.js";
import { O_PATH } from "./open-flags.js";

/** A directory, named by its path: the host keeps nothing open for it. */
export const directory: FileKind = {
  // It has an offset, the position of getdents64.
  seekable: true,
  watchable: false,
  read: (files, _thread, index, into) =>
    files.open.get(index, openFile.flags) & O_PATH ? -EBADF : readOfDirectory(files, index, into.length),
  write: () => -EBADF,
  stat: (files, index, out) => files.statPath(files.open.path(index), files.open.get(index, openFile.mount), out),
  ready: () => POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM,
  readEdge: () => 0,
  writeEdge: () => 0,
  destroy: () => {},
};

/** A file opened with O_PATH: only its attributes can be asked. */
export const pathOnly: FileKind = { ...directory, read: () => -EBADF };
