/** Integer operations on XMM registers (SSE2). */
import { OP_IMM, OP_MEM, type Operand } from "../decode.js";
import { i64, v128, type Expr, type WasmBuilder } from "../wasm.js";
import type { InstructionEntry } from "./entry.js";
import {
  binary,
  binaryValues,
  idiom,
  laneMask,
  memorySamples,
  readLow,
  registerSamples,
  samples,
  wideSamples,
  zero,
} from "./sse-forms.js";

type Compute = (w: WasmBuilder, a: Expr, b: Expr) => Expr;
const sse2 = (mnemonic: string, opcode: string, compute: Compute): InstructionEntry =>
  binary(mnemonic, "sse2", opcode, compute);

/** Picks lanes of `bytes` bytes, counted through destination and source. */
const unpack = (mnemonic: string, opcode: string, bytes: number, lanes: readonly number[]): InstructionEntry =>
  sse2(mnemonic, opcode, (w, a, b) => w.i8x16.shuffle(a, b, laneMask(bytes, lanes)));
/** Lane numbers that interleave `count` lanes starting at `first` of two vectors of `2 * count` lanes. */
const interleave = (first: number, count: number): number[] =>
  Array.from({ length: 2 * count }, (_, i) => first + (i >> 1) + (i & 1 ? 2 * count : 0));

const immediateOf = (operand: Operand): number => operand.immLo & 0xff;

/** PSHUFD, PSHUFHW, PSHUFLW: `lanes` gives the source lane of each result lane for an immediate. */
function permute(
  mnemonic: string,
  opcode: string,
  bytes: number,
  lanes: (immediate: number) => readonly number[],
): InstructionEntry {
  return {
    mnemonic,
    operands: ["w", "r", "r"],
    cpuid: "sse2",
    samples: samples(opcode, ["1b", "e4", "72"]),
    lift: (lifter, { operands: [target, source, order] }) => {
      const { w } = lifter;
      const mask = laneMask(bytes, lanes(immediateOf(order!)));
      lifter.setXmm(target!.reg, w.i8x16.shuffle(lifter.readXmm(source!), zero(w), mask));
    },
  };
}
/** The four two-bit fields of a shuffle's immediate. */
export const fields = (immediate: number): number[] => [0, 2, 4, 6].map((shift) => (immediate >> shift) & 3);

type ShiftKind = "shl" | "shr_s" | "shr_u";
/**
 * Shifts of 2-, 4- or 8-byte lanes by an immediate or by the low quadword of the source. A count of the lane's width
 * or more gives zero, or all sign bits.
 */
function shift(
  mnemonic: string,
  bytes: 2 | 4 | 8,
  kind: ShiftKind,
  opcode: string,
  immediateOpcode: string,
  extension: number,
): InstructionEntry {
  const bits = bytes * 8;
  const [prefix, rest] = [immediateOpcode.slice(0, 2), immediateOpcode.slice(2)];
  const modrm = (0xc0 | (extension << 3) | 2).toString(16);
  const counts = ["00", "01", "07", (bits - 1).toString(16).padStart(2, "0"), bits.toString(16), "ff"];
  return {
    mnemonic,
    operands: ["rw", "r"],
    cpuid: "sse2",
    samples: [
      ...samples(opcode),
      ...counts.flatMap((n) => [`${prefix}${rest}${modrm}${n}`, `${prefix}41${rest}${modrm}${n}`]),
    ],
    lift: (lifter, { operands: [target, source] }) => {
      const { w } = lifter;
      const lanes = bytes === 2 ? w.i16x8 : bytes === 4 ? w.i32x4 : w.i64x2;
      const vector = lifter.xmm(target!.reg);
      if (source!.kind === OP_IMM) {
        const count = immediateOf(source!);
        if (count >= bits && kind !== "shr_s") lifter.setXmm(target!.reg, zero(w));
        else lifter.setXmm(target!.reg, lanes[kind](vector, w.i32.const(Math.min(count, bits - 1))));
        return;
      }
      const count = lifter.value(i64, w.i64x2.extract(lifter.readXmm(source!), 0));
      const narrow = () => w.i32.wrap(lifter.get(count));
      const small = w.i64.lt_u(lifter.get(count), w.i64.const(bits));
      const shifted =
        kind === "shr_s"
          ? lanes[kind](vector, w.select(small, narrow(), w.i32.const(bits - 1)))
          : w.select(small, lanes[kind](vector, narrow()), zero(w));
      lifter.setXmm(target!.reg, shifted);
    },
  };
}

/** PSLLDQ, PSRLDQ: whole bytes; `start(n)` is the first byte taken from (zeros, vector, zeros). */
function byteShift(mnemonic: string, extension: number, left: boolean): InstructionEntry {
  const modrm = (0xc0 | (extension << 3) | 2).toString(16);
  return {
    mnemonic,
    operands: ["rw", "r"],
    cpuid: "sse2",
    samples: ["00", "01", "08", "0f", "10", "ff"].flatMap((n) => [`660f73${modrm}${n}`, `66410f73${modrm}${n}`]),
    lift: (lifter, { operands: [target, source] }) => {
      const { w } = lifter;
      const count = Math.min(immediateOf(source!), 16);
      const vector = lifter.xmm(target!.reg);
      const [a, b] = left ? [zero(w), vector] : [vector, zero(w)];
      const first = left ? 16 - count : count;
      lifter.setXmm(
        target!.reg,
        w.i8x16.shuffle(
          a,
          b,
          laneMask(
            1,
            [...Array(16).keys()].map((i) => first + i),
          ),
        ),
      );
    },
  };
}

/** PMULHW, PMULHUW: the upper halves of the products. */
const highProducts = (signed: boolean): InstructionEntry["lift"] =>
  binaryValues(({ w }, a, b) => {
    const low = signed ? w.i32x4.extmul_low_s(a(), b()) : w.i32x4.extmul_low_u(a(), b());
    const high = signed ? w.i32x4.extmul_high_s(a(), b()) : w.i32x4.extmul_high_u(a(), b());
    return w.i8x16.shuffle(low, high, laneMask(2, [1, 3, 5, 7, 9, 11, 13, 15]));
  });

/** Doublewords 0 and 2 as 0 and 1, for the widening products. */
const evenDoublewords = (w: WasmBuilder, vector: Expr): Expr =>
  w.i8x16.shuffle(vector, zero(w), laneMask(4, [0, 2, 0, 2]));

/** PSADBW: sums of absolute differences of each half's bytes. */
const sumOfDifferences: InstructionEntry["lift"] = binaryValues((lifter, a, b) => {
  const { w } = lifter;
  const difference = w.v128.or(w.i8x16.sub_sat_u(a(), b()), w.i8x16.sub_sat_u(b(), a()));
  const fours = w.i32x4.extadd_pairwise_i16x8_u(w.i16x8.extadd_pairwise_i8x16_u(difference));
  const kept = lifter.value(v128, fours);
  const low = w.v128.and(lifter.get(kept), w.i64x2.splat(w.i64.const(0xffffffffn)));
  return w.i64x2.add(low, w.i64x2.shr_u(lifter.get(kept), w.i32.const(32)));
});

const insertWord: InstructionEntry = {
  mnemonic: "Pinsrw",
  operands: ["rw", "r", "r"],
  cpuid: "sse2",
  samples: [...samples("660fc4", ["00", "03", "07", "0d"]), ...wideSamples("660fc4", ["02"])],
  lift: (lifter, { operands: [target, source, lane] }) =>
    lifter.setXmm(
      target!.reg,
      lifter.w.i16x8.replace(lifter.xmm(target!.reg), immediateOf(lane!) & 7, readLow(lifter, source!)),
    ),
};
/** To a general register (SSE2, upper bits cleared) or to memory (the SSE4.1 encoding). */
const extractWord: InstructionEntry = {
  mnemonic: "Pextrw",
  operands: ["w", "r", "r"],
  cpuid: "sse2",
  samples: [
    ...wideSamples("660fc5", ["02"]),
    ...registerSamples("660fc5", ["00", "03", "07", "0d"]),
    ...memorySamples("660f3a15", ["02"]),
  ],
  lift: (lifter, { operands: [target, source, lane] }) => {
    const word = lifter.w.i16x8.extract(lifter.xmm(source!.reg), immediateOf(lane!) & 7);
    if (target!.kind === OP_MEM) lifter.write(target!, word);
    else lifter.setGpr32(target!.reg, word);
  },
};

export const sseInteger: readonly InstructionEntry[] = [
  idiom("Pxor", "sse2", "660fef", 0, (w, a, b) => w.v128.xor(a, b)),
  sse2("Pand", "660fdb", (w, a, b) => w.v128.and(a, b)),
  sse2("Pandn", "660fdf", (w, a, b) => w.v128.andnot(b, a)),
  sse2("Por", "660feb", (w, a, b) => w.v128.or(a, b)),

  sse2("Paddb", "660ffc", (w, a, b) => w.i8x16.add(a, b)),
  sse2("Paddw", "660ffd", (w, a, b) => w.i16x8.add(a, b)),
  sse2("Paddd", "660ffe", (w, a, b) => w.i32x4.add(a, b)),
  sse2("Paddq", "660fd4", (w, a, b) => w.i64x2.add(a, b)),
  idiom("Psubb", "sse2", "660ff8", 0, (w, a, b) => w.i8x16.sub(a, b)),
  idiom("Psubw", "sse2", "660ff9", 0, (w, a, b) => w.i16x8.sub(a, b)),
  idiom("Psubd", "sse2", "660ffa", 0, (w, a, b) => w.i32x4.sub(a, b)),
  idiom("Psubq", "sse2", "660ffb", 0, (w, a, b) => w.i64x2.sub(a, b)),
  sse2("Paddsb", "660fec", (w, a, b) => w.i8x16.add_sat_s(a, b)),
  sse2("Paddsw", "660fed", (w, a, b) => w.i16x8.add_sat_s(a, b)),
  sse2("Paddusb", "660fdc", (w, a, b) => w.i8x16.add_sat_u(a, b)),
  sse2("Paddusw", "660fdd", (w, a, b) => w.i16x8.add_sat_u(a, b)),
  sse2("Psubsb", "660fe8", (w, a, b) => w.i8x16.sub_sat_s(a, b)),
  sse2("Psubsw", "660fe9", (w, a, b) => w.i16x8.sub_sat_s(a, b)),
  sse2("Psubusb", "660fd8", (w, a, b) => w.i8x16.sub_sat_u(a, b)),
  sse2("Psubusw", "660fd9", (w, a, b) => w.i16x8.sub_sat_u(a, b)),

  idiom("Pcmpeqb", "sse2", "660f74", 0xff, (w, a, b) => w.i8x16.eq(a, b)),
  idiom("Pcmpeqw", "sse2", "660f75", 0xff, (w, a, b) => w.i16x8.eq(a, b)),
  idiom("Pcmpeqd", "sse2", "660f76", 0xff, (w, a, b) => w.i32x4.eq(a, b)),
  idiom("Pcmpgtb", "sse2", "660f64", 0, (w, a, b) => w.i8x16.gt_s(a, b)),
  idiom("Pcmpgtw", "sse2", "660f65", 0, (w, a, b) => w.i16x8.gt_s(a, b)),
  idiom("Pcmpgtd", "sse2", "660f66", 0, (w, a, b) => w.i32x4.gt_s(a, b)),

  sse2("Pminub", "660fda", (w, a, b) => w.i8x16.min_u(a, b)),
  sse2("Pmaxub", "660fde", (w, a, b) => w.i8x16.max_u(a, b)),
  sse2("Pminsw", "660fea", (w, a, b) => w.i16x8.min_s(a, b)),
  sse2("Pmaxsw", "660fee", (w, a, b) => w.i16x8.max_s(a, b)),
  sse2("Pavgb", "660fe0", (w, a, b) => w.i8x16.avgr_u(a, b)),
  sse2("Pavgw", "660fe3", (w, a, b) => w.i16x8.avgr_u(a, b)),

  sse2("Pmullw", "660fd5", (w, a, b) => w.i16x8.mul(a, b)),
  { ...sse2("Pmulhw", "660fe5", (w, a, b) => w.i16x8.mul(a, b)), lift: highProducts(true) },
  { ...sse2("Pmulhuw", "660fe4", (w, a, b) => w.i16x8.mul(a, b)), lift: highProducts(false) },
  sse2("Pmuludq", "660ff4", (w, a, b) => w.i64x2.extmul_low_u(evenDoublewords(w, a), evenDoublewords(w, b))),
  sse2("Pmaddwd", "660ff5", (w, a, b) => w.i32x4.dot_i16x8_s(a, b)),
  { ...sse2("Psadbw", "660ff6", (w, a, b) => w.i8x16.sub(a, b)), lift: sumOfDifferences },

  sse2("Packsswb", "660f63", (w, a, b) => w.i8x16.narrow_i16x8_s(a, b)),
  sse2("Packuswb", "660f67", (w, a, b) => w.i8x16.narrow_i16x8_u(a, b)),
  sse2("Packssdw", "660f6b", (w, a, b) => w.i16x8.narrow_i32x4_s(a, b)),
  unpack("Punpcklbw", "660f60", 1, interleave(0, 8)),
  unpack("Punpckhbw", "660f68", 1, interleave(8, 8)),
  unpack("Punpcklwd", "660f61", 2, interleave(0, 4)),
  unpack("Punpckhwd", "660f69", 2, interleave(4, 4)),
  unpack("Punpckldq", "660f62", 4, interleave(0, 2)),
  unpack("Punpckhdq", "660f6a", 4, interleave(2, 2)),
  unpack("Punpcklqdq", "660f6c", 8, interleave(0, 1)),
  unpack("Punpckhqdq", "660f6d", 8, interleave(1, 1)),
  permute("Pshufd", "660f70", 4, fields),
  permute("Pshuflw", "f20f70", 2, (immediate) => [...fields(immediate), 4, 5, 6, 7]),
  permute("Pshufhw", "f30f70", 2, (immediate) => [0, 1, 2, 3, ...fields(immediate).map((lane) => lane + 4)]),
  insertWord,
  extractWord,

  shift("Psllw", 2, "shl", "660ff1", "660f71", 6),
  shift("Pslld", 4, "shl", "660ff2", "660f72", 6),
  shift("Psllq", 8, "shl", "660ff3", "660f73", 6),
  shift("Psrlw", 2, "shr_u", "660fd1", "660f71", 2),
  shift("Psrld", 4, "shr_u", "660fd2", "660f72", 2),
  shift("Psrlq", 8, "shr_u", "660fd3", "660f73", 2),
  shift("Psraw", 2, "shr_s", "660fe1", "660f71", 4),
  shift("Psrad", 4, "shr_s", "660fe2", "660f72", 4),
  byteShift("Pslldq", 7, true),
  byteShift("Psrldq", 3, false),
];
