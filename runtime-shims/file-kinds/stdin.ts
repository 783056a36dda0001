import { EAGAIN, EBADF } from "../errno.js";
import { openFile } from "../files-layout.js";
import { waitUntil } from "../wait-queue.js";
import { type FileKind, POLLHUP, POLLIN, POLLRDNORM } from "./kind.js";
import { O_NONBLOCK } from "./open-flags.js";

/** Standard input that is a pipe or socket: the supervisor reads it, because a Worker must not block there. */
export const stdin: FileKind = {
  seekable: false,
  watchable: true,
  read: (files, thread, index, into) => {
    if (into.length === 0) return 0;
    const ring = files.stdin;
    const now = ring.take(into);
    if (now !== undefined) return now;
    ring.ask();
    if (files.open.get(index, openFile.flags) & O_NONBLOCK) return -EAGAIN;
    return waitUntil(thread, ring.key, Infinity, () => {
      const result = ring.take(into);
      if (result === undefined) ring.ask();
      return result;
    });
  },
  write: () => -EBADF,
  stat: (files, index, out) => files.host.stat(files.open.get(index, openFile.handle), out),
  ready: (files) => {
    const ring = files.stdin;
    if (ring.length > 0) return POLLIN | POLLRDNORM;
    if (ring.ended) return POLLHUP | POLLIN | POLLRDNORM;
    ring.ask();
    return 0;
  },
  readEdge: (files) => files.stdin.edge,
  writeEdge: () => 0,
  destroy: () => {},
};
