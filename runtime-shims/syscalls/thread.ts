import { R11, RAX, RCX, RSP } from "../cpu.js";
import { EAGAIN, EFAULT, EINVAL, ENOSYS, EPERM, ESRCH } from "../errno.js";
import { GUEST_BASE } from "../guest-memory.js";
import { futex } from "../futex.js";
import type { ThreadStart } from "../hooks.js";
import { header } from "../kernel-memory.js";
import { THREAD_ENDED } from "../outcome.js";
import { discardThread, retarget } from "../signals.js";
import { reserveSlot, row, rowOf, slotOfTid, type Thread, threadState } from "../threads.js";
import { storeStart } from "../thread-context.js";
import { wake } from "../wait-queue.js";
import { address, choice, flags, int, pointerOut, size, uint } from "./kinds.js";
import { refuse, type SyscallRow } from "./table.js";

const CLONE_VM = 0x100;
const CLONE_FS = 0x200;
const CLONE_FILES = 0x400;
const CLONE_SIGHAND = 0x800;
const CLONE_THREAD = 0x1_0000;
const CLONE_NEWNS = 0x2_0000;
const CLONE_SETTLS = 0x8_0000;
const CLONE_PARENT_SETTID = 0x10_0000;
const CLONE_CHILD_CLEARTID = 0x20_0000;
const CLONE_CHILD_SETTID = 0x100_0000;
const CLONE_PIDFD = 0x1000;
/** Namespaces, which need privileges and processes. */
const CLONE_NEW = CLONE_NEWNS | 0x200_0000 | 0x400_0000 | 0x800_0000 | 0x1000_0000 | 0x2000_0000 | 0x4000_0000;
/** What every thread shares with its process here. */
const CLONE_THREAD_PARTS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;

const TASK_SIZE = 0x7fff_ffff_f000;

const cloneFlags = flags({
  CLONE_VM,
  CLONE_FS,
  CLONE_FILES,
  CLONE_SIGHAND,
  CLONE_PIDFD,
  CLONE_VFORK: 0x4000,
  CLONE_THREAD,
  CLONE_NEWNS,
  CLONE_SYSVSEM: 0x4_0000,
  CLONE_SETTLS,
  CLONE_PARENT_SETTID,
  CLONE_CHILD_CLEARTID,
  CLONE_CHILD_SETTID,
});

/** Registers of a new thread: its parent's, as after a system call that returned 0. */
const startState = (thread: Thread, slot: number, stack: number): ThreadStart => {
  const { cpu } = thread;
  const gpr = cpu.gpr.slice();
  gpr[RAX] = 0n;
  gpr[RCX] = BigInt(cpu.rip);
  gpr[R11] = BigInt(cpu.rflags);
  if (stack !== 0) gpr[RSP] = BigInt(stack);
  return {
    slot,
    gpr,
    xmm: cpu.xmm.slice(),
    rip: cpu.rip,
    rflags: cpu.rflags,
    fsBase: cpu.fsBase,
    mxcsr: cpu.mxcsr,
    clearChildTid: 0,
  };
};

const clone = (
  thread: Thread,
  wanted: number,
  stack: number,
  parentTid: number,
  childTid: number,
  tls: number,
): number => {
  const { process } = thread;
  const { memory, hooks } = process;
  const words = process.kernel.words;
  if ((wanted & CLONE_NEWNS) !== 0 && (wanted & CLONE_FS) !== 0) return -EINVAL;
  if ((wanted & CLONE_THREAD) !== 0 && (wanted & CLONE_SIGHAND) === 0) return -EINVAL;
  if ((wanted & CLONE_SIGHAND) !== 0 && (wanted & CLONE_VM) === 0) return -EINVAL;
  if ((wanted & CLONE_THREAD) !== 0 && (wanted & (CLONE_PIDFD | CLONE_NEW)) !== 0) return -EINVAL;
  if ((wanted & CLONE_THREAD_PARTS) !== CLONE_THREAD_PARTS) return refuseProcess(thread);
  if ((wanted & CLONE_SETTLS) !== 0 && tls >= TASK_SIZE) return -EPERM;

  const full = Atomics.add(words, header.threadCount, 1) >= hooks.maxThreads;
  const tid = Atomics.add(words, header.nextTid, 1);
  const slot = full ? -1 : reserveSlot(process, tid);
  if (slot < 0) {
    Atomics.sub(words, header.threadCount, 1);
    return -EAGAIN;
  }
  const base = rowOf(slot);
  Atomics.store(words, base + row.maskLo, words[thread.row + row.maskLo]);
  Atomics.store(words, base + row.maskHi, words[thread.row + row.maskHi]);
  words[base + row.keepCapabilities] = words[thread.row + row.keepCapabilities];
  for (let word = 0; word < 4; word++) words[base + row.name + word] = words[thread.row + row.name + word];
  if ((wanted & CLONE_PARENT_SETTID) !== 0 && memory.writable(parentTid, 4)) memory.setUint32(parentTid, tid);
  if ((wanted & CLONE_CHILD_SETTID) !== 0 && memory.writable(childTid, 4)) memory.setUint32(childTid, tid);
  const start = {
    ...startState(thread, slot, stack),
    ...((wanted & CLONE_SETTLS) !== 0 ? { fsBase: tls } : {}),
    clearChildTid: (wanted & CLONE_CHILD_CLEARTID) !== 0 ? childTid : 0,
  };
  storeStart(process.kernel, start);
  Atomics.store(words, base + row.state, threadState.running);
  hooks.resume(slot);
  return tid;
};

/** Processes are out of scope: says so once, in words. */
const refuseProcess = (thread: Thread): number => {
  const { kernel, hooks } = thread.process;
  if (Atomics.exchange(kernel.words, header.processRefused, 1) === 0) {
    hooks.report("gojit: the program tried to start another process, which gojit cannot do (ENOSYS)");
  }
  return -ENOSYS;
};

const processRow = (nr: number, name: string): SyscallRow => ({
  nr,
  name,
  args: [],
  run: refuseProcess,
  refused: ENOSYS,
  reason: "starting other processes is out of scope",
});

/** Ends the calling thread; the last one ends the process with the main thread's exit code. */
const exit = (thread: Thread, code: number): number => {
  const { process } = thread;
  const words = process.kernel.words;
  if (thread.tid === process.pid) Atomics.store(words, header.leaderExitCode, code & 0xff);
  endThread(thread);
  if (Atomics.sub(words, header.threadCount, 1) === 1) process.exit(Atomics.load(words, header.leaderExitCode) << 8);
  return THREAD_ENDED;
};

const endThread = (thread: Thread): void => {
  const { process, clearChildTid } = thread;
  const words = process.kernel.words;
  // From here on no process-directed signal chooses this thread; those that did go to another.
  Atomics.store(words, thread.row + row.state, threadState.starting);
  const sharedLo = Atomics.load(words, header.pendingLo);
  const sharedHi = Atomics.load(words, header.pendingHi);
  if (sharedLo !== 0 || sharedHi !== 0) retarget(thread, sharedLo, sharedHi);
  process.signalLock.hold(() => {
    discardThread(words, thread.slot);
    Atomics.store(words, thread.row + row.state, threadState.free);
  });
  if (clearChildTid !== 0 && clearChildTid % 4 === 0 && process.memory.writable(clearChildTid, 4)) {
    Atomics.store(process.memory.words, (clearChildTid - GUEST_BASE) >>> 2, 0);
    wake(process.kernel, process.hooks, clearChildTid, 1);
  }
};

const exitGroup = (thread: Thread, code: number): number => {
  thread.process.exit((code & 0xff) << 8);
  return THREAD_ENDED;
};

const setTidAddress = (thread: Thread, at: number): number => {
  thread.clearChildTid = at;
  return thread.tid;
};

const ROBUST_LIST_HEAD_BYTES = 24;

const setRobustList = (thread: Thread, head: number, length: number): number => {
  if (length !== ROBUST_LIST_HEAD_BYTES) return -EINVAL;
  thread.robustListHead = head;
  return 0;
};

/** The thread a scheduler call names: 0 is the caller. Returns 0 or −ESRCH. */
const checkTid = (thread: Thread, tid: number): number => {
  if (tid === 0 || tid === thread.tid) return 0;
  return tid > 0 && slotOfTid(thread.process, tid) >= 0 ? 0 : -ESRCH;
};

/** Bytes of a CPU mask, as a kernel built for up to 64 CPUs reports it. */
const CPU_MASK_BYTES = 8;

const schedGetaffinity = (thread: Thread, tid: number, length: number, at: number): number => {
  const { memory, kernel } = thread.process;
  const cpus = kernel.words[header.cpus];
  if (length * 8 < cpus || length % 8 !== 0) return -EINVAL;
  const missing = checkTid(thread, tid);
  if (missing !== 0) return missing;
  const bytes = Math.min(length, CPU_MASK_BYTES);
  if (!memory.writable(at, bytes)) return -EFAULT;
  memory.fill(at, bytes, 0);
  for (let cpu = 0; cpu < cpus; cpu++) {
    memory.setUint8(at + (cpu >>> 3), memory.getUint8(at + (cpu >>> 3)) | (1 << (cpu & 7)));
  }
  return bytes;
};

/** Accepts any mask that names a CPU; the host schedules as it likes. */
const schedSetaffinity = (thread: Thread, tid: number, length: number, at: number): number => {
  const { memory, kernel } = thread.process;
  const bytes = Math.min(length, CPU_MASK_BYTES);
  if (!memory.readable(at, bytes)) return -EFAULT;
  const missing = checkTid(thread, tid);
  if (missing !== 0) return missing;
  for (let cpu = 0; cpu < Math.min(kernel.words[header.cpus], bytes * 8); cpu++) {
    if ((memory.getUint8(at + (cpu >>> 3)) & (1 << (cpu & 7))) !== 0) return 0;
  }
  return -EINVAL;
};

const getcpu = (thread: Thread, cpu: number, node: number): number => {
  const { memory, kernel } = thread.process;
  if ((cpu !== 0 && !memory.writable(cpu, 4)) || (node !== 0 && !memory.writable(node, 4))) return -EFAULT;
  if (cpu !== 0) memory.setUint32(cpu, thread.slot % kernel.words[header.cpus]);
  if (node !== 0) memory.setUint32(node, 0);
  return 0;
};

const SCHED_OTHER = 0;
const isRealtimePolicy = (policy: number): boolean => policy === 1 || policy === 2;
const isPolicy = (policy: number): boolean => [0, 1, 2, 3, 5, 6].includes(policy);

const schedGetparam = (thread: Thread, tid: number, at: number): number => {
  const missing = checkTid(thread, tid);
  if (missing !== 0) return missing;
  thread.process.memory.setUint32(at, 0);
  return 0;
};

const schedSetscheduler = (thread: Thread, tid: number, policy: number): number => {
  if (!isPolicy(policy)) return -EINVAL;
  return checkTid(thread, tid) || (policy === SCHED_OTHER ? 0 : -EPERM);
};

const schedRrGetInterval = (thread: Thread, tid: number, at: number): number => {
  const missing = checkTid(thread, tid);
  if (missing !== 0) return missing;
  thread.process.memory.setUint64(at, 0);
  thread.process.memory.setUint64(at + 8, 4_000_000);
  return 0;
};

const ARCH_SET_GS = 0x1001;
const ARCH_SET_FS = 0x1002;
const ARCH_GET_FS = 0x1003;
const ARCH_GET_GS = 0x1004;

const archPrctl = (thread: Thread, code: number, at: number): number => {
  const { memory } = thread.process;
  switch (code) {
    case ARCH_SET_FS:
      if (at >= TASK_SIZE) return -EPERM;
      thread.cpu.fsBase = at;
      return 0;
    case ARCH_GET_FS:
    case ARCH_GET_GS:
      if (!memory.writable(at, 8)) return -EFAULT;
      memory.setUint64(at, code === ARCH_GET_FS ? thread.cpu.fsBase : 0);
      return 0;
    default:
      // ARCH_SET_GS: no program in scope uses GS, and translated code has no GS base.
      return -EINVAL;
  }
};

const futexOperations = choice({
  FUTEX_WAIT: 0,
  FUTEX_WAKE: 1,
  FUTEX_REQUEUE: 3,
  FUTEX_CMP_REQUEUE: 4,
  FUTEX_WAKE_OP: 5,
  FUTEX_WAIT_PRIVATE: 128,
  FUTEX_WAKE_PRIVATE: 129,
  FUTEX_REQUEUE_PRIVATE: 131,
  FUTEX_CMP_REQUEUE_PRIVATE: 132,
  FUTEX_WAKE_OP_PRIVATE: 133,
  FUTEX_WAIT_BITSET_PRIVATE: 137,
  FUTEX_WAKE_BITSET_PRIVATE: 138,
  "FUTEX_WAIT_BITSET_PRIVATE|FUTEX_CLOCK_REALTIME": 393,
});

/** Thread, scheduler and futex system calls. */
export const threadCalls: readonly SyscallRow[] = [
  { nr: 24, name: "sched_yield", args: [], run: () => 0 },
  { nr: 56, name: "clone", args: [cloneFlags, address, address, address, address], run: clone },
  processRow(57, "fork"),
  processRow(58, "vfork"),
  processRow(59, "execve"),
  processRow(322, "execveat"),
  { nr: 60, name: "exit", args: [int], run: exit },
  { nr: 231, name: "exit_group", args: [int], run: exitGroup },
  { nr: 186, name: "gettid", args: [], run: (thread) => thread.tid },
  { nr: 202, name: "futex", args: [address, futexOperations, int, address, address, int], run: futex },
  {
    nr: 158,
    name: "arch_prctl",
    args: [choice({ ARCH_SET_GS, ARCH_SET_FS, ARCH_GET_FS, ARCH_GET_GS }), address],
    run: archPrctl,
  },
  { nr: 203, name: "sched_setaffinity", args: [int, uint, address], run: schedSetaffinity },
  { nr: 204, name: "sched_getaffinity", args: [int, uint, address], run: schedGetaffinity },
  { nr: 309, name: "getcpu", args: [address, address], run: getcpu },
  { nr: 218, name: "set_tid_address", args: [address], run: setTidAddress },
  {
    nr: 273,
    name: "set_robust_list",
    args: [address, size],
    run: setRobustList,
    reason: "the list is kept but not walked when a thread dies",
  },
  { nr: 142, name: "sched_setparam", args: [int, address], run: (thread, tid) => checkTid(thread, tid) },
  { nr: 143, name: "sched_getparam", args: [int, pointerOut(4)], run: schedGetparam },
  { nr: 144, name: "sched_setscheduler", args: [int, int, address], run: schedSetscheduler },
  { nr: 145, name: "sched_getscheduler", args: [int], run: checkTid },
  {
    nr: 146,
    name: "sched_get_priority_max",
    args: [int],
    run: (_thread, policy) => (isRealtimePolicy(policy) ? 99 : isPolicy(policy) ? 0 : -EINVAL),
  },
  {
    nr: 147,
    name: "sched_get_priority_min",
    args: [int],
    run: (_thread, policy) => (isRealtimePolicy(policy) ? 1 : isPolicy(policy) ? 0 : -EINVAL),
  },
  { nr: 148, name: "sched_rr_get_interval", args: [int, pointerOut(16)], run: schedRrGetInterval },
  refuse(
    324,
    "membarrier",
    ENOSYS,
    "JavaScript has no process-wide barrier; every atomic access is sequentially consistent",
  ),
  refuse(334, "rseq", ENOSYS, "restartable sequences need the host's scheduler; libraries do without"),
  refuse(435, "clone3", ENOSYS, "callers fall back to clone"),
  refuse(449, "futex_waitv", ENOSYS, "not used by Go"),
];
