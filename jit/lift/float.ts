/** The two binary floating-point formats and x86's rules for arithmetic on them. */
import { OP_XMM, type Operand } from "../decode.js";
import { f32, f64, v128, type Expr, type Type } from "../wasm.js";
import type { UpperHalf } from "./entry.js";
import type { FlagDefinition, Lifter, Value } from "./lifter.js";
import { CF, PF, STATUS_FLAGS, ZF } from "../registers.js";

/** A format: names of the members of WasmBuilder that work on it, and the Lifter's accessors of lane 0. */
export interface Format {
  readonly scalar: "f32" | "f64";
  readonly vector: "f32x4" | "f64x2";
  readonly type: Type;
  readonly bytes: 4 | 8;
  readonly lanes: 4 | 2;
  /** Lane 0 of a register, or memory. */
  readonly read: (lifter: Lifter, operand: Operand) => Expr;
  /** Replaces lane 0 of a register. */
  readonly set: (lifter: Lifter, register: number, value: Expr) => void;
  /** Replaces lane 0 of a register by that of a vector. */
  readonly setFromVector: (lifter: Lifter, register: number, value: Expr) => void;
  /** What becomes of the upper half of a register whose lane 0 is replaced. */
  readonly upper: UpperHalf;
  /** A vector whose lane 0 is the operand; the other lanes are unspecified. */
  readonly readVector: (lifter: Lifter, operand: Operand) => Expr;
}

export const SINGLE: Format = {
  scalar: "f32",
  vector: "f32x4",
  type: f32,
  bytes: 4,
  lanes: 4,
  read: (lifter, operand) => lifter.readF32(operand),
  set: (lifter, register, value) => lifter.setF32(register, value),
  setFromVector: (lifter, register, value) => lifter.setF32(register, lifter.w.f32x4.extract(value, 0)),
  upper: "written",
  readVector: (lifter, operand) => (operand.kind === OP_XMM ? lifter.lowXmm(operand.reg) : lifter.loadF32Zero(operand)),
};
export const DOUBLE: Format = {
  scalar: "f64",
  vector: "f64x2",
  type: f64,
  bytes: 8,
  lanes: 2,
  read: (lifter, operand) => lifter.readF64(operand),
  set: (lifter, register, value) => lifter.setF64(register, value),
  setFromVector: (lifter, register, value) => lifter.setLowXmm(register, value),
  upper: "kept",
  readVector: (lifter, operand) => (operand.kind === OP_XMM ? lifter.lowXmm(operand.reg) : lifter.loadF64Zero(operand)),
};

export type Arithmetic = "add" | "sub" | "mul" | "div";

/** Encodings of the immediate of CMPPS, CMPPD, CMPSS, CMPSD. */
export const PREDICATES = ["00", "01", "02", "03", "04", "05", "06", "07"] as const;

/** The comparison that bits 0-2 of `immediate` name, lane by lane: all ones where it holds, else zero. */
export function comparePredicate(lifter: Lifter, format: Format, immediate: number, a: Expr, b: Expr): Expr {
  const { w } = lifter;
  const vector = w[format.vector];
  switch (immediate & 7) {
    case 0:
      return vector.eq(a, b);
    case 1:
      return vector.lt(a, b);
    case 2:
      return vector.le(a, b);
    case 4:
      return vector.ne(a, b);
    case 5:
      return w.v128.not(vector.lt(a, b));
    case 6:
      return w.v128.not(vector.le(a, b));
    default: {
      // 3 (unordered), 7 (ordered): a number equals itself.
      const x = lifter.value(v128, a);
      const y = lifter.value(v128, b);
      const ordered = w.v128.and(vector.eq(lifter.get(x), lifter.get(x)), vector.eq(lifter.get(y), lifter.get(y)));
      return (immediate & 7) === 7 ? ordered : w.v128.not(ordered);
    }
  }
}

/** The flags of UCOMISx and COMISx: ZF PF CF = 111 unordered, 000 above, 001 below, 100 equal; the others are cleared. */
export function compareFlags(lifter: Lifter, format: Format, a: Value, b: Value): FlagDefinition {
  const { w } = lifter;
  const float = w[format.scalar];
  const x = () => lifter.get(a);
  const y = () => lifter.get(b);
  const above = () => float.gt(x(), y());
  const aboveOrEqual = () => float.ge(x(), y());
  const different = () => w.i32.or(float.lt(x(), y()), above());
  const unordered = () => w.i32.or(float.ne(x(), x()), float.ne(y(), y()));
  return {
    defines: STATUS_FLAGS,
    values: [a, b],
    flag: (flag) => {
      if (flag === CF) return w.i32.eqz(aboveOrEqual());
      if (flag === ZF) return w.i32.eqz(different());
      if (flag === PF) return unordered();
      return w.i32.const(0);
    },
    condition: (condition) => {
      switch (condition) {
        case "a":
          return above();
        case "ae":
          return aboveOrEqual();
        case "b":
          return w.i32.eqz(aboveOrEqual());
        case "be":
          return w.i32.eqz(above());
        case "e":
        case "le":
          return w.i32.eqz(different());
        case "ne":
        case "g":
          return different();
        case "p":
          return unordered();
        case "np":
          return w.i32.and(float.eq(x(), x()), float.eq(y(), y()));
        case "o":
        case "s":
        case "l":
          return w.i32.const(0);
        case "no":
        case "ns":
        case "ge":
          return w.i32.const(1);
      }
    },
  };
}
