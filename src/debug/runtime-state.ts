/**
 * What the Go runtime's structures say of a stopped program: its goroutines, Ms and Ps, and their stacks. Read from guest
 * memory, with addresses from the code and offsets from the layout of its release; see runtime-layout.ts.
 */
import type { CpuState } from "../../jit/cpu-state.js";
import { InstructionDecoder, mnemonicName, OP_GPR, OP_MEM } from "../../jit/decode.js";
import { RSP } from "../../jit/registers.js";
import type { GuestMemory } from "../../runtime-shims/guest-memory.js";
import { UCONTEXT_RIP, UCONTEXT_RSP } from "../../runtime-shims/signal-frame.js";
import type { SourcePlace } from "../go/inlining.js";
import type { GoMetadata } from "../go/metadata.js";
import type { RuntimeLayout } from "../go/runtime-layout.js";
import { readWaitReasons } from "../go/wait-reasons.js";
import { ImageCode } from "../image-code.js";
import type { Program } from "../program.js";
import { instructions } from "../trace/bootstrap-code.js";
import type { Debugger, DebugThread } from "./debugger.js";

/** Names of `g.atomicstatus`, runtime2.go. */
const GOROUTINE_STATUS = [
  "idle",
  "runnable",
  "running",
  "syscall",
  "waiting",
  "moribund",
  "dead",
  "enqueue",
  "copystack",
  "preempted",
  "leaked",
  "deadextra",
];
/** Set while the collector scans the stack. */
const SCANNING = 0x1000;
const PROCESSOR_STATUS = ["idle", "running", "syscall", "gcstop", "dead"];
/** The status of a P follows its id, in all releases. */
const STATUS_AFTER_ID = 4;

/** What has been called and has not returned. Its function is "" outside Go's code. */
export interface Frame extends SourcePlace {
  readonly pc: number;
  /** The stack pointer in this frame. */
  readonly sp: number;
  /** True if it is inlined in the frame that follows, and has neither a stack frame nor a return address of its own. */
  readonly inlined: boolean;
}

const NOWHERE: SourcePlace = { function: "", file: "", line: 0 };

export interface Goroutine {
  readonly id: number;
  /** Guest address of its `runtime.g`. */
  readonly g: number;
  /** Such as "waiting"; see GOROUTINE_STATUS. */
  readonly status: string;
  /** Why it waits, such as "chan receive"; empty unless it does. */
  readonly waitReason: string;
  /** The Linux thread that runs it, or that its system call is made on; undefined if it is on none. */
  readonly thread: number | undefined;
  readonly stack: { readonly low: number; readonly high: number };
}

export interface RuntimeM {
  readonly id: number;
  /** Guest address of its `runtime.m`. */
  readonly m: number;
  /** Its Linux thread. */
  readonly thread: number;
  /** The id of the goroutine that it runs, 0 for none. */
  readonly goroutine: number;
  /** The id of its P, or -1. */
  readonly p: number;
}

export interface RuntimeP {
  readonly id: number;
  /** Guest address of its `runtime.p`. */
  readonly p: number;
  readonly status: string;
  /** The id of the M that has it, or -1. */
  readonly m: number;
  /** Goroutines in its local run queue, `runnext` left out. */
  readonly queued: number;
}

/** Where a goroutine's execution stands. */
interface Position {
  readonly pc: number;
  readonly sp: number;
}

const MAX_LISTED = 1 << 20;
const MAX_FRAMES = 1000;
/** Where the comparison with the stack guard is, if there is one. */
const PROLOGUE_BYTES = 48;

/** Functions below which there is nothing on their stacks. */
const BOTTOMS = new Set([
  "runtime.goexit",
  "runtime.mstart",
  "runtime.rt0_go",
  "_rt0_amd64_linux",
  "_rt0_amd64",
  "runtime.clone",
]);
/** Where signal handlers return to. */
const SIGNAL_RETURNS = new Set(["runtime.sigreturn", "runtime.sigreturn__sigaction"]);
/** What calls on g0's stack for the goroutine that the M runs. */
const STACK_SWITCHES = new Set(["runtime.systemstack", "runtime.mcall", "runtime.morestack"]);

export class RuntimeState {
  readonly layout: RuntimeLayout;
  private readonly debug: Debugger;
  private readonly memory: GuestMemory;
  private readonly go: GoMetadata;
  private readonly waitReasons: readonly string[];
  /** Guest addresses of `runtime.allgs`, and of what may be `runtime.allp`. */
  private readonly allgs: readonly number[];
  private readonly allp: readonly number[];

  constructor(program: Program, layout: RuntimeLayout, debug: Debugger) {
    this.debug = debug;
    this.memory = debug.memory;
    this.go = program.go;
    this.layout = layout;
    this.waitReasons = readWaitReasons(program.image);
    this.allgs = slicesIn(program, "runtime.allgadd");
    this.allp = slicesIn(program, "runtime.procresize");
  }

  /** Guest address of the g that a thread has in TLS; 0 before there is one. */
  g(registers: CpuState): number {
    return registers.fsBase === 0 ? 0 : this.word(registers.fsBase - 8);
  }
  goroutineId(g: number): number {
    return g === 0 ? 0 : this.word(g + this.layout.gGoid);
  }
  /** The id of the goroutine that a thread runs, also while it is on g0's stack for it; 0 for none. */
  goroutineOf(registers: CpuState): number {
    const g = this.g(registers);
    const id = this.goroutineId(g);
    return id || this.goroutineId(this.curg(this.m(g)));
  }

  /** `g.stack.hi`; 0 for no g. */
  stackTop(g: number): number {
    return g === 0 ? 0 : this.word(g + this.layout.gStack + 8);
  }

  /**
   * Where a function begins that has enough stack and has not been asked to give way: behind the comparison of its stack
   * pointer with `g.stackguard0`, if it has one. To what is before that it may come back. No argument has been touched.
   */
  bodyOf(entry: number): number {
    const decoder = new InstructionDecoder();
    decoder.open(this.debug.read(entry, PROLOGUE_BYTES), entry);
    let compared = false;
    let body = entry;
    decoder.decodeFrom(entry, ({ mnemonic, operands: [to, from], target, next }) => {
      const name = mnemonicName(mnemonic);
      if (compared) {
        if (target >= 0) body = next;
        return false;
      }
      compared =
        name === "Cmp" && to?.kind === OP_GPR && from?.kind === OP_MEM && from.disp === this.layout.gStack + 16;
      return compared || name === "Lea" || name === "Mov";
    });
    decoder.close();
    return body;
  }

  goroutines(): Goroutine[] {
    const { layout } = this;
    const threads = new Map<number, number>();
    for (const thread of this.debug.threads()) {
      const curg = this.curg(this.m(this.g(this.debug.registers(thread))));
      if (curg) threads.set(curg, thread.tid);
    }
    const found: Goroutine[] = [];
    for (const g of this.elements(this.allgs)) {
      const id = this.goroutineId(g);
      const status = GOROUTINE_STATUS[this.int(g + layout.gStatus) & ~SCANNING] ?? "unknown";
      if (id === 0 || status === "dead" || status === "deadextra" || status === "idle") continue;
      const reason = this.memory.readable(g + layout.gWaitreason, 1) ? this.memory.getUint8(g + layout.gWaitreason) : 0;
      found.push({
        id,
        g,
        status,
        waitReason: status === "waiting" ? (this.waitReasons[reason] ?? "") : "",
        thread: threads.get(g),
        stack: { low: this.word(g + layout.gStack), high: this.word(g + layout.gStack + 8) },
      });
    }
    return found;
  }

  ms(): RuntimeM[] {
    const { layout } = this;
    const found: RuntimeM[] = [];
    for (const thread of this.debug.threads()) {
      const m = this.m(this.g(this.debug.registers(thread)));
      if (m === 0) continue;
      const p = this.word(m + layout.mP);
      found.push({
        id: this.word(m + layout.mId),
        m,
        thread: thread.tid,
        goroutine: this.goroutineId(this.curg(m)),
        p: p === 0 ? -1 : this.int(p + layout.pId),
      });
    }
    return found.sort((a, b) => a.id - b.id);
  }

  ps(): RuntimeP[] {
    const { layout } = this;
    const ms = this.ms();
    const pointers = this.allp
      .map((at) => this.elements([at]))
      .find((list) => list.length > 0 && list.every((p, id) => this.int(p + layout.pId) === id));
    return (pointers ?? []).map((p, id) => ({
      id,
      p,
      status: PROCESSOR_STATUS[this.int(p + layout.pId + STATUS_AFTER_ID)] ?? "unknown",
      m: ms.find((m) => m.p === id)?.id ?? -1,
      queued: (this.int(p + layout.pRunqhead + 4) - this.int(p + layout.pRunqhead)) >>> 0,
    }));
  }

  /** The frames of a thread's stack, from the innermost on; below a switch of stacks those of the goroutine follow. */
  threadFrames(thread: DebugThread): Frame[] {
    const registers = this.debug.registers(thread);
    return this.frames({ pc: registers.rip, sp: Number(registers.gpr[RSP]) }, this.g(registers));
  }
  /** The same of a goroutine, running or not. */
  goroutineFrames({ g, thread: tid }: Goroutine): Frame[] {
    const thread = tid === undefined ? undefined : this.debug.thread(tid);
    if (thread && this.g(this.debug.registers(thread)) === g) return this.threadFrames(thread);
    return this.frames(this.saved(g), g);
  }

  private frames(from: Position, g: number): Frame[] {
    const { functions } = this.go;
    const frames: Frame[] = [];
    const m = this.m(g);
    let goroutine = g;
    let { pc, sp } = from;
    while (frames.length < MAX_FRAMES) {
      const index = functions.find(pc);
      const name = index < 0 ? "" : functions.name(index);
      // A return address is behind its call, and may be of the next line.
      const called = frames.length > 0 && index >= 0 && pc > functions.start[index]! ? pc - 1 : pc;
      const places = index < 0 ? [NOWHERE] : this.go.inlining.places(called);
      for (const [depth, place] of places.entries())
        frames.push({ pc, sp, ...place, inlined: depth < places.length - 1 });
      const curg = this.curg(m);
      if (STACK_SWITCHES.has(name) && goroutine !== curg && curg !== 0 && this.goroutineId(goroutine) === 0) {
        goroutine = curg;
        ({ pc, sp } = this.saved(curg));
        continue;
      }
      if (SIGNAL_RETURNS.has(name)) {
        // The handler's return address is below the ucontext of what it has interrupted.
        pc = this.word(sp + UCONTEXT_RIP);
        sp = this.word(sp + UCONTEXT_RSP);
        continue;
      }
      const depth = index < 0 ? -1 : functions.stackDepth(pc);
      if (depth < 0 || BOTTOMS.has(name)) break;
      sp += depth;
      pc = this.word(sp);
      sp += 8;
      if (pc === 0) break;
    }
    return frames;
  }

  /** `g.sched`. */
  private saved(g: number): Position {
    return { sp: this.word(g + this.layout.gSched), pc: this.word(g + this.layout.gSched + 8) };
  }
  /** The frame pointer in `g.sched`. */
  savedRegisters(g: number): { readonly rip: number; readonly rsp: number; readonly rbp: number } {
    const { pc, sp } = this.saved(g);
    return { rip: pc, rsp: sp, rbp: this.word(g + this.layout.gSched + this.layout.gobufBp) };
  }

  private m(g: number): number {
    return g === 0 ? 0 : this.word(g + this.layout.gM);
  }
  private curg(m: number): number {
    return m === 0 ? 0 : this.word(m + this.layout.mCurg);
  }

  /** The words of the first slice of pointers among those at `candidates` that can be read. */
  private elements(candidates: readonly number[]): number[] {
    for (const at of candidates) {
      const data = this.word(at);
      const length = this.word(at + 8);
      if (data === 0 || length === 0 || length > this.word(at + 16) || length > MAX_LISTED) continue;
      if (!this.memory.readable(data, 8 * length)) continue;
      const words = Array.from({ length }, (_, i) => this.word(data + 8 * i));
      if (words.every((word) => word !== 0 && this.memory.readable(word, 8))) return words;
    }
    return [];
  }
  /** A pointer or count at a guest address; 0 where nothing can be read. */
  word(address: number): number {
    return this.memory.readable(address, 8) ? this.memory.getUint64(address) : 0;
  }
  private int(address: number): number {
    return this.memory.readable(address, 4) ? this.memory.getInt32(address) : 0;
  }
}

/** Guest addresses of three words in a row that a function names, as it does with a slice: data, length and capacity. */
function slicesIn(program: Program, name: string): number[] {
  const named = new Set<number>();
  for (const { mnemonic, operands } of instructions(new ImageCode(program), program.go.functions, name)) {
    if (mnemonicName(mnemonic) === "Call") continue;
    for (const operand of operands)
      if (operand.kind === OP_MEM && operand.base < 0 && operand.index < 0 && !operand.fs)
        named.add(operand.disp >>> 0);
  }
  return [...named].filter((address) => named.has(address + 8) && named.has(address + 16));
}
