/** Register numbering shared by decoding, liveness and emission. */

/** General registers in x86 encoding order. */
export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;
export const R8 = 8;
export const R9 = 9;
export const R10 = 10;
export const R11 = 11;
export const R14 = 14;
/** Where Go's ABIInternal passes arguments and results, in this order; floats are in X0 to X14. */
export const ARGUMENT_REGISTERS: readonly number[] = [RAX, RBX, RCX, RDI, RSI, R8, R9, R10, R11];

/** A set of registers: bits 0-15 general registers, bits 16-31 XMM registers. */
export type RegisterSet = number;

export const gprBit = (register: number): RegisterSet => 1 << register;
export const xmmBit = (register: number): RegisterSet => 1 << (16 + register);
export const ALL_GPR: RegisterSet = 0xffff;
export const ALL_XMM: RegisterSet = -1 << 16;
export const ALL_REGISTERS: RegisterSet = -1;

export const GPR_NAMES = [
  "rax",
  "rcx",
  "rdx",
  "rbx",
  "rsp",
  "rbp",
  "rsi",
  "rdi",
  "r8",
  "r9",
  "r10",
  "r11",
  "r12",
  "r13",
  "r14",
  "r15",
] as const;

/** A set of status flags. The numbers are bit positions in a `FlagSet`, not in RFLAGS. */
export type FlagSet = number;
export const CF = 1;
export const PF = 2;
export const AF = 4;
export const ZF = 8;
export const SF = 16;
export const OF = 32;
/** The direction flag is not a status flag, but flows like one. */
export const DF = 64;
export const STATUS_FLAGS: FlagSet = CF | PF | AF | ZF | SF | OF;
export const ALL_FLAGS: FlagSet = STATUS_FLAGS | DF;
/** The members of `ALL_FLAGS` with their bit in RFLAGS. */
export const FLAG_BITS: readonly { readonly flag: FlagSet; readonly rflagsBit: number }[] = [
  { flag: CF, rflagsBit: 0 },
  { flag: PF, rflagsBit: 2 },
  { flag: AF, rflagsBit: 4 },
  { flag: ZF, rflagsBit: 6 },
  { flag: SF, rflagsBit: 7 },
  { flag: OF, rflagsBit: 11 },
  { flag: DF, rflagsBit: 10 },
];

/** x86 condition codes in encoding order (the low four bits of Jcc, SETcc, CMOVcc). */
export const CONDITIONS = [
  "o",
  "no",
  "b",
  "ae",
  "e",
  "ne",
  "be",
  "a",
  "s",
  "ns",
  "p",
  "np",
  "l",
  "ge",
  "le",
  "g",
] as const;
export type Condition = (typeof CONDITIONS)[number];

const FLAGS_OF: Record<Condition, FlagSet> = {
  o: OF,
  no: OF,
  b: CF,
  ae: CF,
  e: ZF,
  ne: ZF,
  be: CF | ZF,
  a: CF | ZF,
  s: SF,
  ns: SF,
  p: PF,
  np: PF,
  l: SF | OF,
  ge: SF | OF,
  le: ZF | SF | OF,
  g: ZF | SF | OF,
};
/** The flags that a condition reads. */
export const flagsOfCondition = (condition: Condition): FlagSet => FLAGS_OF[condition];
