/** Scalar floating-point arithmetic and comparison: the SS and SD instructions. */
import type { Operand } from "../decode.js";
import { STATUS_FLAGS } from "../registers.js";
import type { CpuidBit, InstructionEntry } from "./entry.js";
import { compareFlags, comparePredicate, DOUBLE, PREDICATES, SINGLE, type Arithmetic, type Format } from "./float.js";
import { hasXmm, samples } from "./sse-forms.js";

const immediateOf = (operand: Operand): number => operand.immLo & 0xff;

/**
 * Lane 0 from a whole-vector operation; `swap` exchanges the operands. The vector operations are used because engines
 * on x64 keep their operands' order, which decides which of two NaNs survives, but exchange those of scalar additions
 * and multiplications as it suits them; they are no slower.
 */
function binary(
  mnemonic: string,
  cpuid: CpuidBit,
  opcode: string,
  format: Format,
  op: Arithmetic | "pmin" | "pmax",
  swap = false,
): InstructionEntry {
  return {
    mnemonic,
    operands: ["rw", "r"],
    cpuid,
    upper: format.upper,
    samples: samples(opcode),
    lift: (lifter, { operands: [target, source] }) => {
      const vector = lifter.w[format.vector];
      const a = format.readVector(lifter, target!);
      const b = format.readVector(lifter, source!);
      format.setFromVector(lifter, target!.reg, swap ? vector[op](b, a) : vector[op](a, b));
    },
  };
}
/**
 * MINSx, MAXSx give the source, bit for bit, if either operand is NaN or both are zero: as PMIN and PMAX of Wasm do
 * with the operands swapped.
 */
const extreme = (mnemonic: string, cpuid: CpuidBit, opcode: string, format: Format, op: "pmin" | "pmax") =>
  binary(mnemonic, cpuid, opcode, format, op, true);

function root(mnemonic: string, cpuid: CpuidBit, opcode: string, format: Format): InstructionEntry {
  return {
    mnemonic,
    operands: ["rw", "r"],
    cpuid,
    upper: format.upper,
    samples: samples(opcode),
    lift: (lifter, { operands: [target, source] }) =>
      format.setFromVector(lifter, target!.reg, lifter.w[format.vector].sqrt(format.readVector(lifter, source!))),
  };
}

/** UCOMISx and COMISx differ only in the exception that a quiet NaN sets in MXCSR. */
function flags(mnemonic: string, cpuid: CpuidBit, opcode: string, format: Format): InstructionEntry {
  return {
    mnemonic,
    operands: ["r", "r"],
    flagsWritten: STATUS_FLAGS,
    cpuid,
    samples: samples(opcode),
    lift: (lifter, { operands: [first, second] }) => {
      const a = lifter.value(format.type, format.read(lifter, first!));
      const b = lifter.value(format.type, format.read(lifter, second!));
      lifter.define(compareFlags(lifter, format, a, b));
    },
  };
}

/** CMPSx: lane 0 becomes all ones or all zeros. */
function mask(mnemonic: string, cpuid: CpuidBit, opcode: string, format: Format): InstructionEntry {
  return {
    mnemonic,
    operands: ["rw", "r", "r"],
    cpuid,
    upper: format.upper,
    samples: samples(opcode, PREDICATES),
    lift: (lifter, { operands: [target, source, predicate] }) => {
      const a = format.readVector(lifter, target!);
      const b = format.readVector(lifter, source!);
      format.setFromVector(lifter, target!.reg, comparePredicate(lifter, format, immediateOf(predicate!), a, b));
    },
  };
}

export const sseScalar: readonly InstructionEntry[] = [
  binary("Addss", "sse", "f30f58", SINGLE, "add"),
  binary("Addsd", "sse2", "f20f58", DOUBLE, "add"),
  binary("Subss", "sse", "f30f5c", SINGLE, "sub"),
  binary("Subsd", "sse2", "f20f5c", DOUBLE, "sub"),
  binary("Mulss", "sse", "f30f59", SINGLE, "mul"),
  binary("Mulsd", "sse2", "f20f59", DOUBLE, "mul"),
  binary("Divss", "sse", "f30f5e", SINGLE, "div"),
  binary("Divsd", "sse2", "f20f5e", DOUBLE, "div"),
  extreme("Minss", "sse", "f30f5d", SINGLE, "pmin"),
  extreme("Minsd", "sse2", "f20f5d", DOUBLE, "pmin"),
  extreme("Maxss", "sse", "f30f5f", SINGLE, "pmax"),
  extreme("Maxsd", "sse2", "f20f5f", DOUBLE, "pmax"),
  root("Sqrtss", "sse", "f30f51", SINGLE),
  root("Sqrtsd", "sse2", "f20f51", DOUBLE),
  flags("Ucomiss", "sse", "0f2e", SINGLE),
  flags("Ucomisd", "sse2", "660f2e", DOUBLE),
  flags("Comiss", "sse", "0f2f", SINGLE),
  flags("Comisd", "sse2", "660f2f", DOUBLE),
  mask("Cmpss", "sse", "f30fc2", SINGLE),
  { ...mask("Cmpsd", "sse2", "f20fc2", DOUBLE), form: hasXmm },
];
