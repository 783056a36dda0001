import { RAX, R8, R9, R10, RDI, RDX, RSI } from "../cpu.js";
import type { Thread } from "../threads.js";

/** How a 64-bit argument register becomes a number. */
export type Decode =
  /** Low 32 bits, signed. */
  | "int"
  /** Low 32 bits, unsigned. */
  | "uint"
  /** All 64 bits, signed; exact up to ±2^53. */
  | "long"
  /** All 64 bits, unsigned; exact up to 2^53, so a value ≥ 2^32 is never a valid guest address. */
  | "ulong";

/** One kind of argument: how it is read, checked, and shown by --strace. */
export interface ArgKind {
  readonly decode: Decode;
  /**
   * Memory behind a pointer that is checked before `run` (EFAULT): only for calls where that check comes first.
   * All others pass the address on, and `run` checks where the kernel does.
   */
  readonly check?: { readonly access: "in" | "out"; readonly bytes: number; readonly nullable: boolean };
  /** Text for --strace; `args` are all decoded arguments, `result` the result of the call. */
  format(value: number, thread: Thread, args: readonly number[], result: number): string;
}

/**
 * The body of a system call: takes the decoded arguments.
 * @returns the result, or the negated error number.
 */
export type SyscallBody = (thread: Thread, a: number, b: number, c: number, d: number, e: number, f: number) => number;

/** One system call: number, name, arguments, body. Everything else follows from it. */
export interface SyscallRow {
  readonly nr: number;
  readonly name: string;
  readonly args: readonly ArgKind[];
  /** How --strace shows the result. */
  readonly result?: "int" | "address";
  readonly run: SyscallBody;
  /** Why the call is refused or differs from Linux; goes to docs/syscalls.md. */
  readonly reason?: string;
  /** The error number of a call that always fails. */
  readonly refused?: number;
}

/** A row that always fails with `errno`, for the stated reason. */
export const refuse = (nr: number, name: string, errno: number, reason: string): SyscallRow => ({
  nr,
  name,
  args: [],
  reason,
  refused: errno,
  run: () => -errno,
});

/** Argument registers in order. */
export const ARG_REGISTERS = [RDI, RSI, RDX, R10, R8, R9] as const;
export const NUMBER_REGISTER = RAX;

/** Rows by system call number. */
export type SyscallTable = readonly (SyscallRow | undefined)[];

/** Builds the table; two rows with one number are a mistake of ours. */
export const buildTable = (...families: readonly (readonly SyscallRow[])[]): SyscallTable => {
  const table: (SyscallRow | undefined)[] = [];
  for (const row of families.flat()) {
    if (table[row.nr] !== undefined) throw new Error(`two rows for system call ${row.nr} (${row.name})`);
    table[row.nr] = row;
  }
  for (let nr = 0; nr < table.length; nr++) table[nr] ??= undefined;
  return table;
};
