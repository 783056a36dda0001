import { EFAULT, EINVAL, EPERM, ESRCH } from "../errno.js";
import { header } from "../kernel-memory.js";
import { PAGE_SIZE } from "../page-map.js";
import { getRlimit, type Rlimit, RLIMIT_NOFILE, RLIMITS, setRlimit } from "../rlimits.js";
import { threadCpuNs } from "../thread-context.js";
import { row, type Thread } from "../threads.js";
import { address, choice, flags, int, pointerOut, size } from "./kinds.js";
import type { SyscallRow } from "./table.js";
import { processCpu } from "./time.js";

/** What uname reports; Go reads the release to decide about kernel bugs and features. */
export const UNAME = {
  sysname: "Linux",
  nodename: "gojit",
  release: "6.1.0",
  version: "#1 SMP PREEMPT_DYNAMIC gojit",
  machine: "x86_64",
  domainname: "(none)",
} as const;

const encoder = new TextEncoder();

const uname = (thread: Thread, at: number): number => {
  const { memory } = thread.process;
  if (!memory.writable(at, 65 * 6)) return -EFAULT;
  memory.fill(at, 65 * 6, 0);
  Object.values(UNAME).forEach((text, index) => memory.store(at + 65 * index, encoder.encode(text)));
  return 0;
};

const sysinfo = (thread: Thread, at: number): number => {
  const { memory, clock, kernel, pages } = thread.process;
  const top = kernel.words[header.topPage];
  let free = 0;
  for (let page = 0; page < top; page++) if (pages.flags[page] === 0) free++;
  memory.fill(at, 112, 0);
  memory.setUint64(at, Math.floor(clock.monotonicNs() / 1e9));
  memory.setUint64(at + 32, top * PAGE_SIZE);
  memory.setUint64(at + 40, free * PAGE_SIZE);
  memory.setUint16(at + 80, Atomics.load(kernel.words, header.threadCount));
  memory.setUint32(at + 104, 1);
  return 0;
};

const readRlimit = (thread: Thread, at: number): Rlimit => {
  const { memory } = thread.process;
  const value = (offset: number): number => {
    const lo = memory.getUint32(at + offset);
    const hi = memory.getUint32(at + offset + 4);
    return lo === 0xffff_ffff && hi === 0xffff_ffff ? Infinity : hi * 0x1_0000_0000 + lo;
  };
  return { soft: value(0), hard: value(8) };
};

const writeRlimit = (thread: Thread, at: number, { soft, hard }: Rlimit): void => {
  const { memory } = thread.process;
  memory.setUint64(at, soft === Infinity ? -1 : soft);
  memory.setUint64(at + 8, hard === Infinity ? -1 : hard);
};

const prlimit = (thread: Thread, pid: number, resource: number, next: number, old: number): number => {
  const { kernel, memory } = thread.process;
  if (next !== 0 && !memory.readable(next, 16)) return -EFAULT;
  const wanted = next === 0 ? undefined : readRlimit(thread, next);
  if (pid !== 0 && pid !== thread.process.pid && pid !== thread.tid) return -ESRCH;
  if (resource >= RLIMITS) return -EINVAL;
  const current = getRlimit(kernel, resource);
  if (wanted !== undefined) {
    if (wanted.soft > wanted.hard) return -EINVAL;
    if (wanted.hard > current.hard) return -EPERM;
    setRlimit(kernel, resource, wanted);
  }
  if (old === 0) return 0;
  if (!memory.writable(old, 16)) return -EFAULT;
  writeRlimit(thread, old, current);
  return 0;
};

const RUSAGE_SELF = 0;
const RUSAGE_THREAD = 1;
const RUSAGE_CHILDREN = -1;

const writeTimeval = (thread: Thread, at: number, ns: number): void => {
  const { memory } = thread.process;
  memory.setUint64(at, Math.floor(ns / 1e9));
  memory.setUint64(at + 8, Math.floor((ns % 1e9) / 1000));
};

const getrusage = (thread: Thread, who: number, at: number): number => {
  const { memory } = thread.process;
  if (who !== RUSAGE_SELF && who !== RUSAGE_THREAD && who !== RUSAGE_CHILDREN) return -EINVAL;
  if (!memory.writable(at, 144)) return -EFAULT;
  memory.fill(at, 144, 0);
  if (who === RUSAGE_CHILDREN) return 0;
  const [user, system] = who === RUSAGE_THREAD ? [threadCpuNs(thread) ?? 0, 0] : processCpu(thread);
  writeTimeval(thread, at, user);
  writeTimeval(thread, at + 16, system);
  return 0;
};

const TICK_NS = 1e7;

const times = (thread: Thread, at: number): number => {
  const { memory, clock } = thread.process;
  if (at !== 0) {
    if (!memory.writable(at, 32)) return -EFAULT;
    const [user, system] = processCpu(thread);
    memory.setUint64(at, Math.floor(user / TICK_NS));
    memory.setUint64(at + 8, Math.floor(system / TICK_NS));
    memory.fill(at + 16, 16, 0);
  }
  return Math.floor(clock.monotonicNs() / TICK_NS);
};

const GRND_RANDOM = 2;
const GRND_INSECURE = 4;

const getrandom = (thread: Thread, at: number, length: number, randomFlags: number): number => {
  const { memory, clock } = thread.process;
  if ((randomFlags & ~7) !== 0) return -EINVAL;
  if ((randomFlags & GRND_RANDOM) !== 0 && (randomFlags & GRND_INSECURE) !== 0) return -EINVAL;
  const wanted = Math.min(length, 0x7fff_f000);
  if (wanted === 0) return 0;
  if (!memory.writable(at, wanted)) return -EFAULT;
  clock.random(memory.slice(at, wanted));
  return wanted;
};

const names = {
  PR_SET_PDEATHSIG: 1,
  PR_GET_PDEATHSIG: 2,
  PR_GET_DUMPABLE: 3,
  PR_SET_DUMPABLE: 4,
  PR_GET_KEEPCAPS: 7,
  PR_SET_KEEPCAPS: 8,
  PR_SET_NAME: 15,
  PR_GET_NAME: 16,
  PR_GET_SECCOMP: 21,
  PR_CAPBSET_READ: 23,
  PR_SET_TIMERSLACK: 29,
  PR_GET_TIMERSLACK: 30,
  PR_SET_NO_NEW_PRIVS: 38,
  PR_GET_NO_NEW_PRIVS: 39,
  PR_SET_VMA: 0x53564d41,
} as const;
const TIMER_SLACK_NS = 50_000;
const LAST_CAPABILITY = 40;

const prctl = (thread: Thread, option: number, value: number, ...rest: [number, number, number, number]): number => {
  const { memory, kernel } = thread.process;
  const nameBytes = new Uint8Array(kernel.buffer, 4 * (thread.row + row.name), 16);
  switch (option) {
    case names.PR_SET_NAME: {
      const length = memory.stringLength(value, 15);
      if (length < 0) return -EFAULT;
      nameBytes.fill(0);
      nameBytes.set(memory.slice(value, length));
      return 0;
    }
    case names.PR_GET_NAME:
      if (!memory.writable(value, 16)) return -EFAULT;
      memory.store(value, nameBytes);
      return 0;
    case names.PR_SET_PDEATHSIG:
      return value > 64 ? -EINVAL : 0;
    case names.PR_GET_PDEATHSIG:
      if (!memory.writable(value, 4)) return -EFAULT;
      memory.setUint32(value, 0);
      return 0;
    case names.PR_GET_DUMPABLE:
      return kernel.words[header.dumpable];
    case names.PR_SET_DUMPABLE:
      if (value !== 0 && value !== 1) return -EINVAL;
      kernel.words[header.dumpable] = value;
      return 0;
    case names.PR_GET_KEEPCAPS:
      return kernel.words[thread.row + row.keepCapabilities];
    case names.PR_SET_KEEPCAPS:
      if (value !== 0 && value !== 1) return -EINVAL;
      kernel.words[thread.row + row.keepCapabilities] = value;
      return 0;
    case names.PR_GET_SECCOMP:
      return 0;
    case names.PR_CAPBSET_READ:
      return value > LAST_CAPABILITY ? -EINVAL : 0;
    case names.PR_SET_TIMERSLACK:
      return 0;
    case names.PR_GET_TIMERSLACK:
      return TIMER_SLACK_NS;
    case names.PR_SET_NO_NEW_PRIVS:
      if (value !== 1 || rest[0] !== 0 || rest[1] !== 0 || rest[2] !== 0) return -EINVAL;
      kernel.words[header.noNewPrivs] = 1;
      return 0;
    case names.PR_GET_NO_NEW_PRIVS:
      return kernel.words[header.noNewPrivs];
    default:
      // PR_SET_VMA among them: a kernel without CONFIG_ANON_VMA_NAME answers so, and Go stops asking.
      return -EINVAL;
  }
};

const resource = choice({ RLIMIT_STACK: 3, RLIMIT_CORE: 4, RLIMIT_NPROC: 6, RLIMIT_NOFILE, RLIMIT_AS: 9 });

/** System information and limits. */
export const infoCalls: readonly SyscallRow[] = [
  { nr: 63, name: "uname", args: [address], run: uname },
  {
    nr: 97,
    name: "getrlimit",
    args: [resource, pointerOut(16)],
    run: (thread, which, at) => prlimit(thread, 0, which >>> 0, 0, at),
  },
  {
    nr: 98,
    name: "getrusage",
    args: [choice({ RUSAGE_SELF, RUSAGE_THREAD, RUSAGE_CHILDREN }), address],
    run: getrusage,
  },
  { nr: 99, name: "sysinfo", args: [pointerOut(112)], run: sysinfo },
  { nr: 100, name: "times", args: [address], run: times },
  { nr: 157, name: "prctl", args: [choice(names), address, address, address, address], run: prctl },
  {
    nr: 160,
    name: "setrlimit",
    args: [resource, address],
    run: (thread, which, at) =>
      thread.process.memory.readable(at, 16) ? prlimit(thread, 0, which >>> 0, at, 0) : -EFAULT,
  },
  {
    nr: 302,
    name: "prlimit64",
    args: [int, resource, address, address],
    run: (thread, pid, which, next, old) => prlimit(thread, pid, which >>> 0, next, old),
  },
  {
    nr: 318,
    name: "getrandom",
    args: [address, size, flags({ GRND_NONBLOCK: 1, GRND_RANDOM, GRND_INSECURE })],
    run: getrandom,
  },
];
