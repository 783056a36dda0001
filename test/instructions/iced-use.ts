/** What iced-x86 knows about an instruction's registers and flags, in this project's sets. */
import iced from "iced-x86";
import { gprBit, xmmBit, type FlagSet, type RegisterSet } from "../../jit/registers.js";
import { flagSetOfIced } from "./compare.js";
import { CODE } from "./state.js";

const { Decoder, DecoderOptions, InstructionInfoFactory, OpAccess, RegisterExt } = iced;

export interface IcedUse {
  /** Registers whose old value matters; a conditional write needs it, too. */
  readonly registersRead: RegisterSet;
  readonly registersWritten: RegisterSet;
  readonly flagsRead: FlagSet;
  /** Written, set or cleared, but not left undefined. */
  readonly flagsModified: FlagSet;
  readonly flagsUndefined: FlagSet;
}

const READS: ReadonlySet<number> = new Set([
  OpAccess.Read,
  OpAccess.CondRead,
  OpAccess.ReadWrite,
  OpAccess.ReadCondWrite,
]);
const WRITES: ReadonlySet<number> = new Set([
  OpAccess.Write,
  OpAccess.CondWrite,
  OpAccess.ReadWrite,
  OpAccess.ReadCondWrite,
]);

export function icedUse(code: Uint8Array): IcedUse {
  const decoder = new Decoder(64, code, DecoderOptions.None);
  decoder.ip = BigInt(CODE);
  const instruction = decoder.decode();
  const factory = new InstructionInfoFactory();
  const info = factory.info(instruction);
  let registersRead: RegisterSet = 0;
  let registersWritten: RegisterSet = 0;
  for (const used of info.usedRegisters()) {
    const { register, access } = used;
    const full = RegisterExt.fullRegister(register);
    const bit = RegisterExt.isGPR(register)
      ? gprBit(RegisterExt.number(full))
      : RegisterExt.isVectorRegister(register)
        ? xmmBit(RegisterExt.number(full))
        : 0;
    const partial = RegisterExt.isGPR(register) && RegisterExt.size(register) < 4;
    if (WRITES.has(access)) registersWritten |= bit;
    if (READS.has(access) || access === OpAccess.CondWrite || (partial && WRITES.has(access))) registersRead |= bit;
    used.free();
  }
  const flagsModified = flagSetOfIced(instruction.rflagsModified & ~instruction.rflagsUndefined);
  const use = {
    registersRead,
    registersWritten,
    flagsRead: flagSetOfIced(instruction.rflagsRead),
    flagsModified,
    flagsUndefined: flagSetOfIced(instruction.rflagsUndefined),
  };
  for (const object of [info, factory, instruction, decoder]) object.free();
  return use;
}
