/** Moves between XMM registers, memory and general registers. */
import { OP_GPR, OP_MEM, OP_XMM, type Insn } from "../decode.js";
import { gprBit, RDI } from "../registers.js";
import { GUEST, i32, type Expr, type WasmBuilder } from "../wasm.js";
import type { Access, CpuidBit, InstructionEntry } from "./entry.js";
import type { Lifter } from "./lifter.js";
import { hasXmm, laneMask, memorySamples, registerSamples, samples, wideSamples, zero } from "./sse-forms.js";

const betweenXmm = (insn: Insn): boolean => insn.operands[0]!.kind === OP_XMM && insn.operands[1]!.kind === OP_XMM;

/** All 128 bits. The alignment that MOVAPS and its like ask for is not checked (docs/quirks.md). */
function whole(mnemonic: string, cpuid: CpuidBit, encodings: readonly string[]): InstructionEntry {
  return {
    mnemonic,
    operands: ["w", "r"],
    cpuid,
    upper: (insn) => (betweenXmm(insn) ? "copied" : "written"),
    samples: encodings,
    lift: (lifter, insn) => {
      const [target, source] = insn.operands;
      if (betweenXmm(insn)) lifter.copyXmm(target!.reg, source!.reg);
      else lifter.writeXmm(target!, lifter.readXmm(source!));
    },
  };
}
const bothWays = (load: string, store: string): string[] => [...samples(load), ...memorySamples(store)];

const lowOnly: readonly Access[] = ["rw", "r"];
const overwrite: readonly Access[] = ["w", "r"];
/** MOVSS, MOVSD: between registers only the low lane changes, a load clears the rest. */
const scalarAccess = (insn: Insn): readonly Access[] => (betweenXmm(insn) ? lowOnly : overwrite);

/** Low quadword kept, high one cleared. */
const lowQuad = (w: WasmBuilder, vector: Expr): Expr => w.i8x16.shuffle(vector, zero(w), laneMask(8, [0, 2]));

/** MOVD and MOVQ: a general register, memory or an XMM register, to or from the low lane of an XMM register. */
function liftInteger(lifter: Lifter, insn: Insn): void {
  const { w } = lifter;
  const [target, source] = insn.operands;
  const wide = (target!.kind === OP_XMM ? source! : target!).size >= 8;
  if (target!.kind === OP_MEM) {
    if (wide) lifter.storeF64(target!, w.f64x2.extract(lifter.lowXmm(source!.reg), 0));
    else lifter.storeF32(target!, w.f32x4.extract(lifter.lowXmm(source!.reg), 0));
  } else if (target!.kind === OP_GPR) {
    if (wide) lifter.setGpr(target!.reg, w.i64x2.extract(lifter.lowXmm(source!.reg), 0));
    else lifter.setGpr32(target!.reg, w.i32x4.extract(lifter.lowXmm(source!.reg), 0));
  } else if (source!.kind === OP_MEM) {
    lifter.setXmmZeroUpper(target!.reg, wide ? lifter.loadF64Zero(source!) : lifter.loadF32Zero(source!));
  } else if (source!.kind === OP_GPR) {
    const vector = wide
      ? w.i64x2.replace(zero(w), 0, lifter.gpr(source!.reg))
      : w.i32x4.replace(zero(w), 0, lifter.gpr32(source!.reg));
    lifter.setXmmZeroUpper(target!.reg, vector);
  } else lifter.setXmmZeroUpper(target!.reg, lowQuad(w, lifter.lowXmm(source!.reg)));
}

/** MOVLPS, MOVHPS and their PD twins: one quadword to or from memory. */
function half(mnemonic: string, cpuid: CpuidBit, load: string, store: string, lane: 0 | 1): InstructionEntry {
  return {
    mnemonic,
    operands: (insn) => (insn.operands[0]!.kind === OP_XMM ? lowOnly : overwrite),
    cpuid,
    samples: [...memorySamples(load), ...memorySamples(store)],
    lift: (lifter, { operands: [target, source] }) => {
      const { w } = lifter;
      if (target!.kind === OP_MEM) lifter.storeF64(target!, w.f64x2.extract(lifter.xmm(source!.reg), lane));
      else lifter.setXmm(target!.reg, w.f64x2.replace(lifter.xmm(target!.reg), lane, lifter.readF64(source!)));
    },
  };
}

/** MOVHLPS, MOVLHPS: `lanes` are the result's quadwords, counted through destination and source. */
function cross(mnemonic: string, opcode: string, lanes: readonly [number, number]): InstructionEntry {
  return {
    mnemonic,
    operands: ["rw", "r"],
    cpuid: "sse",
    samples: registerSamples(opcode),
    lift: (lifter, { operands: [target, source] }) =>
      lifter.setXmm(
        target!.reg,
        lifter.w.i8x16.shuffle(lifter.xmm(target!.reg), lifter.xmm(source!.reg), laneMask(8, lanes)),
      ),
  };
}

/** The destination (a general register) gets one bit for each lane's sign. */
function signMask(
  mnemonic: string,
  cpuid: CpuidBit,
  opcode: string,
  mask: (w: WasmBuilder, vector: Expr) => Expr,
): InstructionEntry {
  return {
    mnemonic,
    operands: ["w", "r"],
    cpuid,
    samples: [...registerSamples(opcode), ...wideSamples(opcode)],
    lift: (lifter, { operands: [target, source] }) =>
      lifter.setGpr32(target!.reg, mask(lifter.w, lifter.xmm(source!.reg))),
  };
}

/** Stores the bytes whose mask byte has its top bit set, one by one: the others must not be touched. */
function liftMaskMove(lifter: Lifter, insn: Insn): void {
  const { w } = lifter;
  const [target, data, mask] = insn.operands;
  const place = lifter.place(target!);
  const bits = lifter.value(i32, w.i8x16.bitmask(lifter.xmm(mask!.reg)));
  for (let lane = 0; lane < 16; lane++) {
    const { base, offset } = lifter.placeAddress(place);
    const byte = w.i8x16.extract(lifter.xmm(data!.reg), lane);
    const store = lifter.mark(w.store(GUEST, i32, 1, base, byte, offset + lane));
    lifter.emit(w.if(w.i32.and(lifter.get(bits), w.i32.const(1 << lane)), store));
  }
}

export const sseMove: readonly InstructionEntry[] = [
  whole("Movups", "sse", bothWays("0f10", "0f11")),
  whole("Movaps", "sse", bothWays("0f28", "0f29")),
  whole("Movupd", "sse2", bothWays("660f10", "660f11")),
  whole("Movapd", "sse2", bothWays("660f28", "660f29")),
  whole("Movdqu", "sse2", bothWays("f30f6f", "f30f7f")),
  whole("Movdqa", "sse2", bothWays("660f6f", "660f7f")),
  whole("Lddqu", "sse3", memorySamples("f20ff0")),
  whole("Movntps", "sse", memorySamples("0f2b")),
  whole("Movntpd", "sse2", memorySamples("660f2b")),
  whole("Movntdq", "sse2", memorySamples("660fe7")),
  whole("Movntdqa", "sse4.1", memorySamples("660f382a")),
  {
    mnemonic: "Movnti",
    operands: ["w", "r"],
    cpuid: "sse2",
    samples: [...memorySamples("0fc3"), "480fc34b10"],
    lift: (lifter, { operands: [target, source] }) => lifter.write(target!, lifter.read(source!)),
  },
  {
    mnemonic: "Movsd",
    form: hasXmm,
    operands: scalarAccess,
    cpuid: "sse2",
    upper: (insn) => (betweenXmm(insn) ? "kept" : "written"),
    samples: bothWays("f20f10", "f20f11"),
    lift: (lifter, { operands: [target, source] }) => {
      if (target!.kind === OP_MEM) lifter.storeF64(target!, lifter.readF64(source!));
      else if (source!.kind === OP_MEM) lifter.setXmmZeroUpper(target!.reg, lifter.loadF64Zero(source!));
      else lifter.setLowXmm(target!.reg, lifter.lowXmm(source!.reg));
    },
  },
  {
    mnemonic: "Movss",
    operands: scalarAccess,
    cpuid: "sse",
    samples: bothWays("f30f10", "f30f11"),
    lift: (lifter, { operands: [target, source] }) => {
      if (target!.kind === OP_MEM) lifter.storeF32(target!, lifter.readF32(source!));
      else if (source!.kind === OP_MEM) lifter.setXmmZeroUpper(target!.reg, lifter.loadF32Zero(source!));
      else lifter.setF32(target!.reg, lifter.readF32(source!));
    },
  },
  {
    mnemonic: "Movd",
    operands: overwrite,
    cpuid: "sse2",
    samples: [...samples("660f6e"), ...samples("660f7e")],
    lift: liftInteger,
  },
  {
    mnemonic: "Movq",
    operands: overwrite,
    cpuid: "sse2",
    samples: [
      ...samples("f30f7e"),
      ...samples("660fd6"),
      ...["66480f6eca", "664d0f6ef8", "66480f6e4b10", "66480f7eca", "664d0f7ef8", "66480f7e4b10"],
    ],
    lift: liftInteger,
  },
  half("Movlps", "sse", "0f12", "0f13", 0),
  half("Movlpd", "sse2", "660f12", "660f13", 0),
  half("Movhps", "sse", "0f16", "0f17", 1),
  half("Movhpd", "sse2", "660f16", "660f17", 1),
  cross("Movhlps", "0f12", [3, 1]),
  cross("Movlhps", "0f16", [0, 2]),
  signMask("Movmskps", "sse", "0f50", (w, vector) => w.i32x4.bitmask(vector)),
  signMask("Movmskpd", "sse2", "660f50", (w, vector) => w.i64x2.bitmask(vector)),
  signMask("Pmovmskb", "sse2", "660fd7", (w, vector) => w.i8x16.bitmask(vector)),
  {
    mnemonic: "Maskmovdqu",
    operands: ["w", "r", "r"],
    reads: gprBit(RDI),
    cpuid: "sse2",
    samples: ["660ff7ca", "66450ff7f8"],
    lift: liftMaskMove,
  },
];
