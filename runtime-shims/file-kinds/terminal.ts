import { EAGAIN } from "../errno.js";
import { openFile } from "../files-layout.js";
import type { Files } from "../files.js";
import { ICANON, VMIN, VTIME } from "../terminal.js";
import type { Thread } from "../threads.js";
import { TIMED_OUT, waitUntil } from "../wait-queue.js";
import { type FileKind, POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "./kind.js";
import { O_NONBLOCK } from "./open-flags.js";
import { stream } from "./stream.js";

/** The unit of VTIME. */
const DECISECOND_NS = 1e8;

const nonBlocking = (files: Files, index: number): boolean =>
  (files.open.get(index, openFile.flags) & O_NONBLOCK) !== 0;

/** One line, or what there is of it before the buffer or an end of file that was typed. */
const readLine = (files: Files, thread: Thread, index: number, into: Uint8Array): number => {
  const input = files.terminalInput;
  const now = input.take(into, true);
  if (now !== undefined) return now;
  input.ask();
  if (nonBlocking(files, index)) return -EAGAIN;
  return waitUntil(thread, input.key, Infinity, () => {
    const result = input.take(into, true);
    if (result === undefined) input.ask();
    return result;
  });
};

/**
 * Characters as they come: VMIN says for how many to wait, VTIME for how long, from the start if VMIN is 0, else after
 * each of them (n_tty_read in drivers/tty/n_tty.c).
 */
const readCharacters = (files: Files, thread: Thread, index: number, into: Uint8Array): number => {
  const { terminal, terminalInput: input } = files;
  const { clock } = thread.process;
  const enough = Math.min(Math.max(1, terminal.character(VMIN)), into.length);
  const timeNs = terminal.character(VTIME) * DECISECOND_NS;
  let deadlineNs = terminal.character(VMIN) === 0 ? clock.monotonicNs() + timeNs : Infinity;
  let done = 0;
  while (done < enough) {
    let result = input.take(into.subarray(done));
    if (result === undefined) {
      input.ask();
      if (deadlineNs !== Infinity && timeNs === 0) return done;
      if (nonBlocking(files, index)) return done || -EAGAIN;
      result = waitUntil(thread, input.key, deadlineNs, () => input.take(into.subarray(done)));
    }
    if (result === TIMED_OUT) return done;
    if (result <= 0) return done || result;
    done += result;
    if (timeNs > 0) deadlineNs = clock.monotonicNs() + timeNs;
  }
  return done;
};

/** The terminal. What is typed is read by the supervisor, because a Worker must not block there. */
export const terminal: FileKind = {
  seekable: false,
  watchable: true,
  read: (files, thread, index, into) => {
    if (into.length === 0) return 0;
    return (files.terminal.local & ICANON ? readLine : readCharacters)(files, thread, index, into);
  },
  write: (files, thread, index, from) => {
    const sent = files.terminal.hostOutput(from);
    const result = stream.write(files, thread, index, sent, -1);
    return sent === from || result < 0 ? result : from.length;
  },
  stat: (files, index, out) =>
    files.open.path(index) === ""
      ? files.host.stat(files.open.get(index, openFile.handle), out)
      : files.statDevice(5, 0, out),
  ready: (files) => {
    const { terminal: modes, terminalInput: input } = files;
    if (input.endedForGood && input.length === 0) {
      return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLERR | POLLHUP;
    }
    // n_tty_poll
    const waits = (modes.local & ICANON) === 0 && modes.character(VTIME) === 0;
    const enough = waits ? Math.max(1, modes.character(VMIN)) : 1;
    const readable = input.length >= enough || input.ended;
    if (!readable) input.ask();
    return (readable ? POLLIN | POLLRDNORM : 0) | POLLOUT | POLLWRNORM;
  },
  readEdge: (files) => files.terminalInput.edge,
  writeEdge: () => 0,
  destroy: stream.destroy,
};
