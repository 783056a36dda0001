/** All instruction entries, and what analyses ask of an instruction. */
import { mnemonicByName, OP_GPR, OP_MEM, OP_OTHER, OP_XMM, type Insn } from "../decode.js";
import { gprBit, xmmBit, type FlagSet, type RegisterSet } from "../registers.js";
import { ARITHMETIC } from "./arithmetic.js";
import type { Access, InstructionEntry, UpperHalf } from "./entry.js";
import { BITS } from "./bits.js";
import { controlEntries } from "./control.js";
import { FLAGS } from "./flags.js";
import { LOGIC } from "./logic.js";
import { MISC } from "./misc.js";
import { MOVE } from "./move.js";
import { MULTIPLY } from "./multiply.js";
import { ROTATE } from "./rotate.js";
import { SHIFT } from "./shift.js";
import { sse3 } from "./sse3.js";
import { sse41Float } from "./sse41-float.js";
import { sse41Integer } from "./sse41-integer.js";
import { sseConvert } from "./sse-convert.js";
import { sseInteger } from "./sse-integer.js";
import { sseMove } from "./sse-move.js";
import { ssePackedFloat } from "./sse-packed-float.js";
import { sseScalar } from "./sse-scalar.js";
import { sseState } from "./sse-state.js";
import { ssse3 } from "./ssse3.js";
import { STRING } from "./string.js";

/** Every entry of every family. */
export const ENTRIES: readonly InstructionEntry[] = [
  ...MOVE,
  ...ARITHMETIC,
  ...MULTIPLY,
  ...LOGIC,
  ...BITS,
  ...SHIFT,
  ...ROTATE,
  ...STRING,
  ...FLAGS,
  ...MISC,
  ...controlEntries,
  ...sseMove,
  ...sseScalar,
  ...sseConvert,
  ...ssePackedFloat,
  ...sseInteger,
  ...sseState,
  ...sse3,
  ...ssse3,
  ...sse41Float,
  ...sse41Integer,
];

/** By iced's mnemonic. Two entries share one where Intel reused a name (MOVSD, CMPSD): `form` tells them apart. */
const byMnemonic: (readonly InstructionEntry[])[] = [];
for (const entry of ENTRIES) {
  const mnemonic = mnemonicByName(entry.mnemonic);
  byMnemonic[mnemonic] = [...(byMnemonic[mnemonic] ?? []), entry];
}

/** The entry that lifts `insn`; undefined if its mnemonic or this form of it is not implemented. */
export function entryFor(insn: Insn): InstructionEntry | undefined {
  const candidates = byMnemonic[insn.mnemonic];
  if (candidates === undefined) return undefined;
  const { operands } = insn;
  for (let i = 0; i < operands.length; i++) if (operands[i]!.kind === OP_OTHER) return undefined;
  for (const entry of candidates) if (entry.form === undefined || entry.form(insn)) return entry;
  return undefined;
}

const resolve = <T extends number>(of: T | ((insn: Insn) => T) | undefined, insn: Insn): number =>
  of === undefined ? 0 : typeof of === "function" ? of(insn) : of;

/** Access of each explicit operand. */
export const operandAccess = (entry: InstructionEntry, insn: Insn): readonly Access[] =>
  typeof entry.operands === "function" ? entry.operands(insn) : entry.operands;

/** Registers whose value matters: operands, addresses, implicit ones, and those that are written only in part. */
export function registersRead(entry: InstructionEntry, insn: Insn): RegisterSet {
  let set = resolve(entry.reads, insn);
  const access = operandAccess(entry, insn);
  const { operands } = insn;
  for (let i = 0; i < operands.length; i++) {
    const operand = operands[i]!;
    const use = access[i]!;
    if (operand.kind === OP_MEM) {
      if (use === "-") continue;
      if (operand.base >= 0) set |= gprBit(operand.base);
      if (operand.index >= 0) set |= gprBit(operand.index);
    } else if (operand.kind === OP_GPR) {
      if (use === "r" || use === "rw" || (use === "w" && operand.size < 4)) set |= gprBit(operand.reg);
    } else if (operand.kind === OP_XMM && (use === "r" || use === "rw")) set |= xmmBit(operand.reg);
  }
  return set;
}
/** Registers that may change. */
export function registersWritten(entry: InstructionEntry, insn: Insn): RegisterSet {
  let set = resolve(entry.writes, insn);
  const access = operandAccess(entry, insn);
  const { operands } = insn;
  for (let i = 0; i < operands.length; i++) {
    const operand = operands[i]!;
    const use = access[i]!;
    if (use !== "w" && use !== "rw") continue;
    if (operand.kind === OP_GPR) set |= gprBit(operand.reg);
    else if (operand.kind === OP_XMM) set |= xmmBit(operand.reg);
  }
  return set;
}
export const upperHalf = ({ upper = "written" }: InstructionEntry, insn: Insn): UpperHalf =>
  typeof upper === "function" ? upper(insn) : upper;
export const flagsRead = (entry: InstructionEntry, insn: Insn): FlagSet => resolve(entry.flagsRead, insn);
export const flagsWritten = (entry: InstructionEntry, insn: Insn): FlagSet => resolve(entry.flagsWritten, insn);
/** Flags of which no earlier value is seen after the instruction. */
export const flagsKilled = (entry: InstructionEntry, insn: Insn): FlagSet =>
  flagsWritten(entry, insn) & ~resolve(entry.flagsKept, insn);
