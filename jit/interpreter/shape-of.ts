import { OP_MEM, type Insn } from "../decode.js";

/** A number for the instruction's encoding form, prefixes and kinds of operands; -1 if no handler can know it all. */
export function shapeOf(insn: Insn): number {
  let shape = insn.code * 64;
  if (insn.rep) shape |= 8;
  if (insn.repne) shape |= 16;
  if (insn.lock) shape |= 32;
  const { operands } = insn;
  for (let i = 0; i < operands.length; i++) {
    const operand = operands[i]!;
    if (operand.high) shape |= 2 << i;
    if (operand.kind !== OP_MEM) continue;
    if (operand.addr32 || (operand.fs && operand.base >= 0 && operand.index >= 0)) return -1;
    shape |= 1;
  }
  return shape;
}

/** The shape of the instructions of shape `key` that have this immediate, of 8 bits. */
export const shapeWithValue = (key: number, value: number): number => VALUED | (key << 8) | (value & 0xff);
const VALUED = 1 << 30;
