/** SSE4.1 on integer lanes, and the variable blends. MOVNTDQA is in sse-move.ts, PEXTRW in sse-integer.ts. */
import { OP_MEM, OP_XMM, type Insn, type Operand } from "../decode.js";
import { STATUS_FLAGS, CF, xmmBit, ZF } from "../registers.js";
import { i32, v128, type Expr, type WasmBuilder } from "../wasm.js";
import type { InstructionEntry } from "./entry.js";
import type { Lifter } from "./lifter.js";
import { binary, idiom, laneMask, readLow, samples, unary, wideSamples, zero } from "./sse-forms.js";
import { blend } from "./sse41-float.js";

const immediateOf = (operand: Operand): number => operand.immLo & 0xff;

type Compute = (w: WasmBuilder, a: Expr, b: Expr) => Expr;
const sse41 = (mnemonic: string, opcode: string, compute: Compute): InstructionEntry =>
  binary(mnemonic, "sse4.1", opcode, compute);

/** Blends under a mask in XMM0: where a lane's sign is set the source is taken. */
function variableBlend(
  mnemonic: string,
  opcode: string,
  mask: (w: WasmBuilder, vector: Expr) => Expr,
): InstructionEntry {
  return {
    mnemonic,
    // The register is an explicit operand in iced's view.
    operands: (insn) => (insn.operands.length === 3 ? ["rw", "r", "r"] : ["rw", "r"]),
    reads: xmmBit(0),
    cpuid: "sse4.1",
    samples: samples(opcode),
    lift: (lifter, { operands: [target, source] }) => {
      const { w } = lifter;
      const taken = lifter.readXmm(source!);
      lifter.setXmm(target!.reg, w.v128.bitselect(taken, lifter.xmm(target!.reg), mask(w, lifter.xmm(0))));
    },
  };
}

/** PMOVSX, PMOVZX: `bytes` of the source's low end widened step by step. */
function widen(
  mnemonic: string,
  opcode: string,
  bytes: 2 | 4 | 8,
  extend: (w: WasmBuilder, source: Expr) => Expr,
): InstructionEntry {
  return {
    mnemonic,
    operands: ["w", "r"],
    cpuid: "sse4.1",
    samples: samples(opcode),
    lift: (lifter, { operands: [target, source] }) => {
      const { w } = lifter;
      let low: Expr;
      if (source!.kind === OP_XMM) low = lifter.xmm(source!.reg);
      else if (bytes === 8) low = lifter.loadF64Zero(source!);
      else if (bytes === 4) low = lifter.loadF32Zero(source!);
      else low = w.i32x4.replace(zero(w), 0, lifter.read(source!));
      lifter.setXmm(target!.reg, extend(w, low));
    },
  };
}
const byteToWord = {
  s: (w: WasmBuilder, a: Expr) => w.i16x8.extend_low_i8x16_s(a),
  u: (w: WasmBuilder, a: Expr) => w.i16x8.extend_low_i8x16_u(a),
};
const wordToDouble = {
  s: (w: WasmBuilder, a: Expr) => w.i32x4.extend_low_i16x8_s(a),
  u: (w: WasmBuilder, a: Expr) => w.i32x4.extend_low_i16x8_u(a),
};
const doubleToQuad = {
  s: (w: WasmBuilder, a: Expr) => w.i64x2.extend_low_i32x4_s(a),
  u: (w: WasmBuilder, a: Expr) => w.i64x2.extend_low_i32x4_u(a),
};
function widenings(kind: "s" | "u", row: number): InstructionEntry[] {
  const name = (form: string) => `Pmov${kind === "s" ? "sx" : "zx"}${form}`;
  const opcode = (column: number) => `660f38${(row + column).toString(16)}`;
  const [bw, wd, dq] = [byteToWord[kind], wordToDouble[kind], doubleToQuad[kind]];
  return [
    widen(name("bw"), opcode(0), 8, bw),
    widen(name("bd"), opcode(1), 4, (w, a) => wd(w, bw(w, a))),
    widen(name("bq"), opcode(2), 2, (w, a) => dq(w, wd(w, bw(w, a)))),
    widen(name("wd"), opcode(3), 8, wd),
    widen(name("wq"), opcode(4), 4, (w, a) => dq(w, wd(w, a))),
    widen(name("dq"), opcode(5), 8, dq),
  ];
}

/** PEXTRB/D/Q, EXTRACTPS: a lane to a general register (upper bits cleared) or to memory. */
function extract(
  mnemonic: string,
  encodings: readonly string[],
  lane: (l: Lifter, source: number, index: number) => Expr,
): InstructionEntry {
  return {
    mnemonic,
    operands: ["w", "r", "r"],
    cpuid: "sse4.1",
    samples: encodings,
    lift: (lifter, { operands: [target, source, index] }) => {
      const value = lane(lifter, source!.reg, immediateOf(index!));
      if (target!.kind === OP_MEM || mnemonic === "Pextrq") lifter.write(target!, value);
      else lifter.setGpr32(target!.reg, value);
    },
  };
}
/** PINSRB/D/Q: the low bits of a general register, or memory, into a lane. */
function insert(
  mnemonic: string,
  encodings: readonly string[],
  replace: (w: WasmBuilder, vector: Expr, index: number, value: Expr) => Expr,
): InstructionEntry {
  return {
    mnemonic,
    operands: ["rw", "r", "r"],
    cpuid: "sse4.1",
    samples: encodings,
    lift: (lifter, { operands: [target, source, index] }) => {
      const value = mnemonic === "Pinsrq" ? lifter.read(source!) : readLow(lifter, source!);
      lifter.setXmm(target!.reg, replace(lifter.w, lifter.xmm(target!.reg), immediateOf(index!), value));
    },
  };
}
/** PTEST: ZF if no bit of the source is set in the destination, CF if all of the source's bits are. */
function liftTest(lifter: Lifter, { operands: [first, second] }: Insn): void {
  const { w } = lifter;
  const source = lifter.value(v128, lifter.readXmm(second!));
  const common = lifter.value(i32, w.v128.any_true(w.v128.and(lifter.xmm(first!.reg), lifter.get(source))));
  const missing = lifter.value(i32, w.v128.any_true(w.v128.andnot(lifter.get(source), lifter.xmm(first!.reg))));
  lifter.define({
    defines: STATUS_FLAGS,
    values: [common, missing],
    flag: (flag) => {
      if (flag === ZF) return w.i32.eqz(lifter.get(common));
      if (flag === CF) return w.i32.eqz(lifter.get(missing));
      return w.i32.const(0);
    },
  });
}

/** PHMINPOSUW: the least unsigned word and its index, the rest cleared. */
const leastWord: InstructionEntry["lift"] = (lifter, { operands: [target, source] }) => {
  const { w } = lifter;
  const vector = lifter.value(v128, lifter.readXmm(source!));
  // Word and index in one number: the least of them is the least word with the least index.
  const candidate = (lane: number): Expr =>
    w.i32.or(w.i32.shl(w.i16x8.extract(lifter.get(vector), lane), w.i32.const(3)), w.i32.const(lane));
  const least = lifter.value(i32, candidate(0));
  for (let lane = 1; lane < 8; lane++) {
    const next = lifter.value(i32, candidate(lane));
    const smaller = w.i32.lt_u(lifter.get(next), lifter.get(least));
    lifter.assign(least, w.select(smaller, lifter.get(next), lifter.get(least)));
  }
  const word = w.i32.shr_u(lifter.get(least), w.i32.const(3));
  const index = w.i32.shl(w.i32.and(lifter.get(least), w.i32.const(7)), w.i32.const(16));
  lifter.setXmm(target!.reg, w.i32x4.replace(zero(w), 0, w.i32.or(word, index)));
};

/** MPSADBW: eight sums of absolute differences of four bytes, at eight successive offsets of the destination. */
const slidingDifferences: InstructionEntry = {
  mnemonic: "Mpsadbw",
  operands: ["rw", "r", "r"],
  cpuid: "sse4.1",
  samples: samples("660f3a42", ["00", "03", "05", "06"]),
  lift: (lifter, { operands: [target, source, control] }) => {
    const { w } = lifter;
    const bits = immediateOf(control!);
    const [first, block] = [bits & 4, (bits & 3) * 4];
    const fixed = lifter.value(v128, lifter.readXmm(source!));
    // Term k: |destination[first + i + k] - source[block + k]| for the eight result words i.
    const word = (vector: Expr, byteOf: (i: number) => number): Expr =>
      w.i8x16.shuffle(
        vector,
        zero(w),
        Array.from({ length: 16 }, (_, i) => (i & 1 ? 16 : byteOf(i >> 1))),
      );
    const term = (k: number): Expr =>
      w.i16x8.abs(
        w.i16x8.sub(
          word(lifter.xmm(target!.reg), (i) => first + i + k),
          word(lifter.get(fixed), () => block + k),
        ),
      );
    const sum = w.i16x8.add(w.i16x8.add(term(0), term(1)), w.i16x8.add(term(2), term(3)));
    lifter.setXmm(target!.reg, sum);
  },
};

const evenDoublewords = (w: WasmBuilder, vector: Expr): Expr =>
  w.i8x16.shuffle(vector, zero(w), laneMask(4, [0, 2, 0, 2]));

export const sse41Integer: readonly InstructionEntry[] = [
  sse41("Pminsb", "660f3838", (w, a, b) => w.i8x16.min_s(a, b)),
  sse41("Pminsd", "660f3839", (w, a, b) => w.i32x4.min_s(a, b)),
  sse41("Pminuw", "660f383a", (w, a, b) => w.i16x8.min_u(a, b)),
  sse41("Pminud", "660f383b", (w, a, b) => w.i32x4.min_u(a, b)),
  sse41("Pmaxsb", "660f383c", (w, a, b) => w.i8x16.max_s(a, b)),
  sse41("Pmaxsd", "660f383d", (w, a, b) => w.i32x4.max_s(a, b)),
  sse41("Pmaxuw", "660f383e", (w, a, b) => w.i16x8.max_u(a, b)),
  sse41("Pmaxud", "660f383f", (w, a, b) => w.i32x4.max_u(a, b)),
  sse41("Pmulld", "660f3840", (w, a, b) => w.i32x4.mul(a, b)),
  sse41("Pmuldq", "660f3828", (w, a, b) => w.i64x2.extmul_low_s(evenDoublewords(w, a), evenDoublewords(w, b))),
  sse41("Packusdw", "660f382b", (w, a, b) => w.i16x8.narrow_i32x4_u(a, b)),
  idiom("Pcmpeqq", "sse4.1", "660f3829", 0xff, (w, a, b) => w.i64x2.eq(a, b)),
  { ...unary("Phminposuw", "sse4.1", "660f3841", (_, a) => a), lift: leastWord },
  slidingDifferences,
  ...widenings("s", 0x20),
  ...widenings("u", 0x30),

  blend("Pblendw", "660f3a0e", 2, ["00", "5a", "0f", "ff"]),
  variableBlend("Pblendvb", "660f3810", (w, mask) => w.i8x16.shr_s(mask, w.i32.const(7))),
  variableBlend("Blendvps", "660f3814", (w, mask) => w.i32x4.shr_s(mask, w.i32.const(31))),
  variableBlend("Blendvpd", "660f3815", (w, mask) => w.i64x2.shr_s(mask, w.i32.const(63))),

  extract(
    "Pextrb",
    [...samples("660f3a14", ["00", "07", "1d"]), ...wideSamples("660f3a14", ["02"])],
    (l, source, index) => l.w.i8x16.extract(l.xmm(source), index & 15),
  ),
  extract("Pextrd", samples("660f3a16", ["00", "03", "06"]), (l, source, index) =>
    l.w.i32x4.extract(l.xmm(source), index & 3),
  ),
  extract("Pextrq", [...wideSamples("660f3a16", ["00", "01"]), "66480f3a164b1001"], (l, source, index) =>
    l.w.i64x2.extract(l.xmm(source), index & 1),
  ),
  extract(
    "Extractps",
    [...samples("660f3a17", ["00", "03", "06"]), ...wideSamples("660f3a17", ["02"])],
    (l, source, index) => l.w.i32x4.extract(l.xmm(source), index & 3),
  ),
  insert(
    "Pinsrb",
    [...samples("660f3a20", ["00", "07", "1d"]), ...wideSamples("660f3a20", ["02"])],
    (w, vector, index, value) => w.i8x16.replace(vector, index & 15, value),
  ),
  insert("Pinsrd", samples("660f3a22", ["00", "03", "06"]), (w, vector, index, value) =>
    w.i32x4.replace(vector, index & 3, value),
  ),
  insert("Pinsrq", [...wideSamples("660f3a22", ["00", "01"]), "66480f3a224b1001"], (w, vector, index, value) =>
    w.i64x2.replace(vector, index & 1, value),
  ),
  {
    mnemonic: "Ptest",
    operands: ["r", "r"],
    flagsWritten: STATUS_FLAGS,
    cpuid: "sse4.1",
    samples: samples("660f3817"),
    lift: liftTest,
  },
];
