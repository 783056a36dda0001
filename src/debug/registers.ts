/** A thread's registers by the names that people use. */
import type { CpuState } from "../../jit/cpu-state.js";

/** General registers in x86 encoding order. */
export const GENERAL = [
  ...(["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"] as const),
  ...(["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"] as const),
] as const;

export type GeneralRegister = (typeof GENERAL)[number];
export type RegisterName = GeneralRegister | "rip" | "rflags" | "fsBase";

/** A copy of a thread's registers; all are unsigned. */
export type Registers = Readonly<Record<RegisterName, bigint>> & {
  /** XMM0 to XMM15, 16 bytes each, the lowest first. */
  readonly xmm: readonly Uint8Array[];
};

export function readRegisters(cpu: CpuState): Registers {
  const general = Object.fromEntries(GENERAL.map((name, i) => [name, cpu.gpr[i]!])) as Record<GeneralRegister, bigint>;
  return {
    ...general,
    rip: BigInt(cpu.rip),
    rflags: BigInt(cpu.rflags),
    fsBase: BigInt(cpu.fsBase),
    xmm: Array.from({ length: 16 }, (_, i) => cpu.xmm.slice(16 * i, 16 * i + 16)),
  };
}

/** Sets a register to the lowest 64 bits of `value`. RIP has 32 of them, and of RFLAGS the status flags and DF change. */
export function writeRegister(cpu: CpuState, name: RegisterName, value: bigint): void {
  switch (name) {
    case "rip":
      cpu.rip = Number(BigInt.asUintN(32, value));
      break;
    case "rflags":
      cpu.rflags = Number(BigInt.asUintN(32, value));
      break;
    case "fsBase":
      cpu.fsBase = Number(BigInt.asUintN(53, value));
      break;
    default:
      cpu.gpr[GENERAL.indexOf(name)] = BigInt.asUintN(64, value);
  }
}
