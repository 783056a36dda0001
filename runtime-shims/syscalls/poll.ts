import { EBADF, EFAULT, EINTR, EINVAL, ELOOP, EPERM, ERESTARTNOHAND } from "../errno.js";
import { filesOf, withFd } from "../fd-io.js";
import { epollAdd, epollCollect, epollDelete, epollModify, epollWatches } from "../file-kinds/epoll.js";
import { POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDNORM, POLLWRNORM } from "../file-kinds/kind.js";
import { O_PATH } from "../file-kinds/open-flags.js";
import { pollKey } from "../file-kinds/notify.js";
import { STREAM_WATCHABLE } from "../file-kinds/stream.js";
import { FD_CAPACITY, fileKind, filesHeader, openFile } from "../files-layout.js";
import type { Files } from "../files.js";
import { filesHeaderWord } from "../open-files.js";
import { setMask } from "../signals.js";
import { row, type Thread } from "../threads.js";
import { readTimespec, writeTimespec } from "../timespec.js";
import { INTERRUPTED, TIMED_OUT, waitUntil } from "../wait-queue.js";
import { address, choice, fd, int, size, uint } from "./kinds.js";
import type { SyscallRow } from "./table.js";

const SIGSET_BYTES = 8;

/**
 * Blocks until `ready` counts something.
 * @returns the count, 0 at the deadline, or `interruptedResult`
 */
const waitReady = (thread: Thread, deadlineNs: number, interruptedResult: number, ready: () => number): number => {
  const now = ready();
  if (now !== 0) return now;
  if (deadlineNs <= thread.process.clock.monotonicNs()) return 0;
  const { words } = thread.process.kernel;
  const waiters = filesHeaderWord(filesHeader.pollWaiters);
  Atomics.add(words, waiters, 1);
  const result = waitUntil(thread, pollKey, deadlineNs, () => ready() || undefined);
  Atomics.sub(words, waiters, 1);
  if (result === TIMED_OUT) return 0;
  return result === INTERRUPTED ? interruptedResult : result;
};

/** Runs `body` with another signal mask, if `mask` is an address. The old one comes back now or after the handler. */
const withMask = (thread: Thread, mask: number, maskBytes: number, body: () => number): number => {
  if (mask === 0) return body();
  if (maskBytes !== SIGSET_BYTES) return -EINVAL;
  const { memory, kernel } = thread.process;
  if (!memory.readable(mask, SIGSET_BYTES)) return -EFAULT;
  const saved = { lo: kernel.words[thread.row + row.maskLo], hi: kernel.words[thread.row + row.maskHi] };
  setMask(thread, memory.getInt32(mask), memory.getInt32(mask + 4));
  const result = body();
  if (result === -EINTR || result === -ERESTARTNOHAND) thread.savedMask = saved;
  else setMask(thread, saved.lo, saved.hi);
  return result;
};

/** Deadline of a timeout in ms; negative waits for ever. */
const deadlineOfMs = (thread: Thread, timeoutMs: number): number =>
  timeoutMs < 0 ? Infinity : timeoutMs === 0 ? 0 : thread.process.clock.monotonicNs() + timeoutMs * 1e6;

/** Deadline of a timespec at an address, 0 for ever; or −errno. */
const deadlineAt = (thread: Thread, at: number): number => {
  if (at === 0) return Infinity;
  const ns = readTimespec(thread, at);
  return ns <= 0 ? ns : thread.process.clock.monotonicNs() + ns;
};

const POLLFD_BYTES = 8;

/** Fills in `revents` of every pollfd; returns how many are not zero. */
const scan = (thread: Thread, fds: number, count: number): number => {
  const { memory } = thread.process;
  const files = filesOf(thread);
  let found = 0;
  for (let i = 0; i < count; i++) {
    const at = fds + POLLFD_BYTES * i;
    const number = memory.getInt32(at);
    const events = memory.getUint32(at + 4) & 0xffff;
    const revents = number < 0 ? 0 : readyOf(files, number) & (events | POLLERR | POLLHUP | POLLNVAL);
    memory.setUint16(at + 6, revents);
    if (revents !== 0) found++;
  }
  return found;
};

/** Readiness of a descriptor; POLLNVAL when it is not open. */
const readyOf = (files: Files, number: number): number => {
  const index = files.open.acquire(number);
  if (index < 0) return POLLNVAL;
  const isPath = (files.open.get(index, openFile.flags) & O_PATH) !== 0;
  const ready = isPath ? POLLNVAL : files.kindOf(index).ready(files, index);
  files.release(index);
  return ready;
};

const pollUntil = (thread: Thread, fds: number, count: number, deadlineNs: number): number => {
  if (count > filesOf(thread).fds.limit) return -EINVAL;
  if (!thread.process.memory.writable(fds, POLLFD_BYTES * count)) return -EFAULT;
  return waitReady(thread, deadlineNs, -ERESTARTNOHAND, () => scan(thread, fds, count));
};

/** Stores the time left of a timeout, as ppoll and pselect6 do. */
const storeLeft = (thread: Thread, at: number, deadlineNs: number): void => {
  if (at === 0 || !thread.process.memory.writable(at, 16)) return;
  writeTimespec(thread, at, Math.max(0, deadlineNs - thread.process.clock.monotonicNs()));
};

const ppoll = (thread: Thread, fds: number, count: number, timeout: number, mask: number, bytes: number): number => {
  const deadline = deadlineAt(thread, timeout);
  if (deadline < 0) return deadline;
  const result = withMask(thread, mask, bytes, () => pollUntil(thread, fds, count, deadline));
  storeLeft(thread, timeout, deadline);
  return result;
};

/** Bits that make a descriptor ready in each of the three sets of select(2). */
const SELECT_BITS = [POLLIN | POLLRDNORM | POLLHUP | POLLERR, POLLOUT | POLLWRNORM | POLLERR, POLLPRI];

const selectUntil = (
  thread: Thread,
  count: number,
  sets: readonly [number, number, number],
  deadlineNs: number,
): number => {
  if (count < 0) return -EINVAL;
  const { memory } = thread.process;
  const files = filesOf(thread);
  const limit = Math.min(count, FD_CAPACITY);
  const bytes = ((limit + 63) >>> 6) * 8;
  for (const set of sets) if (set !== 0 && !memory.writable(set, bytes)) return -EFAULT;
  const wanted = sets.map((set) => (set === 0 ? undefined : memory.load(set, bytes)));
  const found = sets.map(() => new Uint8Array(bytes));
  const has = (set: Uint8Array | undefined, number: number): boolean =>
    set !== undefined && (set[number >>> 3] & (1 << (number & 7))) !== 0;
  for (let number = 0; number < limit; number++) {
    if (wanted.some((set) => has(set, number)) && !files.fds.isOpen(number)) return -EBADF;
  }
  const result = waitReady(thread, deadlineNs, -ERESTARTNOHAND, () => {
    let total = 0;
    for (const set of found) set.fill(0);
    for (let number = 0; number < limit; number++) {
      if (!wanted.some((set) => has(set, number))) continue;
      const ready = readyOf(files, number);
      wanted.forEach((set, which) => {
        if (!has(set, number) || (ready & SELECT_BITS[which]) === 0) return;
        found[which][number >>> 3] |= 1 << (number & 7);
        total++;
      });
    }
    return total;
  });
  if (result >= 0) sets.forEach((set, which) => set !== 0 && memory.store(set, found[which]));
  return result;
};

const select = (
  thread: Thread,
  count: number,
  read: number,
  write: number,
  except: number,
  timeout: number,
): number => {
  let deadline = Infinity;
  const { memory, clock } = thread.process;
  if (timeout !== 0) {
    if (!memory.readable(timeout, 16)) return -EFAULT;
    const ns = memory.getInt64(timeout) * 1e9 + memory.getInt64(timeout + 8) * 1000;
    if (memory.getInt64(timeout) < 0 || memory.getInt64(timeout + 8) < 0) return -EINVAL;
    deadline = ns === 0 ? 0 : clock.monotonicNs() + ns;
  }
  const result = selectUntil(thread, count, [read, write, except], deadline);
  if (timeout !== 0 && memory.writable(timeout, 16)) {
    const leftUs = Math.floor(Math.max(0, deadline - clock.monotonicNs()) / 1000);
    memory.setUint64(timeout, Math.floor(leftUs / 1e6));
    memory.setUint64(timeout + 8, leftUs % 1e6);
  }
  return result;
};

const pselect = (
  thread: Thread,
  count: number,
  read: number,
  write: number,
  except: number,
  timeout: number,
  maskArgument: number,
): number => {
  const { memory } = thread.process;
  let [mask, bytes] = [0, 0];
  if (maskArgument !== 0) {
    if (!memory.readable(maskArgument, 16)) return -EFAULT;
    mask = memory.getUint64(maskArgument);
    bytes = memory.getUint64(maskArgument + 8);
  }
  const deadline = deadlineAt(thread, timeout);
  if (deadline < 0) return deadline;
  const result = withMask(thread, mask, bytes, () => selectUntil(thread, count, [read, write, except], deadline));
  storeLeft(thread, timeout, deadline);
  return result;
};

const EPOLL_CTL = { EPOLL_CTL_ADD: 1, EPOLL_CTL_DEL: 2, EPOLL_CTL_MOD: 3 } as const;
/** struct epoll_event is packed on x86-64. */
const EVENT_BYTES = 12;
const EPOLLEXCLUSIVE = 1 << 28;
const EPOLLWAKEUP = 1 << 29;

/** Whether epoll may watch an open file. */
const isWatchable = (files: Files, index: number): boolean =>
  files.open.get(index, openFile.kind) === fileKind.stream
    ? (files.open.get(index, openFile.streamFlags) & STREAM_WATCHABLE) !== 0
    : files.kindOf(index).watchable;

const epollCtl = (thread: Thread, epollFd: number, operation: number, number: number, event: number): number => {
  const { memory } = thread.process;
  if (operation !== EPOLL_CTL.EPOLL_CTL_DEL && !memory.readable(event, EVENT_BYTES)) return -EFAULT;
  return withFd(thread, epollFd, (files, epollIndex) =>
    withFd(thread, number, (_files, target) => {
      if (files.open.get(target, openFile.flags) & O_PATH) return -EBADF;
      if (!isWatchable(files, target)) return -EPERM;
      if (epollIndex === target || files.open.get(epollIndex, openFile.kind) !== fileKind.epoll) return -EINVAL;
      if (operation === EPOLL_CTL.EPOLL_CTL_DEL) return epollDelete(files, epollIndex, number, target);
      const events = memory.getInt32(event) & ~EPOLLWAKEUP;
      const exclusive = (events & EPOLLEXCLUSIVE) !== 0;
      const lo = memory.getInt32(event + 4);
      const hi = memory.getInt32(event + 8);
      if (operation === EPOLL_CTL.EPOLL_CTL_ADD) {
        if (files.open.get(target, openFile.kind) === fileKind.epoll && epollWatches(files, target, epollIndex))
          return -ELOOP;
        return epollAdd(files, epollIndex, number, target, events, lo, hi);
      }
      if (operation !== EPOLL_CTL.EPOLL_CTL_MOD || exclusive) return -EINVAL;
      return epollModify(files, epollIndex, number, target, events, lo, hi);
    }),
  );
};

const epollWait = (thread: Thread, epollFd: number, target: number, limit: number, deadlineNs: number): number => {
  if (limit <= 0 || limit > 0x7fff_ffff / EVENT_BYTES) return -EINVAL;
  const { memory } = thread.process;
  const room = Math.min(limit, FD_CAPACITY);
  return withFd(thread, epollFd, (files, index) => {
    if (files.open.get(index, openFile.kind) !== fileKind.epoll) return -EINVAL;
    if (!memory.writable(target, EVENT_BYTES * Math.min(room, 1))) return -EFAULT;
    let usable = room;
    while (usable > 1 && !memory.writable(target, EVENT_BYTES * usable)) usable >>= 1;
    return waitReady(thread, deadlineNs, -EINTR, () =>
      epollCollect(files, index, usable, (position, events, lo, hi) => {
        const at = target + EVENT_BYTES * position;
        memory.setUint32(at, events);
        memory.setUint32(at + 4, lo);
        memory.setUint32(at + 8, hi);
      }),
    );
  });
};

const epollPwait2 = (
  thread: Thread,
  epollFd: number,
  target: number,
  limit: number,
  timeout: number,
  mask: number,
  bytes: number,
): number => {
  const deadline = deadlineAt(thread, timeout);
  if (deadline < 0) return deadline;
  return withMask(thread, mask, bytes, () => epollWait(thread, epollFd, target, limit, deadline));
};

/** Waiting for several descriptors. */
export const pollCalls: readonly SyscallRow[] = [
  {
    nr: 7,
    name: "poll",
    args: [address, uint, int],
    run: (thread, fds, count, timeout) => pollUntil(thread, fds, count, deadlineOfMs(thread, timeout)),
  },
  { nr: 271, name: "ppoll", args: [address, uint, address, address, size], run: ppoll },
  { nr: 23, name: "select", args: [int, address, address, address, address], run: select },
  { nr: 270, name: "pselect6", args: [int, address, address, address, address, address], run: pselect },
  { nr: 233, name: "epoll_ctl", args: [fd, choice(EPOLL_CTL), fd, address], run: epollCtl },
  {
    nr: 232,
    name: "epoll_wait",
    args: [fd, address, int, int],
    run: (thread, epollFd, target, limit, timeout) =>
      epollWait(thread, epollFd, target, limit, deadlineOfMs(thread, timeout)),
  },
  {
    nr: 281,
    name: "epoll_pwait",
    args: [fd, address, int, int, address, size],
    run: (thread, epollFd, target, limit, timeout, mask, bytes) =>
      withMask(thread, mask, bytes, () => epollWait(thread, epollFd, target, limit, deadlineOfMs(thread, timeout))),
  },
  { nr: 441, name: "epoll_pwait2", args: [fd, address, int, address, address, size], run: epollPwait2 },
];
