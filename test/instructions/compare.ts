/** Compares what the lifter gave with what the processor gave. */
import iced from "iced-x86";
import {
  CONDITIONS,
  FLAG_BITS,
  flagsOfCondition,
  GPR_NAMES,
  type Condition,
  type FlagSet,
} from "../../jit/registers.js";
import { CODE, WINDOW, type CpuState, type Outcome } from "./state.js";
import type { TranslatedOutcome } from "./translated.js";

const { Decoder, DecoderOptions, RflagsBits } = iced;
const ICED_FLAGS = [
  RflagsBits.CF,
  RflagsBits.PF,
  RflagsBits.AF,
  RflagsBits.ZF,
  RflagsBits.SF,
  RflagsBits.OF,
  RflagsBits.DF,
];
/** Converts iced's RflagsBits. */
export function flagSetOfIced(bits: number): FlagSet {
  let set: FlagSet = 0;
  FLAG_BITS.forEach(({ flag }, i) => {
    if (bits & ICED_FLAGS[i]!) set |= flag;
  });
  return set;
}

/** Flags that the manual leaves undefined after this instruction. */
export function undefinedFlags(code: Uint8Array): FlagSet {
  const decoder = new Decoder(64, code, DecoderOptions.None);
  decoder.ip = BigInt(CODE);
  const instruction = decoder.decode();
  const set = flagSetOfIced(instruction.rflagsUndefined);
  instruction.free();
  decoder.free();
  return set;
}

const CONDITION_RULES: Record<Condition, (f: (flag: string) => boolean) => boolean> = {
  o: (f) => f("o"),
  no: (f) => !f("o"),
  b: (f) => f("c"),
  ae: (f) => !f("c"),
  e: (f) => f("z"),
  ne: (f) => !f("z"),
  be: (f) => f("c") || f("z"),
  a: (f) => !f("c") && !f("z"),
  s: (f) => f("s"),
  ns: (f) => !f("s"),
  p: (f) => f("p"),
  np: (f) => !f("p"),
  l: (f) => f("s") !== f("o"),
  ge: (f) => f("s") === f("o"),
  le: (f) => f("z") || f("s") !== f("o"),
  g: (f) => !f("z") && f("s") === f("o"),
};
const RFLAGS_BIT: Record<string, number> = { c: 0, p: 2, a: 4, z: 6, s: 7, o: 11 };

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** The differences, one line each; none if both agree on all that is defined and asked for. */
export function differences(native: Outcome, got: TranslatedOutcome, live: FlagSet): string[] {
  const out = stateDifferences(native, got, live);
  if (native.fault !== null || got.fault !== null) return out;
  CONDITIONS.forEach((condition, i) => {
    if (flagsOfCondition(condition) & ~live) return;
    const { rflags } = native.state;
    const wanted = CONDITION_RULES[condition]((flag) => ((rflags >> RFLAGS_BIT[flag]!) & 1) === 1);
    if (Number(wanted) !== got.conditions[i])
      out.push(`condition ${condition}: processor ${Number(wanted)}, lifted ${got.conditions[i]}`);
  });
  return out;
}

/** The same without conditions. */
export function stateDifferences(native: Outcome, got: Outcome, live: FlagSet): string[] {
  if (native.fault !== got.fault) return [`fault: processor ${native.fault}, lifted ${got.fault}`];
  if (native.fault !== null) return [];
  const out: string[] = [];
  const want: CpuState = native.state;
  for (let r = 0; r < 16; r++)
    if (want.gpr[r] !== got.state.gpr[r])
      out.push(`${GPR_NAMES[r]}: processor ${want.gpr[r]!.toString(16)}, lifted ${got.state.gpr[r]!.toString(16)}`);
  for (let r = 0; r < 16; r++) {
    const a = hex(want.xmm.subarray(16 * r, 16 * r + 16));
    const b = hex(got.state.xmm.subarray(16 * r, 16 * r + 16));
    if (a !== b) out.push(`xmm${r}: processor ${a}, lifted ${b} (first byte first)`);
  }
  for (let i = 0; i < WINDOW; i++)
    if (want.memory[i] !== got.state.memory[i]) {
      const a = hex(want.memory.subarray(i, i + 16));
      out.push(`memory +${i.toString(16)}: processor ${a}, lifted ${hex(got.state.memory.subarray(i, i + 16))}`);
      break;
    }
  FLAG_BITS.forEach(({ flag, rflagsBit }, i) => {
    if (!(live & flag)) return;
    const a = (want.rflags >> rflagsBit) & 1;
    const b = (got.state.rflags >> rflagsBit) & 1;
    if (a !== b) out.push(`${["CF", "PF", "AF", "ZF", "SF", "OF", "DF"][i]}: processor ${a}, lifted ${b}`);
  });
  return out;
}
