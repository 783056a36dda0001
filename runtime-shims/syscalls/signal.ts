import { readRegister, RSP } from "../cpu.js";
import { EAGAIN, EFAULT, EINTR, EINVAL, ENOMEM, EPERM, ERESTARTNOHAND, ESRCH } from "../errno.js";
import { header } from "../kernel-memory.js";
import { CONTEXT_REPLACED, ENDED, THREAD_ENDED } from "../outcome.js";
import { forceSegv } from "../signal-delivery.js";
import {
  altStackState,
  onAltStack,
  popFrame,
  resetAltStack,
  SS_AUTODISARM,
  SS_DISABLE,
  SS_ONSTACK,
  writeSignalInfo,
} from "../signal-frame.js";
import {
  action,
  actionOf,
  dequeue,
  discardEverywhere,
  isIgnored,
  sendToProcess,
  sendToThread,
  setMask,
  SI_TKILL,
  SI_USER,
  SIGKILL,
  type SignalInfo,
  SIGSTOP,
  UNBLOCKABLE_LO,
  userSignal,
} from "../signals.js";
import { row, slotOfTid, type Thread } from "../threads.js";
import { readTimespec } from "../timespec.js";
import { sleepUntil, TIMED_OUT } from "../wait-queue.js";
import { address, choice, int, size } from "./kinds.js";
import type { ArgKind, SyscallRow } from "./table.js";

const SIGSET_BYTES = 8;
const SIGACTION_BYTES = 32;
/** Flags that the kernel keeps; it drops all others, so that programs can find out which it knows. */
const KNOWN_FLAGS = 0x1 | 0x2 | 0x4 | 0x800 | 0x0400_0000 | 0x0800_0000 | 0x1000_0000 | 0x4000_0000 | 0x8000_0000;
const MINSIGSTKSZ = 2048;

const names = (
  "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG " +
  "XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split(" ");
const signal: ArgKind = {
  decode: "int",
  format: (value) =>
    names[value - 1] !== undefined ? `SIG${names[value - 1]}` : value > 31 ? `SIGRT_${value - 32}` : `${value}`,
};
const how = choice({ SIG_BLOCK: 0, SIG_UNBLOCK: 1, SIG_SETMASK: 2 });

const isSignal = (signo: number): boolean => signo >= 1 && signo <= 64;

const rtSigaction = (thread: Thread, signo: number, act: number, old: number, setBytes: number): number => {
  const { memory, kernel, signalLock } = thread.process;
  const { words } = kernel;
  if (setBytes !== SIGSET_BYTES) return -EINVAL;
  if (act !== 0 && !memory.readable(act, SIGACTION_BYTES)) return -EFAULT;
  if (!isSignal(signo) || (act !== 0 && (signo === SIGKILL || signo === SIGSTOP))) return -EINVAL;
  if (old !== 0 && !memory.writable(old, SIGACTION_BYTES)) return -EFAULT;
  const base = actionOf(signo);
  signalLock.hold(() => {
    const before = words.slice(base, base + 8);
    if (act !== 0) {
      for (let word = 0; word < 8; word++) words[base + word] = memory.getInt32(act + 4 * word);
      words[base + action.flags] &= KNOWN_FLAGS;
      words[base + action.flags + 1] = 0;
      words[base + action.maskLo] &= ~UNBLOCKABLE_LO;
      if (isIgnored(words, signo)) discardEverywhere(words, signo);
    }
    if (old !== 0) for (let word = 0; word < 8; word++) memory.setUint32(old + 4 * word, before[word]);
  });
  return 0;
};

const rtSigprocmask = (thread: Thread, operation: number, set: number, old: number, setBytes: number): number => {
  const { memory, kernel } = thread.process;
  if (setBytes !== SIGSET_BYTES) return -EINVAL;
  const lo = kernel.words[thread.row + row.maskLo];
  const hi = kernel.words[thread.row + row.maskHi];
  if (set !== 0) {
    if (!memory.readable(set, SIGSET_BYTES)) return -EFAULT;
    const setLo = memory.getInt32(set);
    const setHi = memory.getInt32(set + 4);
    if (operation === 0) setMask(thread, lo | setLo, hi | setHi);
    else if (operation === 1) setMask(thread, lo & ~setLo, hi & ~setHi);
    else if (operation === 2) setMask(thread, setLo, setHi);
    else return -EINVAL;
  }
  if (old === 0) return 0;
  if (!memory.writable(old, SIGSET_BYTES)) return -EFAULT;
  memory.setUint32(old, lo);
  memory.setUint32(old + 4, hi);
  return 0;
};

/** Sets the alternate stack while the thread's stack pointer is `sp`. */
const setAltStack = (thread: Thread, sp: number, base: number, stackFlags: number, bytes: number): number => {
  if (onAltStack(thread, sp)) return -EPERM;
  const mode = (stackFlags & ~SS_AUTODISARM) >>> 0;
  if (mode !== SS_DISABLE && mode !== SS_ONSTACK && mode !== 0) return -EINVAL;
  if (mode === SS_DISABLE) {
    resetAltStack(thread);
  } else {
    if (bytes < MINSIGSTKSZ) return -ENOMEM;
    thread.altStackBase = base;
    thread.altStackSize = bytes;
  }
  thread.altStackFlags = stackFlags;
  return 0;
};

const sigaltstack = (thread: Thread, stack: number, old: number): number => {
  const { memory } = thread.process;
  if (stack !== 0 && !memory.readable(stack, 24)) return -EFAULT;
  const sp = readRegister(thread.cpu, RSP);
  const before = {
    base: thread.altStackBase,
    flags: (altStackState(thread, sp) | (thread.altStackFlags & SS_AUTODISARM)) >>> 0,
    size: thread.altStackSize,
  };
  if (stack !== 0) {
    const wantedFlags = memory.getUint32(stack + 8);
    const result = setAltStack(thread, sp, memory.getUint64(stack), wantedFlags, memory.getUint64(stack + 16));
    if (result < 0) return result;
  }
  if (old === 0) return 0;
  if (!memory.writable(old, 24)) return -EFAULT;
  memory.setUint64(old, before.base);
  memory.setUint64(old + 8, before.flags);
  memory.setUint64(old + 16, before.size);
  return 0;
};

const rtSigreturn = (thread: Thread): number => {
  const frame = popFrame(thread);
  if (frame === undefined) return forceSegv(thread, 0) === ENDED ? THREAD_ENDED : CONTEXT_REPLACED;
  setMask(thread, frame.mask.lo, frame.mask.hi);
  // The kernel ignores a stack that sigaltstack would refuse.
  setAltStack(thread, readRegister(thread.cpu, RSP), frame.stackBase, frame.stackFlags, frame.stackSize);
  return CONTEXT_REPLACED;
};

const fromUser = (thread: Thread, signo: number, code: number): SignalInfo =>
  userSignal(signo, code, thread.process.pid, thread.process.kernel.words[header.uid]);

const kill = (thread: Thread, pid: number, signo: number): number => {
  const { process } = thread;
  if (signo < 0 || signo > 64) return -EINVAL;
  // The guest is alone: its process is its process group, and −1 reaches everyone but the caller.
  if (pid !== process.pid && pid !== 0 && pid !== -process.pid) return -ESRCH;
  return signo === 0 ? 0 : sendToProcess(process.kernel, fromUser(thread, signo, SI_USER), process.hooks);
};

const tgkill = (thread: Thread, tgid: number, tid: number, signo: number): number => {
  if (tgid <= 0) return -EINVAL;
  return sendDirected(thread, tgid, tid, signo, fromUser(thread, signo, SI_TKILL));
};

const sendDirected = (thread: Thread, tgid: number, tid: number, signo: number, info: SignalInfo): number => {
  const { process } = thread;
  if (tid <= 0 || signo < 0 || signo > 64) return -EINVAL;
  const slot = tgid === process.pid ? slotOfTid(process, tid) : -1;
  if (slot < 0) return -ESRCH;
  return signo === 0 ? 0 : sendToThread(process.kernel, slot, tid, info, process.hooks);
};

const readInfo = (thread: Thread, signo: number, at: number): SignalInfo | undefined => {
  const { memory } = thread.process;
  if (!memory.readable(at, 128)) return undefined;
  return {
    signo,
    code: memory.getInt32(at + 8),
    pid: memory.getInt32(at + 16),
    uid: memory.getInt32(at + 20),
    valueLo: memory.getInt32(at + 24),
    valueHi: memory.getInt32(at + 28),
    address: 0,
  };
};

/** A program may claim to be the kernel or kill(2) only towards itself. */
const isForged = (info: SignalInfo): boolean => info.code >= 0 || info.code === SI_TKILL;

const rtSigqueueinfo = (thread: Thread, pid: number, signo: number, at: number): number => {
  const { process } = thread;
  const info = readInfo(thread, signo, at);
  if (info === undefined) return -EFAULT;
  if (isForged(info) && pid !== process.pid) return -EPERM;
  if (signo < 0 || signo > 64) return -EINVAL;
  if (pid !== process.pid) return -ESRCH;
  return signo === 0 ? 0 : sendToProcess(process.kernel, info, thread.process.hooks);
};

const rtTgsigqueueinfo = (thread: Thread, tgid: number, tid: number, signo: number, at: number): number => {
  const info = readInfo(thread, signo, at);
  if (info === undefined) return -EFAULT;
  if (tgid <= 0 || tid <= 0) return -EINVAL;
  if (isForged(info) && tgid !== thread.process.pid) return -EPERM;
  return sendDirected(thread, tgid, tid, signo, info);
};

const rtSigpending = (thread: Thread, set: number, setBytes: number): number => {
  const { memory, kernel } = thread.process;
  const { words } = kernel;
  if (setBytes > SIGSET_BYTES) return -EINVAL;
  if (!memory.writable(set, setBytes)) return -EFAULT;
  const lo = (words[thread.row + row.pendingLo] | words[header.pendingLo]) & words[thread.row + row.maskLo];
  const hi = (words[thread.row + row.pendingHi] | words[header.pendingHi]) & words[thread.row + row.maskHi];
  memory.store(set, new Uint8Array(Int32Array.of(lo, hi).buffer, 0, setBytes));
  return 0;
};

/** Waits for a signal with `set` as the mask; the mask comes back once a handler has been entered or has returned. */
const rtSigsuspend = (thread: Thread, set: number, setBytes: number): number => {
  const { memory, kernel } = thread.process;
  if (setBytes !== SIGSET_BYTES) return -EINVAL;
  if (!memory.readable(set, SIGSET_BYTES)) return -EFAULT;
  thread.savedMask = { lo: kernel.words[thread.row + row.maskLo], hi: kernel.words[thread.row + row.maskHi] };
  setMask(thread, memory.getInt32(set), memory.getInt32(set + 4));
  sleepUntil(thread, Infinity);
  return -ERESTARTNOHAND;
};

const pause = (thread: Thread): number => {
  sleepUntil(thread, Infinity);
  return -ERESTARTNOHAND;
};

const rtSigtimedwait = (thread: Thread, set: number, info: number, timeout: number, setBytes: number): number => {
  const { memory, kernel, clock } = thread.process;
  const { words } = kernel;
  if (setBytes !== SIGSET_BYTES) return -EINVAL;
  if (!memory.readable(set, SIGSET_BYTES)) return -EFAULT;
  let deadline = Infinity;
  if (timeout !== 0) {
    const ns = readTimespec(thread, timeout);
    if (ns < 0) return ns;
    deadline = clock.monotonicNs() + ns;
  }
  const lo = memory.getInt32(set) & ~UNBLOCKABLE_LO;
  const hi = memory.getInt32(set + 4);
  let taken = dequeue(thread, ~lo, ~hi);
  if (taken === undefined) {
    const maskLo = words[thread.row + row.maskLo];
    const maskHi = words[thread.row + row.maskHi];
    setMask(thread, maskLo & ~lo, maskHi & ~hi);
    const end = sleepUntil(thread, deadline);
    setMask(thread, maskLo, maskHi);
    taken = dequeue(thread, ~lo, ~hi);
    if (taken === undefined) return end === TIMED_OUT ? -EAGAIN : -EINTR;
  }
  if (info !== 0) {
    if (!memory.writable(info, 128)) return -EFAULT;
    writeSignalInfo(thread, info, taken);
  }
  return taken.signo;
};

/** Signal system calls. */
export const signalCalls: readonly SyscallRow[] = [
  { nr: 13, name: "rt_sigaction", args: [signal, address, address, size], run: rtSigaction },
  { nr: 14, name: "rt_sigprocmask", args: [how, address, address, size], run: rtSigprocmask },
  { nr: 15, name: "rt_sigreturn", args: [], run: rtSigreturn },
  { nr: 34, name: "pause", args: [], run: pause },
  { nr: 62, name: "kill", args: [int, signal], run: kill },
  { nr: 127, name: "rt_sigpending", args: [address, size], run: rtSigpending },
  { nr: 128, name: "rt_sigtimedwait", args: [address, address, address, size], run: rtSigtimedwait },
  { nr: 129, name: "rt_sigqueueinfo", args: [int, signal, address], run: rtSigqueueinfo },
  { nr: 130, name: "rt_sigsuspend", args: [address, size], run: rtSigsuspend },
  { nr: 131, name: "sigaltstack", args: [address, address], run: sigaltstack },
  {
    nr: 200,
    name: "tkill",
    args: [int, signal],
    run: (thread, tid, signo) =>
      sendDirected(thread, thread.process.pid, tid, signo, fromUser(thread, signo, SI_TKILL)),
  },
  { nr: 219, name: "restart_syscall", args: [], run: () => -EINTR },
  { nr: 234, name: "tgkill", args: [int, int, signal], run: tgkill },
  { nr: 297, name: "rt_tgsigqueueinfo", args: [int, int, signal, address], run: rtTgsigqueueinfo },
];
