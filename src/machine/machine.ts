/**
 * The supervisor of one guest process: lays out its memory, creates Workers, and waits for its end. Runs no guest
 * code itself, so that it can always answer.
 */
import { CodeArena, type CodeFiles } from "../../jit/code-arena.js";
import { Records } from "../../jit/interpreter/records.js";
import { TranslationChannel } from "../../jit/channel.js";
import { Probes } from "../../jit/probes.js";
import type { CallingConvention } from "../../jit/code-source.js";
import { CPU_PAGES } from "../../jit/cpu-block.js";
import { executedInstructions, setPollWord } from "../../jit/cpu-state.js";
import type { HostClock, Scheduler } from "../../runtime-shims/hooks.js";
import { header, KernelMemory } from "../../runtime-shims/kernel-memory.js";
import { storeStart } from "../../runtime-shims/thread-context.js";
import { runTimers } from "../../runtime-shims/timers.js";
import { DebugControl } from "../debug/control.js";
import { EventRing } from "../trace/event-ring.js";
import type { TracePlan } from "../trace/recorder.js";
import type { GoMetadata } from "../go/metadata.js";
import { mapProgram, sharedMemory, type ProcessOptions } from "./map-program.js";
import type { MachineParts, WorkerInit, WorkerMessage } from "./parts.js";
import { allocateStats } from "./stats.js";
import { Sampler } from "./sampler.js";
import { ThreadPool } from "./thread-pool.js";

/** What differs between Node and a page. */
export interface SupervisorPlatform {
  readonly clock: HostClock;
  /** Most Workers that run guest threads, up to MAX_WORKERS. */
  readonly maxWorkers: number;
  /** Starts a Worker; `onMessage` gets what it says, `onBroken` a reason if it fails for another reason than `terminate`. */
  startWorker(
    init: WorkerInit,
    onMessage: (message: WorkerMessage) => void,
    onBroken: (what: string) => void,
  ): { terminate(): void };
  /** The engine's own module: see `buildEngine`. */
  readonly engine: WebAssembly.Module;
  /** Reads the files of the code cache. Absent where there is none. */
  readonly codeFiles?: CodeFiles;
  /** Stops the host's process as the signal does by default, and returns when it goes on. Absent where that cannot be. */
  stop?(signo: number): void;
  /** For the platform's side of each Worker; structured-cloneable. */
  readonly workerData: unknown;
}

export interface MachineOptions extends ProcessOptions {
  readonly go: GoMetadata | undefined;
  readonly strace: boolean;
  readonly stats: boolean;
  /**
   * How often a function or loop is interpreted before it is translated: a power of two up to 2^15, or 0: nothing is
   * interpreted, each thread waits for the translation of what it comes to.
   */
  readonly hot: number;
  /** Whether translated code counts the guest instructions that it comes to; what is interpreted is not counted. */
  readonly countsInstructions: boolean;
  /** Guest addresses of probes that are there from the start, without doubles: they get the numbers 0, 1, …. */
  readonly probes: readonly number[];
  /** What is recorded of the run, or null; `eventRings` has it. */
  readonly trace: TracePlan | null;
  /** Whether a debugger may hold threads: then all registers are right wherever one is held. */
  readonly debug: boolean;
}

/** How the process ended. */
export interface Ending {
  /** As wait(2) gives it: exit code << 8, or the number of the signal. */
  readonly waitStatus: number;
}

/** gojit itself failed; the message says how. */
export class MachineError extends Error {}

/** The main thread's, and those of threads that the Go runtime starts at once, and that its main thread soon waits for. */
const FIRST_WORKERS = 3;

/** Workers whose CPU block every Worker knows; it asks the supervisor to kick the threads of others. */
const KNOWN_WORKERS = 16;

/**
 * How long a thread queues before a Worker is created for it. Mostly another thread waits soon, and lends its own: when Go
 * starts a thread in the place of one that is in a system call, that one finds nothing to do when the call returns.
 */
const QUEUE_MS = 10;

/**
 * A run that begins with the code of another starts a translator when it has found as many things hot that the other did not
 * translate as this share of the regions known, or so many: a translator takes 0.3 s of a processor and 60 MB before it is of
 * any use. A run much like the other needs none; one that does other things soon comes to so many, and to more later for what
 * stays hot.
 */
const OFFERS_PER_REGION = 1 / 4;
const LEAST_OFFERS = 64;
/** From then on the next offer will do: what a run of that length takes for a translator does not matter to it. */
const LONG_RUN_MS = 10_000;

/**
 * A region is translated again, thoroughly, when it has been the answer so often: that takes some 10 ms of the
 * translator and several times as much of the engine's compilers.
 */
const ENOUGH_SAMPLES = 32;
/** So many beyond that, of all regions together, are worth a translator's start. */
const TRANSLATOR_SAMPLES = 256;

const cpuMemory = (): WebAssembly.Memory => sharedMemory(CPU_PAGES);

export class Machine implements Scheduler {
  readonly parts: MachineParts;
  readonly arena: CodeArena;
  readonly records: Records;
  readonly probes: Probes;
  /** Called when a Worker holds its thread for the debugger. */
  onHeld: ((worker: number) => void) | undefined;
  /** Of each Worker that was started, if the run is traced. */
  readonly eventRings: EventRing[] = [];
  readonly kernel: KernelMemory;
  private readonly platform: SupervisorPlatform;
  private readonly pool: ThreadPool;
  /** CPU block of each Worker that was started, and of those that all know. */
  private readonly cpuMemories: WebAssembly.Memory[];
  private readonly workers: { terminate(): void }[] = [];
  /** The main thread's row of the thread table. */
  private readonly firstSlot: number;
  private settle!: { resolve: (ending: Ending) => void; reject: (error: Error) => void };
  private readonly ending: Promise<Ending>;
  /**
   * Workers that wait for their start. To start takes a processor all its time: a few at once would all come late, and
   * it is often one thread that the others wait for.
   */
  private readonly toStart: number[] = [];
  private starting = 0;
  /** Most Workers that start at a time. */
  private readonly startsAtOnce: number;
  private patienceTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly sampler: Sampler;
  /** Answers of regions that had answered often enough. */
  private waitingSamples = 0;
  private readonly channel: TranslationChannel;
  private queueTimer: ReturnType<typeof setTimeout> | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private closed = false;

  constructor(options: MachineOptions, platform: SupervisorPlatform) {
    this.platform = platform;
    this.ending = new Promise((resolve, reject) => (this.settle = { resolve, reject }));
    const guestMemory = sharedMemory(options.memoryPages);
    this.kernel = KernelMemory.create();
    this.arena = new CodeArena(CodeArena.allocate(), platform.codeFiles);
    this.records = new Records(Records.allocate(options.hot || 1));
    this.probes = new Probes(Probes.allocate());
    for (const pc of options.probes) this.probes.set(pc);
    const pool = ThreadPool.allocate(platform.maxWorkers);
    this.pool = new ThreadPool(pool, this.kernel.words);
    this.cpuMemories = Array.from({ length: Math.min(KNOWN_WORKERS, platform.maxWorkers) }, cpuMemory);
    const { image } = options;
    const last = image.segments[image.segments.length - 1]!;
    this.parts = {
      guestMemory,
      cpuMemories: [...this.cpuMemories],
      engine: platform.engine,
      records: this.records.memory,
      interprets: options.hot !== 0,
      countsInstructions: options.countsInstructions,
      kernel: this.kernel.buffer,
      arena: this.arena.buffer,
      channel: TranslationChannel.allocate(),
      pool,
      probes: this.probes.buffer,
      convention: options.debug ? "none" : (options.go?.abi ?? "none"),
      piecesAddress: options.go?.piecesAddress ?? null,
      functions: options.go?.functions.data ?? null,
      programEnd: last.vaddr + last.memSize,
      strace: options.strace,
      stats: options.stats ? allocateStats() : null,
      trace: options.trace,
      debug: options.debug ? DebugControl.allocate() : null,
      lendsWorkers: !options.trace && !options.debug,
      platform: platform.workerData,
    };
    this.channel = new TranslationChannel(this.parts.channel);
    this.sampler = new Sampler(this.cpuMemories, (entry, times) => this.sampled(entry, times));
    const first = mapProgram(this.kernel, guestMemory, platform.clock, options);
    storeStart(this.kernel, first);
    this.firstSlot = first.slot;
    this.startsAtOnce = Math.max(1, options.cpus - 1);
    // They take tens of milliseconds to start, and then wait for threads: see `run`.
    for (let i = 0; i < FIRST_WORKERS; i++) this.addWorker();
  }

  /**
   * Starts the program and waits for its end. Call it once. `loadCode` may fill the arena and the records with code of
   * an earlier run.
   */
  async run(loadCode?: () => Promise<void>): Promise<Ending> {
    await loadCode?.();
    const known = this.arena.functions;
    const { channel } = this;
    if (known > 0 || this.records.count > 0) {
      channel.startAfter(Math.max(LEAST_OFFERS, Math.floor(known * OFFERS_PER_REGION)));
      this.patienceTimer = setTimeout(() => channel.startAfter(0), LONG_RUN_MS);
    } else if (!this.parts.interprets && channel.claimStart()) this.startTranslator();
    // Without the interpreter's profile no translation is better than the first.
    if (this.parts.interprets) this.sampler.start();
    this.resume(this.firstSlot);
    return this.ending;
  }

  /** Calling convention that translation relies on. */
  get convention(): CallingConvention {
    return this.parts.convention;
  }

  /** Guest instructions that all threads have come to, if they are counted. */
  get executedInstructions(): number {
    return this.cpuMemories.reduce((sum, memory) => sum + executedInstructions(memory), 0);
  }

  /** Ends the process from outside. */
  abandon(waitStatus: number): void {
    this.settle.resolve({ waitStatus });
  }

  /** Makes the thread in `slot` of the thread table look at its signals. */
  kick(slot: number): void {
    const worker = this.pool.workerOf(slot);
    if (worker < 0) return;
    const memory = this.cpuMemories[worker];
    // A Worker that has not been started looks at its signals when it begins.
    if (memory) setPollWord(memory);
  }

  /** Has the thread in `slot` of the thread table go on on some Worker: see `Scheduler`. */
  resume(slot: number): void {
    if (!this.pool.enqueue(slot)) this.watchQueue();
  }

  /** Sets and clears probes at guest addresses while the program runs. */
  changeProbes({ set = [], clear = [] }: { set?: readonly number[]; clear?: readonly number[] }): void {
    for (const pc of set) this.probes.set(pc);
    for (const pc of clear) this.probes.clear(pc);
    for (const pc of [...set, ...clear]) this.codeChanged(pc, 1);
    // Each thread goes on in the code that it is in until it comes to its dispatcher.
    this.kickAll();
  }
  /** Forgets what was made of guest code that is no longer the same. */
  codeChanged(start: number, length: number): void {
    this.arena.invalidate(start, length);
    this.records.invalidate(start, length);
  }
  /** Sets a probe at every instruction, or only where there is one of its own. */
  probeEverything(on: boolean): void {
    if (this.probes.everywhere === on) return;
    this.probes.everywhere = on;
    this.codeChanged(0, 2 ** 32);
    this.kickAll();
  }
  /** Makes all threads come to their dispatchers. */
  kickAll(): void {
    for (const memory of this.cpuMemories) if (memory) setPollWord(memory);
  }
  /** CPU block of a Worker that was started. */
  cpuMemory(worker: number): WebAssembly.Memory {
    return this.cpuMemories[worker]!;
  }

  /** Ends every Worker, and starts none any more. */
  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    clearTimeout(this.queueTimer);
    clearTimeout(this.patienceTimer);
    this.sampler.stop();
    for (const worker of this.workers) worker.terminate();
    this.workers.length = 0;
  }

  /** A region was the answer to a question of the sampler so many times. */
  private sampled(entry: number, times: number): void {
    const { channel } = this;
    // Again and again: it may have been forgotten.
    if (times % ENOUGH_SAMPLES === 0) channel.improve(entry);
    if (times <= ENOUGH_SAMPLES || ++this.waitingSamples !== TRANSLATOR_SAMPLES) return;
    channel.startAfter(0);
    if (channel.claimStart()) this.startTranslator();
  }

  private startTranslator(): void {
    this.start({ kind: "translator", parts: this.parts });
  }
  private startWaiting(): void {
    while (this.starting < this.startsAtOnce && this.toStart.length > 0) {
      this.starting++;
      const worker = this.toStart.shift()!;
      try {
        const memory = (this.cpuMemories[worker] ??= cpuMemory());
        const events = this.parts.trace && EventRing.allocate();
        if (events) this.eventRings.push(new EventRing(events));
        this.start({ kind: "guest", parts: this.parts, worker, cpuMemory: memory, events });
      } catch (error) {
        this.settle.reject(error as Error);
      }
    }
  }
  private addWorker(): void {
    const worker = this.pool.addWorker();
    if (worker < 0) return;
    this.toStart.push(worker);
    this.startWaiting();
  }
  /** Starts Workers for threads that queue for long: one at a time, as others may become free before it has started. */
  private watchQueue(): void {
    this.queueTimer ??= setTimeout(
      () => {
        this.queueTimer = undefined;
        if (this.pool.runnable === 0) return;
        if (this.starting + this.toStart.length < this.pool.runnable) this.addWorker();
        this.watchQueue();
      },
      this.parts.lendsWorkers ? QUEUE_MS : 0,
    );
  }
  private start(init: WorkerInit): void {
    this.workers.push(
      this.platform.startWorker(
        init,
        (message) => this.receive(message),
        (what) => this.settle.reject(new MachineError(what)),
      ),
    );
  }
  /** Fires the guest's due timers, and comes again when the next one is. */
  private armTimers(): void {
    clearTimeout(this.timer);
    const waitNs = runTimers(this.kernel, this.platform.clock, this);
    if (waitNs !== Infinity) this.timer = setTimeout(() => this.armTimers(), Math.max(1, Math.ceil(waitNs / 1e6)));
  }
  private receive(message: WorkerMessage): void {
    // Another Worker would be started, which nobody ends.
    if (this.closed) return;
    switch (message.type) {
      case "exit":
        this.settle.resolve({ waitStatus: message.waitStatus });
        break;
      case "ready":
        this.starting--;
        this.startWaiting();
        break;
      case "queued":
        this.watchQueue();
        break;
      case "kick":
        this.kick(message.slot);
        break;
      case "translator":
        this.startTranslator();
        break;
      case "timers":
        this.armTimers();
        break;
      case "held":
        this.onHeld?.(message.worker);
        break;
      case "stop":
        this.platform.stop?.(message.signo);
        Atomics.add(this.kernel.words, header.stops, 1);
        Atomics.notify(this.kernel.words, header.stops);
        break;
      case "broken":
        this.settle.reject(new MachineError(message.what));
        break;
    }
  }
}
