import type { Files } from "../files.js";
import type { FileStat } from "../host/types.js";
import type { Thread } from "../threads.js";

/** Readiness bits as poll(2) and epoll(7) share them. */
export const POLLIN = 1;
export const POLLPRI = 2;
export const POLLOUT = 4;
export const POLLERR = 8;
export const POLLHUP = 16;
export const POLLNVAL = 32;
export const POLLRDNORM = 64;
export const POLLWRNORM = 256;
export const POLLRDHUP = 0x2000;

/**
 * What can be done with one kind of open file. `index` names the open file, which the caller holds; access mode and
 * guest memory were checked. Results are counts or negated errnos.
 */
export interface FileKind {
  /** Whether it has an offset: lseek, pread and pwrite work. */
  readonly seekable: boolean;
  /** Whether epoll can watch it; else EPERM. */
  readonly watchable: boolean;
  /** Reads at `offset`; −1 for kinds or streams without one. */
  read(files: Files, thread: Thread, index: number, into: Uint8Array, offset: number): number;
  write(files: Files, thread: Thread, index: number, from: Uint8Array, offset: number): number;
  stat(files: Files, index: number, out: FileStat): number;
  /** The readiness bits that hold now. */
  ready(files: Files, index: number): number;
  /** A number that grows whenever something new can be read, for edge-triggered watchers. */
  readEdge(files: Files, index: number): number;
  writeEdge(files: Files, index: number): number;
  /** Gives back what the open file owns. */
  destroy(files: Files, index: number): void;
}
