/** What the SSE tables share: sample encodings and the common shapes of entries. */
import { OP_GPR, OP_XMM, type Insn, type Operand } from "../decode.js";
import { v128, type Expr, type WasmBuilder } from "../wasm.js";
import type { Access, CpuidBit, InstructionEntry } from "./entry.js";
import type { Lifter } from "./lifter.js";

/** Splits "660f58" into the mandatory prefix ("66") and the opcode ("0f58"); REX bytes go between them. */
function split(opcode: string): [prefix: string, opcode: string] {
  return /^(66|f2|f3)/.test(opcode) ? [opcode.slice(0, 2), opcode.slice(2)] : ["", opcode];
}

/** Register forms of `opcode xmm, xmm` in hex: two registers, one twice, and both of the upper eight. */
export function registerSamples(opcode: string, immediates: readonly string[] = [""]): string[] {
  const [prefix, rest] = split(opcode);
  return immediates.flatMap((imm) => [
    `${prefix}${rest}ca${imm}`,
    `${prefix}${rest}c9${imm}`,
    `${prefix}45${rest}f8${imm}`,
  ]);
}
/** Memory forms: `xmm1, [rbx+0x10]` and `xmm9, [rsi+rcx*4+0x40]`. */
export function memorySamples(opcode: string, immediates: readonly string[] = [""]): string[] {
  const [prefix, rest] = split(opcode);
  return immediates.flatMap((imm) => [`${prefix}${rest}4b10${imm}`, `${prefix}44${rest}4c8e40${imm}`]);
}
export function samples(opcode: string, immediates: readonly string[] = [""]): string[] {
  return [...registerSamples(opcode, immediates), ...memorySamples(opcode, immediates)];
}

/** Register forms with REX.W; `opcode` has no mandatory prefix but 66h. */
export function wideSamples(opcode: string, immediates: readonly string[] = [""]): string[] {
  const [prefix, rest] = split(opcode);
  return immediates.flatMap((imm) => [`${prefix}48${rest}ca${imm}`, `${prefix}4d${rest}f8${imm}`]);
}

/** Tells MOVSD and CMPSD from the string instructions of the same name. */
export const hasXmm = (insn: Insn): boolean => insn.operands.some(({ kind }) => kind === OP_XMM);
/** True if both operands are the same XMM register. */
export const sameRegister = (insn: Insn): boolean => {
  const [a, b] = insn.operands;
  return a!.kind === OP_XMM && b!.kind === OP_XMM && a!.reg === b!.reg;
};

/** `op xmm, xmm/m128`: the destination becomes `compute(destination, source)`. */
export function binary(
  mnemonic: string,
  cpuid: CpuidBit,
  opcode: string,
  compute: (w: WasmBuilder, destination: Expr, source: Expr) => Expr,
): InstructionEntry {
  return {
    mnemonic,
    operands: ["rw", "r"],
    cpuid,
    samples: samples(opcode),
    lift: (lifter, insn) => {
      const [target, source] = insn.operands;
      lifter.setXmm(target!.reg, compute(lifter.w, lifter.xmm(target!.reg), lifter.readXmm(source!)));
    },
  };
}

/** As `binary`, where equal registers give a constant (XOR, SUB, PCMPEQ...) and so read nothing. */
export function idiom(
  mnemonic: string,
  cpuid: CpuidBit,
  opcode: string,
  constant: 0 | 0xff,
  compute: (w: WasmBuilder, destination: Expr, source: Expr) => Expr,
): InstructionEntry {
  const general = binary(mnemonic, cpuid, opcode, compute);
  const written: readonly Access[] = ["w", "-"];
  const both: readonly Access[] = ["rw", "r"];
  return {
    ...general,
    operands: (insn) => (sameRegister(insn) ? written : both),
    lift: (lifter, insn) => {
      const { reg } = insn.operands[0]!;
      if (!sameRegister(insn)) general.lift(lifter, insn);
      else if (constant === 0) lifter.setXmmZeroUpper(reg, zero(lifter.w));
      else lifter.setXmm(reg, splatByte(lifter.w, constant));
    },
  };
}

/** `op xmm, xmm/m128`: the destination becomes `compute(source)`. */
export function unary(
  mnemonic: string,
  cpuid: CpuidBit,
  opcode: string,
  compute: (w: WasmBuilder, source: Expr) => Expr,
): InstructionEntry {
  return {
    mnemonic,
    operands: ["w", "r"],
    cpuid,
    samples: samples(opcode),
    lift: (lifter, insn) => {
      const [target, source] = insn.operands;
      lifter.setXmm(target!.reg, compute(lifter.w, lifter.readXmm(source!)));
    },
  };
}

/** A general register's low 32 bits whatever size the encoding names, or 1, 2 or 4 bytes of memory. */
export const readLow = (lifter: Lifter, operand: Operand): Expr =>
  operand.kind === OP_GPR ? lifter.gpr32(operand.reg) : lifter.read(operand);

/** Calls `use` with getters of both operands' values, which are evaluated once. */
export function binaryValues(
  compute: (lifter: Lifter, destination: () => Expr, source: () => Expr) => Expr,
): InstructionEntry["lift"] {
  return (lifter, insn) => {
    const [target, source] = insn.operands;
    const value = lifter.value(v128, lifter.readXmm(source!));
    lifter.setXmm(
      target!.reg,
      compute(
        lifter,
        () => lifter.xmm(target!.reg),
        () => lifter.get(value),
      ),
    );
  };
}

/** Constant with all bytes equal. */
export const splatByte = (w: WasmBuilder, byte: number): Expr => w.v128.const(new Uint8Array(16).fill(byte));
export const zero = (w: WasmBuilder): Expr => splatByte(w, 0);

/** Byte numbers of a `shuffle` that moves whole lanes: `lanes[i]` counts lanes of `bytes` bytes through a, then b. */
export function laneMask(bytes: number, lanes: readonly number[]): number[] {
  return lanes.flatMap((lane) => Array.from({ length: bytes }, (_, i) => lane * bytes + i));
}
