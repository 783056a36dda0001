/** SSSE3: byte shuffles, horizontal integer arithmetic, absolute values and signs. */
import { v128, type Expr, type WasmBuilder } from "../wasm.js";
import type { InstructionEntry } from "./entry.js";
import type { Lifter } from "./lifter.js";
import { binary, binaryValues, laneMask, samples, splatByte, unary, zero } from "./sse-forms.js";

type Lanes = "i8x16" | "i16x8" | "i32x4";

const withValues = (
  mnemonic: string,
  opcode: string,
  compute: (lifter: Lifter, a: () => Expr, b: () => Expr) => Expr,
): InstructionEntry => ({ ...binary(mnemonic, "ssse3", opcode, (_, a) => a), lift: binaryValues(compute) });

/** Result lane i combines lanes 2i and 2i+1, counted through destination and source. */
function horizontal(
  mnemonic: string,
  opcode: string,
  bytes: 2 | 4,
  combine: (w: WasmBuilder, even: Expr, odd: Expr) => Expr,
): InstructionEntry {
  const count = 16 / bytes;
  const lanes = (first: number) =>
    laneMask(
      bytes,
      Array.from({ length: count }, (_, i) => 2 * i + first),
    );
  return withValues(mnemonic, opcode, ({ w }, a, b) =>
    combine(w, w.i8x16.shuffle(a(), b(), lanes(0)), w.i8x16.shuffle(a(), b(), lanes(1))),
  );
}

/** PSIGNx: the destination's lanes negated, cleared or kept as the source's are negative, zero or positive. */
function sign(mnemonic: string, opcode: string, lanes: Lanes): InstructionEntry {
  return withValues(mnemonic, opcode, (lifter, a, b) => {
    const { w } = lifter;
    const negative = lifter.value(v128, w[lanes].lt_s(b(), zero(w)));
    const signed = w[lanes].sub(w.v128.xor(a(), lifter.get(negative)), lifter.get(negative));
    return w.v128.andnot(signed, w[lanes].eq(b(), zero(w)));
  });
}

/** PMADDUBSW: unsigned bytes of the destination times signed bytes of the source, pairs added with saturation. */
const multiplyAddBytes = withValues("Pmaddubsw", "660f3804", ({ w }, a, b) => {
  const eight = () => w.i32.const(8);
  const even = w.i16x8.mul(
    w.v128.and(a(), w.i16x8.splat(w.i32.const(0xff))),
    w.i16x8.shr_s(w.i16x8.shl(b(), eight()), eight()),
  );
  const odd = w.i16x8.mul(w.i16x8.shr_u(a(), eight()), w.i16x8.shr_s(b(), eight()));
  return w.i16x8.add_sat_s(even, odd);
});

/** PMULHRSW differs from Wasm's Q15 product in -1 * -1, which wraps to -1 instead of saturating. */
const roundedHighProducts = withValues("Pmulhrsw", "660f380b", ({ w }, a, b) => {
  const lowest = () => w.i16x8.splat(w.i32.const(0x8000));
  const both = w.v128.and(w.i16x8.eq(a(), lowest()), w.i16x8.eq(b(), lowest()));
  return w.v128.xor(w.i16x8.q15mulr_sat_s(a(), b()), both);
});

const alignRight: InstructionEntry = {
  mnemonic: "Palignr",
  operands: ["rw", "r", "r"],
  cpuid: "ssse3",
  samples: samples("660f3a0f", ["00", "05", "10", "1b", "20", "ff"]),
  lift: (lifter, { operands: [target, source, amount] }) => {
    const { w } = lifter;
    const count = Math.min(amount!.immLo & 0xff, 32);
    // Bytes count..count+15 of destination:source, zeros beyond.
    const from = (first: number) =>
      laneMask(
        1,
        Array.from({ length: 16 }, (_, i) => first + i),
      );
    const vector = lifter.readXmm(source!);
    lifter.setXmm(
      target!.reg,
      count <= 16
        ? w.i8x16.shuffle(vector, lifter.xmm(target!.reg), from(count))
        : w.i8x16.shuffle(lifter.xmm(target!.reg), dropped(lifter, vector), from(count - 16)),
    );
  },
};
/** Zeros, after evaluating a source that the result no longer depends on but whose load may fault. */
function dropped({ w }: Lifter, vector: Expr): Expr {
  return w.v128.and(vector, zero(w));
}

export const ssse3: readonly InstructionEntry[] = [
  // A mask byte with its top bit set gives zero; Wasm's swizzle does so for any index above 15.
  binary("Pshufb", "ssse3", "660f3800", (w, a, b) => w.i8x16.swizzle(a, w.v128.and(b, splatByte(w, 0x8f)))),
  alignRight,
  unary("Pabsb", "ssse3", "660f381c", (w, a) => w.i8x16.abs(a)),
  unary("Pabsw", "ssse3", "660f381d", (w, a) => w.i16x8.abs(a)),
  unary("Pabsd", "ssse3", "660f381e", (w, a) => w.i32x4.abs(a)),
  sign("Psignb", "660f3808", "i8x16"),
  sign("Psignw", "660f3809", "i16x8"),
  sign("Psignd", "660f380a", "i32x4"),
  horizontal("Phaddw", "660f3801", 2, (w, even, odd) => w.i16x8.add(even, odd)),
  horizontal("Phaddd", "660f3802", 4, (w, even, odd) => w.i32x4.add(even, odd)),
  horizontal("Phaddsw", "660f3803", 2, (w, even, odd) => w.i16x8.add_sat_s(even, odd)),
  horizontal("Phsubw", "660f3805", 2, (w, even, odd) => w.i16x8.sub(even, odd)),
  horizontal("Phsubd", "660f3806", 4, (w, even, odd) => w.i32x4.sub(even, odd)),
  horizontal("Phsubsw", "660f3807", 2, (w, even, odd) => w.i16x8.sub_sat_s(even, odd)),
  multiplyAddBytes,
  roundedHighProducts,
];
