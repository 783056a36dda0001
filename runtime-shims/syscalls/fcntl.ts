import { EBADF, EFAULT, EINVAL, ENOTTY, EOVERFLOW, EPERM } from "../errno.js";
import { storeInt, withFd } from "../fd-io.js";
import { pipeLength } from "../file-kinds/pipe.js";
import {
  O_ACCMODE,
  O_APPEND,
  O_ASYNC,
  O_DIRECT,
  O_NOATIME,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
} from "../file-kinds/open-flags.js";
import { LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, lockFile, unlock } from "../flock.js";
import { fileKind, openFile, PIPE_BYTES } from "../files-layout.js";
import type { Files } from "../files.js";
import type { Thread } from "../threads.js";
import { address, choice, fd, flags, long } from "./kinds.js";
import type { SyscallRow } from "./table.js";
import { controlTerminal, TERMINAL_IOCTL } from "./terminal.js";

const F = {
  F_DUPFD: 0,
  F_GETFD: 1,
  F_SETFD: 2,
  F_GETFL: 3,
  F_SETFL: 4,
  F_GETLK: 5,
  F_SETLK: 6,
  F_SETLKW: 7,
  F_SETOWN: 8,
  F_GETOWN: 9,
  F_DUPFD_CLOEXEC: 1030,
  F_SETPIPE_SZ: 1031,
  F_GETPIPE_SZ: 1032,
  F_DUPFD_QUERY: 1027,
} as const;
const FD_CLOEXEC = 1;
const SETTABLE = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME;
const F_RDLCK = 0;
const F_WRLCK = 1;
const F_UNLCK = 2;
const FLOCK_BYTES = 32;

const duplicate = (files: Files, index: number, lowest: number, closeOnExec: boolean): number => {
  if (!(lowest >= 0 && lowest < files.fds.limit)) return -EINVAL;
  files.open.retain(index);
  const fdNumber = files.fds.install(index, closeOnExec, lowest);
  if (fdNumber < 0) files.release(index);
  return fdNumber;
};

/** Whether a lock's range is one (flock64_to_posix_lock in fs/locks.c): 0 or −errno. */
const checkRange = (files: Files, index: number, start: number, length: number, whence: number): number => {
  let from = start;
  if (whence === 1) from += Math.max(0, files.open.offset(index));
  else if (whence === 2) from += files.open.get(index, openFile.kind) === fileKind.host ? files.sizeOf(index) : 0;
  else if (whence !== 0) return -EINVAL;
  if (from >= 2 ** 63 || from + length > 2 ** 63) return -EOVERFLOW;
  return from < 0 || from + Math.min(length, 0) < 0 ? -EINVAL : 0;
};

/** POSIX record locks belong to the process, so inside one process they never conflict. */
const recordLock = (files: Files, thread: Thread, index: number, command: number, pointer: number): number => {
  const { memory } = thread.process;
  if (!memory.readable(pointer, FLOCK_BYTES)) return -EFAULT;
  const type = (memory.getInt32(pointer) << 16) >> 16;
  if (command === F.F_GETLK && type !== F_RDLCK && type !== F_WRLCK) return -EINVAL;
  const range = checkRange(
    files,
    index,
    memory.getInt64(pointer + 8),
    memory.getInt64(pointer + 16),
    memory.getInt32(pointer) >> 16,
  );
  if (range !== 0) return range;
  if (type !== F_RDLCK && type !== F_WRLCK && type !== F_UNLCK) return -EINVAL;
  if (command === F.F_GETLK) {
    if (!memory.writable(pointer, FLOCK_BYTES)) return -EFAULT;
    memory.setUint16(pointer, F_UNLCK);
    return 0;
  }
  const access = files.open.get(index, openFile.flags) & O_ACCMODE;
  if ((type === F_RDLCK && access === O_WRONLY) || (type === F_WRLCK && access === O_RDONLY)) return -EBADF;
  return 0;
};

/** Whether SIGIO could tell of an open file's readiness: only then it takes O_ASYNC (setfl in fs/fcntl.c). */
const signalsReadiness = (files: Files, index: number): boolean => {
  const kind = files.open.get(index, openFile.kind);
  return isPipe(files, index) || kind === fileKind.stream || kind === fileKind.stdin || kind === fileKind.terminal;
};

const sameOpenFile = (files: Files, index: number, other: number): number => {
  const found = files.open.acquire(other);
  if (found < 0) return -EBADF;
  files.release(found);
  return found === index ? 1 : 0;
};

const isPipe = (files: Files, index: number): boolean => {
  const kind = files.open.get(index, openFile.kind);
  return kind === fileKind.pipeReader || kind === fileKind.pipeWriter;
};

const control = (thread: Thread, fdNumber: number, command: number, argument: number): number =>
  withFd(thread, fdNumber, (files, index) => {
    const status = files.open.get(index, openFile.flags);
    const onPath = command <= F.F_GETFL || command === F.F_DUPFD_CLOEXEC;
    if (status & O_PATH && !onPath) return -EBADF;
    switch (command) {
      case F.F_DUPFD:
        return duplicate(files, index, argument, false);
      case F.F_DUPFD_CLOEXEC:
        return duplicate(files, index, argument, true);
      case F.F_GETFD:
        return files.fds.closeOnExec(fdNumber) ? FD_CLOEXEC : 0;
      case F.F_SETFD:
        files.fds.setCloseOnExec(fdNumber, (argument & FD_CLOEXEC) !== 0);
        return 0;
      case F.F_GETFL:
        return status;
      case F.F_SETFL: {
        const settable = signalsReadiness(files, index) ? SETTABLE | O_ASYNC : SETTABLE;
        files.open.set(index, openFile.flags, (status & ~settable) | (argument & settable));
        return 0;
      }
      case F.F_GETLK:
      case F.F_SETLK:
      case F.F_SETLKW:
        return recordLock(files, thread, index, command, argument);
      case F.F_SETOWN:
      case F.F_GETOWN:
        return 0;
      case F.F_GETPIPE_SZ:
      case F.F_SETPIPE_SZ:
        if (!isPipe(files, index)) return -EBADF;
        return command === F.F_SETPIPE_SZ && argument >>> 0 > PIPE_BYTES ? -EPERM : PIPE_BYTES;
      case F.F_DUPFD_QUERY:
        return sameOpenFile(files, index, argument);
      default:
        return -EINVAL;
    }
  });

const flock = (thread: Thread, fdNumber: number, operation: number): number => {
  const how = operation & ~LOCK_NB;
  return withFd(thread, fdNumber, (files, index) => {
    if (how !== LOCK_SH && how !== LOCK_EX && how !== LOCK_UN) return -EINVAL;
    if (files.open.get(index, openFile.flags) & O_PATH) return -EBADF;
    if (how === LOCK_UN) {
      unlock(files, index);
      return 0;
    }
    return lockFile(files, thread, index, how, (operation & LOCK_NB) === 0);
  });
};

const IOCTL = {
  FIONREAD: 0x541b,
  FIONBIO: 0x5421,
  FIONCLEX: 0x5450,
  FIOCLEX: 0x5451,
} as const;

/** Bytes that can be read now, or −ENOTTY for kinds that cannot tell. */
const readableBytes = (files: Files, index: number): number => {
  switch (files.open.get(index, openFile.kind)) {
    case fileKind.pipeReader:
    case fileKind.pipeWriter:
      return pipeLength(files, index);
    case fileKind.stdin:
      return files.stdin.length;
    case fileKind.terminal:
      files.terminalInput.ask();
      return files.terminalInput.length;
    case fileKind.host:
      return Math.max(0, files.sizeOf(index) - Math.max(0, files.open.offset(index)));
    default:
      return -ENOTTY;
  }
};

const ioctl = (thread: Thread, fdNumber: number, request: number, argument: number): number =>
  withFd(thread, fdNumber, (files, index) => {
    const status = files.open.get(index, openFile.flags);
    if (status & O_PATH) return -EBADF;
    switch (request) {
      case IOCTL.FIOCLEX:
      case IOCTL.FIONCLEX:
        files.fds.setCloseOnExec(fdNumber, request === IOCTL.FIOCLEX);
        return 0;
      case IOCTL.FIONBIO: {
        if (!thread.process.memory.readable(argument, 4)) return -EFAULT;
        const on = thread.process.memory.getInt32(argument) !== 0;
        files.open.set(index, openFile.flags, on ? status | O_NONBLOCK : status & ~O_NONBLOCK);
        return 0;
      }
      case IOCTL.FIONREAD: {
        const count = readableBytes(files, index);
        return count < 0 ? count : storeInt(thread, argument, count);
      }
      default:
        return files.open.get(index, openFile.kind) === fileKind.terminal
          ? controlTerminal(files, thread, request, argument)
          : -ENOTTY;
    }
  });

/** Control of descriptors and open files. */
export const fcntlCalls: readonly SyscallRow[] = [
  { nr: 72, name: "fcntl", args: [fd, choice(F), long], run: control },
  { nr: 73, name: "flock", args: [fd, flags({ LOCK_SH, LOCK_EX, LOCK_NB, LOCK_UN })], run: flock },
  { nr: 16, name: "ioctl", args: [fd, choice({ ...IOCTL, ...TERMINAL_IOCTL }), address], run: ioctl },
];
