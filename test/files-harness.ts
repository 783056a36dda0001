import type { Cpu } from "../runtime-shims/cpu.js";
import { RAX, writeRegister } from "../runtime-shims/cpu.js";
import { attachFiles, type Files, type FilesParts } from "../runtime-shims/files.js";
import { GUEST_BASE } from "../runtime-shims/guest-memory.js";
import type { HostClock, MachineHooks } from "../runtime-shims/hooks.js";
import { header, KernelMemory } from "../runtime-shims/kernel-memory.js";
import { MAPPED, READ, WRITE } from "../runtime-shims/page-map.js";
import { syscall } from "../runtime-shims/personality.js";
import { Process } from "../runtime-shims/process.js";
import { initSignals } from "../runtime-shims/signals.js";
import { filesCalls } from "../runtime-shims/syscalls/files.js";
import { ARG_REGISTERS, buildTable, type SyscallRow } from "../runtime-shims/syscalls/table.js";
import { reserveSlot, row, rowOf, Thread, threadState } from "../runtime-shims/threads.js";

const GUEST_BYTES = 4 << 20;

class FakeCpu implements Cpu {
  readonly gpr = new BigUint64Array(16);
  readonly gpr32 = new Uint32Array(this.gpr.buffer);
  readonly xmm = new Uint8Array(256);
  rip = 0;
  rflags = 0x202;
  fsBase = 0;
  mxcsr = 0;
  readonly pending = new Int32Array(1);
}

const clock: HostClock = {
  monotonicNs: () => performance.timeOrigin * 1e6 + performance.now() * 1e6,
  realtimeMs: () => performance.timeOrigin + performance.now(),
  threadCpuNs: () => undefined,
  hostThread: () => 0,
  cpuNsOf: () => undefined,
  processCpuNs: () => undefined,
  random: (target) => {
    const bytes = crypto.getRandomValues(new Uint8Array(target.length));
    target.set(bytes);
  },
};

/** Memories that several FakeGuests (one for each Worker) share. */
export interface SharedMemories {
  readonly kernel: SharedArrayBuffer;
  readonly guest: SharedArrayBuffer;
}

export const newMemories = (): SharedMemories => {
  const kernel = KernelMemory.create();
  kernel.words[header.pid] = 1000;
  kernel.words[header.nextTid] = 1000;
  kernel.words[header.cpus] = 2;
  kernel.words[header.umask] = 0o022;
  initSignals(kernel);
  return { kernel: kernel.buffer, guest: new SharedArrayBuffer(GUEST_BYTES) };
};

/** A guest thread without a translator: system calls are made by name, on a real personality. */
export class FakeGuest {
  readonly process: Process;
  readonly thread: Thread;
  readonly files: Files;
  readonly reports: string[] = [];
  readonly #rows = new Map<string, SyscallRow>();
  readonly #cpu = new FakeCpu();
  #free: number;

  constructor(memories: SharedMemories, parts: FilesParts, tid = 1000) {
    const hooks: MachineHooks = {
      maxThreads: 0,
      resume: () => {},
      exitProcess: () => {},
      stopProcess: () => {},
      kick: () => {},
      codeChanged: () => {},
      timersChanged: () => {},
      report: (line) => this.reports.push(line),
    };
    const kernel = new KernelMemory(memories.kernel);
    const table = buildTable(filesCalls);
    for (const entry of table) if (entry !== undefined) this.#rows.set(entry.name, entry);
    this.process = new Process({ kernel, guestBuffer: memories.guest, clock, hooks, table, lendsWorkers: false });
    this.process.pages.set(GUEST_BASE >>> 12, (GUEST_BASE + GUEST_BYTES) >>> 12, MAPPED | READ | WRITE);
    const slot = reserveSlot(this.process, tid);
    this.thread = new Thread(this.process, this.#cpu, slot, tid);
    Atomics.store(kernel.words, rowOf(slot) + row.state, threadState.running);
    this.files = attachFiles(this.process, parts);
    // Every thread has a heap of its own.
    this.#free = GUEST_BASE + 0x1000 + slot * 0x10_0000;
  }

  /** Makes a system call. Strings are stored as NUL-terminated bytes, arrays as bytes. Returns the result, −errno on failure. */
  call(name: string, ...args: readonly (number | string | Uint8Array)[]): number {
    const entry = this.#rows.get(name);
    if (entry === undefined) throw new Error(`no system call ${name}`);
    const mark = this.#free;
    args.forEach((arg, index) => {
      const value =
        typeof arg === "number" ? arg : this.put(typeof arg === "string" ? new TextEncoder().encode(`${arg}\0`) : arg);
      writeRegister(this.#cpu, ARG_REGISTERS[index], value);
    });
    for (let index = args.length; index < 6; index++) writeRegister(this.#cpu, ARG_REGISTERS[index], 0);
    writeRegister(this.#cpu, RAX, entry.nr);
    syscall(this.thread);
    this.#free = mark;
    return Number(BigInt.asIntN(64, this.#cpu.gpr[RAX]));
  }

  /** Room for `bytes` bytes of guest memory. */
  allocate(bytes: number): number {
    const at = this.#free;
    this.#free += (bytes + 15) & ~15;
    return at;
  }

  put(bytes: Uint8Array): number {
    const at = this.allocate(bytes.length);
    this.process.memory.store(at, bytes);
    return at;
  }

  text(address: number, length: number): string {
    return new TextDecoder().decode(this.process.memory.load(address, length));
  }
}
