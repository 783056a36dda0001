/**
 * What an instruction's `lift` works with: guest registers, memory operands, temporaries and flags as Wasm expressions.
 *
 * Guest registers live in Wasm locals inside a region: general registers i64, XMM v128, flags one i32 (0 or 1) each.
 * A `Value` is a temporary that is written once and may be read any number of times.
 */
import { OP_GPR, OP_IMM, OP_MEM, OP_XMM, type Insn, type Operand } from "../decode.js";
import {
  CF,
  FLAG_BITS,
  flagsOfCondition,
  OF,
  PF,
  RSP,
  SF,
  xmmBit,
  ZF,
  type Condition,
  type FlagSet,
  type RegisterSet,
} from "../registers.js";
import { CPU, f32, f64, GUEST, i32, i64, v128, type Expr, type Type, type WasmBuilder } from "../wasm.js";
import { CPU_FS_BASE, CPU_TRAP_VECTOR } from "../cpu-block.js";

export * from "./vectors.js";

/** A temporary in a Wasm local. */
export interface Value {
  readonly type: Type;
  readonly local: number;
}

/** A memory operand's address, evaluated once: `base` is a Wasm address (i32), `offset` a constant added by the access. */
export interface Place {
  readonly base: Value;
  readonly offset: number;
}

/**
 * A pending definition of flags. `flag` gives one flag (0 or 1, i32) from the values it captured; it may be asked
 * any number of times, later in the block, so it must only read `values` (which stay untouched while it is pending).
 */
export interface FlagDefinition {
  /** The flags it defines; a subset of the entry's `flagsWritten`. */
  readonly defines: FlagSet;
  readonly values: readonly Value[];
  readonly flag: (flag: FlagSet) => Expr;
  /** A whole condition in one comparison, where that is shorter than combining flags. */
  readonly condition?: (condition: Condition) => Expr | undefined;
}

/** Guest addresses below this plus a displacement below `MAX_STATIC_OFFSET` are never mapped (see docs/memory.md). */
const LOWEST_MAPPING = 0x400000;

/** Wasm address of one access: expression and constant offset. */
export interface Address {
  readonly base: Expr;
  readonly offset: number;
}

/** What an instruction does with a slot of the guest's stack that is kept in a local (jit/stack-slots.ts). */
export interface SlotAccess {
  /** Number of the slot in this region. */
  readonly slot: number;
  readonly kind: "load" | "store";
}

/** An expression that can trap. */
export interface Mark {
  readonly expr: Expr;
  /** Guest address of its instruction. */
  readonly pc: number;
  /** RSP before the instruction less its copy in the CPU block, in bytes. */
  readonly stackLag: number;
}

export interface LifterOptions {
  /** Guest address of Wasm address 0. */
  readonly guestBase: number;
  /** Marks every statement with its instruction, for people who read the text; else only what can trap is marked. */
  readonly markStatements?: boolean;
}

export class Lifter {
  /** The instruction being lifted. */
  insn!: Insn;
  /** RSP before it less its copy in the CPU block, in bytes. */
  stackLag = 0;
  /** Flags that something reads later: definitions of others need not be kept. */
  flagsLive: FlagSet = 0;
  /** The slot that the instruction being lifted loads from its local, or stores there as well. */
  stackSlot: SlotAccess | null = null;
  /** Left by `lift` of a conditional branch: non-zero if it jumps. */
  branchCondition: Expr | null = null;
  /** Left by `lift` of RET and of indirect jumps and calls: where they go (i32). */
  target: Value | null = null;

  readonly w: WasmBuilder;
  readonly options: LifterOptions;
  private statements: Expr[] = [];
  private localTypes: Type[] = [];
  private paramCount = 0;
  private labelCount = 0;
  private readonly gprLocals = new Int16Array(16);
  private readonly xmmLocals = new Int16Array(16);
  /** Of registers whose halves are apart: a vector whose upper quadword is the register's. */
  private readonly upperLocals = new Int16Array(16);
  private zeroLocal = -1;
  /** XMM registers of whose locals only the low quadword is the register's now. */
  private apart: RegisterSet = 0;
  /** XMM registers whose upper half is known to be zero. */
  private zeroUpper: RegisterSet = 0;
  /** By number of the slot. */
  private slotLocals: (number | undefined)[] = [];
  private readonly flagLocals = new Map<FlagSet, number>();
  private freeTemps = new Map<Type, number[]>();
  private instructionTemps: Value[] = [];
  private definitions = new Map<FlagSet, FlagDefinition>();
  private pinned = new Map<number, number>();
  /** Memory accesses and other trapping expressions. */
  marks: Mark[] = [];
  /** Branches whose condition is nearly always true (`likely`), or never, and the instruction they are for. */
  hints: { branch: Expr; likely: boolean; pc: number }[] = [];

  constructor(w: WasmBuilder, options: LifterOptions) {
    this.w = w;
    this.options = options;
  }

  // --- function and block life cycle (used by the emitter) ---

  /** Starts a new Wasm function. @param rspLocal the parameter that has RSP, or -1 */
  beginFunction(params: readonly Type[], rspLocal: number): void {
    this.localTypes = [...params];
    this.paramCount = params.length;
    this.labelCount = 0;
    this.gprLocals.fill(-1);
    this.xmmLocals.fill(-1);
    this.upperLocals.fill(-1);
    this.zeroLocal = -1;
    this.gprLocals[RSP] = rspLocal;
    this.slotLocals = [];
    this.stackSlot = null;
    this.stackLag = 0;
    this.flagLocals.clear();
    this.freeTemps = new Map();
    this.instructionTemps = [];
    this.definitions = new Map();
    this.pinned = new Map();
    this.statements = [];
    this.marks = [];
    this.hints = [];
  }
  /** Types of the locals beyond the parameters. */
  functionLocals(): readonly Type[] {
    return this.localTypes.slice(this.paramCount);
  }
  /**
   * Starts collecting statements; `flags` are the definitions that reach the block over its only edge, if any, `apart`
   * the XMM registers whose halves are apart.
   */
  beginBlock(flags: ReadonlyMap<FlagSet, FlagDefinition> | null, apart: RegisterSet): void {
    this.statements = [];
    this.apart = apart;
    this.zeroUpper = 0;
    if (this.definitions.size) {
      for (const definition of new Set(this.definitions.values())) this.unpin(definition);
      this.definitions.clear();
    }
    if (!flags?.size) return;
    for (const [flag, definition] of flags) this.definitions.set(flag, definition);
    for (const definition of new Set(flags.values())) this.pin(definition);
  }
  /** Appends the statements collected so far to `out`. */
  moveStatements(out: Expr[]): void {
    for (const statement of this.statements) out.push(statement);
    this.statements = [];
  }
  /** Must follow each instruction: temporaries that no pending flag needs can be used again. */
  endInstruction(): void {
    const temps = this.instructionTemps;
    for (const value of temps) if (!this.pinned.has(value.local)) this.release(value);
    temps.length = 0;
  }
  /** Pending definitions at the block's end, for a successor that has no other predecessor; their values stay reserved. */
  pendingFlags(): ReadonlyMap<FlagSet, FlagDefinition> {
    for (const definition of new Set(this.definitions.values())) this.pin(definition);
    return new Map(this.definitions);
  }
  /** Brings the given flags into their locals, where other blocks expect them. */
  materializeFlags(flags: FlagSet): void {
    for (const { flag } of FLAG_BITS) {
      const definition = flags & flag ? this.definitions.get(flag) : undefined;
      if (definition) this.setFlag(flag, definition.flag(flag));
    }
  }

  // --- statements and temporaries ---

  emit(statement: Expr): void {
    if (this.options.markStatements) this.mark(statement);
    this.statements.push(statement);
  }
  /** Evaluates `expr` now and keeps the result. */
  value(type: Type, expr: Expr): Value {
    const value = this.fresh(type);
    this.emit(this.w.local.set(value.local, expr));
    return value;
  }
  /** A temporary without a value yet; set it with `assign` (once on each path). */
  fresh(type: Type): Value {
    const free = this.freeTemps.get(type)?.pop();
    const value: Value = { type, local: free ?? this.newLocal(type) };
    this.instructionTemps.push(value);
    return value;
  }
  assign(value: Value, expr: Expr): void {
    this.emit(this.w.local.set(value.local, expr));
  }
  get(value: Value): Expr {
    return this.w.local.get(value.local, value.type);
  }
  /** Runs `build` and returns the statements it emitted as one block, for use as an arm of `w.if`. */
  nested(build: () => void): Expr {
    const outer = this.statements;
    this.statements = [];
    build();
    const block = this.w.block(null, this.statements);
    this.statements = outer;
    return block;
  }
  /** A label for `w.loop` or `w.block` that no other statement of this function has. */
  label(): string {
    return `l${this.labelCount++}`;
  }
  /** Remembers that `expr` can trap, and where; returns it. Every load, store, atomic and division needs this. */
  mark(expr: Expr): Expr {
    this.marks.push({ expr, pc: this.insn.pc, stackLag: this.stackLag });
    return expr;
  }
  /** `branch`, after noting whether its condition is likely to be true; undefined if nobody knows. */
  hinted(branch: Expr, likely: boolean | undefined): Expr {
    if (likely !== undefined) this.hints.push({ branch, likely, pc: this.insn.pc });
    return branch;
  }
  /** Statement: raises a processor exception at this instruction. */
  raise(vector: number): void {
    const { w } = this;
    this.emit(w.store(CPU, i32, 4, w.i32.const(0), w.i32.const(vector + 1), CPU_TRAP_VECTOR));
    this.emit(this.mark(w.unreachable()));
  }

  // --- registers ---

  /** The whole general register, i64. */
  gpr(register: number): Expr {
    return this.w.local.get(this.gprLocal(register), i64);
  }
  gpr32(register: number): Expr {
    return this.w.i32.wrap(this.gpr(register));
  }
  setGpr(register: number, value: Expr): void {
    this.emit(this.w.local.set(this.gprLocal(register), value));
  }
  /** Writes 32 bits and clears the upper half, as x86 does. */
  setGpr32(register: number, value: Expr): void {
    this.setGpr(register, this.w.i64.extend_i32_u(value));
  }
  /** The whole XMM register. */
  xmm(register: number): Expr {
    return this.xmmOf(register, this.apart);
  }
  /** The same at a place where the halves of the registers in `apart` are apart. */
  xmmOf(register: number, apart: RegisterSet): Expr {
    const { w } = this;
    const local = w.local.get(this.xmmLocal(register), v128);
    if (!(apart & xmmBit(register))) return local;
    return w.f64x2.replace(w.local.get(this.upperLocal(register), v128), 0, w.f64x2.extract(local, 0));
  }
  setXmm(register: number, value: Expr): void {
    this.emit(this.w.local.set(this.xmmLocal(register), value));
    this.apart &= ~xmmBit(register);
    this.zeroUpper &= ~xmmBit(register);
  }
  /** As `setXmm`, with a value whose upper half is zero. */
  setXmmZeroUpper(register: number, value: Expr): void {
    this.setXmm(register, value);
    this.zeroUpper |= xmmBit(register);
  }
  /** A vector whose low quadword is the register's. */
  lowXmm(register: number): Expr {
    return this.w.local.get(this.xmmLocal(register), v128);
  }
  /** Writes the low quadword with that of `value`, and keeps the upper one. */
  setLowXmm(register: number, value: Expr): void {
    this.keepUpper(register);
    this.emit(this.w.local.set(this.xmmLocal(register), value));
  }
  copyXmm(to: number, from: number): void {
    if (to === from) return;
    const { w } = this;
    const isApart = (this.apart & xmmBit(from)) !== 0;
    const hasZero = (this.zeroUpper & xmmBit(from)) !== 0;
    this.setXmm(to, this.lowXmm(from));
    if (hasZero) this.zeroUpper |= xmmBit(to);
    if (!isApart) return;
    this.emit(w.local.set(this.upperLocal(to), w.local.get(this.upperLocal(from), v128)));
    this.apart |= xmmBit(to);
  }
  /** Statement that keeps the upper half of a whole register, whose local will have it no longer. */
  splitXmm(register: number, upper = this.lowXmm(register)): Expr {
    return this.w.local.set(this.upperLocal(register), upper);
  }
  /**
   * Brings the halves of XMM registers to where the next blocks expect them: apart for the registers in `some`, which is
   * what any of them expects; whole for those that are not in `all`. Returns the registers whose halves are apart.
   */
  handOverXmm(some: RegisterSet, all: RegisterSet): RegisterSet {
    for (let register = 0; register < 16; register++) {
      const bit = xmmBit(register);
      if (some & bit) this.keepUpper(register);
      // The upper half stays where it is as well, for the blocks that expect it there.
      if (this.apart & ~all & bit) this.emit(this.w.local.set(this.xmmLocal(register), this.xmm(register)));
    }
    return this.apart;
  }
  gprLocal(register: number): number {
    let local = this.gprLocals[register]!;
    if (local < 0) this.gprLocals[register] = local = this.newLocal(i64);
    return local;
  }
  xmmLocal(register: number): number {
    let local = this.xmmLocals[register]!;
    if (local < 0) this.xmmLocals[register] = local = this.newLocal(v128);
    return local;
  }
  private upperLocal(register: number): number {
    let local = this.upperLocals[register]!;
    if (local < 0) this.upperLocals[register] = local = this.newLocal(v128);
    return local;
  }
  /** A local that is never written: a constant would take 18 bytes each time. */
  zeroVector(): Expr {
    if (this.zeroLocal < 0) this.zeroLocal = this.newLocal(v128);
    return this.w.local.get(this.zeroLocal, v128);
  }
  private keepUpper(register: number): void {
    const bit = xmmBit(register);
    if (this.apart & bit) return;
    this.emit(this.splitXmm(register, this.zeroUpper & bit ? this.zeroVector() : undefined));
    this.apart |= bit;
  }
  flagLocal(flag: FlagSet): number {
    let local = this.flagLocals.get(flag);
    if (local === undefined) this.flagLocals.set(flag, (local = this.newLocal(i32)));
    return local;
  }

  // --- integer operands ---

  /** Reads a register, memory or immediate operand: i32 zero-extended for sizes 1, 2, 4; i64 for size 8. */
  read(operand: Operand): Expr {
    const { w } = this;
    switch (operand.kind) {
      case OP_GPR:
        if (operand.size === 8) return this.gpr(operand.reg);
        if (operand.size === 4) return this.gpr32(operand.reg);
        if (operand.high) return w.i32.and(w.i32.shr_u(this.gpr32(operand.reg), w.i32.const(8)), w.i32.const(0xff));
        return w.i32.and(this.gpr32(operand.reg), w.i32.const(operand.size === 1 ? 0xff : 0xffff));
      case OP_IMM:
        return this.immediate(operand, false);
      case OP_MEM:
        return this.loadAt(this.address(operand), operand.size, false);
      default:
        throw new Error(`no integer operand: kind ${operand.kind}`);
    }
  }
  /** As `read`, but sizes 1 and 2 sign-extended. */
  readSigned(operand: Operand): Expr {
    const { w } = this;
    if (operand.kind === OP_IMM) return this.immediate(operand, true);
    if (operand.kind === OP_MEM) return this.loadAt(this.address(operand), operand.size, true);
    if (operand.size === 1) return w.i32.extend8_s(this.read(operand));
    if (operand.size === 2) return w.i32.extend16_s(this.read(operand));
    return this.read(operand);
  }
  /** Writes a register or memory operand of 1, 2, 4 (i32; excess bits are ignored) or 8 bytes (i64). */
  write(operand: Operand, value: Expr): void {
    if (operand.kind === OP_MEM) {
      // The address is evaluated first, the value may depend on the registers in it but not change them.
      this.storeAt(this.address(operand), operand.size, value);
      return;
    }
    const { w } = this;
    const { reg, size } = operand;
    if (size === 8) this.setGpr(reg, value);
    else if (size === 4) this.setGpr32(reg, value);
    else {
      const shift = operand.high ? 8 : 0;
      const mask = (size === 1 ? 0xffn : 0xffffn) << BigInt(shift);
      const narrow = w.i32.and(value, w.i32.const(size === 1 ? 0xff : 0xffff));
      const placed = shift ? w.i32.shl(narrow, w.i32.const(shift)) : narrow;
      this.setGpr(reg, w.i64.or(w.i64.and(this.gpr(reg), w.i64.const(~mask)), w.i64.extend_i32_u(placed)));
    }
  }
  immediate(operand: Operand, signed: boolean): Expr {
    const { w } = this;
    if (operand.size === 8) return w.i64.const((BigInt(operand.immHi) << 32n) | BigInt(operand.immLo >>> 0));
    if (operand.size === 4 || signed) return w.i32.const(operand.immLo);
    return w.i32.const(operand.immLo & (operand.size === 1 ? 0xff : 0xffff));
  }

  // --- memory operands ---

  /** Wasm address of a memory operand as expression and constant offset, to be used by exactly one access. */
  address(operand: Operand): Address {
    const { w } = this;
    const { guestBase } = this.options;
    if (operand.base < 0 && operand.index < 0 && !operand.fs) {
      // Absolute. An address outside the 4 GiB must fault: keep it as an offset past the end.
      const address = operand.addr32 ? operand.disp >>> 0 : operand.disp;
      if (address >= guestBase && address <= 0xffffffff) return { base: w.i32.const(address - guestBase), offset: 0 };
      return { base: w.i32.const(-1), offset: 0xffff0000 };
    }
    let sum: Expr | null = null;
    const add = (term: Expr) => (sum = sum === null ? term : w.i32.add(sum, term));
    if (operand.base >= 0) add(this.gpr32(operand.base));
    if (operand.index >= 0) {
      const index = this.gpr32(operand.index);
      add(operand.scale === 1 ? index : w.i32.shl(index, w.i32.const(Math.log2(operand.scale))));
    }
    if (operand.fs) add(w.load(CPU, i32, 4, w.i32.const(0), CPU_FS_BASE));
    // A non-negative displacement below the lowest mapping can be the access's own offset: if base + displacement
    // is mapped, base itself is at least guestBase, so that base - guestBase does not wrap. Others need a wrapping add.
    const asOffset = operand.disp >= 0 && operand.disp < LOWEST_MAPPING - guestBase;
    const constant = (asOffset ? 0 : operand.disp) - guestBase;
    return { base: w.i32.add(sum!, w.i32.const(constant)), offset: asOffset ? operand.disp : 0 };
  }
  /** The full 64-bit effective address (LEA), without segment base. */
  effectiveAddress(operand: Operand): Expr {
    const { w } = this;
    let sum: Expr | null = null;
    const add = (term: Expr) => (sum = sum === null ? term : w.i64.add(sum, term));
    if (operand.base >= 0) add(this.gpr(operand.base));
    if (operand.index >= 0) {
      const index = this.gpr(operand.index);
      add(operand.scale === 1 ? index : w.i64.shl(index, w.i64.const(Math.log2(operand.scale))));
    }
    if (operand.disp !== 0 || sum === null) add(w.i64.const(operand.disp));
    return operand.addr32 ? w.i64.and(sum!, w.i64.const(0xffffffffn)) : sum!;
  }
  /** Evaluates a memory operand's address once, for read-modify-write. */
  place(operand: Operand): Place {
    const { base, offset } = this.address(operand);
    return { base: this.value(i32, base), offset };
  }
  /** The memory that a guest stack pointer (i64) points to. */
  stackAddress(pointer: Value): Address {
    const { w } = this;
    return { base: w.i32.add(w.i32.wrap(this.get(pointer)), w.i32.const(-this.options.guestBase)), offset: 0 };
  }
  placeAddress(place: Place): Address {
    return { base: this.get(place.base), offset: place.offset };
  }
  loadAt(address: Address, size: number, signed: boolean): Expr {
    const type = size === 8 ? i64 : i32;
    if (this.stackSlot?.kind === "load") {
      const value = this.slotValue(this.stackSlot);
      return size === 8 ? value : this.w.i32.wrap(value);
    }
    return this.mark(this.w.load(GUEST, type, size, address.base, address.offset, signed));
  }
  storeAt(address: Address, size: number, value: Expr): void {
    const type = size === 8 ? i64 : i32;
    if (this.stackSlot?.kind === "store") {
      return this.keepAndStore(this.stackSlot, address, size, size === 8 ? value : this.w.i64.extend_i32_u(value));
    }
    this.emit(this.mark(this.w.store(GUEST, type, size, address.base, value, address.offset)));
  }
  /** Loads 1, 2, 4 or 8 bytes of a memory operand as an i64. */
  loadI64(operand: Operand, size: number, signed: boolean): Expr {
    if (this.stackSlot?.kind === "load") {
      const value = this.slotValue(this.stackSlot);
      if (size === 8) return value;
      return signed ? this.w.i64.extend32_s(value) : this.w.i64.extend_i32_u(this.w.i32.wrap(value));
    }
    const { base, offset } = this.address(operand);
    return this.mark(this.w.load(GUEST, i64, size, base, offset, signed));
  }
  /** Stores the low 1, 2, 4 or 8 bytes of an i64. */
  storeI64(operand: Operand, size: number, value: Expr): void {
    const address = this.address(operand);
    if (this.stackSlot?.kind === "store") return this.keepAndStore(this.stackSlot, address, size, value);
    this.emit(this.mark(this.w.store(GUEST, i64, size, address.base, value, address.offset)));
  }
  /** What a slot's local has: an i64, of which the slot's size counts. */
  private slotValue({ slot }: SlotAccess): Expr {
    return this.w.local.get(this.slotLocal(slot), i64);
  }
  private keepAndStore(access: SlotAccess, { base, offset }: Address, size: number, value: Expr): void {
    this.emit(this.w.local.set(this.slotLocal(access.slot), value));
    this.emit(this.mark(this.w.store(GUEST, i64, size, base, this.slotValue(access), offset)));
  }
  private slotLocal(slot: number): number {
    return (this.slotLocals[slot] ??= this.newLocal(i64));
  }
  /**
   * Read-modify-write of a register or memory operand without LOCK: `compute` gets the old value and returns the new
   * one; the operand is written after it.
   */
  update(operand: Operand, compute: (old: Value) => Expr): void {
    const type = operand.size === 8 ? i64 : i32;
    if (operand.kind !== OP_MEM) {
      this.write(operand, compute(this.value(type, this.read(operand))));
      return;
    }
    const place = this.place(operand);
    const old = this.value(type, this.loadAt(this.placeAddress(place), operand.size, false));
    const result = this.value(type, compute(old));
    this.storeAt(this.placeAddress(place), operand.size, this.get(result));
  }

  // --- XMM operands ---

  /** All 128 bits of an XMM register or of memory (no alignment check). */
  readXmm(operand: Operand): Expr {
    if (operand.kind === OP_XMM) return this.xmm(operand.reg);
    const { base, offset } = this.address(operand);
    return this.mark(this.w.load(GUEST, v128, 16, base, offset));
  }
  writeXmm(operand: Operand, value: Expr): void {
    if (operand.kind === OP_XMM) return this.setXmm(operand.reg, value);
    const { base, offset } = this.address(operand);
    this.emit(this.mark(this.w.store(GUEST, v128, 16, base, value, offset)));
  }
  /** Lane 0 of an XMM register, or memory, as f64 / f32. */
  readF64(operand: Operand): Expr {
    if (operand.kind === OP_XMM) return this.w.f64x2.extract(this.lowXmm(operand.reg), 0);
    const { base, offset } = this.address(operand);
    return this.mark(this.w.load(GUEST, f64, 8, base, offset));
  }
  readF32(operand: Operand): Expr {
    if (operand.kind === OP_XMM) return this.w.f32x4.extract(this.lowXmm(operand.reg), 0);
    const { base, offset } = this.address(operand);
    return this.mark(this.w.load(GUEST, f32, 4, base, offset));
  }
  /** Loads 8 or 4 bytes of memory into the low lane of a v128 and clears the rest. */
  loadF64Zero(operand: Operand): Expr {
    const { base, offset } = this.address(operand);
    return this.mark(this.w.loadZero(GUEST, 8, base, offset));
  }
  loadF32Zero(operand: Operand): Expr {
    const { base, offset } = this.address(operand);
    return this.mark(this.w.loadZero(GUEST, 4, base, offset));
  }
  storeF64(operand: Operand, value: Expr): void {
    const { base, offset } = this.address(operand);
    this.emit(this.mark(this.w.store(GUEST, f64, 8, base, value, offset)));
  }
  storeF32(operand: Operand, value: Expr): void {
    const { base, offset } = this.address(operand);
    this.emit(this.mark(this.w.store(GUEST, f32, 4, base, value, offset)));
  }
  /** Replaces lane 0 of an XMM register, keeping the rest. */
  setF64(register: number, value: Expr): void {
    this.setLowXmm(register, this.w.f64x2.splat(value));
  }
  setF32(register: number, value: Expr): void {
    this.setXmm(register, this.w.f32x4.replace(this.xmm(register), 0, value));
  }

  // --- flags ---

  /** Makes `definition` the source of its flags, unless nothing reads them. Call it after the values are computed. */
  define(definition: FlagDefinition): void {
    const flags = definition.defines & this.flagsLive;
    if (flags === 0 && this.definitions.size === 0) return;
    for (const { flag } of FLAG_BITS) {
      if (!(definition.defines & flag)) continue;
      const old = this.definitions.get(flag);
      this.definitions.delete(flag);
      if (old && ![...this.definitions.values()].includes(old)) this.unpin(old);
      if (flags & flag) this.definitions.set(flag, definition);
    }
    if (flags) this.pin(definition);
  }
  /** One flag as i32, 0 or 1. */
  flag(flag: FlagSet): Expr {
    const definition = this.definitions.get(flag);
    return definition ? definition.flag(flag) : this.keptFlag(flag);
  }
  /** A condition as i32: zero or non-zero. */
  condition(condition: Condition): Expr {
    const { w } = this;
    const flags = flagsOfCondition(condition);
    let definition: FlagDefinition | undefined | null = null;
    for (const { flag } of FLAG_BITS) {
      if (!(flags & flag)) continue;
      const source = this.definitions.get(flag);
      definition = definition === null || definition === source ? source : undefined;
    }
    const fused = definition?.condition?.(condition);
    if (fused !== undefined) return fused;
    switch (condition) {
      case "o":
        return this.flag(OF);
      case "no":
        return w.i32.eqz(this.flag(OF));
      case "b":
        return this.flag(CF);
      case "ae":
        return w.i32.eqz(this.flag(CF));
      case "e":
        return this.flag(ZF);
      case "ne":
        return w.i32.eqz(this.flag(ZF));
      case "be":
        return w.i32.or(this.flag(CF), this.flag(ZF));
      case "a":
        return w.i32.eqz(w.i32.or(this.flag(CF), this.flag(ZF)));
      case "s":
        return this.flag(SF);
      case "ns":
        return w.i32.eqz(this.flag(SF));
      case "p":
        return this.flag(PF);
      case "np":
        return w.i32.eqz(this.flag(PF));
      case "l":
        return w.i32.ne(this.flag(SF), this.flag(OF));
      case "ge":
        return w.i32.eq(this.flag(SF), this.flag(OF));
      case "le":
        return w.i32.or(this.flag(ZF), w.i32.ne(this.flag(SF), this.flag(OF)));
      case "g":
        return w.i32.eqz(w.i32.or(this.flag(ZF), w.i32.ne(this.flag(SF), this.flag(OF))));
    }
  }
  /** Flags that now have a definition which is not in their local. */
  pendingFlagSet(): FlagSet {
    let set: FlagSet = 0;
    for (const flag of this.definitions.keys()) set |= flag;
    return set;
  }

  // --- where flags are kept that have no pending definition ---

  protected keptFlag(flag: FlagSet): Expr {
    return this.w.local.get(this.flagLocal(flag), i32);
  }
  protected setFlag(flag: FlagSet, value: Expr): void {
    this.emit(this.w.local.set(this.flagLocal(flag), value));
  }

  // --- private ---

  private newLocal(type: Type): number {
    this.localTypes.push(type);
    return this.localTypes.length - 1;
  }
  private release(value: Value): void {
    const list = this.freeTemps.get(value.type);
    if (list) list.push(value.local);
    else this.freeTemps.set(value.type, [value.local]);
  }
  private pin(definition: FlagDefinition): void {
    for (const { local } of definition.values) this.pinned.set(local, (this.pinned.get(local) ?? 0) + 1);
  }
  private unpin(definition: FlagDefinition): void {
    for (const value of definition.values) {
      const count = (this.pinned.get(value.local) ?? 0) - 1;
      if (count > 0) this.pinned.set(value.local, count);
      else {
        this.pinned.delete(value.local);
        if (!this.instructionTemps.includes(value)) this.release(value);
      }
    }
  }
}

/** Constants re-exported so that instruction tables import from one place. */
export { CF, OF, PF, SF, ZF };
