/** Packed floating-point operations: arithmetic, logic, comparison and shuffles. */
import type { Operand } from "../decode.js";
import { v128, type Expr, type WasmBuilder } from "../wasm.js";
import type { CpuidBit, InstructionEntry } from "./entry.js";
import { comparePredicate, DOUBLE, PREDICATES, SINGLE, type Arithmetic, type Format } from "./float.js";
import { binary, idiom, laneMask, samples, unary } from "./sse-forms.js";

type Compute = (w: WasmBuilder, a: Expr, b: Expr) => Expr;
const immediateOf = (operand: Operand): number => operand.immLo & 0xff;

/** The PS and PD twins of an instruction: `opcode`, and `opcode` with a 66h prefix. */
function twins(name: string, opcode: string, compute: (w: WasmBuilder, format: Format, a: Expr, b: Expr) => Expr) {
  return [SINGLE, DOUBLE].map((format) =>
    binary(mnemonicOf(name, format), cpuidOf(format), encodingOf(opcode, format), (w, a, b) =>
      compute(w, format, a, b),
    ),
  );
}
const mnemonicOf = (name: string, format: Format): string => `${name}${format === SINGLE ? "ps" : "pd"}`;
const cpuidOf = (format: Format): CpuidBit => (format === SINGLE ? "sse" : "sse2");
const encodingOf = (opcode: string, format: Format): string => (format === SINGLE ? opcode : `66${opcode}`);

const arithmetic = (name: string, opcode: string, op: Arithmetic): InstructionEntry[] =>
  twins(name, opcode, (w, format, a, b) => w[format.vector][op](a, b));
/** The source wins over NaN and over an equal destination (both zero): PMIN, PMAX with swapped operands. */
const extreme = (name: string, opcode: string, op: "pmin" | "pmax"): InstructionEntry[] =>
  twins(name, opcode, (w, format, a, b) => w[format.vector][op](b, a));
/** The bitwise instructions exist three times: PS, PD and the integer names (sse-integer.ts). */
const logic = (name: string, opcode: string, compute: Compute): InstructionEntry[] =>
  twins(name, opcode, (w, _, a, b) => compute(w, a, b));

const xor = (w: WasmBuilder, a: Expr, b: Expr): Expr => w.v128.xor(a, b);

function masks(format: Format): InstructionEntry {
  return {
    mnemonic: mnemonicOf("Cmp", format),
    operands: ["rw", "r", "r"],
    cpuid: cpuidOf(format),
    samples: samples(encodingOf("0fc2", format), PREDICATES),
    lift: (lifter, { operands: [target, source, predicate] }) => {
      const a = lifter.xmm(target!.reg);
      const b = lifter.readXmm(source!);
      lifter.setXmm(target!.reg, comparePredicate(lifter, format, immediateOf(predicate!), a, b));
    },
  };
}

/** SHUFPS, SHUFPD: the low half of the lanes from the destination, the high half from the source. */
function shuffle(format: Format, lanes: (immediate: number) => readonly number[], orders: string[]): InstructionEntry {
  return {
    mnemonic: mnemonicOf("Shuf", format),
    operands: ["rw", "r", "r"],
    cpuid: cpuidOf(format),
    samples: samples(encodingOf("0fc6", format), orders),
    lift: (lifter, { operands: [target, source, order] }) => {
      const mask = laneMask(format.bytes, lanes(immediateOf(order!)));
      const a = lifter.xmm(target!.reg);
      lifter.setXmm(target!.reg, lifter.w.i8x16.shuffle(a, lifter.readXmm(source!), mask));
    },
  };
}

const unpack = (name: string, opcode: string, high: 0 | 1): InstructionEntry[] =>
  twins(name, opcode, (w, { bytes, lanes }, a, b) => {
    const first = high ? lanes / 2 : 0;
    const order = Array.from({ length: lanes }, (_, i) => first + (i >> 1) + (i & 1 ? lanes : 0));
    return w.i8x16.shuffle(a, b, laneMask(bytes, order));
  });

/**
 * The approximations RCPxx and RSQRTxx, which processors compute from tables with a relative error up to 1.5 * 2^-12.
 * Ours are the nearest singles. Denormal operands count as zeros and denormal results become zeros, as in hardware.
 */
function approximation(
  mnemonic: string,
  opcode: string,
  compute: (w: WasmBuilder, operand: Expr) => Expr,
): InstructionEntry {
  const isScalar = mnemonic.endsWith("ss");
  return {
    mnemonic,
    operands: isScalar ? ["rw", "r"] : ["w", "r"],
    cpuid: "sse",
    samples: samples(opcode),
    lift: (lifter, { operands: [target, source] }) => {
      const { w } = lifter;
      const keepNormal = (vector: Expr): Expr => {
        const value = lifter.value(v128, vector);
        const smallest = w.f32x4.splat(w.f32.constBits(0x00800000));
        const denormal = lifter.value(v128, w.f32x4.lt(w.f32x4.abs(lifter.get(value)), smallest));
        const sign = w.i32x4.splat(w.i32.const(0x80000000));
        return w.v128.and(lifter.get(value), w.v128.or(sign, w.v128.not(lifter.get(denormal))));
      };
      const operand = isScalar ? SINGLE.readVector(lifter, source!) : lifter.readXmm(source!);
      const result = keepNormal(compute(w, keepNormal(operand)));
      if (isScalar) SINGLE.set(lifter, target!.reg, w.f32x4.extract(result, 0));
      else lifter.setXmm(target!.reg, result);
    },
  };
}
const reciprocal = (w: WasmBuilder, operand: Expr): Expr => w.f32x4.div(ones(w), operand);
const reciprocalRoot = (w: WasmBuilder, operand: Expr): Expr => w.f32x4.div(ones(w), w.f32x4.sqrt(operand));
const ones = (w: WasmBuilder): Expr => w.f32x4.splat(w.f32.constBits(0x3f800000));

export const ssePackedFloat: readonly InstructionEntry[] = [
  ...arithmetic("Add", "0f58", "add"),
  ...arithmetic("Sub", "0f5c", "sub"),
  ...arithmetic("Mul", "0f59", "mul"),
  ...arithmetic("Div", "0f5e", "div"),
  ...extreme("Min", "0f5d", "pmin"),
  ...extreme("Max", "0f5f", "pmax"),
  unary("Sqrtps", "sse", "0f51", (w, a) => w.f32x4.sqrt(a)),
  unary("Sqrtpd", "sse2", "660f51", (w, a) => w.f64x2.sqrt(a)),
  approximation("Rcpps", "0f53", reciprocal),
  approximation("Rcpss", "f30f53", reciprocal),
  approximation("Rsqrtps", "0f52", reciprocalRoot),
  approximation("Rsqrtss", "f30f52", reciprocalRoot),

  ...logic("And", "0f54", (w, a, b) => w.v128.and(a, b)),
  ...logic("Andn", "0f55", (w, a, b) => w.v128.andnot(b, a)),
  ...logic("Or", "0f56", (w, a, b) => w.v128.or(a, b)),
  idiom("Xorps", "sse", "0f57", 0, xor),
  idiom("Xorpd", "sse2", "660f57", 0, xor),

  masks(SINGLE),
  masks(DOUBLE),
  shuffle(SINGLE, (n) => [n & 3, (n >> 2) & 3, 4 + ((n >> 4) & 3), 4 + ((n >> 6) & 3)], ["1b", "4e", "e4", "93"]),
  shuffle(DOUBLE, (n) => [n & 1, 2 + ((n >> 1) & 1)], ["00", "01", "02", "03"]),
  ...unpack("Unpckl", "0f14", 0),
  ...unpack("Unpckh", "0f15", 1),
];
