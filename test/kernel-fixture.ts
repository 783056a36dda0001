import { type Cpu, readRegister, writeRegister } from "../runtime-shims/cpu.js";
import { createProcess, type ExecOptions } from "../runtime-shims/exec.js";
import type { MachineHooks } from "../runtime-shims/hooks.js";
import { nodeClock } from "../runtime-shims/host/node-clock.js";
import { KernelMemory, MAX_THREADS } from "../runtime-shims/kernel-memory.js";
import { GUEST_BASE } from "../runtime-shims/guest-memory.js";
import { syscall } from "../runtime-shims/personality.js";
import { Process } from "../runtime-shims/process.js";
import { ARG_REGISTERS } from "../runtime-shims/syscalls/table.js";
import { syscallTable } from "../runtime-shims/syscalls/index.js";
import { storeStart, takeThread } from "../runtime-shims/thread-context.js";
import type { Thread } from "../runtime-shims/threads.js";

/** A processor that holds registers and runs nothing. */
export const fakeCpu = (): Cpu => {
  const registers = new SharedArrayBuffer(128);
  return {
    gpr: new BigUint64Array(registers),
    gpr32: new Uint32Array(registers),
    xmm: new Uint8Array(new SharedArrayBuffer(256)),
    rip: 0,
    rflags: 0x202,
    fsBase: 0,
    mxcsr: 0,
    pending: new Int32Array(new SharedArrayBuffer(4)),
  };
};

export const ENTRY = 0x401000;

export interface Guest {
  readonly kernel: KernelMemory;
  readonly buffer: SharedArrayBuffer;
  readonly process: Process;
  readonly thread: Thread;
  readonly log: {
    /** Slots of threads that were started, or woken without having a Worker. */
    resumed: number[];
    exits: number[];
    stops: number[];
    kicks: number[];
    code: [number, number][];
    lines: string[];
    /** What is to happen when a call has its result. */
    onReturn?: () => void;
  };
}

/** Hooks that note what they are asked. */
export const recordingHooks = (log: Guest["log"]): MachineHooks => ({
  maxThreads: MAX_THREADS,
  resume: (slot) => void log.resumed.push(slot),
  exitProcess: (status) => void log.exits.push(status),
  stopProcess: (signo) => void log.stops.push(signo),
  kick: (slot) => void log.kicks.push(slot),
  codeChanged: (start, length) => void log.code.push([start, length]),
  timersChanged: () => {},
  report: (line) => void log.lines.push(line),
});

/** Joins a process on this Worker. */
export const joinProcess = (kernel: KernelMemory, buffer: SharedArrayBuffer, log: Guest["log"]): Process =>
  new Process({
    kernel,
    guestBuffer: buffer,
    clock: nodeClock,
    hooks: recordingHooks(log),
    table: syscallTable,
    lendsWorkers: true,
    callReturned: () => log.onReturn?.(),
  });

/** A process with a 4 KiB program at 0x401000 and 16 KiB of bss at 0x500000, before its first instruction. */
export const newGuest = (memoryBytes = 256 << 20, options: Partial<ExecOptions> = {}): Guest => {
  const kernel = KernelMemory.create();
  const buffer = new SharedArrayBuffer(memoryBytes - GUEST_BASE);
  const start = createProcess(kernel, buffer, nodeClock, {
    image: {
      segments: [
        { vaddr: 0x400000, bytes: new Uint8Array(0x2000).fill(0x90), fileOffset: 0, memSize: 0x2000, flags: 5 },
        { vaddr: 0x500000, bytes: Uint8Array.of(1, 2, 3), fileOffset: 0x2000, memSize: 0x4000, flags: 6 },
      ],
      entry: ENTRY,
      programHeaders: 0x400040,
      programHeaderCount: 3,
    },
    argv: ["prog", "one", "two"],
    env: ["A=1", "BB=22"],
    path: "/bin/prog",
    pid: 1000,
    uid: 1000,
    gid: 1000,
    cpus: 2,
    openFiles: 1024,
    hwcap: 0x0789_0000,
    ...options,
  });
  const log: Guest["log"] = { resumed: [], exits: [], stops: [], kicks: [], code: [], lines: [] };
  const process = joinProcess(kernel, buffer, log);
  storeStart(kernel, start);
  const thread = takeThread(process, start.slot, fakeCpu());
  return { kernel, buffer, process, thread, log };
};

/** Loads the registers of a system call. */
export const setCall = (thread: Thread, nr: number, ...args: readonly number[]): void => {
  writeRegister(thread.cpu, 0, nr);
  ARG_REGISTERS.forEach((register, index) => writeRegister(thread.cpu, register, args[index] ?? 0));
};

/** RAX as a signed number. */
export const resultOf = (thread: Thread): number => Number(BigInt.asIntN(64, thread.cpu.gpr[0]));

/** Makes a system call as translated code does; returns RAX as a signed number. */
export const call = (thread: Thread, nr: number, ...args: readonly number[]): number => {
  setCall(thread, nr, ...args);
  syscall(thread);
  return resultOf(thread);
};

export const sp = (thread: Thread): number => readRegister(thread.cpu, 4);

export const NR = {
  mmap: 9,
  mprotect: 10,
  munmap: 11,
  brk: 12,
  rt_sigaction: 13,
  rt_sigprocmask: 14,
  rt_sigreturn: 15,
  mremap: 25,
  mincore: 27,
  madvise: 28,
  nanosleep: 35,
  getpid: 39,
  clone: 56,
  fork: 57,
  exit: 60,
  kill: 62,
  uname: 63,
  getrlimit: 97,
  rt_sigpending: 127,
  rt_sigsuspend: 130,
  sigaltstack: 131,
  prctl: 157,
  arch_prctl: 158,
  gettid: 186,
  time: 201,
  futex: 202,
  sched_getaffinity: 204,
  clock_gettime: 228,
  exit_group: 231,
  tgkill: 234,
  prlimit64: 302,
  getrandom: 318,
} as const;
