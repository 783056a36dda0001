import type { Thread } from "./threads.js";

/** How a guest thread begins. */
export interface ThreadStart {
  /** Row of the thread table. */
  readonly slot: number;
  readonly gpr: BigUint64Array;
  readonly xmm: Uint8Array;
  readonly rip: number;
  readonly rflags: number;
  readonly fsBase: number;
  readonly mxcsr: number;
  /** Address that thread exit clears and wakes (CLONE_CHILD_CLEARTID), or 0. */
  readonly clearChildTid: number;
}

/** Makes threads look at what has come for them. */
export interface Scheduler {
  /** Sets the poll word of the thread in `slot` of the thread table (index 0 of `Cpu.pending`). */
  kick(slot: number): void;
  /** Has the thread in `slot` go on, on whichever Worker is the first to be free: its context is stored. */
  resume(slot: number): void;
}

/** What the personality asks of the machine that embeds it. All are called on the calling thread's Worker. */
export interface MachineHooks extends Scheduler {
  /** Most threads at once: clone answers EAGAIN beyond it. `resume` starts them. */
  readonly maxThreads: number;
  /**
   * Ends the process: the machine ends every Worker and the host process.
   * @param waitStatus as wait(2) gives it: exit code << 8, or the number of the signal that ended it.
   */
  exitProcess(waitStatus: number): void;
  /**
   * Stops the process as the signal does by default, and returns when it goes on; at once where the host cannot stop.
   * @param signo SIGSTOP, SIGTSTP, SIGTTIN or SIGTTOU
   */
  stopProcess(signo: number): void;
  /** The executable bytes in [start, start + length) were mapped, unmapped or changed protection. */
  codeChanged(start: number, length: number): void;
  /** The earliest timer deadline changed: the supervisor calls `runTimers` (see timers.ts). */
  timersChanged(): void;
  /** Prints one line for the user on the host's stderr. */
  report(line: string): void;
}

/** Clocks and entropy of the host. */
export interface HostClock {
  /** CLOCK_MONOTONIC in ns; the same time line in every Worker of the process. */
  monotonicNs(): number;
  /** CLOCK_REALTIME in ms since 1970, with whatever fraction the host has; follows steps of the host's clock. */
  realtimeMs(): number;
  /** CPU time used by the calling Worker in ns, or undefined where the host cannot tell. */
  threadCpuNs(): number | undefined;
  /** Names the calling Worker's thread for `cpuNsOf`; 0 where the host cannot tell. */
  hostThread(): number;
  /** CPU time used by a thread of the host process in ns, or undefined. */
  cpuNsOf(hostThread: number): number | undefined;
  /** CPU time used by the whole host process in ns: [user, system], or undefined. */
  processCpuNs(): readonly [user: number, system: number] | undefined;
  /** Fills `target`, which may be shared memory, with cryptographic random bytes. */
  random(target: Uint8Array): void;
}

/** How mmap reads files; the files layer implements it. */
export interface FileMapper {
  /**
   * Checks that `fd` can be mapped with this protection and these flags.
   * @returns 0 or a negated error number (EBADF, EACCES, ENODEV).
   */
  check(thread: Thread, fd: number, protection: number, flags: number): number;
  /** Reads at `offset` without moving the file offset; returns the bytes read, 0 at the end, or a negated errno. */
  read(thread: Thread, fd: number, offset: number, target: Uint8Array): number;
  /** Guest path for /proc/self/maps. */
  path(thread: Thread, fd: number): string;
}
