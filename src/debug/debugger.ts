/**
 * A debugger of one machine, on the supervisor: stops and resumes its threads, keeps breakpoints and watchpoints, and
 * reads and writes registers and memory. Knows nothing of Go.
 *
 * All threads stop together. A thread that is blocked in a system call counts as stopped; it is held when it comes back.
 */
import { CpuState } from "../../jit/cpu-state.js";
import { GuestMemory } from "../../runtime-shims/guest-memory.js";
import { EXEC, PageMap } from "../../runtime-shims/page-map.js";
import { raiseProcessSignal, SI_USER } from "../../runtime-shims/signals.js";
import { row as threadRow, rowOf } from "../../runtime-shims/threads.js";
import type { Machine } from "../machine/machine.js";
import { MAX_WORKERS } from "../machine/thread-pool.js";
import {
  ACTIVITY,
  DebugControl,
  MAX_WATCHES,
  ONE_INSTRUCTION,
  ORDER,
  REASON,
  type Order,
  type StepRange,
  type WatchedPlace,
} from "./control.js";

/** Why the program has stopped. */
export interface Stop {
  readonly reason: "entry" | "paused" | "breakpoint" | "step" | "watchpoint" | "signal";
  /** The Linux thread id of the thread that is the reason. */
  readonly thread: number;
  /** At a `watchpoint`: what has changed. */
  readonly watched?: WatchedPlace;
  /** At a `signal`: its number. The signal has not been delivered yet. */
  readonly signal?: number;
}

/** A thread of a program that is being debugged. */
export interface DebugThread {
  readonly tid: number;
  readonly worker: number;
  /** True if it is blocked in a system call. */
  readonly inCall: boolean;
}

/** What a breakpoint does when a thread comes to it: lets it go on, or stops the program for that reason. */
export type BreakpointVerdict = "breakpoint" | "step" | "go";
export type BreakpointAction = (thread: DebugThread) => BreakpointVerdict | Promise<BreakpointVerdict>;

/** What a hook of a system call does; a number is the result, and the call is not made. */
export interface CallHook {
  begins?(thread: DebugThread): number | undefined | Promise<number | undefined>;
  returned?(thread: DebugThread): void | Promise<void>;
}

interface Pending {
  readonly worker: number;
  readonly stop: Stop;
}

/** How a held thread is to go on; without a range until something stops it. */
interface Going {
  readonly range?: StepRange;
}

/** How long a thread in a system call may take to come out or to wait before it counts as blocked. */
const SETTLE_MS = 20;

export class Debugger {
  readonly memory: GuestMemory;
  readonly machine: Machine;
  private readonly control: DebugControl;
  private readonly actions = new Map<number, Set<BreakpointAction>>();
  private readonly callHooks = new Map<number, Set<CallHook>>();
  private watches: WatchedPlace[] = [];
  private state: "running" | "stopping" | "stopped" | "ended" = "running";
  /** Threads that have something to tell, which are held until they have. */
  private pending: Pending[] = [];
  /** How each Worker was last told to go on. */
  private readonly going = new Map<number, Going>();
  private waiters: ((stop: Stop | null) => void)[] = [];
  /** Stops that nobody has waited for. */
  private unheard: Stop | undefined;
  private lastStop: Stop | undefined;
  /** Called if an action or a hook throws. */
  private readonly onError: (error: unknown) => void;
  /** When the first thread is held. */
  readonly started: Promise<void>;
  private begin!: () => void;

  /** @param machine made with `debug`; its first thread is held before its first instruction */
  constructor(machine: Machine, onError: (error: unknown) => void) {
    this.machine = machine;
    this.onError = onError;
    this.control = new DebugControl(machine.parts.debug!);
    this.memory = new GuestMemory(machine.parts.guestMemory.buffer as SharedArrayBuffer, new PageMap(machine.kernel));
    this.control.stopping = true;
    this.state = "stopping";
    this.started = new Promise((resolve) => (this.begin = resolve));
    machine.onHeld = (worker) => void this.held(worker).catch(this.onError);
  }

  // --- what is there ---

  get isStopped(): boolean {
    return this.state === "stopped";
  }
  /** Why the program stands still; undefined while it runs. */
  get stopped(): Stop | undefined {
    return this.state === "stopped" ? this.lastStop : undefined;
  }

  threads(): DebugThread[] {
    const threads: DebugThread[] = [];
    for (let worker = 0; worker < MAX_WORKERS; worker++) {
      const { activity, tid } = this.control.row(worker);
      if (activity !== ACTIVITY.idle) threads.push({ tid, worker, inCall: activity === ACTIVITY.inCall });
    }
    return threads;
  }
  thread(tid: number): DebugThread | undefined {
    return this.threads().find((thread) => thread.tid === tid);
  }
  /** A thread's registers, as they are: only while it is held may they be changed. */
  registers({ worker }: DebugThread): CpuState {
    return new CpuState(this.machine.cpuMemory(worker).buffer as SharedArrayBuffer);
  }
  /** A copy of guest memory, up to the first byte that is not mapped or that the guest may not read. */
  read(address: number, length: number): Uint8Array {
    const { memory } = this;
    let available = length;
    if (!memory.readable(address, length)) {
      available = 0;
      while (available < length && memory.readable(address + available, 1)) available++;
    }
    return memory.slice(address, available).slice();
  }
  /** Changes mapped guest memory, read-only memory and code as well. False if part of it is not mapped. */
  write(address: number, bytes: Uint8Array): boolean {
    if (!this.memory.readable(address, bytes.length)) return false;
    this.memory.slice(address, bytes.length).set(bytes);
    if (this.memory.pages.allowedPrefix(address, bytes.length, EXEC) > 0)
      this.machine.codeChanged(address, bytes.length);
    return true;
  }

  // --- breakpoints, watchpoints, hooks ---

  /** Has `action` called before the instruction at `address` runs. Returns what takes it away again. */
  setBreakpoint(address: number, action: BreakpointAction): () => void {
    let actions = this.actions.get(address);
    if (!actions) {
      this.actions.set(address, (actions = new Set()));
      this.machine.changeProbes({ set: [address] });
      this.control.markBreakpoint(this.machine.probes.at(address), true);
    }
    // Each call has an entry of its own.
    const own: BreakpointAction = (thread) => action(thread);
    actions.add(own);
    return () => {
      actions.delete(own);
      if (actions.size > 0 || this.actions.get(address) !== actions) return;
      this.actions.delete(address);
      this.control.markBreakpoint(this.machine.probes.at(address), false);
      this.machine.changeProbes({ clear: [address] });
    };
  }

  /**
   * Stops the program behind each instruction that changes a value; every instruction then takes about a hundred times as
   * long. While the program is stopped.
   * @param place 1 to 8 bytes
   * @throws RangeError if there are too many
   */
  setWatchpoint(place: WatchedPlace): () => void {
    if (this.watches.length === MAX_WATCHES) throw new RangeError(`no more than ${MAX_WATCHES} places can be watched`);
    this.changeWatches([...this.watches, place]);
    return () => this.changeWatches(this.watches.filter((other) => other !== place));
  }

  hookCall(nr: number, hook: CallHook): () => void {
    const hooks = this.callHooks.get(nr) ?? new Set();
    this.callHooks.set(nr, hooks);
    hooks.add(hook);
    this.control.markCall(nr, true);
    return () => {
      hooks.delete(hook);
      if (hooks.size === 0) this.control.markCall(nr, false);
    };
  }

  // --- running ---

  /** The next stop, or the one that the program is at if nobody has asked yet; null when the program has ended. */
  nextStop(): Promise<Stop | null> {
    const { unheard } = this;
    this.unheard = undefined;
    if (unheard) return Promise.resolve(unheard);
    if (this.state === "ended") return Promise.resolve(null);
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  /** Stops the program. Whoever waits for a stop hears of it. */
  async pause(): Promise<void> {
    if (this.state !== "running") return;
    const [thread] = this.threads();
    await this.stop({ reason: "paused", thread: thread?.tid ?? 0 });
  }

  /**
   * Lets the stopped program go on.
   * @param steps by thread id: ranges to step through, or null for a single instruction
   * @param others whether threads go on that do not step
   */
  resume(steps: ReadonlyMap<number, StepRange | null> = new Map(), others = true): void {
    if (this.state !== "stopped") return;
    this.unheard = undefined;
    // What stood here and has been taken away needs no telling.
    this.pending = this.pending.filter(
      ({ worker, stop }) => stop.reason !== "breakpoint" || this.isAtBreakpoint(worker),
    );
    const next = this.pending.shift();
    if (next) return this.announce(next.stop);
    this.machine.probeEverything(steps.size > 0 || this.watches.length > 0);
    this.control.stopping = false;
    this.state = "running";
    for (const { tid, worker } of this.threads()) {
      const range = steps.get(tid);
      if (range === undefined && !others) continue;
      this.going.set(worker, range === undefined ? {} : { range: range ?? ONE_INSTRUCTION });
      this.go(worker);
    }
  }

  /** Sends the process a signal. */
  signal(signo: number): void {
    const { machine } = this;
    raiseProcessSignal(machine.kernel, signo, SI_USER, (slot) => machine.kick(slot));
  }

  /** Throws away the signal that a thread is held with. */
  dropSignal({ worker }: DebugThread): void {
    const { activity, reason } = this.control.row(worker);
    if (activity === ACTIVITY.held && reason === REASON.signal)
      this.control.resume(worker, ORDER.skip, ONE_INSTRUCTION);
  }

  /** The program has ended: nothing will stop any more. */
  end(): void {
    this.state = "ended";
    this.begin();
    for (const waiter of this.waiters.splice(0)) waiter(null);
  }

  // --- what Workers tell ---

  private async held(worker: number): Promise<void> {
    const { activity, reason, detail, tid } = this.control.row(worker);
    if (activity !== ACTIVITY.held || this.state === "ended") return;
    const thread: DebugThread = { tid, worker, inCall: false };
    switch (reason) {
      case REASON.breakpoint: {
        const verdict = await this.askActions(thread);
        if (verdict !== "go") await this.tell(worker, { reason: verdict, thread: tid });
        else if (this.state === "running") this.go(worker);
        break;
      }
      case REASON.callBegins: {
        const result = await this.beginCall(thread, detail);
        if (result === undefined) this.control.resume(worker, ORDER.go, ONE_INSTRUCTION);
        else {
          this.registers(thread).gpr[0] = BigInt.asUintN(64, BigInt(result));
          this.control.resume(worker, ORDER.skip, ONE_INSTRUCTION);
        }
        break;
      }
      case REASON.callReturned:
        for (const hook of this.callHooks.get(detail) ?? []) await hook.returned?.(thread);
        this.go(worker);
        break;
      case REASON.stepped:
        await this.tell(worker, { reason: "step", thread: tid });
        break;
      case REASON.watchpoint: {
        const watched = this.watches[detail];
        if (watched) await this.tell(worker, { reason: "watchpoint", thread: tid, watched });
        else this.go(worker);
        break;
      }
      case REASON.signal:
        await this.tell(worker, { reason: "signal", thread: tid, signal: detail });
        break;
      case REASON.began:
        // The first thread, before which nothing was.
        this.going.delete(worker);
        if (!this.lastStop) {
          await this.stop({ reason: "entry", thread: tid });
          this.begin();
        } else if (this.state === "running") this.go(worker);
        break;
      default:
        // Told to stop, and since then to go on.
        if (this.state === "running") this.go(worker);
    }
  }

  /** A thread has a reason to stop the program: now, or when it is resumed from another. */
  private async tell(worker: number, stop: Stop): Promise<void> {
    if (this.state === "running") await this.stop(stop);
    else this.pending.push({ worker, stop });
  }

  private async stop(stop: Stop): Promise<void> {
    this.state = "stopping";
    this.control.stopping = true;
    this.machine.kickAll();
    const started = performance.now();
    while (!this.hasSettled(performance.now() - started > SETTLE_MS))
      await new Promise((resolve) => setTimeout(resolve, 1));
    if ((this.state as string) === "ended") return;
    this.state = "stopped";
    this.announce(stop);
  }

  private announce(stop: Stop): void {
    this.lastStop = stop;
    const waiters = this.waiters.splice(0);
    if (waiters.length === 0) this.unheard = stop;
    for (const waiter of waiters) waiter(stop);
  }

  /** @param late true: what is in a system call is taken for blocked */
  private hasSettled(late: boolean): boolean {
    if ((this.state as string) === "ended") return true;
    const { words } = this.machine.kernel;
    for (let worker = 0; worker < MAX_WORKERS; worker++) {
      const { activity, slot } = this.control.row(worker);
      if (activity === ACTIVITY.running) return false;
      if (activity === ACTIVITY.inCall && !late && Atomics.load(words, rowOf(slot) + threadRow.waiting) === 0)
        return false;
    }
    return true;
  }

  private async askActions(thread: DebugThread): Promise<BreakpointVerdict> {
    const verdicts = new Set<BreakpointVerdict>();
    for (const action of [...(this.actions.get(this.registers(thread).rip) ?? [])]) verdicts.add(await action(thread));
    return verdicts.has("breakpoint") ? "breakpoint" : verdicts.has("step") ? "step" : "go";
  }
  private isAtBreakpoint(worker: number): boolean {
    return this.actions.has(this.registers({ tid: 0, worker, inCall: false }).rip);
  }
  private async beginCall(thread: DebugThread, nr: number): Promise<number | undefined> {
    let result: number | undefined;
    for (const hook of [...(this.callHooks.get(nr) ?? [])]) result = (await hook.begins?.(thread)) ?? result;
    return result;
  }

  private changeWatches(watches: WatchedPlace[]): void {
    this.watches = watches;
    this.control.setWatches(watches, this.memory.bytes);
  }

  /** Lets a held Worker go on as it was told last. */
  private go(worker: number): void {
    if (this.control.row(worker).activity !== ACTIVITY.held) return;
    const { range } = this.going.get(worker) ?? {};
    const order: Order = range ? ORDER.step : ORDER.go;
    this.control.resume(worker, order, range ?? ONE_INSTRUCTION);
  }
}
