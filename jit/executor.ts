/**
 * Runs translated code on one thread: links modules into the thread's table, keeps its lookup cache, and turns what
 * comes out of translated code (misses, safepoints, traps) into calls of the machine.
 */
import { BOUNCE_SLOT, type CodeArena } from "./code-arena.js";
import type { TranslationChannel } from "./channel.js";
import type { Counters } from "./counters.js";
import { CPU_LOOKUP, CPU_TRAP_VECTOR, LOOKUP_ENTRIES } from "./cpu-block.js";
import type { CpuState } from "./cpu-state.js";
import { VECTOR_BP, VECTOR_UD, VECTOR_UNIMPLEMENTED } from "./lift/vectors.js";
import type { RecordDecoder } from "./interpreter/record-decoder.js";
import { Records } from "./interpreter/records.js";
import { decodeShapes, H_TRANSLATED, SHAPES_SECTION, type Shape } from "./interpreter/shape.js";
import { LOOKUP_FUNCTION, lookupIndex } from "./lookup.js";
import { RAX, RDX, RSP } from "./registers.js";
import { locateTrap } from "./trap.js";

/** How the thread goes on: in line, at cpu.rip, or not at all. */
export const CONTINUE = 0;
export const REPLACED = 1;
export const ENDED = 2;
export type Continuation = typeof CONTINUE | typeof REPLACED | typeof ENDED;

/** A synchronous exception of the guest; cpu.rip and RSP are exact. */
export interface GuestFault {
  readonly kind: "page" | "divide" | "breakpoint" | "illegal" | "protection" | "unimplemented" | "unaligned";
  /** Faulting data address, or the address that execution could not go on at; -1 for an access whose address is lost. */
  readonly address: number;
}

export interface ExecutionHooks {
  /** A system call: all registers in the CPU block, cpu.rip after the instruction. */
  syscall(): Continuation;
  /**
   * Control has come to a probe, whose instruction has not run: registers in the CPU block, cpu.rip exact. After CONTINUE
   * the thread goes on in line, with the registers it had; what has changed them answers REPLACED. It may wait.
   */
  probe(probe: number): Continuation;
  /** The poll word is set; cpu.rip is exact. Clears it. */
  poll(): Continuation;
  fault(fault: GuestFault): Continuation;
  /** Time stamp counter: a monotonic count below 2^53. */
  timeStamp(): number;
  /** Sees to it that a translator serves the channel. Called once per process. */
  startTranslator(): void;
  /** The decoder of what is interpreted; called at most once, when it is needed. */
  loadDecoder(
    memory: WebAssembly.Memory,
    shapes: ReadonlyMap<number, Shape>,
    isTranslated: (pc: number) => boolean,
  ): RecordDecoder;
}

/** Makes a module of so many functions; an engine may have something to say about when it optimises them. */
export type CompileRegions = (wasm: Uint8Array<ArrayBuffer>, functions: number) => WebAssembly.Module;

/** What a region returns so that all its callers do: never a mapped address. The thread has ended, or goes on at cpu.rip. */
const UNWIND_PC = 0xffffffff;

export class Executor {
  private readonly table: WebAssembly.Table;
  private readonly imports: Record<string, Record<string, unknown>>;
  private readonly lookup: Int32Array;
  private readonly vector: Int32Array;
  private readonly runFrom: (pc: number) => number;
  private readonly stub: unknown;
  private readonly engine: WebAssembly.Module;
  private readonly records: Records;
  private readonly interprets: boolean;
  private decoder: RecordDecoder | undefined;
  private linked = new Set<number>();
  private epoch: number;
  private improvements: number;
  private ended = false;
  /** Guest address of a probe that has been answered, but whose instruction is still to come; -1 if there is none. */
  private passing = -1;

  private readonly cpu: CpuState;
  private readonly arena: CodeArena;
  private readonly channel: TranslationChannel;
  private readonly hooks: ExecutionHooks;
  private readonly counters: Counters | null;
  private readonly now: () => number;
  private readonly compile: CompileRegions;
  private readonly isFunction: (pc: number) => boolean;

  constructor(parts: {
    guestMemory: WebAssembly.Memory;
    cpuMemory: WebAssembly.Memory;
    cpu: CpuState;
    /** The module of `buildEngine`. */
    engine: WebAssembly.Module;
    /** Memory of `Records`. */
    records: WebAssembly.Memory;
    /** False if everything is translated before it runs. */
    interprets: boolean;
    arena: CodeArena;
    channel: TranslationChannel;
    hooks: ExecutionHooks;
    /** A Wasm function (i32 probe) → i32 0 that only observes, in the place of `hooks.probe`. */
    probe?: unknown;
    compile: CompileRegions;
    /** Null unless somebody wants to know. */
    counters: Counters | null;
    /** Milliseconds, for counters. */
    now: () => number;
    /** True if a function of the program begins at a guest address. */
    isFunction: (pc: number) => boolean;
  }) {
    this.cpu = parts.cpu;
    this.arena = parts.arena;
    this.channel = parts.channel;
    this.hooks = parts.hooks;
    this.counters = parts.counters;
    this.now = parts.now;
    this.compile = parts.compile;
    this.isFunction = parts.isFunction;
    const cpuBuffer = parts.cpuMemory.buffer;
    this.lookup = new Int32Array(cpuBuffer, CPU_LOOKUP, LOOKUP_ENTRIES * 2);
    this.vector = new Int32Array(cpuBuffer, CPU_TRAP_VECTOR, 1);
    this.table = new WebAssembly.Table({ element: "anyfunc", initial: 2 });
    this.engine = parts.engine;
    this.records = new Records(parts.records);
    this.interprets = parts.interprets;
    this.imports = {
      m: { g: parts.guestMemory, c: parts.cpuMemory, t: this.table, d: parts.records },
      f: {
        resolve: (pc: number) => this.resolve(pc >>> 0),
        decode: (pc: number) => this.decode(pc >>> 0),
        translate: (pc: number) => this.translate(pc >>> 0),
        hot: (pc: number) => this.offer(pc >>> 0),
        syscall: () => this.systemCall(),
        probe: parts.probe ?? ((probe: number) => this.probe(probe)),
        rdtsc: () => {
          const count = parts.hooks.timeStamp();
          const { gpr32 } = this.cpu;
          gpr32[2 * RAX] = count;
          gpr32[2 * RAX + 1] = 0;
          gpr32[2 * RDX] = count / 0x1_0000_0000;
          gpr32[2 * RDX + 1] = 0;
        },
      },
    };
    const { exports } = new WebAssembly.Instance(parts.engine, this.imports);
    // What regions call of it.
    Object.assign(this.imports["f"]!, exports);
    this.runFrom = exports["run"] as (pc: number) => number;
    this.stub = exports[this.interprets ? "stub" : "wait"];
    this.table.set(0, this.stub);
    this.table.set(BOUNCE_SLOT, exports["bounce"]);
    this.epoch = this.arena.epoch;
    this.improvements = this.arena.improvements;
    this.clearLookup();
  }

  /** Runs the thread from cpu.rip until it ends. */
  run(): void {
    let pc = this.cpu.rip;
    // A Worker runs one thread after another.
    this.ended = false;
    this.passing = -1;
    this.cpu.sample[0] = 0;
    this.followChanges();
    while (!this.ended) {
      try {
        pc = this.runFrom(pc) >>> 0;
      } catch (error) {
        pc = this.recover(error);
        continue;
      }
      if (this.ended) return;
      if (pc === UNWIND_PC) pc = this.cpu.rip;
      this.followChanges();
      // What has been answered at a probe happens before a signal does.
      if (this.cpu.pending[0] !== 0 && this.passing !== pc) {
        this.counters?.add("poll", 1);
        this.cpu.rip = pc;
        pc = this.follow(this.hooks.poll(), pc);
        continue;
      }
      this.counters?.add("miss", 1);
      if (this.resolve(pc) === BOUNCE_SLOT) pc = this.fault(pc, { kind: "page", address: pc });
    }
  }

  /** Where to go on after the machine has acted. */
  private follow(continuation: Continuation, pc: number): number {
    if (continuation === ENDED) this.ended = true;
    return continuation === REPLACED ? this.cpu.rip : pc;
  }

  private fault(pc: number, fault: GuestFault): number {
    this.cpu.rip = pc;
    return this.follow(this.hooks.fault(fault), pc);
  }

  /** Called by translated code. 0: go on in line; else the address to unwind with. */
  private systemCall(): number {
    const continuation = this.hooks.syscall();
    // What is asked of a thread in a system call is no question of time.
    this.cpu.sample[0] = 0;
    return this.followChanges() || continuation !== CONTINUE ? this.unwind(continuation) : 0;
  }

  /** The same at a probe. */
  private probe(probe: number): number {
    const { cpu } = this;
    const pc = cpu.rip;
    if (this.passing === pc) {
      this.passing = -1;
      return 0;
    }
    const continuation = this.hooks.probe(probe);
    if (!this.followChanges() && continuation === CONTINUE) return 0;
    if (continuation !== ENDED && cpu.rip === pc) this.passing = pc;
    return this.unwind(continuation);
  }

  /** True if code has been invalidated while JavaScript ran: then what called that may be out of date itself. */
  private followChanges(): boolean {
    if (this.improvements !== this.arena.improvements) this.followImprovements();
    if (this.epoch === this.arena.epoch) return false;
    this.forgetInvalidated();
    return true;
  }

  /** All frames are left, also one that waits for a return to just that address: its code may be out of date. */
  private unwind(continuation: Continuation): number {
    if (continuation === ENDED) this.ended = true;
    return UNWIND_PC | 0;
  }

  /** The table slot to call for `pc`: of its region, linked now if need be, else of what interprets it. */
  private resolve(pc: number): number {
    const { arena, records } = this;
    if (!this.interprets || arena.isTranslated(pc)) return this.translate(pc);
    // Its region has been invalidated, and what leads there with it.
    if (records.handlerAt(pc) === H_TRANSLATED) records.invalidate(pc, 1);
    if (records.find(pc) === 0 && this.decode(pc) === 0) return this.translate(pc);
    this.remember(pc, 0);
    return 0;
  }

  /** The table slot of the region for `pc`, translated and linked now if need be. */
  private translate(pc: number): number {
    const { arena } = this;
    if (!arena.isTranslated(pc) && !this.request(pc)) return BOUNCE_SLOT;
    const slot = arena.slotOf(pc);
    const module = arena.moduleOf(slot);
    // Invalidated by another thread just now, or it cannot be had: then all is as if it had not been translated.
    if (module < 0 || (!this.linked.has(module) && !this.link(module))) return this.resolve(pc);
    this.remember(pc, this.isFunction(pc) ? slot | LOOKUP_FUNCTION : slot);
    return slot;
  }

  private remember(pc: number, word: number): void {
    const at = lookupIndex(pc) * 2;
    this.lookup[at] = pc;
    this.lookup[at + 1] = word;
  }

  /**
   * The record at `pc`; 0 if there is none and can be none. Also where the host's stack does not do for loading the
   * decoder: then everything unwinds to the dispatcher, which asks again.
   */
  private decode(pc: number): number {
    try {
      return this.loadedDecoder().decode(pc);
    } catch (error) {
      if (error instanceof RangeError) return 0;
      throw error;
    }
  }

  private loadedDecoder(): RecordDecoder {
    this.decoder ??= this.hooks.loadDecoder(
      this.records.memory,
      decodeShapes(WebAssembly.Module.customSections(this.engine, SHAPES_SECTION)[0]!),
      (entry) => this.arena.isTranslated(entry),
    );
    return this.decoder;
  }

  /** Has hot code translated, without waiting for it. */
  private offer(pc: number): void {
    this.channel.offer(pc);
    if (this.channel.isInDemand && this.channel.claimStart()) this.hooks.startTranslator();
  }

  /** Has the region at `pc` translated. False if no code is there. */
  private request(pc: number): boolean {
    const started = this.counters ? this.now() : 0;
    if (this.channel.claimStart()) this.hooks.startTranslator();
    const published = this.channel.request(pc);
    this.counters?.add("translationWaits", 1);
    this.counters?.add("translationWaitUs", (this.now() - started) * 1000);
    return published;
  }

  /** False if the module's code cannot be read; then it is forgotten. */
  private link(module: number): boolean {
    const started = this.counters ? this.now() : 0;
    const { table, arena } = this;
    const missing = arena.slotCount - table.length;
    // In large steps: growing copies the table.
    if (missing > 0) table.grow(Math.max(missing, table.length, 1024), this.stub);
    // The engine takes no shared memory, keeps a copy of its own, and would be slow to free ours.
    const bytes = arena.moduleBytes(module);
    if (!bytes) {
      arena.forget(module);
      return false;
    }
    // Of functions that are better elsewhere the table keeps what it has.
    const better = arena.improvedSlots(module).map((slot) => ({ slot, code: table.get(slot) as unknown }));
    new WebAssembly.Instance(this.compile(bytes, arena.functionCount(module)), this.imports);
    for (const { slot, code } of better) table.set(slot, code);
    this.linked.add(module);
    this.counters?.add("linkedModules", 1);
    this.counters?.add("compileUs", (this.now() - started) * 1000);
    return true;
  }

  /** Takes functions out of the table that are better in modules still to be linked; they are found again through `stub`. */
  private followImprovements(): void {
    const { arena, table } = this;
    this.improvements = arena.improvements;
    for (const slot of arena.improvedSlots()) {
      if (slot < table.length && !this.linked.has(arena.moduleOf(slot))) table.set(slot, this.stub);
    }
    this.clearLookup();
  }

  /** Takes invalidated functions out of the table; they are found again through `stub`. */
  private forgetInvalidated(): void {
    const { arena, table } = this;
    this.epoch = arena.epoch;
    const live = new Set<number>();
    for (let slot = BOUNCE_SLOT + 1; slot < table.length; slot++) {
      const module = slot < arena.slotCount ? arena.moduleOf(slot) : -1;
      if (module < 0) table.set(slot, this.stub);
      else live.add(module);
    }
    this.linked = new Set([...this.linked].filter((module) => live.has(module)));
    this.clearLookup();
  }

  private clearLookup(): void {
    this.lookup.fill(0);
    // Address 0 belongs to entry 0; a key that does not belong there keeps it from matching.
    this.lookup[0] = 1;
  }

  /** Turns what was thrown out of translated code into a guest fault, or throws it again. */
  private recover(error: unknown): number {
    const site = locateTrap(error, this.arena);
    if (!site) throw error;
    if (site.kind === "stack") {
      this.counters?.add("overflow", 1);
      // At a region's first instruction, or in another function on the way to the address in RIP.
      return site.pc >= 0 ? site.pc : this.cpu.rip;
    }
    this.counters?.add("trap", 1);
    const pc = site.interpreted ? this.cpu.rip : site.pc;
    if (pc < 0) throw error;
    this.cpu.gpr[RSP]! += BigInt(site.stackLag);
    switch (site.kind) {
      case "memory":
        return this.fault(pc, { kind: "page", address: -1 });
      case "unaligned":
        return this.fault(pc, { kind: "unaligned", address: pc });
      case "division":
        return this.fault(pc, { kind: "divide", address: pc });
      case "unreachable": {
        const vector = this.vector[0]! - 1;
        this.vector[0] = 0;
        if (vector === VECTOR_BP) return this.fault(pc + 1, { kind: "breakpoint", address: pc });
        if (vector === VECTOR_UD) return this.fault(pc, { kind: "illegal", address: pc });
        if (vector === VECTOR_UNIMPLEMENTED) return this.fault(pc, { kind: "unimplemented", address: pc });
        if (vector === 0) return this.fault(pc, { kind: "divide", address: pc });
        return this.fault(pc, { kind: "protection", address: 0 });
      }
      default:
        throw error;
    }
  }
}
