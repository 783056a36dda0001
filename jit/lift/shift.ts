/** Shifts; rotates and double shifts are in rotate.ts. */
import { OP_IMM, type Insn, type Operand } from "../decode.js";
import { AF, CF, OF, STATUS_FLAGS, type FlagSet } from "../registers.js";
import { i32, type Expr } from "../wasm.js";
import type { InstructionEntry } from "./entry.js";
import { flagsWhen, givenFlags, resultFlags } from "./flag-definitions.js";
import type { FlagDefinition, Lifter } from "./lifter.js";
import { updateKeeping, updateOnlyPlain } from "./locked.js";
import { sourceOf, Width, type Source } from "./width.js";

/** The count as the processor uses it: the low 6 bits for 8-byte operands, else the low 5. */
export const constantCount = (insn: Insn, count: Operand): number =>
  count.immLo & (insn.operands[0]!.size === 8 ? 63 : 31);

/** Flags of a shift or rotate: none for a count of zero. */
export const shiftFlagsWritten =
  (flags: FlagSet) =>
  (insn: Insn): FlagSet => {
    const count = insn.operands[insn.operands.length - 1]!;
    return count.kind === OP_IMM && constantCount(insn, count) === 0 ? 0 : flags;
  };
/** Those that it leaves as they were if its variable count is zero. */
export const shiftFlagsKept =
  (flags: FlagSet) =>
  (insn: Insn): FlagSet =>
    insn.operands[insn.operands.length - 1]!.kind === OP_IMM ? 0 : flags;

/** Defines the flags of a shift by `count` (masked); with a variable count only if that is not zero. */
export function defineShift(lifter: Lifter, count: Source, variable: boolean, definition: FlagDefinition): void {
  if (!variable) lifter.define(definition);
  else {
    const { w } = lifter;
    const happened = sourceOf(lifter, lifter.value(i32, w.i32.ne(count.get(), w.i32.const(0))));
    lifter.define(flagsWhen(lifter, happened, definition));
  }
}
/** The masked count of `insn` as an i32. */
export function countOf(lifter: Lifter, insn: Insn, operand: Operand): Source {
  const { w } = lifter;
  if (operand.kind === OP_IMM) {
    const count = constantCount(insn, operand);
    return { get: () => w.i32.const(count), values: [] };
  }
  const mask = insn.operands[0]!.size === 8 ? 63 : 31;
  return sourceOf(lifter, lifter.value(i32, w.i32.and(lifter.read(operand), w.i32.const(mask))));
}

type ShiftKind = "shl" | "shr" | "sar";

function shift(kind: ShiftKind): InstructionEntry["lift"] {
  return (lifter, insn) => {
    const { w } = lifter;
    const [target, countOperand] = insn.operands;
    const width = new Width(lifter, target!.size);
    const { ops } = width;
    // Wasm takes counts modulo 32 or 64, which is the processor's mask.
    const apply = (value: Expr, count: Expr): Expr => {
      if (kind === "shl") return ops.shl(value, count);
      return kind === "shr" ? ops.shr_u(value, count) : ops.shr_s(width.signed(value), count);
    };
    const variable = countOperand!.kind !== OP_IMM;
    if ((lifter.flagsLive & STATUS_FLAGS) === 0 || (!variable && constantCount(insn, countOperand!) === 0)) {
      const count = variable
        ? width.fromI32(lifter.read(countOperand!))
        : width.const(constantCount(insn, countOperand!));
      updateOnlyPlain(lifter, width, target!, (value) => apply(value, count));
      return;
    }
    const count = countOf(lifter, insn, countOperand!);
    const { a, result } = updateKeeping(lifter, width, insn, target!, count, (value) =>
      apply(value.get(), width.fromI32(count.get())),
    );
    const common = resultFlags(width, result);
    /** The value one step before the last: its outermost bit is the carry. */
    const before = () => apply(a.get(), width.fromI32(w.i32.sub(count.get(), w.i32.const(1))));
    const carry = () => (kind === "shl" ? width.negative(before()) : width.bit(before(), 0));
    // OF for counts above 1 (undefined) follows the same formula and AF (undefined) is 1, as on Zen 4.
    const overflow = (): Expr => {
      if (kind === "shl") return w.i32.xor(carry(), width.negative(result.get()));
      return kind === "shr" ? width.negative(before()) : w.i32.const(0);
    };
    defineShift(lifter, count, variable, {
      ...givenFlags(STATUS_FLAGS, [...a.values, ...count.values, ...result.values], (flag) => {
        if (flag === CF) return carry();
        if (flag === OF) return overflow();
        if (flag === AF) return w.i32.const(1);
        return common.flag(flag);
      }),
      ...(variable ? {} : { condition: common.condition! }),
    });
  };
}

/** Encodings of group 2 with the given extension. */
export const shiftSamples = (extension: number): readonly string[] => {
  const register = ((3 << 6) | (extension << 3) | 3).toString(16);
  const memory = `${((1 << 6) | (extension << 3) | 3).toString(16)}10`;
  const high = ((3 << 6) | (extension << 3) | 7).toString(16);
  return [
    ...[register, memory].flatMap((operand) => [
      `48d1${operand}`,
      `d1${operand}`,
      `66d1${operand}`,
      `d0${operand}`,
      `48d3${operand}`,
      `d3${operand}`,
      `66d3${operand}`,
      `d2${operand}`,
      `48c1${operand}07`,
      `c1${operand}07`,
      `66c1${operand}0b`,
      `c0${operand}03`,
    ]),
    `d2${high}`,
    `48c1${register}3f`,
    `48c1${register}40`, // count 0
    `c1${register}20`, // count 0, clears the upper half
    `66c1${register}11`, // more than the width
    `c0${register}0b`,
    `c0${register}08`,
    `48c1${register}01`,
    `48d3${((3 << 6) | (extension << 3) | 1).toString(16)}`, // RCX itself
  ];
};

const shiftEntry = (mnemonic: string, kind: ShiftKind, extension: number): InstructionEntry => ({
  mnemonic,
  operands: ["rw", "r"],
  flagsWritten: shiftFlagsWritten(STATUS_FLAGS),
  flagsKept: shiftFlagsKept(STATUS_FLAGS),
  cpuid: "base",
  lift: shift(kind),
  samples: shiftSamples(extension),
});

export const SHIFT: readonly InstructionEntry[] = [
  shiftEntry("Shl", "shl", 4),
  shiftEntry("Sal", "shl", 6),
  shiftEntry("Shr", "shr", 5),
  shiftEntry("Sar", "sar", 7),
];
