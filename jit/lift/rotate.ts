/** ROL, ROR, RCL, RCR and the double shifts SHLD, SHRD. */
import { OP_IMM } from "../decode.js";
import { AF, CF, OF, STATUS_FLAGS } from "../registers.js";
import { i32, type Expr } from "../wasm.js";
import type { InstructionEntry } from "./entry.js";
import { givenFlags, resultFlags } from "./flag-definitions.js";
import { updateKeeping, updateOnlyPlain } from "./locked.js";
import { constantCount, countOf, defineShift, shiftFlagsRead, shiftFlagsWritten, shiftSamples } from "./shift.js";
import { sourceOf, Width, type Source } from "./width.js";

const ROTATE_FLAGS = CF | OF;

/** The two top bits differ. */
const topBitsDiffer = (width: Width, result: Source): Expr =>
  width.lifter.w.i32.xor(width.bit(result.get(), width.bits - 1), width.bit(result.get(), width.bits - 2));

function rotate(left: boolean): InstructionEntry["lift"] {
  return (lifter, insn) => {
    const { w } = lifter;
    const [target, countOperand] = insn.operands;
    const width = new Width(lifter, target!.size);
    const { ops, bits } = width;
    const variable = countOperand!.kind !== OP_IMM;
    /** `value` is called for each use; counts are taken modulo the width. */
    const turn = (value: () => Expr, count: () => Expr): Expr => {
      if (bits >= 32) return (left ? ops.rotl : ops.rotr)(value(), width.fromI32(count()));
      const steps = () => w.i32.and(count(), w.i32.const(bits - 1));
      const back = w.i32.sub(w.i32.const(bits), steps());
      return left
        ? w.i32.or(w.i32.shl(value(), steps()), w.i32.shr_u(value(), back))
        : w.i32.or(w.i32.shr_u(value(), steps()), w.i32.shl(value(), back));
    };
    if ((lifter.flagsLive & ROTATE_FLAGS) === 0 && bits >= 32) {
      const count = () => (variable ? lifter.read(countOperand!) : w.i32.const(constantCount(insn, countOperand!)));
      updateOnlyPlain(lifter, width, target!, (old) => turn(() => old, count));
      return;
    }
    const count = countOf(lifter, insn, countOperand!);
    const { result } = updateKeeping(lifter, width, insn, target!, count, (value) => turn(value.get, count.get));
    if (!variable && constantCount(insn, countOperand!) === 0) return;
    defineShift(
      lifter,
      count,
      variable,
      givenFlags(ROTATE_FLAGS, [...result.values, ...count.values], (flag) => {
        if (!left) return flag === CF ? width.negative(result.get()) : topBitsDiffer(width, result);
        const carry = width.bit(result.get(), 0);
        return flag === CF ? carry : w.i32.xor(carry, width.negative(result.get()));
      }),
    );
  };
}

/** RCL, RCR: rotates bits + 1 bits, the carry being the extra one. */
function rotateThroughCarry(left: boolean): InstructionEntry["lift"] {
  return (lifter, insn) => {
    const { w } = lifter;
    const [target, countOperand] = insn.operands;
    const width = new Width(lifter, target!.size);
    const { ops, bits } = width;
    const variable = countOperand!.kind !== OP_IMM;
    let count = countOf(lifter, insn, countOperand!);
    if (bits < 32) {
      const period = w.i32.const(bits + 1);
      count = sourceOf(lifter, lifter.value(i32, w.i32.rem_u(count.get(), period)));
    }
    const constant = variable ? -1 : constantCount(insn, countOperand!) % (bits < 32 ? bits + 1 : 64);
    const carryIn = sourceOf(lifter, lifter.value(i32, lifter.flag(CF)));
    const n = () => width.fromI32(count.get());
    const back = () => ops.sub(width.const(bits), n());
    const carry = () => width.fromI32(carryIn.get());
    // With one bit more than Wasm's type, the last step is made apart. For a count of 0 the result is not used.
    const turned = (a: Source): Expr => {
      if (left) {
        const low = ops.shr_u(ops.shr_u(a.get(), width.const(1)), back());
        return ops.or(ops.or(ops.shl(a.get(), n()), ops.shl(carry(), ops.sub(n(), width.const(1)))), low);
      }
      const high = ops.shl(ops.shl(a.get(), width.const(1)), back());
      return ops.or(ops.or(ops.shr_u(a.get(), n()), ops.shl(carry(), back())), high);
    };
    const { a, result } = updateKeeping(lifter, width, insn, target!, count, (old) =>
      constant > 0 ? turned(old) : w.select(count.get(), turned(old), old.get()),
    );
    if (constant === 0) return;
    const carryOut = (): Expr => {
      const position = left ? back() : ops.sub(n(), width.const(1));
      return width.bit(ops.shr_u(a.get(), position), 0);
    };
    defineShift(
      lifter,
      count,
      variable,
      givenFlags(ROTATE_FLAGS, [...a.values, ...result.values, ...count.values], (flag) => {
        if (flag === CF) return carryOut();
        return left ? w.i32.xor(carryOut(), width.negative(result.get())) : topBitsDiffer(width, result);
      }),
    );
  };
}

/** SHLD, SHRD. A 16-bit operand with a count above 16 is undefined, and here what the formula gives. */
function doubleShift(left: boolean): InstructionEntry["lift"] {
  return (lifter, insn) => {
    const { w } = lifter;
    const [target, source, countOperand] = insn.operands;
    const width = new Width(lifter, target!.size);
    const { ops, bits } = width;
    const variable = countOperand!.kind !== OP_IMM;
    const count = countOf(lifter, insn, countOperand!);
    const fill = width.capture(source!);
    const n = () => width.fromI32(count.get());
    // bits - n in two steps, so that a count of 0 shifts everything out.
    const rest = () => ops.sub(width.const(bits - 1), n());
    const one = () => width.const(1);
    const shifted = (a: Source): Expr =>
      left
        ? ops.or(ops.shl(a.get(), n()), ops.shr_u(ops.shr_u(fill.get(), one()), rest()))
        : ops.or(ops.shr_u(a.get(), n()), ops.shl(ops.shl(fill.get(), one()), rest()));
    const { a, result } = updateKeeping(lifter, width, insn, target!, count, shifted);
    if (!variable && constantCount(insn, countOperand!) === 0) return;
    const common = resultFlags(width, result);
    const carryOut = (): Expr => {
      const position = left ? ops.sub(width.const(bits), n()) : ops.sub(n(), one());
      return width.bit(ops.shr_u(a.get(), position), 0);
    };
    defineShift(
      lifter,
      count,
      variable,
      givenFlags(STATUS_FLAGS, [...a.values, ...result.values, ...count.values], (flag) => {
        if (flag === CF) return carryOut();
        // Sign change.
        if (flag === OF) return w.i32.xor(width.negative(a.get()), width.negative(result.get()));
        if (flag === AF) return w.i32.const(0);
        return common.flag(flag);
      }),
    );
  };
}

const rotateEntry = (
  mnemonic: string,
  extension: number,
  throughCarry: boolean,
  lift: InstructionEntry["lift"],
): InstructionEntry => ({
  mnemonic,
  operands: ["rw", "r"],
  flagsRead: shiftFlagsRead(ROTATE_FLAGS, throughCarry ? CF : 0),
  flagsWritten: shiftFlagsWritten(ROTATE_FLAGS),
  cpuid: "base",
  lift,
  samples: shiftSamples(extension),
});

const doubleSamples = (opcode: number): readonly string[] => {
  const byImmediate = opcode.toString(16);
  const byCl = (opcode + 1).toString(16);
  return [
    `480f${byImmediate}d90b`,
    `0f${byImmediate}d90b`,
    `660f${byImmediate}d90b`,
    `480f${byImmediate}4b100b`,
    `0f${byImmediate}4b101f`,
    `0f${byImmediate}d920`, // count 0
    `480f${byImmediate}d901`,
    `480f${byCl}d3`,
    `0f${byCl}d3`,
    `480f${byCl}5310`,
    `0f${byCl}5310`,
  ];
};

export const ROTATE: readonly InstructionEntry[] = [
  rotateEntry("Rol", 0, false, rotate(true)),
  rotateEntry("Ror", 1, false, rotate(false)),
  rotateEntry("Rcl", 2, true, rotateThroughCarry(true)),
  rotateEntry("Rcr", 3, true, rotateThroughCarry(false)),
  {
    mnemonic: "Shld",
    operands: ["rw", "r", "r"],
    flagsRead: shiftFlagsRead(STATUS_FLAGS),
    flagsWritten: shiftFlagsWritten(STATUS_FLAGS),
    cpuid: "base",
    lift: doubleShift(true),
    samples: doubleSamples(0xa4),
  },
  {
    mnemonic: "Shrd",
    operands: ["rw", "r", "r"],
    flagsRead: shiftFlagsRead(STATUS_FLAGS),
    flagsWritten: shiftFlagsWritten(STATUS_FLAGS),
    cpuid: "base",
    lift: doubleShift(false),
    samples: doubleSamples(0xac),
  },
];
