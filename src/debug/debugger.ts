/**
 * A debugger of one machine, on the supervisor: stops and resumes its threads, keeps breakpoints and watchpoints, and
 * reads and writes registers and memory. Knows nothing of Go.
 *
 * All threads stop together. A thread that is blocked in a system call counts as stopped; it is held when it comes back.
 */
import { CpuState } from "../../jit/cpu-state.js";
import { MAX_PROBES } from "../../jit/probes.js";
import { GuestMemory } from "../../runtime-shims/guest-memory.js";
import { header } from "../../runtime-shims/kernel-memory.js";
import { EXEC, PageMap } from "../../runtime-shims/page-map.js";
import { raiseProcessSignal, sendToThread, SI_USER, userSignal } from "../../runtime-shims/signals.js";
import { row as threadRow, rowOf } from "../../runtime-shims/threads.js";
import type { Machine } from "../machine/machine.js";
import { MAX_WORKERS } from "../machine/thread-pool.js";
import {
  ACTIVITY,
  DebugControl,
  isOutside,
  MAX_WATCHES,
  ONE_INSTRUCTION,
  ORDER,
  REASON,
  type StepRange,
  type WatchedPlace,
} from "./control.js";
import { nextInstructions } from "./next-instructions.js";

/** Why the program has stopped. */
export interface Stop {
  readonly reason: "entry" | "paused" | "breakpoint" | "step" | "watchpoint" | "signal";
  /** The Linux thread id of the thread that is the reason. */
  readonly thread: number;
  /** At a `watchpoint`: what has changed. */
  readonly watched?: WatchedPlace;
  /** At a `signal`: its number. The signal has not been delivered yet. It is a processor exception, or see `stopAtSignals`. */
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

/** How a thread is to go on. */
export interface Going {
  /** It is stopped again outside this; without, only when something else stops it. */
  readonly range?: StepRange;
  /** Without the signal that it is held with. */
  readonly dropsSignal?: boolean;
}

const LAST_SIGNAL = 64;
/** How long a thread in a system call may take to come out or to wait before it counts as blocked. */
const SETTLE_MS = 20;
/** Probes that steps may use up. After that everything is probed to see where a step ends. */
const MAX_STEP_PLACES = MAX_PROBES / 4;

export class Debugger {
  readonly memory: GuestMemory;
  readonly machine: Machine;
  private readonly control: DebugControl;
  private readonly actions = new Map<number, Set<BreakpointAction>>();
  private readonly callHooks = new Map<number, Set<CallHook>>();
  private watches: WatchedPlace[] = [];
  /** Where threads that step are expected. */
  private stepProbes: ReadonlySet<number> = new Set();
  /** Where they ever were: addresses that are probed once stay in the table of probes. */
  private readonly stepPlaces = new Set<number>();
  private state: "running" | "stopping" | "stopped" | "ended" = "running";
  /** Threads that have something to tell, which are held until they have. */
  private pending: Pending[] = [];
  /** How threads were last told to go on, by thread id; others run until something stops them. */
  private readonly going = new Map<number, Going>();
  /** Threads that were told to stay where they are. */
  private readonly staying = new Set<number>();
  /** For each Worker the last time it was held that has been taken notice of: see `DebugControl.row`. */
  private readonly noticed = new Int32Array(MAX_WORKERS);
  /** Workers whose breakpoints' actions and hooks are being asked. */
  private readonly asking = new Set<number>();
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
      if (!this.stepProbes.has(address)) this.machine.changeProbes({ clear: [address] });
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
   * @param plan how each thread does; undefined: it stays where it is
   */
  resume(plan: (thread: DebugThread) => Going | undefined = () => ({})): void {
    if (this.state !== "stopped") return;
    this.unheard = undefined;
    this.going.clear();
    this.staying.clear();
    for (const thread of this.threads()) {
      const going = plan(thread);
      if (going) this.going.set(thread.tid, going);
      else this.staying.add(thread.tid);
    }
    this.pending = this.pending.filter((pending) => this.isWorthTelling(pending));
    const next = this.pending.findIndex(({ stop }) => this.going.has(stop.thread));
    if (next >= 0) return this.announce(this.pending.splice(next, 1)[0]!.stop);
    const leads = this.watches.length === 0 ? this.stepsLeadTo() : undefined;
    this.machine.probeEverything(!leads);
    this.changeStepProbes(leads ?? []);
    this.control.stopping = false;
    this.state = "running";
    for (const { worker } of this.threads()) this.go(worker);
  }

  /** Sends the process a signal. */
  signal(signo: number): void {
    const { machine } = this;
    raiseProcessSignal(machine.kernel, signo, SI_USER, machine);
  }

  /** The signal that a thread is held with, before it is delivered; 0: none. */
  heldSignal({ worker }: DebugThread): number {
    const { activity, reason, detail } = this.control.row(worker);
    return activity === ACTIVITY.held && reason === REASON.signal ? detail : 0;
  }
  /** The signals, by Linux's numbers, that stop the program before they are delivered; at first none but processor exceptions. */
  stopAtSignals(stops: (signo: number) => boolean): void {
    for (let signo = 1; signo <= LAST_SIGNAL; signo++) this.control.markSignal(signo, stops(signo));
  }
  /** Sends a thread a signal, which does not stop the program. */
  signalThread({ worker, tid }: DebugThread, signo: number): void {
    const { kernel } = this.machine;
    this.control.sent(worker, signo);
    const info = userSignal(signo, SI_USER, kernel.words[header.pid]!, kernel.words[header.uid]!);
    sendToThread(kernel, this.control.row(worker).slot, tid, info, this.machine);
  }

  /** The program has ended: nothing will stop any more. */
  end(): void {
    this.state = "ended";
    this.begin();
    for (const waiter of this.waiters.splice(0)) waiter(null);
  }

  // --- what Workers tell ---

  private async held(worker: number): Promise<void> {
    const { activity, reason, detail, tid, hold } = this.control.row(worker);
    // Two messages may be on their way when the first is read.
    if (activity !== ACTIVITY.held || hold === this.noticed[worker] || this.state === "ended") return;
    this.noticed[worker] = hold;
    const thread: DebugThread = { tid, worker, inCall: false };
    switch (reason) {
      case REASON.breakpoint: {
        const verdict = await this.ask(worker, () => this.askActions(thread));
        const range = this.going.get(tid)?.range;
        if (verdict === "go" && range && isOutside(this.registers(thread), range))
          await this.tell(worker, { reason: "step", thread: tid });
        else if (verdict === "go") this.goOn(worker);
        else await this.tell(worker, { reason: verdict, thread: tid });
        break;
      }
      case REASON.callBegins: {
        const result = await this.ask(worker, () => this.beginCall(thread, detail));
        if (result !== undefined) this.registers(thread).gpr[0] = BigInt.asUintN(64, BigInt(result));
        this.control.resume(worker, result === undefined ? ORDER.go : ORDER.skip);
        break;
      }
      case REASON.callReturned:
        await this.ask(worker, async () => {
          for (const hook of this.callHooks.get(detail) ?? []) await hook.returned?.(thread);
        });
        // It is held again if the program is to stand still.
        this.control.resume(worker, ORDER.go);
        break;
      case REASON.stepped:
        await this.tell(worker, { reason: "step", thread: tid });
        break;
      case REASON.watchpoint: {
        const watched = this.watches[detail];
        if (watched) await this.tell(worker, { reason: "watchpoint", thread: tid, watched });
        else this.goOn(worker);
        break;
      }
      case REASON.signal:
        await this.tell(worker, { reason: "signal", thread: tid, signal: detail });
        break;
      case REASON.began:
        // The first thread, before which nothing was.
        if (!this.lastStop) {
          await this.stop({ reason: "entry", thread: tid });
          this.begin();
        } else this.goOn(worker);
        break;
      default:
        // Told to stop, and since then to go on.
        this.goOn(worker);
    }
  }
  /** While a Worker's callbacks are asked, it stays held. */
  private async ask<T>(worker: number, question: () => Promise<T>): Promise<T> {
    this.asking.add(worker);
    try {
      return await question();
    } finally {
      this.asking.delete(worker);
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
  /** What stood there may have been taken away, and a step that another stop has come before is over. */
  private isWorthTelling({ worker, stop: { reason, watched } }: Pending): boolean {
    if (reason === "breakpoint") return this.actions.has(this.registers({ tid: 0, worker, inCall: false }).rip);
    return reason === "watchpoint" ? this.watches.includes(watched!) : reason !== "step";
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

  /** Where threads that step will be next; undefined if everything has to be probed to see that. */
  private stepsLeadTo(): number[] | undefined {
    const leads: number[] = [];
    for (const thread of this.threads()) {
      const { range, dropsSignal } = this.going.get(thread.tid) ?? {};
      if (!range) continue;
      // A signal's handler may be anywhere.
      const known = range === ONE_INSTRUCTION && !thread.inCall && (dropsSignal || !this.heldSignal(thread));
      const next = known && nextInstructions(this.registers(thread), (address, length) => this.read(address, length));
      if (!next) return undefined;
      leads.push(...next);
    }
    for (const address of leads) this.stepPlaces.add(address);
    return this.stepPlaces.size <= MAX_STEP_PLACES ? leads : undefined;
  }
  private changeStepProbes(addresses: readonly number[]): void {
    const set = addresses.filter((address) => !this.actions.has(address) && !this.stepProbes.has(address));
    const clear = [...this.stepProbes].filter((address) => !addresses.includes(address));
    this.stepProbes = new Set(addresses);
    const unused = clear.filter((address) => !this.actions.has(address));
    if (set.length > 0 || unused.length > 0) this.machine.changeProbes({ set, clear: unused });
  }

  /** Lets a held Worker go on as it was told last, if the program runs. */
  private goOn(worker: number): void {
    if (this.state === "running") this.go(worker);
  }
  private go(worker: number): void {
    const { activity, reason, hold, tid } = this.control.row(worker);
    const stays = this.staying.has(tid);
    const { range, dropsSignal } = this.going.get(tid) ?? {};
    this.control.setLeeway(worker, stays ? null : range);
    // Why it is held has not been heard of yet, or is being looked at.
    if (stays || activity !== ACTIVITY.held || hold !== this.noticed[worker] || this.asking.has(worker)) return;
    this.control.resume(worker, dropsSignal && reason === REASON.signal ? ORDER.skip : ORDER.go);
  }
}
