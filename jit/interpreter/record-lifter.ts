/**
 * Lifting for interpretation: the same entries as in translation, but registers and flags are in the CPU block, and
 * which register, address or immediate an operand means is in the instruction's record.
 */
import { CPU_FLAGS, CPU_GPR, CPU_XMM } from "../cpu-block.js";
import { mnemonicName, OP_GPR, OP_IMM, OP_MEM, OP_XMM, type Insn, type Operand } from "../decode.js";
import { Lifter } from "../lift/lifter.js";
import { FLAG_BITS, RCX, type FlagSet } from "../registers.js";
import { CPU, i32, i64, v128, type Expr, type Type } from "../wasm.js";
import { R_BASE, R_DISP, R_FIRST, R_IMMEDIATE, R_INDEX, R_SCALE, R_SECOND } from "./layout.js";

/** The record memory. */
export const RECORDS = "d";

/** Stand-ins for register numbers: the first and second operand's, and the immediate as if it were in a register. */
const FIRST = 32;
const SECOND = 33;
const IMMEDIATE = 34;
/** Stands for the base of a memory operand, and means all of its address. */
const DESCRIBED = 40;

/** A handler's parameters: its record, and how many calls have been interpreted since control came in. */
export const HANDLER_PARAMS: readonly Type[] = [i32, i32];
export const RECORD_PARAM = 0;
export const DEPTH_PARAM = 1;

/** The entry decides by the immediate's value: one handler cannot do for all. */
export class NeedsValue extends Error {}

/** True for BT and its like with an immediate: a bit number, which is computed in the first operand's width. */
export const hasBitNumber = (insn: Insn): boolean =>
  insn.operands[1]?.kind === OP_IMM && /^Bt[src]?$/.test(mnemonicName(insn.mnemonic));

/**
 * The instruction with operands that stand for those of any instruction of its shape.
 * @param value its immediate, if the shape has it
 * @throws NeedsValue if there can be no such instruction
 */
export function templateOf(insn: Insn, value?: number): Insn {
  const { operands } = insn;
  // Two memory operands are those of a string instruction, always in the same registers.
  const implied = operands.filter(({ kind }) => kind === OP_MEM).length > 1;
  return { ...insn, operands: operands.map((operand, i) => (implied ? operand : standIn(insn, operand, i, value))) };
}

function standIn(insn: Insn, operand: Operand, index: number, value: number | undefined): Operand {
  const [first] = insn.operands;
  switch (operand.kind) {
    case OP_GPR:
    case OP_XMM:
      if (index < 2) return { ...operand, reg: index === 0 ? FIRST : SECOND };
      if (operand.kind === OP_GPR && operand.reg === RCX) return operand; // CL, in all instructions of the shape
      throw new NeedsValue();
    case OP_MEM:
      return { ...operand, base: DESCRIBED, index: -1, disp: 0, scale: 1, fs: false };
    case OP_IMM: {
      if (value !== undefined) return { ...operand, immLo: value, immHi: 0 };
      // A count or a selection of lanes; and a bit of memory, which a register may name beyond the operand.
      if (first!.kind === OP_XMM || (hasBitNumber(insn) && first!.kind === OP_MEM)) throw new NeedsValue();
      return withoutValue({
        ...operand,
        kind: OP_GPR,
        reg: IMMEDIATE,
        size: hasBitNumber(insn) ? first!.size : operand.size,
      });
    }
    default:
      return operand;
  }
}

function withoutValue(operand: Operand): Operand {
  const get = (): never => {
    throw new NeedsValue();
  };
  return Object.defineProperties({ ...operand }, { immLo: { get }, immHi: { get } });
}

const FLAG_OFFSET = new Map(FLAG_BITS.map(({ flag }, index) => [flag, CPU_FLAGS + 4 * index]));

export class RecordLifter extends Lifter {
  /** Starts a handler. */
  beginHandler(): void {
    this.beginFunction(HANDLER_PARAMS, -1);
    this.beginBlock(null, 0);
  }

  record(): Expr {
    return this.w.local.get(RECORD_PARAM, i32);
  }
  /** A field of the record. */
  field(offset: number, bytes: 1 | 2 | 4): Expr {
    return this.w.load(RECORDS, i32, bytes, this.record(), offset);
  }

  override gpr(register: number): Expr {
    if (register === IMMEDIATE) return this.w.load(RECORDS, i64, 8, this.record(), R_IMMEDIATE);
    return this.load(i64, 8, register, CPU_GPR + 8 * register);
  }
  override gpr32(register: number): Expr {
    if (register === IMMEDIATE) return this.w.load(RECORDS, i32, 4, this.record(), R_IMMEDIATE);
    return this.load(i32, 4, register, CPU_GPR + 8 * register);
  }
  override setGpr(register: number, value: Expr): void {
    this.store(i64, 8, register, CPU_GPR + 8 * register, value);
  }
  override xmm(register: number): Expr {
    return this.load(v128, 16, register, CPU_XMM + 16 * register);
  }
  override setXmm(register: number, value: Expr): void {
    this.store(v128, 16, register, CPU_XMM + 16 * register, value);
  }
  // Registers are whole between instructions.
  override setXmmZeroUpper(register: number, value: Expr): void {
    this.setXmm(register, value);
  }
  override lowXmm(register: number): Expr {
    return this.xmm(register);
  }
  override setLowXmm(register: number, value: Expr): void {
    this.setF64(register, this.w.f64x2.extract(value, 0));
  }
  override setF64(register: number, value: Expr): void {
    this.setXmm(register, this.w.f64x2.replace(this.xmm(register), 0, value));
  }
  override copyXmm(to: number, from: number): void {
    this.setXmm(to, this.xmm(from));
  }

  override address(operand: Operand): { base: Expr; offset: number } {
    if (operand.base !== DESCRIBED) return super.address(operand);
    const { w } = this;
    const index = w.i32.shl(this.cpuWord(R_INDEX), this.field(R_SCALE, 1));
    const sum = w.i32.add(w.i32.add(this.cpuWord(R_BASE), index), this.field(R_DISP, 4));
    return { base: w.i32.sub(sum, w.i32.const(this.options.guestBase)), offset: 0 };
  }
  override effectiveAddress(operand: Operand): Expr {
    if (operand.base !== DESCRIBED) return super.effectiveAddress(operand);
    const { w } = this;
    const wide = (offset: number) => w.load(CPU, i64, 8, this.field(offset, 2), 0);
    const index = w.i64.shl(wide(R_INDEX), w.load(RECORDS, i64, 1, this.record(), R_SCALE));
    return w.i64.add(w.i64.add(wide(R_BASE), index), w.load(RECORDS, i64, 4, this.record(), R_DISP, true));
  }

  protected override keptFlag(flag: FlagSet): Expr {
    return this.w.load(CPU, i32, 4, this.w.i32.const(0), FLAG_OFFSET.get(flag)!);
  }
  protected override setFlag(flag: FlagSet, value: Expr): void {
    this.emit(this.w.store(CPU, i32, 4, this.w.i32.const(0), value, FLAG_OFFSET.get(flag)!));
  }

  /** The low word of the register whose place in the CPU block the record has at `offset`. */
  private cpuWord(offset: number): Expr {
    return this.w.load(CPU, i32, 4, this.field(offset, 2), 0);
  }
  private load(type: Type, bytes: number, register: number, fixed: number): Expr {
    if (register < FIRST) return this.w.load(CPU, type, bytes, this.w.i32.const(0), fixed);
    return this.w.load(CPU, type, bytes, this.named(register), 0);
  }
  private store(type: Type, bytes: number, register: number, fixed: number, value: Expr): void {
    if (register < FIRST) this.emit(this.w.store(CPU, type, bytes, this.w.i32.const(0), value, fixed));
    else this.emit(this.w.store(CPU, type, bytes, this.named(register), value, 0));
  }
  private named(register: number): Expr {
    return this.field(register === FIRST ? R_FIRST : R_SECOND, 2);
  }
}
