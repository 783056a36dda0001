/** What the translator must know of the program, given by the machine. Addresses are guest addresses. */

/** A function of the program, from its symbol information. */
export interface FunctionInfo {
  readonly start: number;
  /** First address after the function. */
  readonly end: number;
  /** `asm` for hand-written code, which obeys no calling convention that could be relied on. */
  readonly origin: "compiler" | "asm";
}

/**
 * Go's calling convention for compiler-generated code: `abi0` passes everything on the stack (up to Go 1.16),
 * `internal` in registers (from Go 1.17); `none` where nothing is known.
 */
export type CallingConvention = "abi0" | "internal" | "none";

/** Registers with which control goes to other code. */
export interface HandedOver {
  /** Numbers of general registers. */
  readonly general: readonly number[];
  /** So many XMM registers, from X0 on. */
  readonly xmm: number;
  /** False if control does not come back as from a call: the code panics, or goes on on another stack. */
  readonly returns: boolean;
}

export interface CodeSource {
  readonly convention: CallingConvention;
  /** Up to `length` bytes of executable memory from `pc`; empty if `pc` is not executable. */
  read(pc: number, length: number): Uint8Array;
  /** The function that contains `pc`, if known. */
  functionAt(pc: number): FunctionInfo | null;
  /** The 64-bit word at a guest address in memory that is never written, else null. */
  constantWord(address: number): bigint | null;
  /**
   * The only registers but RSP, RBP, R14 and X15 that matter to the call of the code at `target` before the address `next`, and to all
   * that follows; null if the program does not tell.
   * @param next -1 for a jump to `target`
   */
  registersRead(target: number, next: number): HandedOver | null;
  /** The number of the probe (probes.ts) that is set at `pc`, or -1. */
  probeAt(pc: number): number;
}
