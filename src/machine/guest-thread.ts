/** A Worker that runs guest threads, one after another. */
import { CodeArena, type CodeFiles } from "../../jit/code-arena.js";
import { CpuState, setPollWord } from "../../jit/cpu-state.js";
import {
  CONTINUE,
  ENDED,
  Executor,
  REPLACED,
  type CompileRegions,
  type ExecutionHooks,
  type GuestFault,
} from "../../jit/executor.js";
import { memoryDisplacement } from "../../jit/fault-address.js";
import type { RecordDecoder } from "../../jit/interpreter/record-decoder.js";
import { Records } from "../../jit/interpreter/records.js";
import { TranslationChannel } from "../../jit/channel.js";
import type { HostClock, MachineHooks } from "../../runtime-shims/hooks.js";
import { GUEST_BASE } from "../../runtime-shims/guest-memory.js";
import { header, KernelMemory } from "../../runtime-shims/kernel-memory.js";
import { deliverPending, syscall } from "../../runtime-shims/personality.js";
import { fault, type Fault } from "../../runtime-shims/signal-delivery.js";
import { Process } from "../../runtime-shims/process.js";
import { SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP } from "../../runtime-shims/signals.js";
import { syscallTable } from "../../runtime-shims/syscalls/index.js";
import { NUMBER_REGISTER } from "../../runtime-shims/syscalls/table.js";
import { takeThread } from "../../runtime-shims/thread-context.js";
import type { Thread } from "../../runtime-shims/threads.js";
import { ThreadControl } from "../debug/thread-control.js";
import { Recorder } from "../trace/recorder.js";
import { FunctionTable } from "../go/function-table.js";
import type { GuestInit, MachineParts, WorkerMessage } from "./parts.js";
import { ProgramCode } from "./program-code.js";
import { ThreadStats } from "./stats.js";
import { ThreadPool } from "./thread-pool.js";

/** The platform's side of a Worker. */
export interface WorkerPlatform {
  readonly clock: HostClock;
  /** Milliseconds, for counters. */
  now(): number;
  post(message: WorkerMessage): void;
  /** One line on the host's stderr. */
  report(line: string): void;
  /** One line of --strace output. */
  strace(line: string): void;
  /** Gives the process its files. */
  attachFiles(process: Process): void;
  readonly compileRegions: CompileRegions;
  /** Reads the files of the code cache. Absent where there is none. */
  readonly codeFiles?: CodeFiles;
  /** Loads what decodes instructions, if it is not there yet: a run whose code is all known does without. */
  loadDecoder(): typeof RecordDecoder;
}

// si_code values, include/uapi/asm-generic/siginfo.h.
const SEGV_MAPERR = 1;
const SI_KERNEL = 0x80;
const FPE_INTDIV = 1;
const ILL_ILLOPN = 2;
const BUS_ADRALN = 1;

/** Runs the threads that the pool assigns to this Worker, for ever. */
export function serveGuestThreads(init: GuestInit, platform: WorkerPlatform): never {
  const { parts, worker, cpuMemory, events } = init;
  const guestBuffer = parts.guestMemory.buffer as SharedArrayBuffer;
  const cpu = new CpuState(cpuMemory.buffer as SharedArrayBuffer);
  const arena = new CodeArena(parts.arena, platform.codeFiles);
  const kernel = new KernelMemory(parts.kernel);
  const pool = new ThreadPool(parts.pool, kernel.words);
  const recorder =
    parts.trace &&
    events &&
    new Recorder(parts.trace, events, { guestMemory: parts.guestMemory, cpuMemory }, platform.clock.monotonicNs);
  const process = new Process({
    kernel,
    guestBuffer,
    clock: platform.clock,
    hooks: machineHooks(parts, kernel, pool, arena, platform),
    table: syscallTable,
    lendsWorkers: parts.lendsWorkers,
    ...(parts.strace ? { strace: (line: string) => platform.strace(line) } : {}),
    ...(recorder || parts.debug
      ? {
          callReturned: () => {
            recorder?.callReturned();
            control?.callReturned();
          },
        }
      : {}),
    ...(parts.debug ? { takesSignal: (signo: number) => control!.takesPending(signo) } : {}),
  });
  platform.attachFiles(process);
  const functions = parts.functions ? new FunctionTable(parts.functions) : null;
  const stats = parts.stats && new ThreadStats(parts.stats, () => platform.now());
  let thread!: Thread;
  let systemCall = () => syscall(thread);
  let resumeCall = systemCall;
  if (stats) {
    const call = systemCall;
    systemCall = () => stats.call(cpu.gpr32[2 * NUMBER_REGISTER]!, call);
    resumeCall = () => stats.resume(call);
  }
  if (recorder) {
    const call = systemCall;
    systemCall = () => {
      recorder.callBegins();
      return call();
    };
  }
  const control =
    parts.debug &&
    new ThreadControl(parts.debug, worker, cpu, process.memory.bytes, () => platform.post({ type: "held", worker }));
  if (control) {
    const call = systemCall;
    systemCall = () => control.systemCall(cpu.gpr32[2 * NUMBER_REGISTER]!, call);
  }
  const hooks: ExecutionHooks = {
    syscall: systemCall,
    probe(number) {
      if (recorder && number < parts.trace!.probes) recorder.probe(number);
      return control ? control.probe(number) : CONTINUE;
    },
    poll: control ? () => control.poll(() => deliverPending(thread)) : () => deliverPending(thread),
    fault(what) {
      const signal = describeFault(thread, what, platform);
      return control && !control.takesSignal(signal.signal) ? REPLACED : fault(thread, signal);
    },
    timeStamp: platform.clock.monotonicNs,
    startTranslator: () => platform.post({ type: "translator" }),
    loadDecoder: (memory, shapes, isTranslated) =>
      new (platform.loadDecoder())(memory, shapes, new ProgramCode(process.memory, functions, parts), isTranslated),
  };
  let executor: Executor | undefined;
  platform.post({ type: "ready" });
  for (;;) {
    const slot = pool.next(worker);
    executor ??= new Executor({
      guestMemory: parts.guestMemory,
      cpuMemory,
      cpu,
      arena,
      channel: new TranslationChannel(parts.channel),
      engine: parts.engine,
      records: parts.records,
      interprets: parts.interprets,
      hooks,
      compile: platform.compileRegions,
      ...(recorder && !control ? { probe: recorder.probe } : {}),
      counters: stats?.counters ?? null,
      now: () => platform.now(),
      isFunction: (pc) => {
        const index = functions ? functions.find(pc) : -1;
        return index >= 0 && functions!.start[index] === pc;
      },
    });
    thread = takeThread(process, slot, cpu);
    stats?.begin();
    recorder?.beginThread(thread.tid);
    control?.beginThread(thread);
    if (!thread.away || resumeCall() !== ENDED) executor.run();
    control?.endThread();
    recorder?.endThread();
    stats?.end();
    pool.release(worker);
  }
}

function machineHooks(
  { cpuMemories, records }: MachineParts,
  { words }: KernelMemory,
  pool: ThreadPool,
  arena: CodeArena,
  platform: WorkerPlatform,
): MachineHooks {
  return {
    maxThreads: pool.limit,
    resume(slot) {
      if (!pool.enqueue(slot)) platform.post({ type: "queued" });
    },
    exitProcess: (waitStatus) => platform.post({ type: "exit", waitStatus }),
    stopProcess(signo) {
      const stops = Atomics.load(words, header.stops);
      platform.post({ type: "stop", signo });
      Atomics.wait(words, header.stops, stops);
    },
    kick(slot) {
      const worker = pool.workerOf(slot);
      if (worker < 0) return;
      const cpuMemory = cpuMemories[worker];
      if (cpuMemory) setPollWord(cpuMemory);
      else platform.post({ type: "kick", slot });
    },
    codeChanged(start, length) {
      arena.invalidate(start, length);
      new Records(records).invalidate(start, length);
    },
    timersChanged: () => platform.post({ type: "timers" }),
    report: (line) => platform.report(line),
  };
}

/** The signal that a processor exception becomes. */
function describeFault(thread: Thread, what: GuestFault, platform: WorkerPlatform): Fault {
  const address = what.address >= 0 ? what.address : nilAddress(thread);
  switch (what.kind) {
    case "page":
      return { signal: SIGSEGV, code: SEGV_MAPERR, address };
    case "protection":
      return { signal: SIGSEGV, code: SI_KERNEL, address };
    case "divide":
      return { signal: SIGFPE, code: FPE_INTDIV, address };
    case "breakpoint":
      return { signal: SIGTRAP, code: SI_KERNEL, address };
    case "unimplemented":
      platform.report(
        `gojit: the instruction at 0x${address.toString(16)} (bytes ${codeBytes(thread, address)}) is not implemented`,
      );
      return { signal: SIGILL, code: ILL_ILLOPN, address };
    case "unaligned":
      platform.report(`gojit: atomic access to unaligned memory at 0x${address.toString(16)} is not implemented`);
      return { signal: SIGBUS, code: BUS_ADRALN, address: 0 };
    case "illegal":
      return { signal: SIGILL, code: ILL_ILLOPN, address };
  }
}

/** The longest instruction. */
const INSTRUCTION_BYTES = 15;

const codeAt = (thread: Thread, address: number): Uint8Array => {
  const at = address - GUEST_BASE;
  return thread.process.memory.bytes.slice(at, at + INSTRUCTION_BYTES);
};
const codeBytes = (thread: Thread, address: number): string =>
  Array.from(codeAt(thread, address), (byte) => byte.toString(16).padStart(2, "0")).join(" ");

/** Where the instruction at RIP has accessed memory, if its base register was 0. */
const nilAddress = (thread: Thread): number => {
  const displacement = memoryDisplacement(codeAt(thread, thread.cpu.rip));
  return displacement >= 0 && displacement < GUEST_BASE ? displacement : 0;
};
