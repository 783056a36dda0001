import type { Files } from "./files.js";
import type { FileMapper, HostClock, MachineHooks } from "./hooks.js";
import { GuestMemory } from "./guest-memory.js";
import { header, headerTimes, type KernelMemory, locks, MAX_THREADS } from "./kernel-memory.js";
import { Lock } from "./lock.js";
import { PageMap } from "./page-map.js";
import type { SyscallTable } from "./syscalls/table.js";
import { flushMappings } from "./shared-mappings.js";
import { unpark } from "./wait-queue.js";
import { attention, rowOf, row, threadState } from "./threads.js";

/** What a Worker brings along to join the guest process. */
export interface ProcessParts {
  readonly kernel: KernelMemory;
  /** Buffer of the shared guest memory. */
  readonly guestBuffer: SharedArrayBuffer;
  readonly clock: HostClock;
  readonly hooks: MachineHooks;
  readonly table: SyscallTable;
  /** Set with --strace: takes one finished line without a newline. */
  readonly strace?: (line: string) => void;
  /** Set if calls are traced: RAX has the result of a call, and signals come after it. */
  readonly callReturned?: () => void;
  /** Set under a debugger: asked before a pending signal is delivered to this Worker's thread; false: the signal is dropped. */
  readonly takesSignal?: (signo: number) => boolean;
  /** Whether a thread that waits for a futex may leave its Worker to another thread. */
  readonly lendsWorkers: boolean;
}

/** The guest process as one Worker sees it: every Worker builds its own over the same shared memories. */
export class Process {
  readonly kernel: KernelMemory;
  readonly memory: GuestMemory;
  readonly pages: PageMap;
  readonly clock: HostClock;
  readonly hooks: MachineHooks;
  readonly table: SyscallTable;
  readonly strace: ((line: string) => void) | undefined;
  readonly callReturned: (() => void) | undefined;
  readonly takesSignal: ((signo: number) => boolean) | undefined;
  readonly lendsWorkers: boolean;
  readonly memoryLock: Lock;
  readonly signalLock: Lock;
  readonly pid: number;
  /** How mmap reads files; set by the files layer. */
  fileMapper: FileMapper | undefined = undefined;
  /** Descriptors and the tree of names; set by the files layer. */
  files: Files | undefined = undefined;

  constructor(parts: ProcessParts) {
    this.kernel = parts.kernel;
    this.pages = new PageMap(parts.kernel);
    this.memory = new GuestMemory(parts.guestBuffer, this.pages);
    this.clock = parts.clock;
    this.hooks = parts.hooks;
    this.table = parts.table;
    this.strace = parts.strace;
    this.callReturned = parts.callReturned;
    this.takesSignal = parts.takesSignal;
    this.lendsWorkers = parts.lendsWorkers;
    this.memoryLock = new Lock(parts.kernel.words, locks.memory);
    this.signalLock = new Lock(parts.kernel.words, locks.signals);
    this.pid = parts.kernel.words[header.pid];
  }

  /** Ends the process with a wait status (see MachineHooks.exitProcess); only the first call counts. */
  exit(waitStatus: number): void {
    const words = this.kernel.words;
    if (Atomics.compareExchange(words, header.exitStatus, 0, waitStatus + 1) !== 0) return;
    for (let slot = 0; slot < MAX_THREADS; slot++) {
      const base = rowOf(slot);
      if (Atomics.load(words, base + row.state) === threadState.free) continue;
      Atomics.or(words, base + row.attention, attention.exit);
      // One without a Worker has nothing to look at any more.
      if (!unpark(words, slot)) this.hooks.kick(slot);
    }
    flushMappings(this);
    this.hooks.exitProcess(waitStatus);
  }

  /** CLOCK_MONOTONIC when the process started, in ns. */
  get startMonotonicNs(): number {
    return this.kernel.doubles[headerTimes.startMonotonicNs];
  }

  /** The wait status once the process has ended, else undefined. */
  get waitStatus(): number | undefined {
    const status = Atomics.load(this.kernel.words, header.exitStatus);
    return status === 0 ? undefined : status - 1;
  }
}
