/** ROL, ROR, RCL, RCR and the double shifts SHLD, SHRD. */
import { OP_IMM } from "../decode.js";
import { AF, CF, OF, STATUS_FLAGS } from "../registers.js";
import { i32, type Expr } from "../wasm.js";
import type { InstructionEntry } from "./entry.js";
import { givenFlags, resultFlags } from "./flag-definitions.js";
import { updateKeeping, updateOnlyPlain } from "./locked.js";
import { constantCount, countOf, defineShift, shiftFlagsKept, shiftFlagsWritten, shiftSamples } from "./shift.js";
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
    const variable = countOperand!.kind !== OP_IMM;
    const count = countOf(lifter, insn, countOperand!);
    if (!variable && constantCount(insn, countOperand!) === 0) {
      updateOnlyPlain(lifter, width, target!, (old) => old);
      return;
    }
    const carryIn = sourceOf(lifter, lifter.value(i32, lifter.flag(CF)));
    const carryOut = lifter.fresh(i32);
    const turn = width.bits < 32 ? turnNarrow : turnWide;
    const { result } = updateKeeping(lifter, width, insn, target!, count, (old) => {
      const turned = turn(width, left, old, count, carryIn, variable);
      lifter.assign(carryOut, turned.carry);
      return turned.value;
    });
    const carry = () => lifter.get(carryOut);
    defineShift(
      lifter,
      count,
      variable,
      givenFlags(ROTATE_FLAGS, [...result.values, carryOut], (flag) => {
        if (flag === CF) return carry();
        return left ? w.i32.xor(carry(), width.negative(result.get())) : topBitsDiffer(width, result);
      }),
    );
  };
}
/** Operand and carry together fit in an i32; counts go round after bits + 1. */
function turnNarrow(
  width: Width,
  left: boolean,
  old: Source,
  count: Source,
  carryIn: Source,
): { value: Expr; carry: Expr } {
  const { w } = width.lifter;
  const period = width.bits + 1;
  const i32Value = (value: Expr) => sourceOf(width.lifter, width.lifter.value(i32, value));
  const joined = i32Value(w.i32.or(old.get(), w.i32.shl(carryIn.get(), w.i32.const(width.bits))));
  const steps = i32Value(w.i32.rem_u(count.get(), w.i32.const(period)));
  const back = w.i32.sub(w.i32.const(period), steps.get());
  const turned = i32Value(
    left
      ? w.i32.or(w.i32.shl(joined.get(), steps.get()), w.i32.shr_u(joined.get(), back))
      : w.i32.or(w.i32.shr_u(joined.get(), steps.get()), w.i32.shl(joined.get(), back)),
  );
  return { value: turned.get(), carry: width.bit(turned.get(), width.bits) };
}
/** With one bit more than Wasm's type, the last step is made apart. */
function turnWide(
  width: Width,
  left: boolean,
  old: Source,
  count: Source,
  carryIn: Source,
  variable: boolean,
): { value: Expr; carry: Expr } {
  const { ops } = width;
  const { w } = width.lifter;
  const one = () => width.const(1);
  const n = () => width.fromI32(count.get());
  const back = () => ops.sub(width.const(width.bits), n());
  const carry = () => width.fromI32(carryIn.get());
  const turned = left
    ? ops.or(
        ops.or(ops.shl(old.get(), n()), ops.shl(carry(), ops.sub(n(), one()))),
        ops.shr_u(ops.shr_u(old.get(), one()), back()),
      )
    : ops.or(ops.or(ops.shr_u(old.get(), n()), ops.shl(carry(), back())), ops.shl(ops.shl(old.get(), one()), back()));
  return {
    value: variable ? w.select(count.get(), turned, old.get()) : turned,
    carry: width.bit(ops.shr_u(old.get(), left ? back() : ops.sub(n(), one())), 0),
  };
}

/**
 * SHLD, SHRD. A 16-bit operand with a count above 16 is undefined, and here what a 32-bit shift of both operands gives.
 */
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
    const one = () => width.const(1);
    const joined = (high: Source, low: Source) => w.i32.or(w.i32.shl(high.get(), w.i32.const(16)), low.get());
    const shifted = (a: Source): Expr => {
      if (bits === 16)
        return left
          ? w.i32.shr_u(w.i32.shl(joined(a, fill), count.get()), w.i32.const(16))
          : w.i32.shr_u(joined(fill, a), count.get());
      // bits - n in two steps, so that a count of 0 shifts everything out.
      const rest = ops.sub(width.const(bits - 1), n());
      return left
        ? ops.or(ops.shl(a.get(), n()), ops.shr_u(ops.shr_u(fill.get(), one()), rest))
        : ops.or(ops.shr_u(a.get(), n()), ops.shl(ops.shl(fill.get(), one()), rest));
    };
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
        // Sign change by the last step; for counts above 1 undefined, and so on Zen 4. AF is undefined too.
        if (flag === OF)
          return left ? w.i32.xor(carryOut(), width.negative(result.get())) : topBitsDiffer(width, result);
        if (flag === AF) return w.i32.const(1);
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
  flagsRead: throughCarry ? CF : 0,
  flagsWritten: shiftFlagsWritten(ROTATE_FLAGS),
  flagsKept: shiftFlagsKept(ROTATE_FLAGS),
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
    flagsWritten: shiftFlagsWritten(STATUS_FLAGS),
    flagsKept: shiftFlagsKept(STATUS_FLAGS),
    cpuid: "base",
    lift: doubleShift(true),
    samples: doubleSamples(0xa4),
  },
  {
    mnemonic: "Shrd",
    operands: ["rw", "r", "r"],
    flagsWritten: shiftFlagsWritten(STATUS_FLAGS),
    flagsKept: shiftFlagsKept(STATUS_FLAGS),
    cpuid: "base",
    lift: doubleShift(false),
    samples: doubleSamples(0xac),
  },
];
