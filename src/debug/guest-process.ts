/** A program under an embedder's control: see docs/embedding.md. */
import { R8, R9, R10, R11, RAX, RBX, RCX, RDI, RDX, RSI, RSP } from "../../jit/registers.js";
import type { CpuState } from "../../jit/cpu-state.js";
import { UCONTEXT_RIP, UCONTEXT_RSP } from "../../runtime-shims/signal-frame.js";
import { GojitError } from "../errors.js";
import type { ProgramLayout } from "../go/program-layout.js";
import type { Program } from "../program.js";
import type { RunResult } from "../run-options.js";
import type { TraceEvent } from "../trace/trace-event.js";
import { MAX_CALLS, ONE_INSTRUCTION, type StepRange } from "./control.js";
import type { BreakpointVerdict, Debugger, DebugThread, Stop } from "./debugger.js";
import type { EventStream } from "./event-stream.js";
import { readRegisters, writeRegister, type RegisterName, type Registers } from "./registers.js";
import { RuntimeState, type Frame, type Goroutine, type RuntimeM, type RuntimeP } from "./runtime-state.js";
import { Symbols } from "./symbols.js";

/** A guest address, or what `Symbols.find` takes: `main.f`, `main.f+0x12`, `file.go:12`. */
export type Place = number | string;

export interface BreakpointOptions {
  /** Only where this goroutine comes to it. */
  readonly goroutine?: number;
  /** Only if this says so. It may look, and change registers and memory; the other threads run on meanwhile. */
  readonly when?: (hit: Hit) => boolean | Promise<boolean>;
}

/** What can be taken away again: a breakpoint, a watchpoint, a hook. */
export interface Removable {
  remove(): void;
}

/** A thread that has come to a probed instruction, which has not run yet; valid until the callback returns. */
export interface Hit {
  /** Its Linux thread id. */
  readonly thread: number;
  /** The goroutine that it runs, 0 for none. */
  readonly goroutine: number;
  readonly pc: number;
  readonly registers: Registers;
  setRegister(name: RegisterName, value: bigint): void;
}

/** A call of a function that begins. */
export interface FunctionCall extends Hit {
  /**
   * Argument word `index` from 0 on, by the function's calling convention, when the first arguments are integers, pointers and
   * headers of strings, slices and interfaces: a string is two words. At most nine in registers.
   */
  argument(index: number): bigint;
}

/** A call that returns. */
export interface FunctionReturn extends Hit {
  /** Result word `index` from 0 on: see `argument`. In register-passing code only. */
  result(index: number): bigint;
}

/** A system call, before and after it is made. */
export interface SystemCall {
  readonly thread: number;
  /** Its number, asm/unistd_64.h. */
  readonly number: number;
  readonly args: readonly bigint[];
}

export interface SystemCallHook {
  /** Before the call. A number stands for its result, and the call is not made; errors are negated error numbers. */
  before?(call: SystemCall): number | undefined | Promise<number | undefined>;
  /** After the call; not if `before` has answered for it. */
  after?(call: SystemCall, result: bigint): void | Promise<void>;
}

/** ABIInternal, src/cmd/compile/abi-internal.md of Go. */
const ARGUMENT_REGISTERS = [RAX, RBX, RCX, RDI, RSI, R8, R9, R10, R11];
/** The kernel's. */
const CALL_REGISTERS = [RDI, RSI, RDX, R10, R8, R9];

export class GuestProcess {
  /** How the program ends; rejects as `run` does. */
  readonly ended: Promise<RunResult>;
  readonly symbols: Symbols;
  private readonly debug: Debugger;
  private readonly program: Program;
  private readonly state: RuntimeState;
  private readonly stream: EventStream | undefined;
  private readonly closeMachine: () => void;

  /** Not for embedders: `start` makes it. */
  constructor(
    program: Program,
    layout: ProgramLayout,
    debug: Debugger,
    ended: Promise<RunResult>,
    stream: EventStream | undefined,
    close: () => void,
  ) {
    this.program = program;
    this.debug = debug;
    this.ended = ended;
    this.stream = stream;
    this.closeMachine = close;
    this.symbols = new Symbols(program.go);
    this.state = new RuntimeState(program, layout, debug);
  }

  // --- running ---

  /** Why the program stands still, or undefined while it runs. */
  get stopped(): Stop | undefined {
    return this.debug.stopped;
  }
  /** The next stop, or the present one if it has not been told yet; null when the program has ended. */
  nextStop(): Promise<Stop | null> {
    return this.debug.nextStop();
  }
  /** Stops all threads. */
  async pause(): Promise<Stop | null> {
    if (this.debug.isStopped) return this.debug.stopped!;
    const stop = this.debug.nextStop();
    await this.debug.pause();
    return stop;
  }
  /** Lets a stopped program go on. */
  resume(): void {
    this.debug.resume();
  }
  /** Lets a stopped program go on, and waits for its next stop; null when it has ended. */
  continue(): Promise<Stop | null> {
    this.debug.resume();
    return this.debug.nextStop();
  }
  /** One instruction of a thread; the others run meanwhile. */
  step(thread: number): Promise<Stop | null> {
    this.heldThread(thread);
    return this.stepThrough(thread, ONE_INSTRUCTION);
  }
  /** To another source line of the same function, or out of it; calls run to their ends. */
  async stepLine(thread: number): Promise<Stop | null> {
    const { functions } = this.program.go;
    let registers = this.debug.registers(this.heldThread(thread));
    const start = this.position(registers);
    const line = functions.line(registers.rip);
    for (let tid = thread; ;) {
      const { rip, gpr } = registers;
      const limit = Number(gpr[RSP]) + Math.max(0, functions.stackDepth(rip));
      const stop = await this.stepThrough(tid, { ...functions.lineRange(rip), limit });
      if (stop?.reason !== "step" || stop.thread !== tid) return stop;
      registers = this.debug.registers(this.heldThread(tid));
      const interrupted = this.interruptedBySignal(registers);
      const now = this.position(registers);
      if (interrupted || (now.goroutine === start.goroutine && now.depth > start.depth)) {
        const back = await this.runTo(interrupted ?? this.returnPlace(registers));
        if (back?.reason !== "step") return back;
        tid = back.thread;
        registers = this.debug.registers(this.heldThread(tid));
        // Elsewhere: the call was the line's last instruction, or the signal came right after the return.
        const isOnLine = this.position(registers).depth === start.depth && functions.line(registers.rip) === line;
        if (isOnLine) continue;
        return back;
      }
      if (now.depth !== start.depth || functions.line(registers.rip) !== line) return stop;
    }
  }
  /** Until the function that a thread is in has returned to its caller. */
  stepOut(thread: number): Promise<Stop | null> {
    return this.runTo(this.returnPlace(this.debug.registers(this.heldThread(thread))));
  }
  /** Until a thread leaves the goroutine that it runs, in `runtime.schedule`. */
  async stepToSwitch(thread: number): Promise<Stop | null> {
    this.heldThread(thread);
    const address = this.symbols.find("runtime.schedule");
    const remove = this.debug.setBreakpoint(address, ({ tid }) => (tid === thread ? "step" : "go"));
    return this.continue().finally(remove);
  }
  /** Sends the process a signal, by its Linux number. While the program is stopped it waits. */
  signal(number: number): void {
    this.debug.signal(number);
  }
  /** Ends the program, if it has not ended, and everything that belongs to it. */
  close(): void {
    this.closeMachine();
  }

  // --- what is there; of a stopped program ---

  /** The Linux thread ids, first started first. */
  threads(): {
    readonly thread: number;
    readonly pc: number;
    readonly inSystemCall: boolean;
    readonly goroutine: number;
  }[] {
    return this.debug.threads().map((thread) => {
      const registers = this.debug.registers(thread);
      return {
        thread: thread.tid,
        pc: registers.rip,
        inSystemCall: thread.inCall,
        goroutine: this.state.goroutineOf(registers),
      };
    });
  }
  /** @throws GojitError (not-stopped), as all below do */
  registers(thread: number): Registers {
    return readRegisters(this.debug.registers(this.heldThread(thread)));
  }
  setRegister(thread: number, name: RegisterName, value: bigint): void {
    writeRegister(this.debug.registers(this.heldThread(thread)), name, value);
  }
  /** Guest memory, up to the first byte that cannot be read. */
  readMemory(address: number, length: number): Uint8Array {
    return this.debug.read(address, length);
  }
  /** False if not all of it is mapped; then nothing is written. */
  writeMemory(address: number, bytes: Uint8Array): boolean {
    return this.debug.write(address, bytes);
  }
  goroutines(): Goroutine[] {
    this.checkStopped();
    return this.state.goroutines();
  }
  ms(): RuntimeM[] {
    this.checkStopped();
    return this.state.ms();
  }
  ps(): RuntimeP[] {
    this.checkStopped();
    return this.state.ps();
  }
  /** The stack of a goroutine, or of a thread, from the innermost frame on; empty if there is no such. */
  backtrace(of: { readonly goroutine: number } | { readonly thread: number }): Frame[] {
    this.checkStopped();
    if ("thread" in of) return this.state.threadFrames(this.heldThread(of.thread));
    const found = this.state.goroutines().find(({ id }) => id === of.goroutine);
    return found ? this.state.goroutineFrames(found) : [];
  }

  // --- breakpoints, watchpoints, hooks ---

  /** Stops the program before an instruction runs. @throws GojitError (no-such-function) */
  breakAt(place: Place, { goroutine, when }: BreakpointOptions = {}): Removable {
    return this.probe(place, async (hit) => {
      if (goroutine !== undefined && hit.goroutine !== goroutine) return "go";
      return !when || (await when(hit)) ? "breakpoint" : "go";
    });
  }
  /**
   * Stops the program behind each instruction that changes 1 to 8 bytes of memory. Every instruction then takes about a
   * hundred times as long. While the program is stopped.
   * @throws RangeError if there are 16 already
   */
  watch(address: number, length: number): Removable {
    this.checkStopped();
    if (!(length >= 1 && length <= 8)) throw new RangeError(`${length} is not a number of bytes from 1 to 8`);
    return { remove: this.debug.setWatchpoint({ address, length }) };
  }
  /** Calls back whenever a function is called; only the calling thread waits. */
  before(name: string, callback: (call: FunctionCall) => void | Promise<void>): Removable {
    const argument = this.argumentReader(name);
    return this.probe(this.state.bodyOf(this.symbols.find(name)), async (hit, registers): Promise<"go"> => {
      await callback({ ...hit, argument: (index) => argument(registers, index) });
      return "go";
    });
  }
  /** Calls back whenever a function has returned, before its caller goes on; not where a panic or Goexit ends it. */
  after(name: string, callback: (call: FunctionReturn) => void | Promise<void>): Removable {
    const waiting = new Map<string, number>();
    const returns = new Map<number, Removable>();
    const returned = async (hit: Hit, registers: CpuState): Promise<"go"> => {
      const key = this.frameKey(registers, Number(registers.gpr[RSP]));
      if (waiting.get(key) !== registers.rip) return "go";
      waiting.delete(key);
      await callback({ ...hit, result: (index) => registers.gpr[registerOf(index)]! });
      return "go";
    };
    const entry = this.probe(this.state.bodyOf(this.symbols.find(name)), (_hit, registers) => {
      const sp = Number(registers.gpr[RSP]);
      const address = this.state.word(sp);
      waiting.set(this.frameKey(registers, sp + 8), address);
      if (!returns.has(address)) returns.set(address, this.probe(address, returned));
      return "go";
    });
    return {
      remove() {
        entry.remove();
        for (const probe of returns.values()) probe.remove();
      },
    };
  }
  /** Hooks a system call by its number, asm/unistd_64.h; only the calling thread waits. */
  onSystemCall(number: number, hook: SystemCallHook): Removable {
    if (!(Number.isInteger(number) && number >= 0 && number < MAX_CALLS))
      throw new RangeError(`${number} is no number of a system call`);
    const calls = new Map<number, SystemCall>();
    const remove = this.debug.hookCall(number, {
      begins: (thread) => {
        const { gpr } = this.debug.registers(thread);
        const call = { thread: thread.tid, number, args: CALL_REGISTERS.map((register) => gpr[register]!) };
        calls.set(thread.tid, call);
        return hook.before?.(call);
      },
      returned: (thread) =>
        hook.after?.(calls.get(thread.tid)!, BigInt.asIntN(64, this.debug.registers(thread).gpr[RAX]!)),
    });
    return { remove };
  }
  /** What the runtime does, as `start`'s `trace` asks for it; each event comes once. */
  events(): AsyncIterable<TraceEvent> {
    if (!this.stream) throw new GojitError("bad-option", "there are no events: start has not been told to trace any.");
    return this.stream;
  }

  // --- how ---

  private checkStopped(): void {
    if (!this.debug.isStopped) throw new GojitError("not-stopped", "the program is not stopped.");
  }
  private heldThread(tid: number): DebugThread {
    this.checkStopped();
    const thread = this.debug.thread(tid);
    if (!thread) throw new RangeError(`the program has no thread ${tid}`);
    return thread;
  }
  private address(place: Place): number {
    return typeof place === "number" ? place : this.symbols.find(place);
  }

  private probe(
    place: Place,
    action: (hit: Hit, registers: CpuState) => BreakpointVerdict | Promise<BreakpointVerdict>,
  ): Removable {
    const remove = this.debug.setBreakpoint(this.address(place), (thread) => {
      const cpu = this.debug.registers(thread);
      return action(
        {
          thread: thread.tid,
          goroutine: this.state.goroutineOf(cpu),
          pc: cpu.rip,
          get registers() {
            return readRegisters(cpu);
          },
          setRegister: (name, value) => writeRegister(cpu, name, value),
        },
        cpu,
      );
    });
    return { remove };
  }
  private argumentReader(name: string): (cpu: CpuState, index: number) => bigint {
    const { functions, abi } = this.program.go;
    const index = functions.find(this.symbols.find(name));
    if (abi === "internal" && !functions.isAsm(index)) return ({ gpr }, word) => gpr[registerOf(word)]!;
    return ({ gpr }, word) => {
      const at = Number(gpr[RSP]) + 8 + 8 * word;
      return new DataView(this.debug.read(at, 8).buffer).getBigUint64(0, true);
    };
  }

  private stepThrough(tid: number, range: StepRange): Promise<Stop | null> {
    this.debug.resume((thread) => (thread.tid === tid ? { range } : {}));
    return this.debug.nextStop();
  }
  /** Runs until the goroutine comes to a place. */
  private async runTo({ address, key }: { readonly address: number; readonly key: string }): Promise<Stop | null> {
    const remove = this.debug.setBreakpoint(address, (thread) => {
      const registers = this.debug.registers(thread);
      return this.frameKey(registers, Number(registers.gpr[RSP])) === key ? "step" : "go";
    });
    return this.continue().finally(remove);
  }
  /** Where the function at RIP returns to. @throws GojitError (no-such-function) if that cannot be told */
  private returnPlace(registers: CpuState): { address: number; key: string } {
    const bytes = this.program.go.functions.stackDepth(registers.rip);
    if (bytes < 0) throw new GojitError("no-such-function", "the program does not say where its code here returns to.");
    const at = Number(registers.gpr[RSP]) + bytes;
    return { address: this.state.word(at), key: this.frameKey(registers, at + 8) };
  }
  /** If a signal handler is about to begin: where it was that the signal came. */
  private interruptedBySignal(registers: CpuState): { address: number; key: string } | undefined {
    const place = this.symbols.describe(registers.rip);
    if (place?.offset !== 0 || !place.function.startsWith("runtime.sigtramp")) return undefined;
    // The third argument is the ucontext.
    const context = Number(registers.gpr[RDX]);
    const sp = this.state.word(context + UCONTEXT_RSP);
    return { address: this.state.word(context + UCONTEXT_RIP), key: this.frameKey(registers, sp) };
  }
  /** A stack pointer as a goroutine's own, which stays the same when its stack is moved. */
  private frameKey(registers: CpuState, sp: number): string {
    const g = this.state.g(registers);
    return `${g}:${this.state.stackTop(g) - sp}`;
  }
  /** Where a thread is: its goroutine, and how deep on its stack the frame begins. */
  private position(registers: CpuState): { goroutine: number; depth: number } {
    const g = this.state.g(registers);
    const bytes = Math.max(0, this.program.go.functions.stackDepth(registers.rip));
    return { goroutine: g, depth: this.state.stackTop(g) - Number(registers.gpr[RSP]) - bytes };
  }
}

function registerOf(index: number): number {
  const register = ARGUMENT_REGISTERS[index];
  if (register === undefined) throw new RangeError(`word ${index} is not in a register`);
  return register;
}
