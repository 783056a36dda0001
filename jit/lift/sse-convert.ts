/** Conversions between integers and floating-point formats. */
import { OP_XMM, type Operand } from "../decode.js";
import { i64, v128, type Expr } from "../wasm.js";
import type { CpuidBit, InstructionEntry } from "./entry.js";
import { DOUBLE, SINGLE, type Format } from "./float.js";
import { laneMask, samples, unary, zero } from "./sse-forms.js";
import type { Lifter } from "./lifter.js";

/** REX.W variants of register and memory samples. */
const wide = (opcode: string): string[] => {
  const [prefix, rest] = [opcode.slice(0, 2), opcode.slice(2)];
  return [`${prefix}48${rest}ca`, `${prefix}4d${rest}f8`, `${prefix}48${rest}4b10`];
};

/**
 * CVTSI2Sx: a signed integer into lane 0, rounded to nearest even. Vectors of 32 bits are converted where 31 are enough:
 * V8's code for one integer takes the upper lanes from its scratch register, and so waits for whatever wrote that last.
 */
function fromInteger(mnemonic: string, cpuid: CpuidBit, opcode: string, format: Format): InstructionEntry {
  return {
    mnemonic,
    operands: ["rw", "r"],
    cpuid,
    upper: format.upper,
    samples: [...samples(opcode), ...wide(opcode)],
    lift: (lifter, { operands: [target, source] }) => {
      const { w } = lifter;
      const fromLane0 = (lanes: Expr) =>
        format.scalar === "f32" ? w.f32x4.convert_i32x4_s(lanes) : w.f64x2.convert_low_i32x4_s(lanes);
      if (source!.size === 4) {
        return format.setFromVector(lifter, target!.reg, fromLane0(w.i32x4.splat(lifter.read(source!))));
      }
      const integer = lifter.value(i64, lifter.read(source!));
      const converted = lifter.value(v128, fromLane0(w.i64x2.splat(lifter.get(integer))));
      const whole = lifter.nested(() =>
        lifter.assign(converted, w[format.vector].splat(w[format.scalar].convert_i64_s(lifter.get(integer)))),
      );
      // One comparison, so negative numbers go the long way: with both signs V8 spills, and spectral-norm takes 1.2 times as long.
      const isWide = w.i64.gt_u(lifter.get(integer), w.i64.const(0x7fffffffn));
      lifter.emit(lifter.hinted(w.if(isWide, whole), false));
      format.setFromVector(lifter, target!.reg, lifter.get(converted));
    },
  };
}

const TWO_31 = { f32: 0x4f000000n, f64: 0x41e0000000000000n } as const;
const TWO_63 = { f32: 0x5f000000n, f64: 0x43e0000000000000n } as const;

/** `value` as a signed integer of `size` bytes; out of range and NaN give the most negative one. */
function toInteger(lifter: Lifter, format: Format, size: number, value: Expr): Expr {
  const { w } = lifter;
  const kept = lifter.value(format.type, value);
  const limitBits = (size === 8 ? TWO_63 : TWO_31)[format.scalar];
  const limit = format.scalar === "f32" ? w.f32.constBits(Number(limitBits)) : w.f64.constBits(limitBits);
  // Saturation already gives the most negative integer below the range.
  const inRange = w[format.scalar].lt(lifter.get(kept), limit);
  const integer = size === 8 ? w.i64 : w.i32;
  const truncated =
    format.scalar === "f32" ? integer.trunc_sat_f32_s(lifter.get(kept)) : integer.trunc_sat_f64_s(lifter.get(kept));
  const indefinite = size === 8 ? w.i64.const(1n << 63n) : w.i32.const(0x80000000);
  return w.select(inRange, truncated, indefinite);
}

/** CVTSx2SI (rounds to nearest even), CVTTSx2SI (truncates). */
function scalarToInteger(
  mnemonic: string,
  cpuid: CpuidBit,
  opcode: string,
  format: Format,
  rounds: boolean,
): InstructionEntry {
  return {
    mnemonic,
    operands: ["w", "r"],
    cpuid,
    samples: [...samples(opcode), ...wide(opcode)],
    lift: (lifter, { operands: [target, source] }) => {
      const value = format.read(lifter, source!);
      const rounded = rounds ? lifter.w[format.scalar].nearest(value) : value;
      lifter.write(target!, toInteger(lifter, format, target!.size, rounded));
    },
  };
}

/** The low 64 bits of an XMM register, or 64 bits of memory, as the low half of a vector. */
const lowHalf = (lifter: Lifter, operand: Operand): Expr =>
  operand.kind === OP_XMM ? lifter.lowXmm(operand.reg) : lifter.loadF64Zero(operand);

/** `op xmm, xmm/m64`: the destination becomes a function of the source's low half. */
function fromLowHalf(
  mnemonic: string,
  opcode: string,
  compute: (w: Lifter["w"], source: Expr) => Expr,
): InstructionEntry {
  return {
    mnemonic,
    operands: ["w", "r"],
    cpuid: "sse2",
    samples: samples(opcode),
    lift: (lifter, { operands: [target, source] }) =>
      lifter.setXmm(target!.reg, compute(lifter.w, lowHalf(lifter, source!))),
  };
}

/** CVTPS2DQ, CVTTPS2DQ: as Wasm's saturating conversion, but the most negative integer for NaN and above the range. */
function packedSingleToInteger(mnemonic: string, opcode: string, rounds: boolean): InstructionEntry {
  return {
    ...unary(mnemonic, "sse2", opcode, (_, source) => source),
    lift: (lifter, { operands: [target, source] }) => {
      const { w } = lifter;
      const value = lifter.readXmm(source!);
      const kept = lifter.value(v128, rounds ? w.f32x4.nearest(value) : value);
      const limit = w.f32x4.splat(w.f32.constBits(Number(TWO_31.f32)));
      const inRange = w.f32x4.lt(lifter.get(kept), limit);
      const indefinite = w.i32x4.splat(w.i32.const(0x80000000));
      const truncated = w.i32x4.trunc_sat_f32x4_s(lifter.get(kept));
      lifter.setXmm(target!.reg, w.v128.bitselect(truncated, indefinite, inRange));
    },
  };
}

/** CVTPD2DQ, CVTTPD2DQ: two doubles to the low two doublewords, the others cleared. */
function packedDoubleToInteger(mnemonic: string, opcode: string, rounds: boolean): InstructionEntry {
  return {
    ...unary(mnemonic, "sse2", opcode, (_, source) => source),
    lift: (lifter, { operands: [target, source] }) => {
      const { w } = lifter;
      const value = lifter.readXmm(source!);
      const kept = lifter.value(v128, rounds ? w.f64x2.nearest(value) : value);
      const limit = w.f64x2.splat(w.f64.constBits(TWO_31.f64));
      const inRange = w.f64x2.lt(lifter.get(kept), limit);
      const narrow = w.i8x16.shuffle(inRange, zero(w), laneMask(4, [0, 2, 4, 4]));
      const truncated = w.i32x4.trunc_sat_f64x2_s_zero(lifter.get(kept));
      const indefinite = w.i64x2.replace(zero(w), 0, w.i64.const(0x8000000080000000n));
      lifter.setXmm(target!.reg, w.v128.bitselect(truncated, indefinite, narrow));
    },
  };
}

/** CVTSS2SD, CVTSD2SS: a NaN becomes quiet and keeps the payload bits that fit. */
function scalarFormat(mnemonic: string, opcode: string, from: Format, to: Format): InstructionEntry {
  return {
    mnemonic,
    operands: ["rw", "r"],
    cpuid: "sse2",
    upper: to.upper,
    samples: samples(opcode),
    lift: (lifter, { operands: [target, source] }) => {
      const { w } = lifter;
      const value = from.read(lifter, source!);
      to.set(lifter, target!.reg, to === DOUBLE ? w.f64.promote(value) : w.f32.demote(value));
    },
  };
}

export const sseConvert: readonly InstructionEntry[] = [
  fromInteger("Cvtsi2ss", "sse", "f30f2a", SINGLE),
  fromInteger("Cvtsi2sd", "sse2", "f20f2a", DOUBLE),
  scalarToInteger("Cvtss2si", "sse", "f30f2d", SINGLE, true),
  scalarToInteger("Cvtsd2si", "sse2", "f20f2d", DOUBLE, true),
  scalarToInteger("Cvttss2si", "sse", "f30f2c", SINGLE, false),
  scalarToInteger("Cvttsd2si", "sse2", "f20f2c", DOUBLE, false),
  scalarFormat("Cvtss2sd", "f30f5a", SINGLE, DOUBLE),
  scalarFormat("Cvtsd2ss", "f20f5a", DOUBLE, SINGLE),
  fromLowHalf("Cvtps2pd", "0f5a", (w, source) => w.f64x2.promote_low_f32x4(source)),
  unary("Cvtpd2ps", "sse2", "660f5a", (w, source) => w.f32x4.demote_f64x2_zero(source)),
  unary("Cvtdq2ps", "sse2", "0f5b", (w, source) => w.f32x4.convert_i32x4_s(source)),
  fromLowHalf("Cvtdq2pd", "f30fe6", (w, source) => w.f64x2.convert_low_i32x4_s(source)),
  packedSingleToInteger("Cvtps2dq", "660f5b", true),
  packedSingleToInteger("Cvttps2dq", "f30f5b", false),
  packedDoubleToInteger("Cvtpd2dq", "f20fe6", true),
  packedDoubleToInteger("Cvttpd2dq", "660fe6", false),
];
