/** MUL, IMUL, DIV, IDIV. */
import { type Insn, type Operand } from "../decode.js";
import { AF, CF, gprBit, OF, PF, RAX, RDX, SF, ZF, type FlagSet, type RegisterSet } from "../registers.js";
import { i64, type Expr } from "../wasm.js";
import type { Access, InstructionEntry } from "./entry.js";
import { givenFlags } from "./flag-definitions.js";
import { VECTOR_DE, type FlagDefinition, type Lifter, type Value } from "./lifter.js";
import { gprOperand, highByte } from "./operands.js";
import { divide128, mulHighS, mulHighU } from "./wide.js";
import { Width } from "./width.js";

/** CF = OF = the product does not fit; the other flags (undefined) keep their values. */
const overflowFlags = (values: readonly Value[], overflow: () => Expr): FlagDefinition =>
  givenFlags(CF | OF, values, overflow);

/** One-operand MUL and IMUL: the double-width product goes to AX, DX:AX, EDX:EAX or RDX:RAX. */
function mulWide(signed: boolean): InstructionEntry["lift"] {
  return (lifter, insn) => {
    const { w } = lifter;
    const operand = insn.operands[0]!;
    const { size } = operand;
    const read = (from: Operand) => (signed ? lifter.readSigned(from) : lifter.read(from));
    if (size === 8) {
      const a = lifter.value(i64, lifter.gpr(RAX));
      const b = lifter.value(i64, lifter.read(operand));
      const low = lifter.value(i64, w.i64.mul(lifter.get(a), lifter.get(b)));
      const high = lifter.value(i64, signed ? mulHighS(lifter, a, b) : mulHighU(lifter, a, b));
      lifter.setGpr(RAX, lifter.get(low));
      lifter.setGpr(RDX, lifter.get(high));
      const filler = () => (signed ? w.i64.shr_s(lifter.get(low), w.i64.const(63)) : w.i64.const(0));
      lifter.define(overflowFlags([low, high], () => w.i64.ne(lifter.get(high), filler())));
      return;
    }
    const widen = (value: Expr) => (signed ? w.i64.extend_i32_s(value) : w.i64.extend_i32_u(value));
    const a = read(gprOperand(RAX, size));
    const product = lifter.value(i64, w.i64.mul(widen(a), widen(read(operand))));
    const get = () => lifter.get(product);
    if (size === 1) lifter.write(gprOperand(RAX, 2), w.i32.wrap(get()));
    else {
      lifter.write(gprOperand(RAX, size), w.i32.wrap(get()));
      const high = w.i32.wrap(w.i64.shr_u(get(), w.i64.const(size * 8)));
      lifter.write(gprOperand(RDX, size), high);
    }
    lifter.define(overflowFlags([product], () => w.i64.ne(get(), fits(lifter, get(), size, signed))));
  };
}
/** The low `size` bytes of an i64, extended again. */
function fits(lifter: Lifter, value: Expr, size: number, signed: boolean): Expr {
  const { w } = lifter;
  if (!signed) return w.i64.and(value, w.i64.const(size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff));
  const extend = size === 1 ? w.i64.extend8_s : size === 2 ? w.i64.extend16_s : w.i64.extend32_s;
  return extend(value);
}

/** IMUL with two or three operands: truncated product. */
function imul(lifter: Lifter, insn: Insn): void {
  const { operands } = insn;
  if (operands.length === 1) return mulWide(true)(lifter, insn);
  const { w } = lifter;
  const target = operands[0]!;
  const left = operands.length === 3 ? operands[1]! : target;
  const right = operands.length === 3 ? operands[2]! : operands[1]!;
  const { size } = target;
  const width = new Width(lifter, size);
  if ((lifter.flagsLive & (CF | OF)) === 0) {
    lifter.write(target, width.ops.mul(lifter.read(left), lifter.read(right)));
    return;
  }
  if (size === 8) {
    const a = lifter.value(i64, lifter.read(left));
    const b = lifter.value(i64, lifter.read(right));
    const low = lifter.value(i64, w.i64.mul(lifter.get(a), lifter.get(b)));
    lifter.write(target, lifter.get(low));
    const filler = () => w.i64.shr_s(lifter.get(low), w.i64.const(63));
    lifter.define(overflowFlags([a, b, low], () => w.i64.ne(mulHighS(lifter, a, b), filler())));
    return;
  }
  const widen = (value: Expr) => w.i64.extend_i32_s(value);
  const product = lifter.value(i64, w.i64.mul(widen(lifter.readSigned(left)), widen(lifter.readSigned(right))));
  const get = () => lifter.get(product);
  lifter.write(target, w.i32.wrap(get()));
  lifter.define(overflowFlags([product], () => w.i64.ne(get(), fits(lifter, get(), size, true))));
}

const raiseIf = (lifter: Lifter, condition: Expr): void =>
  lifter.emit(
    lifter.w.if(
      condition,
      lifter.nested(() => lifter.raise(VECTOR_DE)),
    ),
  );

/**
 * DIV and IDIV of AX, DX:AX or EDX:EAX in 64-bit arithmetic. Division by zero (and the most negative dividend by -1)
 * traps in Wasm itself; a quotient that does not fit raises #DE as well.
 */
function divideNarrow(lifter: Lifter, operand: Operand, signed: boolean): void {
  const { w } = lifter;
  const { size } = operand;
  const widen = (value: Expr) => (signed ? w.i64.extend_i32_s(value) : w.i64.extend_i32_u(value));
  const divisor = lifter.value(i64, widen(signed ? lifter.readSigned(operand) : lifter.read(operand)));
  const ax = gprOperand(RAX, size === 1 ? 2 : size);
  let dividend: Expr;
  if (size === 1) dividend = widen(signed ? lifter.readSigned(ax) : lifter.read(ax));
  else {
    const low = w.i64.extend_i32_u(lifter.read(ax));
    const dx = gprOperand(RDX, size);
    const high = widen(signed ? lifter.readSigned(dx) : lifter.read(dx));
    dividend = w.i64.or(w.i64.shl(high, w.i64.const(size * 8)), low);
  }
  const kept = lifter.value(i64, dividend);
  const divide = signed ? w.i64.div_s : w.i64.div_u;
  const quotient = lifter.value(i64, lifter.mark(divide(lifter.get(kept), lifter.get(divisor))));
  raiseIf(lifter, w.i64.ne(lifter.get(quotient), fits(lifter, lifter.get(quotient), size, signed)));
  const remainder = lifter.value(
    i64,
    w.i64.sub(lifter.get(kept), w.i64.mul(lifter.get(quotient), lifter.get(divisor))),
  );
  if (size === 1) {
    lifter.write(gprOperand(RAX, 1), w.i32.wrap(lifter.get(quotient)));
    lifter.write(highByte(RAX), w.i32.wrap(lifter.get(remainder)));
  } else {
    lifter.write(ax, w.i32.wrap(lifter.get(quotient)));
    lifter.write(gprOperand(RDX, size), w.i32.wrap(lifter.get(remainder)));
  }
}

/** DIV of RDX:RAX; with RDX = 0, as compilers leave it, one Wasm division. */
function divide64(lifter: Lifter, operand: Operand): void {
  const { w } = lifter;
  const divisor = lifter.value(i64, lifter.read(operand));
  const quotient = lifter.fresh(i64);
  const remainder = lifter.fresh(i64);
  const short = lifter.nested(() => {
    lifter.assign(quotient, lifter.mark(w.i64.div_u(lifter.gpr(RAX), lifter.get(divisor))));
    const back = w.i64.mul(lifter.get(quotient), lifter.get(divisor));
    lifter.assign(remainder, w.i64.sub(lifter.gpr(RAX), back));
  });
  const long = lifter.nested(() => {
    raiseIf(lifter, w.i64.ge_u(lifter.gpr(RDX), lifter.get(divisor)));
    divide128(lifter, lifter.gpr(RDX), lifter.gpr(RAX), lifter.get(divisor), { quotient, remainder });
  });
  lifter.emit(w.if(w.i64.eqz(lifter.gpr(RDX)), short, long));
  lifter.setGpr(RAX, lifter.get(quotient));
  lifter.setGpr(RDX, lifter.get(remainder));
}
/** IDIV of RDX:RAX; after CQO one Wasm division, else by magnitudes. */
function divideSigned64(lifter: Lifter, operand: Operand): void {
  const { w } = lifter;
  const divisor = lifter.value(i64, lifter.read(operand));
  const quotient = lifter.fresh(i64);
  const remainder = lifter.fresh(i64);
  const sign = (value: Expr) => w.i64.shr_s(value, w.i64.const(63));
  const short = lifter.nested(() => {
    lifter.assign(quotient, lifter.mark(w.i64.div_s(lifter.gpr(RAX), lifter.get(divisor))));
    const back = w.i64.mul(lifter.get(quotient), lifter.get(divisor));
    lifter.assign(remainder, w.i64.sub(lifter.gpr(RAX), back));
  });
  const long = lifter.nested(() => {
    /** value ^ sign - sign: negates where the sign is -1. */
    const signed = (value: Expr, by: Value) => w.i64.sub(w.i64.xor(value, lifter.get(by)), lifter.get(by));
    const dividendSign = lifter.value(i64, sign(lifter.gpr(RDX)));
    const divisorSign = lifter.value(i64, sign(lifter.get(divisor)));
    const magnitude = lifter.value(i64, signed(lifter.get(divisor), divisorSign));
    const low = lifter.value(i64, signed(lifter.gpr(RAX), dividendSign));
    // The high half borrows unless the low half is zero.
    const borrow = w.i64.extend_i32_u(w.i64.eqz(lifter.get(low)));
    const high = lifter.value(
      i64,
      w.i64.add(w.i64.xor(lifter.gpr(RDX), lifter.get(dividendSign)), w.i64.and(borrow, lifter.get(dividendSign))),
    );
    raiseIf(lifter, w.i64.ge_u(lifter.get(high), lifter.get(magnitude)));
    divide128(lifter, lifter.get(high), lifter.get(low), lifter.get(magnitude), { quotient, remainder });
    const quotientSign = lifter.value(i64, w.i64.xor(lifter.get(dividendSign), lifter.get(divisorSign)));
    lifter.assign(quotient, signed(lifter.get(quotient), quotientSign));
    lifter.assign(remainder, signed(lifter.get(remainder), dividendSign));
    // Out of range: the sign is not the expected one, unless the quotient is zero.
    raiseIf(
      lifter,
      w.i32.and(
        w.i64.ne(sign(lifter.get(quotient)), lifter.get(quotientSign)),
        w.i64.ne(lifter.get(quotient), w.i64.const(0)),
      ),
    );
  });
  lifter.emit(w.if(w.i64.eq(lifter.gpr(RDX), sign(lifter.gpr(RAX))), short, long));
  lifter.setGpr(RAX, lifter.get(quotient));
  lifter.setGpr(RDX, lifter.get(remainder));
}

function divide(signed: boolean): InstructionEntry["lift"] {
  return (lifter, insn) => {
    const operand = insn.operands[0]!;
    if (operand.size < 8) divideNarrow(lifter, operand, signed);
    else if (signed) divideSigned64(lifter, operand);
    else divide64(lifter, operand);
    lifter.define(givenFlags(DIVIDE_FLAGS, [], (flag) => lifter.w.i32.const(flag === AF ? 1 : 0)));
  };
}

/** AX alone for byte operands, else both; whatever is written in part is read too. */
const wideWrites = (insn: Insn): RegisterSet =>
  insn.operands.length > 1 ? 0 : insn.operands[0]!.size === 1 ? gprBit(RAX) : gprBit(RAX) | gprBit(RDX);
const productReads = (insn: Insn): RegisterSet => {
  if (insn.operands.length > 1) return 0;
  return insn.operands[0]!.size === 2 ? gprBit(RAX) | gprBit(RDX) : gprBit(RAX);
};
const imulOperands = (insn: Insn): readonly Access[] =>
  insn.operands.length === 1 ? ["r"] : insn.operands.length === 2 ? ["rw", "r"] : ["w", "r", "r"];
const groupSamples = (extension: number): readonly string[] => {
  const register = ((3 << 6) | (extension << 3) | 3).toString(16);
  const memory = `${((1 << 6) | (extension << 3) | 3).toString(16)}10`;
  return [register, memory].flatMap((operand) => [`48f7${operand}`, `f7${operand}`, `66f7${operand}`, `f6${operand}`]);
};
/** All undefined; Zen 4 sets AF, clears these others and keeps CF and OF. */
const DIVIDE_FLAGS: FlagSet = PF | AF | ZF | SF;
const PRODUCT_FLAGS: FlagSet = CF | OF;

export const MULTIPLY: readonly InstructionEntry[] = [
  {
    mnemonic: "Mul",
    operands: ["r"],
    reads: productReads,
    writes: wideWrites,
    flagsWritten: PRODUCT_FLAGS,
    cpuid: "base",
    lift: mulWide(false),
    samples: [...groupSamples(4), "48f7e2", "48f7e0", "f6e4"],
  },
  {
    mnemonic: "Imul",
    operands: imulOperands,
    reads: productReads,
    writes: wideWrites,
    flagsWritten: PRODUCT_FLAGS,
    cpuid: "base",
    lift: imul,
    samples: [
      ...groupSamples(5),
      "480fafcb",
      "0fafcb",
      "660fafcb",
      "480faf4b10",
      "0faf4b10",
      "660faf4b10",
      "486bcb81",
      "6bcb07",
      "666bcb81",
      "4869cb81ffffff",
      "69cb81ffff7f",
      "6669cb8180",
      "486b4b1007",
      "694b1081ffff7f",
      "66694b108180",
    ],
  },
  {
    mnemonic: "Div",
    operands: ["r"],
    reads: wideWrites,
    writes: wideWrites,
    flagsWritten: DIVIDE_FLAGS,
    cpuid: "base",
    lift: divide(false),
    samples: groupSamples(6),
  },
  {
    mnemonic: "Idiv",
    operands: ["r"],
    reads: wideWrites,
    writes: wideWrites,
    flagsWritten: DIVIDE_FLAGS,
    cpuid: "base",
    lift: divide(true),
    samples: groupSamples(7),
  },
];
