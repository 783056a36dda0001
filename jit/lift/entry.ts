/** The shape of an instruction's one entry; the tables in this folder are lists of these. */
import type { Insn } from "../decode.js";
import type { FlagSet, RegisterSet } from "../registers.js";
import type { Lifter } from "./lifter.js";

/** How an explicit operand is used. "a": only its address (LEA); "-": not at all (a NOP's operand). */
export type Access = "r" | "w" | "rw" | "a" | "-";

/**
 * How an instruction ends a block:
 * - `jump`: JMP, direct or indirect;
 * - `branch`: Jcc, falls through or jumps;
 * - `call`, `return`;
 * - `syscall`: may continue at the next instruction or anywhere;
 * - `stop`: never continues in line (UD2, INT3, HLT).
 */
export type BlockEnd = "jump" | "branch" | "call" | "return" | "syscall" | "stop";

/**
 * What becomes of the upper quadword of an XMM register that an instruction writes:
 * - `written`: it is computed as the low one is;
 * - `kept`: it stays as it is;
 * - `copied`: it is that of the second operand, an XMM register that is copied whole.
 */
export type UpperHalf = "written" | "kept" | "copied";

export type CpuidBit = "base" | "sse" | "sse2" | "sse3" | "ssse3" | "sse4.1" | "sse4.2" | "popcnt" | "cx16";

/** One instruction: all that decoding, block discovery, liveness, CPUID, tests and docs know of it. */
export interface InstructionEntry {
  /** iced-x86's Mnemonic name, e.g. "Add". */
  readonly mnemonic: string;
  /** Which forms of the mnemonic this entry lifts, where that is not all of them. */
  readonly form?: (insn: Insn) => boolean;
  /** Use of each explicit operand, in Intel order; a function where it depends on the form. */
  readonly operands: readonly Access[] | ((insn: Insn) => readonly Access[]);
  /** Registers read and written beyond the explicit operands (whole registers). Default none. */
  readonly reads?: RegisterSet | ((insn: Insn) => RegisterSet);
  readonly writes?: RegisterSet | ((insn: Insn) => RegisterSet);
  /** Flags that the result depends on. */
  readonly flagsRead?: FlagSet | ((insn: Insn) => FlagSet);
  /** Flags that may change, those that the manual leaves undefined included. */
  readonly flagsWritten?: FlagSet | ((insn: Insn) => FlagSet);
  /** Those of `flagsWritten` that it may leave as they were (shift by CL). Default none. */
  readonly flagsKept?: FlagSet | ((insn: Insn) => FlagSet);
  /** What `lift` does with the upper half of the XMM register that it writes. Default `written`. */
  readonly upper?: UpperHalf | ((insn: Insn) => UpperHalf);
  readonly ends?: BlockEnd;
  /** The feature that must be announced for a program to use it. */
  readonly cpuid: CpuidBit;
  /** Appends the instruction's statements. Faulting parts come before any register is changed. */
  readonly lift: (lifter: Lifter, insn: Insn) => void;
  /** Encodings in hex, one of each shape that differs in lifting: input of the tests and of docs/coverage-x86.md. */
  readonly samples: readonly string[];
}
