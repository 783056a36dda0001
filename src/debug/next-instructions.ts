/** Where a single instruction leads to: so that a step needs no probes elsewhere. */
import type { CpuState } from "../../jit/cpu-state.js";
import { InstructionDecoder, mnemonicName, OP_GPR, OP_MEM, type Operand } from "../../jit/decode.js";
import { RSP } from "../../jit/registers.js";

/** The longest instruction. */
const INSTRUCTION_BYTES = 15;

/**
 * Every guest address at which a thread can be after its next instruction, if that does not fault.
 * @param read guest memory, as far as it can be read
 * @returns undefined if it may be anywhere: after a system call, or where there is no instruction
 */
export function nextInstructions(
  cpu: CpuState,
  read: (address: number, length: number) => Uint8Array,
): number[] | undefined {
  const { rip, gpr } = cpu;
  const word = (address: number): number => {
    const bytes = read(address, 8);
    return bytes.length === 8 ? Number(new DataView(bytes.buffer).getBigUint64(0, true)) : -1;
  };
  const register = (number: number): bigint => (number < 0 ? 0n : gpr[number]!);
  const valueOf = ({ kind, reg, base, index, scale, disp, fs }: Operand): number => {
    if (kind === OP_GPR) return Number(register(reg));
    const sum = BigInt(disp) + register(base) + BigInt(scale) * register(index) + BigInt(fs ? cpu.fsBase : 0);
    return kind === OP_MEM ? word(Number(BigInt.asUintN(64, sum))) : -1;
  };
  const decoder = new InstructionDecoder();
  decoder.open(read(rip, INSTRUCTION_BYTES), rip);
  const { mnemonic, next, target, operands } = decoder.covers(rip) ? decoder.decode(rip) : NOTHING;
  decoder.close();
  const name = mnemonicName(mnemonic);
  if (name === "INVALID" || name === "Syscall") return undefined;
  const leads: number[] = [];
  if (name === "Ret") leads.push(word(Number(gpr[RSP])));
  else if (name === "Jmp" || name === "Call") leads.push(target >= 0 ? target : valueOf(operands[0]!));
  else leads.push(next, ...(target >= 0 ? [target] : []));
  return leads.every((address) => address >= 0 && address < 2 ** 32) ? leads : undefined;
}

const NOTHING = { mnemonic: 0, next: -1, target: -1, operands: [] as readonly Operand[] };
