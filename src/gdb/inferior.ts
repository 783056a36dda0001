/** A program that gdb may be attached to, for as long as it lives: what it is to gdb, and who is told of its stops. */
import { header } from "../../runtime-shims/kernel-memory.js";
import type { Debugger, Stop } from "../debug/debugger.js";
import { RuntimeState } from "../debug/runtime-state.js";
import type { RuntimeLayout } from "../go/runtime-layout.js";
import type { Program } from "../program.js";
import { Breakpoints } from "./breakpoints.js";

/** Who is attached. */
export interface Attached {
  stopped(stop: Stop): void;
  /** @param waitStatus as wait(2) gives it */
  ended(waitStatus: number): void;
}

export class Inferior {
  readonly debug: Debugger;
  readonly state: RuntimeState;
  readonly breakpoints: Breakpoints;
  readonly executable: string;
  readonly pid: number;
  readonly kill: () => void;
  /** How it ended, once it has. */
  waitStatus: number | undefined;
  private attached: Attached | undefined;
  private waitsForFirst = true;

  /**
   * @param executable where gdb finds it
   * @param kill ends it, as SIGKILL does
   */
  constructor(program: Program, layout: RuntimeLayout, debug: Debugger, executable: string, kill: () => void) {
    this.debug = debug;
    this.state = new RuntimeState(program, layout, debug);
    this.breakpoints = new Breakpoints(debug);
    this.executable = executable;
    this.pid = debug.machine.kernel.words[header.pid]!;
    this.kill = kill;
    void this.watch();
  }

  /** The auxiliary vector, from the initial stack. */
  get auxv(): Uint8Array {
    const { words } = this.debug.machine.kernel;
    const start = words[header.auxvStart]! >>> 0;
    return this.debug.read(start, (words[header.auxvStart + 1]! >>> 0) - start);
  }

  get isAttached(): boolean {
    return this.attached !== undefined;
  }
  /** Stops the program, and tells `attached` of this and of what comes. */
  async attach(attached: Attached): Promise<void> {
    this.waitsForFirst = false;
    this.attached = attached;
    await this.pause();
  }
  /** Lets the program run; nothing stops it any more. */
  async detach(): Promise<void> {
    await this.pause();
    this.breakpoints.clear();
    this.debug.stopAtSignals(() => false);
    this.attached = undefined;
    this.debug.resume();
  }

  /** The program has ended. */
  end(waitStatus: number): void {
    this.waitStatus = waitStatus;
    this.debug.end();
    this.attached?.ended(waitStatus);
  }

  private async pause(): Promise<void> {
    if (this.debug.isStopped) return;
    const stopped = this.debug.nextStop();
    await this.debug.pause();
    await stopped;
  }
  private async watch(): Promise<void> {
    for (;;) {
      const stop = await this.debug.nextStop();
      if (!stop) return;
      if (this.attached) this.attached.stopped(stop);
      // A signal, which nobody wants to see.
      else if (!this.waitsForFirst) this.debug.resume();
    }
  }
}
