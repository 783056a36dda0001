import { EAGAIN, EPIPE } from "../errno.js";
import type { Files } from "../files.js";
import { openFile } from "../files-layout.js";
import type { Thread } from "../threads.js";
import { INTERRUPTED, sleepUntil } from "../wait-queue.js";
import { type FileKind, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "./kind.js";
import { O_ACCMODE, O_NONBLOCK, O_RDONLY, O_WRONLY } from "./open-flags.js";
import { raiseSigpipe } from "./pipe.js";

/** Bit of `streamFlags`. A pipe or socket: epoll can watch it. */
export const STREAM_WATCHABLE = 8;

/** How long to wait before a host stream that is not ready is tried again. */
const RETRY_NS = 1_000_000;

/** Calls the host until it is ready; a host stream may be non-blocking although the guest's is not. */
const retry = (files: Files, thread: Thread, index: number, step: () => number): number => {
  for (;;) {
    const result = step();
    if (result !== -EAGAIN || files.open.get(index, openFile.flags) & O_NONBLOCK) return result;
    if (sleepUntil(thread, files.process.clock.monotonicNs() + RETRY_NS) === INTERRUPTED) return INTERRUPTED;
  }
};

/** A pipe, socket or device of the host, with a position of its own. */
export const stream: FileKind = {
  seekable: false,
  watchable: true,
  read: (files, thread, index, into) => {
    const handle = files.open.get(index, openFile.handle);
    return retry(files, thread, index, () => files.host.read(handle, into, -1));
  },
  write: (files, thread, index, from) => {
    const handle = files.open.get(index, openFile.handle);
    let done = 0;
    while (done < from.length) {
      const result = retry(files, thread, index, () => files.host.write(handle, from.subarray(done), -1));
      if (result === -EPIPE) raiseSigpipe(files, thread);
      if (result < 0) return done > 0 ? done : result;
      done += result;
    }
    return done;
  },
  stat: (files, index, out) => files.host.stat(files.open.get(index, openFile.handle), out),
  ready: (files, index) => {
    const access = files.open.get(index, openFile.flags) & O_ACCMODE;
    return (access === O_WRONLY ? 0 : POLLIN | POLLRDNORM) | (access === O_RDONLY ? 0 : POLLOUT | POLLWRNORM);
  },
  readEdge: () => 0,
  writeEdge: () => 0,
  destroy: (files, index) => {
    const handle = files.open.get(index, openFile.handle);
    if (handle > 2) files.host.close(handle);
  },
};
