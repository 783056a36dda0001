/** SSE4.1 on floating-point lanes: rounding, blends, dot products, INSERTPS. EXTRACTPS is in sse41-integer.ts. */
import { OP_XMM, type Operand } from "../decode.js";
import { v128, type Expr } from "../wasm.js";
import type { InstructionEntry } from "./entry.js";
import { DOUBLE, SINGLE, type Format } from "./float.js";
import type { Lifter } from "./lifter.js";
import { laneMask, samples, zero } from "./sse-forms.js";

const immediateOf = (operand: Operand): number => operand.immLo & 0xff;

/** Wasm's names of the rounding modes 0-3. Bit 2 of the immediate asks for MXCSR's mode, which is always nearest. */
const ROUNDINGS = ["nearest", "floor", "ceil", "trunc"] as const;
const roundingOf = (immediate: number) => ROUNDINGS[immediate & 4 ? 0 : immediate & 3]!;
const roundingSamples = (opcode: string): string[] => samples(opcode, ["00", "01", "02", "03", "04", "0b"]);

function roundScalar(mnemonic: string, opcode: string, format: Format): InstructionEntry {
  return {
    mnemonic,
    operands: ["rw", "r", "r"],
    cpuid: "sse4.1",
    upper: format.upper,
    samples: roundingSamples(opcode),
    lift: (lifter, { operands: [target, source, mode] }) => {
      const round = lifter.w[format.scalar][roundingOf(immediateOf(mode!))];
      format.set(lifter, target!.reg, round(format.read(lifter, source!)));
    },
  };
}
function roundPacked(mnemonic: string, opcode: string, format: Format): InstructionEntry {
  return {
    mnemonic,
    operands: ["w", "r", "r"],
    cpuid: "sse4.1",
    samples: roundingSamples(opcode),
    lift: (lifter, { operands: [target, source, mode] }) =>
      lifter.setXmm(target!.reg, lifter.w[format.vector][roundingOf(immediateOf(mode!))](lifter.readXmm(source!))),
  };
}

/** Immediate blends (BLENDPS, BLENDPD, PBLENDW): a one bit takes the source's lane of `bytes` bytes. */
export function blend(mnemonic: string, opcode: string, bytes: number, masks: readonly string[]): InstructionEntry {
  const count = 16 / bytes;
  return {
    mnemonic,
    operands: ["rw", "r", "r"],
    cpuid: "sse4.1",
    samples: samples(opcode, masks),
    lift: (lifter, { operands: [target, source, mask] }) => {
      const bits = immediateOf(mask!);
      const lanes = Array.from({ length: count }, (_, i) => (bits & (1 << i) ? count + i : i));
      const a = lifter.xmm(target!.reg);
      lifter.setXmm(target!.reg, lifter.w.i8x16.shuffle(a, lifter.readXmm(source!), laneMask(bytes, lanes)));
    },
  };
}

/** DPPS, DPPD: bits 4-7 of the immediate choose the products that are summed, bits 0-3 the lanes that get the sum. */
function dotProduct(mnemonic: string, opcode: string, format: Format): InstructionEntry {
  const { lanes, bytes } = format;
  /** All ones in the lanes whose bit is set. */
  const laneBits = ({ w }: Lifter, bits: number): Expr =>
    w.v128.const(Uint8Array.from({ length: 16 }, (_, i) => ((bits >> Math.floor(i / bytes)) & 1 ? 0xff : 0)));
  return {
    mnemonic,
    operands: ["rw", "r", "r"],
    cpuid: "sse4.1",
    samples: samples(opcode, ["ff", "31", "72", "f1", "0f", "f0"]),
    lift: (lifter, { operands: [target, source, control] }) => {
      const { w } = lifter;
      const vector = w[format.vector];
      const bits = immediateOf(control!);
      const products = vector.mul(lifter.xmm(target!.reg), lifter.readXmm(source!));
      let sum = lifter.value(v128, w.v128.and(products, laneBits(lifter, bits >> 4)));
      // Pairs first, then (DPPS) pairs of pairs; every lane gets the same sum, and so the same NaN.
      for (let width = lanes; width > 1; width /= 2) {
        const pick = (first: number) => Array.from({ length: lanes }, (_, i) => (2 * i + first) % width);
        const summand = (first: number) => w.i8x16.shuffle(lifter.get(sum), zero(w), laneMask(bytes, pick(first)));
        sum = lifter.value(v128, vector.add(summand(0), summand(1)));
      }
      lifter.setXmm(target!.reg, w.v128.and(lifter.get(sum), laneBits(lifter, bits)));
    },
  };
}

const insert: InstructionEntry = {
  mnemonic: "Insertps",
  operands: ["rw", "r", "r"],
  cpuid: "sse4.1",
  samples: samples("660f3a21", ["00", "1c", "9a", "e5", "7f"]),
  lift: (lifter, { operands: [target, source, control] }) => {
    const { w } = lifter;
    const bits = immediateOf(control!);
    const lane =
      source!.kind === OP_XMM ? w.f32x4.extract(lifter.xmm(source!.reg), bits >> 6) : lifter.readF32(source!);
    const inserted = w.f32x4.replace(lifter.xmm(target!.reg), (bits >> 4) & 3, lane);
    const lanes = [0, 1, 2, 3].map((i) => (bits & (1 << i) ? 4 : i));
    lifter.setXmm(target!.reg, bits & 0xf ? w.i8x16.shuffle(inserted, zero(w), laneMask(4, lanes)) : inserted);
  },
};

export const sse41Float: readonly InstructionEntry[] = [
  roundScalar("Roundss", "660f3a0a", SINGLE),
  roundScalar("Roundsd", "660f3a0b", DOUBLE),
  roundPacked("Roundps", "660f3a08", SINGLE),
  roundPacked("Roundpd", "660f3a09", DOUBLE),
  blend("Blendps", "660f3a0c", 4, ["05", "0f", "f2"]),
  blend("Blendpd", "660f3a0d", 8, ["00", "01", "02", "03"]),
  dotProduct("Dpps", "660f3a40", SINGLE),
  dotProduct("Dppd", "660f3a41", DOUBLE),
  insert,
];
