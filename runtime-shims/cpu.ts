/**
 * The state of one guest thread's processor, as the personality sees it at a system call, a fault or a safepoint.
 * The machine implements it over the thread's CPU block.
 */
export interface Cpu {
  /** General registers in x86 encoding order: RAX RCX RDX RBX RSP RBP RSI RDI R8..R15. */
  readonly gpr: BigUint64Array;
  /** The same registers as 32-bit halves: low half of register r at 2r, high half at 2r+1. */
  readonly gpr32: Uint32Array;
  /** XMM0..XMM15, 16 bytes each. */
  readonly xmm: Uint8Array;
  /** Guest address of the next instruction. */
  rip: number;
  /** RFLAGS, low 32 bits. */
  rflags: number;
  /** Base address of the FS segment. */
  fsBase: number;
  /** SSE control and status, 32 bits. */
  mxcsr: number;
  /** Index 0 is the poll word: nonzero makes translated code return to the dispatcher at its next safepoint. */
  readonly pending: Int32Array;
}

/** Register numbers in x86 encoding order. */
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

/** MXCSR at a program's start: all exceptions masked, rounding to nearest. */
export const MXCSR_DEFAULT = 0x1f80;
/** Bits of MXCSR that may be set. */
export const MXCSR_MASK = 0xffff;

/** RFLAGS bits that a program may change (CF PF AF ZF SF TF DF OF RF AC), as rt_sigreturn restores them. */
export const USER_RFLAGS = 0x50dd5;

/** Unsigned value of a register; exact below 2^53, and always ≥ 2^32 when the upper half is not zero. */
export const readRegister = (cpu: Cpu, register: number): number =>
  cpu.gpr32[2 * register + 1] * 0x1_0000_0000 + cpu.gpr32[2 * register];

/** Sets a register to a number; a negative one is sign-extended to 64 bits. */
export const writeRegister = (cpu: Cpu, register: number, value: number): void => {
  cpu.gpr32[2 * register] = value;
  cpu.gpr32[2 * register + 1] = Math.floor(value / 0x1_0000_0000);
};
