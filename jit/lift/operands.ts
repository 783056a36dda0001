/** Operands that an instruction implies without naming them. */
import { OP_GPR, OP_MEM, type Operand } from "../decode.js";

const BLANK: Operand = {
  kind: OP_GPR,
  size: 8,
  reg: 0,
  high: false,
  base: -1,
  index: -1,
  scale: 1,
  disp: 0,
  fs: false,
  addr32: false,
  immLo: 0,
  immHi: 0,
};

/** A general register, or its low `size` bytes. */
export const gprOperand = (reg: number, size: number): Operand => ({ ...BLANK, reg, size });
/** AH, CH, DH or BH for register 0-3. */
export const highByte = (reg: number): Operand => ({ ...BLANK, reg, size: 1, high: true });
/** [base + disp]. */
export const memoryOperand = (base: number, size: number, disp = 0): Operand => ({
  ...BLANK,
  kind: OP_MEM,
  base,
  size,
  disp,
});
