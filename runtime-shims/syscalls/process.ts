import { ECHILD, EFAULT, EINVAL, ENOSYS, EPERM, ESRCH } from "../errno.js";
import { header } from "../kernel-memory.js";
import type { Thread } from "../threads.js";
import { address, int, pointerOut, uint } from "./kinds.js";
import { refuse, type SyscallRow } from "./table.js";

/** Identity of the process: one user, one group, alone in its session. */

const uidOf = (thread: Thread): number => thread.process.kernel.words[header.uid];
const gidOf = (thread: Thread): number => thread.process.kernel.words[header.gid];

/** An id may be "set" to what it is; −1 leaves it. */
const keepId = (current: number, ...wanted: readonly number[]): number =>
  wanted.every((id) => id === current || id === 0xffff_ffff) ? 0 : -EPERM;

const setUid = (thread: Thread, id: number): number => (id === 0xffff_ffff ? -EINVAL : keepId(uidOf(thread), id));
const setGid = (thread: Thread, id: number): number => (id === 0xffff_ffff ? -EINVAL : keepId(gidOf(thread), id));

const writeThree = (thread: Thread, value: number, at: readonly number[]): number => {
  for (const pointer of at) thread.process.memory.setUint32(pointer, value);
  return 0;
};

/** 0 and the own pid name the process; there is no other. */
const isSelf = (thread: Thread, pid: number): boolean => pid === 0 || pid === thread.process.pid;

const getgroups = (thread: Thread, count: number, list: number): number => {
  if (count < 0) return -EINVAL;
  if (count === 0) return 1;
  if (!thread.process.memory.writable(list, 4)) return -EFAULT;
  thread.process.memory.setUint32(list, gidOf(thread));
  return 1;
};

const PRIO_USER = 2;
/** getpriority answers 20 − nice, so that it is never negative. */
const NICE_ZERO = 20;

const priority = (thread: Thread, which: number, who: number, answer: number): number => {
  if (which < 0 || which > PRIO_USER) return -EINVAL;
  const found = which === PRIO_USER ? who === 0 || who === uidOf(thread) : isSelf(thread, who) || who === thread.tid;
  return found ? answer : -ESRCH;
};

const W_ANY = 0x4000_0000 | 0x8000_0000 | 0x2000_0000 | 0x0100_0000 | 0xf;

const wait4 = (_thread: Thread, _pid: number, _status: number, options: number): number =>
  (options & ~W_ANY) !== 0 ? -EINVAL : -ECHILD;

/** Process identity system calls, and those of other processes, which do not exist here. */
export const processCalls: readonly SyscallRow[] = [
  { nr: 39, name: "getpid", args: [], run: (thread) => thread.process.pid },
  { nr: 110, name: "getppid", args: [], run: () => 1 },
  { nr: 102, name: "getuid", args: [], run: uidOf },
  { nr: 104, name: "getgid", args: [], run: gidOf },
  { nr: 107, name: "geteuid", args: [], run: uidOf },
  { nr: 108, name: "getegid", args: [], run: gidOf },
  { nr: 105, name: "setuid", args: [uint], run: setUid },
  { nr: 106, name: "setgid", args: [uint], run: setGid },
  { nr: 113, name: "setreuid", args: [uint, uint], run: (thread, a, b) => keepId(uidOf(thread), a, b) },
  { nr: 114, name: "setregid", args: [uint, uint], run: (thread, a, b) => keepId(gidOf(thread), a, b) },
  { nr: 117, name: "setresuid", args: [uint, uint, uint], run: (thread, a, b, c) => keepId(uidOf(thread), a, b, c) },
  { nr: 119, name: "setresgid", args: [uint, uint, uint], run: (thread, a, b, c) => keepId(gidOf(thread), a, b, c) },
  {
    nr: 118,
    name: "getresuid",
    args: [pointerOut(4), pointerOut(4), pointerOut(4)],
    run: (thread, ...at) => writeThree(thread, uidOf(thread), at.slice(0, 3)),
  },
  {
    nr: 120,
    name: "getresgid",
    args: [pointerOut(4), pointerOut(4), pointerOut(4)],
    run: (thread, ...at) => writeThree(thread, gidOf(thread), at.slice(0, 3)),
  },
  { nr: 122, name: "setfsuid", args: [uint], run: uidOf },
  { nr: 123, name: "setfsgid", args: [uint], run: gidOf },
  { nr: 115, name: "getgroups", args: [int, address], run: getgroups },
  refuse(116, "setgroups", EPERM, "the guest has one group"),
  { nr: 111, name: "getpgrp", args: [], run: (thread) => thread.process.pid },
  { nr: 121, name: "getpgid", args: [int], run: (thread, pid) => (isSelf(thread, pid) ? thread.process.pid : -ESRCH) },
  { nr: 124, name: "getsid", args: [int], run: (thread, pid) => (isSelf(thread, pid) ? thread.process.pid : -ESRCH) },
  {
    nr: 109,
    name: "setpgid",
    args: [int, int],
    run: (thread, pid, group) => (group < 0 ? -EINVAL : isSelf(thread, pid) ? -EPERM : -ESRCH),
    reason: "EPERM: the guest leads its session",
  },
  refuse(112, "setsid", EPERM, "the guest already leads its session"),
  {
    nr: 140,
    name: "getpriority",
    args: [int, int],
    run: (thread, which, who) => priority(thread, which, who, NICE_ZERO),
  },
  { nr: 141, name: "setpriority", args: [int, int, int], run: (thread, which, who) => priority(thread, which, who, 0) },
  { nr: 135, name: "personality", args: [uint], run: () => 0 },
  { nr: 61, name: "wait4", args: [int, address, int, address], run: wait4, reason: "ECHILD: there are no children" },
  refuse(247, "waitid", ECHILD, "there are no children"),
  refuse(101, "ptrace", EPERM, "there is nothing to trace"),
  refuse(317, "seccomp", EINVAL, "the guest is confined by what the personality offers"),
  refuse(424, "pidfd_send_signal", ENOSYS, "Go falls back to kill"),
  refuse(434, "pidfd_open", ENOSYS, "Go falls back to process ids"),
  refuse(438, "pidfd_getfd", ENOSYS, "there are no other processes"),
  refuse(425, "io_uring_setup", ENOSYS, "not emulated; programs fall back to ordinary calls"),
  refuse(426, "io_uring_enter", ENOSYS, "not emulated; programs fall back to ordinary calls"),
  refuse(427, "io_uring_register", ENOSYS, "not emulated; programs fall back to ordinary calls"),
];
