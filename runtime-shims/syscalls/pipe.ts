import { EFAULT, EINVAL } from "../errno.js";
import { filesOf } from "../fd-io.js";
import { SEMAPHORE } from "../file-kinds/eventfd.js";
import { O_CLOEXEC, O_DIRECT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from "../file-kinds/open-flags.js";
import { createPipe, freePipe } from "../file-kinds/pipe.js";
import { fileKind, openFile } from "../files-layout.js";
import type { Files } from "../files.js";
import type { Thread } from "../threads.js";
import { address, flags, uint } from "./kinds.js";
import type { SyscallRow } from "./table.js";

/** Gives an open file the lowest free descriptor, or lets it go. Returns the descriptor or −errno. */
const install = (files: Files, index: number, closeOnExec: boolean): number => {
  if (index < 0) return index;
  const fd = files.fds.install(index, closeOnExec);
  if (fd < 0) files.release(index);
  return fd;
};

const pipe2 = (thread: Thread, target: number, how: number): number => {
  if (how & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) return -EINVAL;
  const files = filesOf(thread);
  const { memory } = thread.process;
  if (!memory.writable(target, 8)) return -EFAULT;
  const pipe = createPipe(files);
  if (pipe < 0) return pipe;
  const status = how & (O_NONBLOCK | O_DIRECT);
  const reader = files.open.allocate(fileKind.pipeReader, O_RDONLY | status, pipe);
  if (reader < 0) {
    freePipe(files, pipe);
    return reader;
  }
  const writer = files.open.allocate(fileKind.pipeWriter, O_WRONLY | status, pipe);
  if (writer < 0) {
    files.open.free(reader);
    freePipe(files, pipe);
    return writer;
  }
  const closeOnExec = (how & O_CLOEXEC) !== 0;
  const readEnd = install(files, reader, closeOnExec);
  if (readEnd < 0) {
    files.release(writer);
    return readEnd;
  }
  const writeEnd = install(files, writer, closeOnExec);
  if (writeEnd < 0) {
    files.close(readEnd);
    return writeEnd;
  }
  memory.setUint32(target, readEnd);
  memory.setUint32(target + 4, writeEnd);
  return 0;
};

const EFD_SEMAPHORE = 1;

const eventfd2 = (thread: Thread, initial: number, how: number): number => {
  if (how & ~(O_CLOEXEC | O_NONBLOCK | EFD_SEMAPHORE)) return -EINVAL;
  const files = filesOf(thread);
  const index = files.open.allocate(fileKind.eventfd, O_RDWR | (how & O_NONBLOCK), 0);
  if (index >= 0) {
    files.open.set(index, openFile.counterLo, initial);
    files.open.set(index, openFile.streamFlags, how & EFD_SEMAPHORE ? SEMAPHORE : 0);
  }
  return install(files, index, (how & O_CLOEXEC) !== 0);
};

const EPOLL_CLOEXEC = O_CLOEXEC;

const epollCreate = (thread: Thread, how: number): number => {
  if (how & ~EPOLL_CLOEXEC) return -EINVAL;
  const files = filesOf(thread);
  return install(files, files.open.allocate(fileKind.epoll, O_RDWR, 0), how !== 0);
};

/** What makes new open files without a name. */
export const pipeCalls: readonly SyscallRow[] = [
  { nr: 22, name: "pipe", args: [address], run: (thread, target) => pipe2(thread, target, 0) },
  { nr: 293, name: "pipe2", args: [address, flags({ O_CLOEXEC, O_NONBLOCK, O_DIRECT })], run: pipe2 },
  { nr: 284, name: "eventfd", args: [uint], run: (thread, initial) => eventfd2(thread, initial, 0) },
  {
    nr: 290,
    name: "eventfd2",
    args: [uint, flags({ EFD_CLOEXEC: O_CLOEXEC, EFD_NONBLOCK: O_NONBLOCK, EFD_SEMAPHORE })],
    run: eventfd2,
  },
  {
    nr: 213,
    name: "epoll_create",
    args: [uint],
    run: (thread, size) => ((size | 0) <= 0 ? -EINVAL : epollCreate(thread, 0)),
  },
  { nr: 291, name: "epoll_create1", args: [flags({ EPOLL_CLOEXEC })], run: epollCreate },
];
