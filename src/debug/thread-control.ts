/** A debugger's side of a Worker that runs guest threads: holds the thread where the debugger wants to look at it. */
import { CONTINUE, REPLACED, type Continuation } from "../../jit/executor.js";
import type { CpuState } from "../../jit/cpu-state.js";
import { EVERY_INSTRUCTION } from "../../jit/probes.js";
import { ENDED } from "../../runtime-shims/outcome.js";
import type { Thread } from "../../runtime-shims/threads.js";
import {
  ACTIVITY,
  DebugControl,
  isOutside,
  ORDER,
  REASON,
  type Order,
  type Reason,
  type StepRange,
} from "./control.js";

/** Where nothing runs. */
const NOWHERE = -1;

export class ThreadControl {
  private readonly control: DebugControl;
  private readonly worker: number;
  private readonly cpu: CpuState;
  /** The guest's memory, from `GUEST_BASE` on. */
  private readonly guest: Uint8Array;
  private readonly report: () => void;
  /** What it steps through; null if it is to stay where it is. */
  private range: StepRange | null | undefined;
  /** Where it steps from, held outside a probe: one there has been answered by that. */
  private passing = NOWHERE;
  /** What became of signals while pending ones were delivered: the debugger may have changed registers meanwhile. */
  private asked: "no" | "taken" | "dropped" = "no";
  /** The system call that is being made, if it is hooked; else -1. */
  private hookedCall = -1;

  /** @param report tells the debugger that the Worker is held */
  constructor(buffer: SharedArrayBuffer, worker: number, cpu: CpuState, guest: Uint8Array, report: () => void) {
    this.control = new DebugControl(buffer);
    this.worker = worker;
    this.cpu = cpu;
    this.guest = guest;
    this.report = report;
  }

  /** A thread is about to run its first instruction. */
  beginThread(thread: Thread): void {
    this.range = undefined;
    this.control.begin(this.worker, thread.tid, thread.slot);
    if (this.control.stopping) this.holdBetween(REASON.began, 0);
  }
  endThread(): void {
    this.control.setActivity(this.worker, ACTIVITY.idle);
  }

  /** At a probe: see `ExecutionHooks.probe`. */
  probe(number: number): Continuation {
    const { control, cpu } = this;
    const pc = cpu.rip;
    if (this.passing === pc) {
      this.passing = NOWHERE;
      return CONTINUE;
    }
    this.passing = NOWHERE;
    const watch = control.changedWatch(this.guest);
    if (watch >= 0) return this.holdAt(REASON.watchpoint, watch);
    if (number !== EVERY_INSTRUCTION && control.isBreakpoint(number)) return this.holdAt(REASON.breakpoint, number);
    if (this.range && isOutside(this.cpu, this.range)) return this.holdAt(REASON.stepped, 0);
    if (control.stopping) return this.holdAt(REASON.stopped, 0);
    return CONTINUE;
  }

  /** When the poll word was set: `deliver` clears it, and delivers signals. */
  poll(deliver: () => Continuation): Continuation {
    const { control } = this;
    const held = control.stopping;
    // Where it was when the signal came.
    if (held) this.holdBetween(REASON.stopped, 0);
    this.asked = "no";
    const delivered = deliver();
    if (delivered === ENDED) return ENDED;
    if (delivered === REPLACED) this.passing = NOWHERE;
    const outcome = this.afterSignals(delivered);
    // Since then the poll word may have been set, and cleared here.
    if (!control.stopping) return held ? REPLACED : outcome;
    this.holdBetween(REASON.stopped, 0);
    return REPLACED;
  }

  /** A system call: `call` makes it. */
  systemCall(nr: number, call: () => Continuation): Continuation {
    const { control, worker } = this;
    const hooked = control.isHookedCall(nr);
    const skipped = hooked && this.hold(REASON.callBegins, nr) === ORDER.skip;
    let outcome: Continuation = CONTINUE;
    if (!skipped) {
      control.setActivity(worker, ACTIVITY.inCall);
      this.asked = "no";
      this.hookedCall = hooked ? nr : -1;
      const made = call();
      if (made === ENDED) return ENDED;
      control.setActivity(worker, ACTIVITY.running);
      // What it is told meanwhile counts from here on.
      this.range = control.leeway(worker);
      outcome = this.afterSignals(made);
    }
    if (!control.stopping && this.range !== null) return hooked ? REPLACED : outcome;
    this.holdBetween(REASON.stopped, 0);
    return REPLACED;
  }

  /** The system call has its result, and no signal has changed a register yet. */
  callReturned(): void {
    if (this.hookedCall >= 0) this.hold(REASON.callReturned, this.hookedCall);
  }

  /** At a processor exception: whether it is to become a signal. */
  takesSignal(signo: number): boolean {
    if (this.hold(REASON.signal, signo) !== ORDER.skip) return true;
    // The instruction runs again.
    this.passing = this.cpu.rip;
    return false;
  }

  /** A pending signal is about to be delivered: whether it is to be. */
  takesPending(signo: number): boolean {
    if (!this.control.stopsAtSignal(this.worker, signo)) return true;
    const takes = this.hold(REASON.signal, signo) !== ORDER.skip;
    this.asked = takes ? "taken" : "dropped";
    return takes;
  }
  private afterSignals(outcome: Continuation): Continuation {
    const { asked } = this;
    if (asked === "no") return outcome;
    // Who steps from there does not stop there.
    if (asked === "dropped" && this.range) this.passing = this.cpu.rip;
    return REPLACED;
  }

  /** Held at a probe, that `Executor` passes when the thread comes there again. */
  private holdAt(reason: Reason, detail: number): Continuation {
    this.hold(reason, detail);
    return REPLACED;
  }
  private holdBetween(reason: Reason, detail: number): void {
    this.hold(reason, detail);
    this.passing = this.range ? this.cpu.rip : NOWHERE;
  }
  private hold(reason: Reason, detail: number): Order {
    this.control.hold(this.worker, reason, detail);
    this.report();
    const order = this.control.waitForOrder(this.worker);
    this.range = this.control.leeway(this.worker);
    return order;
  }
}
