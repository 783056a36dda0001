/** Test cases: encodings near the samples of an entry, and states in which their memory operands are valid. */
import { InstructionDecoder, OP_GPR, OP_MEM, type Insn, type Operand } from "../../jit/decode.js";
import type { InstructionEntry } from "../../jit/lift/entry.js";
import { entryFor, operandAccess } from "../../jit/lift/index.js";
import {
  ALL_FLAGS,
  CONDITIONS,
  flagsOfCondition,
  gprBit,
  RAX,
  RBP,
  RBX,
  RCX,
  RDI,
  RDX,
  RSI,
  RSP,
  type FlagSet,
} from "../../jit/registers.js";
import type { Random } from "./random.js";
import { CODE, DATA, FS_BASE, newState, WINDOW, type CpuState } from "./state.js";

export interface Encoding {
  readonly code: Uint8Array;
  readonly insn: Insn;
  readonly entry: InstructionEntry;
}

const decoder = new InstructionDecoder();

/** Not the same on all processors, or not a function of the state alone: these are not run. */
const INCOMPARABLE: ReadonlySet<string> = new Set([
  ...["Cpuid", "Rdtsc", "Rdtscp", "Xgetbv"],
  // Approximations, which the manual bounds but does not define.
  ...["Rcpps", "Rcpss", "Rsqrtps", "Rsqrtss"],
  // MXCSR has exception flags, which are not kept.
  ...["Ldmxcsr", "Stmxcsr", "Fxsave", "Fxsave64", "Fxrstor", "Fxrstor64"],
]);

/** Decodes the first instruction of `bytes`, if an entry lifts it; runnable alone unless `any` is set. */
export function decodeOne(bytes: Uint8Array, any = false, pc = CODE): Encoding | undefined {
  let found: Insn | undefined;
  decoder.open(bytes, pc);
  decoder.decodeFrom(pc, (insn) => {
    found = insn;
    return false;
  });
  if (found === undefined || found.length > bytes.length) return undefined;
  const entry = entryFor(found);
  if (entry === undefined || (!any && !isRunnable(entry))) return undefined;
  return { code: bytes.slice(0, found.length), insn: found, entry };
}

/** True for entries whose effect on the state the processor can tell us. */
export const isRunnable = (entry: InstructionEntry): boolean =>
  entry.ends === undefined && !INCOMPARABLE.has(entry.mnemonic);

/** Operands that are really accessed. */
const accessed = ({ insn, entry }: Encoding): Operand[] => {
  const access = operandAccess(entry, insn);
  return insn.operands.filter((operand, i) => operand.kind === OP_MEM && access[i] !== "-" && access[i] !== "a");
};
const isAbsolute = (operand: Operand): boolean => operand.base < 0 && operand.index < 0 && !operand.fs;

/** The sample with random bytes changed; undefined if that gave nothing an entry lifts. */
export function mutate(sample: Uint8Array, random: Random): Encoding | undefined {
  const bytes = new Uint8Array(sample.length + 8);
  random.fill(bytes.subarray(0, bytes.length & ~3));
  bytes.set(sample);
  for (let n = 1 + random.below(3); n > 0; n--) {
    const at = random.below(sample.length + 2);
    if (random.chance(50)) bytes[at] = random.word();
    else bytes[at]! ^= 1 << random.below(8);
  }
  return decodeOne(bytes);
}

/** Makes an absolute or RIP-relative operand point into the window, where its displacement is the last 4 bytes. */
export function relocate(encoding: Encoding, random: Random): Encoding | undefined {
  const absolute = accessed(encoding).find(isAbsolute);
  if (absolute === undefined) return encoding;
  const current = absolute.disp;
  if (current >= DATA && current <= DATA + WINDOW - 16) return encoding;
  const wanted = DATA + 16 * random.below(60);
  const bytes = encoding.code.slice();
  const view = new DataView(bytes.buffer);
  for (const relative of [true, false]) {
    for (let at = bytes.length - 4; at > 1; at--) {
      const original = view.getInt32(at, true);
      const stored = relative ? current - encoding.insn.next : current;
      if (original !== stored) continue;
      view.setInt32(at, relative ? wanted - encoding.insn.next : wanted, true);
      const patched = decodeOne(bytes);
      if (patched && accessed(patched).find(isAbsolute)?.disp === wanted) return patched;
      view.setInt32(at, original, true);
    }
  }
  return undefined;
}

const addressOf = (operand: Operand, state: CpuState): bigint => {
  let sum = BigInt(operand.disp);
  if (operand.base >= 0) sum += state.gpr[operand.base]!;
  if (operand.index >= 0) sum += state.gpr[operand.index]! * BigInt(operand.scale);
  if (operand.addr32) sum = BigInt.asUintN(32, sum);
  return BigInt.asUintN(64, operand.fs ? sum + BigInt(FS_BASE) : sum);
};

/** Sets base and index so that the operand is at `target`; false if they cannot. */
function pointAt(operand: Operand, target: number, state: CpuState, random: Random): boolean {
  const { base, index, scale } = operand;
  let rest = BigInt(target) - BigInt(operand.disp) - (operand.fs ? BigInt(FS_BASE) : 0n);
  if (base < 0 && index < 0) return true;
  if (base === index || base < 0) {
    const factor = BigInt(scale + (base < 0 ? 0 : 1));
    rest = BigInt.asIntN(64, rest);
    if (rest % factor !== 0n) return false;
    state.gpr[index] = BigInt.asUintN(64, rest / factor);
  } else {
    if (index >= 0) {
      const value = random.chance(50) ? BigInt(random.below(256)) : random.quad();
      state.gpr[index] = value;
      rest -= value * BigInt(scale);
    }
    state.gpr[base] = BigInt.asUintN(64, rest);
  }
  if (operand.addr32) {
    const dirt = (register: number) => {
      if (register >= 0) state.gpr[register] = BigInt.asUintN(32, state.gpr[register]!) | (random.quad() << 32n);
    };
    dirt(base);
    dirt(index);
  }
  return true;
}

const UNALIGNED = new Set(["Movups", "Movupd", "Movdqu", "Lddqu"]);
const usesStack = ({ entry, insn }: Encoding): boolean => {
  const reads = typeof entry.reads === "function" ? entry.reads(insn) : (entry.reads ?? 0);
  return (reads & gprBit(RSP)) !== 0;
};
const inWindow = (address: bigint, margin: number): boolean =>
  address >= BigInt(DATA + margin) && address <= BigInt(DATA + WINDOW - margin - 16);

/** A state in which `encoding` can run, or undefined if this try did not give one. */
export function generateState(encoding: Encoding, random: Random): CpuState | undefined {
  const { insn, entry } = encoding;
  const state = newState();
  const common = random.integer();
  const same = random.chance(20);
  for (let r = 0; r < 16; r++) state.gpr[r] = same && random.chance(50) ? common : random.integer();
  for (let r = 0; r < 16; r++) random.vector(state.xmm.subarray(16 * r, 16 * r + 16));
  if (random.chance(30)) state.memory.fill(random.word());
  else random.fill(state.memory);
  if (random.chance(20)) for (let i = 0; i < WINDOW; i++) state.memory[i]! &= 1;
  state.rflags = (random.word() & 0x8d5) | 0x202 | (random.chance(20) ? 0x400 : 0);

  const memory = accessed(encoding);
  const repeated = /^(Movs|Stos|Lods|Scas|Cmps)[bwdq]$/.test(entry.mnemonic) && (insn.rep || insn.repne);
  const bitString = /^Bt[src]?$/.test(entry.mnemonic) && memory.length > 0 && insn.operands[1]!.kind === OP_GPR;
  const far = repeated || bitString;
  const margin = far ? 340 : 16;
  const targets: number[] = [];
  for (const operand of memory) {
    let target = DATA + margin + random.below(WINDOW - 2 * margin - 16);
    if (isAligned(encoding, operand)) target &= ~15;
    if (isAbsolute(operand)) target = operand.disp;
    if (!pointAt(operand, target, state, random)) return undefined;
    targets.push(target);
  }
  if (usesStack(encoding) && memory.every(({ base }) => base !== RSP))
    state.gpr[RSP] = BigInt(DATA + 64 + 8 * random.below(100));
  if (repeated) {
    if (random.chance(30)) state.gpr[RDI] = state.gpr[RSI]! + BigInt(random.below(33) - 16);
    state.gpr[RCX] = BigInt(random.below(random.chance(20) ? 2 : 41));
  }
  if (bitString) state.gpr[insn.operands[1]!.reg] = BigInt.asUintN(64, BigInt(random.below(4000) - 2000));
  if (/^I?div$/i.test(entry.mnemonic) && !memory.some(({ base, index }) => base === RDX || index === RDX)) {
    const choice = random.below(4);
    if (choice === 0) state.gpr[RDX] = 0n;
    else if (choice === 1) state.gpr[RDX] = BigInt.asUintN(64, BigInt.asIntN(64, state.gpr[RAX]!) >> 63n);
    else if (choice === 2) state.gpr[RDX] = BigInt.asUintN(64, BigInt(random.below(16) - 8));
  }
  // A value of interest at each operand, sometimes the accumulator's (CMPXCHG, SCAS).
  const view = new DataView(state.memory.buffer);
  for (const target of targets) {
    const at = target - DATA;
    if (far || at < 0 || at > WINDOW - 16) continue;
    random.vector(state.memory.subarray(at, at + 16));
    if (random.chance(60)) view.setBigUint64(at, random.chance(30) ? state.gpr[RAX]! : random.integer(), true);
  }
  if (entry.mnemonic === "Popfq")
    view.setBigUint64(Number(state.gpr[RSP]!) - DATA, BigInt((random.word() & 0xcd5) | 0x202), true);

  if (entry.mnemonic === "Enter" && (insn.operands[0]!.immLo & 0xffff) > 48) return undefined;
  if (entry.mnemonic === "Xlatb") state.gpr[RBX] = BigInt(DATA + 64 + random.below(600));
  if (entry.mnemonic === "Leave") state.gpr[RBP] = BigInt(DATA + 64 + random.below(800));

  // Nothing above may have broken an address (a register with two roles).
  for (const operand of memory) if (!inWindow(addressOf(operand, state), margin)) return undefined;
  if (usesStack(encoding) && !inWindow(state.gpr[RSP]!, 16)) return undefined;
  if (bitString) {
    const step = BigInt.asIntN(insn.operands[0]!.size * 8, state.gpr[insn.operands[1]!.reg]!) >> 3n;
    if (step < -300n || step > 300n) return undefined;
  }
  if ((entry.mnemonic === "Shld" || entry.mnemonic === "Shrd") && insn.operands[0]!.size === 2) {
    // Undefined result for counts above the width.
    const count = insn.operands[2]!;
    const value = count.kind === OP_GPR ? Number(state.gpr[RCX]! & 31n) : count.immLo & 31;
    if (value > 16) return undefined;
  }
  return state;
}

/** Instructions that may stand in a sequence: registers only, always defined, never faulting. */
export const isPure = (encoding: Encoding): boolean => accessed(encoding).length === 0 && isPlain(encoding);

/** The memory operand of an instruction that may stand in a sequence if that operand is valid; undefined for others. */
export function onlyMemoryOperand(encoding: Encoding): Operand | undefined {
  const [operand, ...others] = accessed(encoding);
  const bitString = /^Bt[src]?$/.test(encoding.entry.mnemonic) && encoding.insn.operands[1]!.kind === OP_GPR;
  return others.length === 0 && !bitString && isPlain(encoding) ? operand : undefined;
}

/** True if the processor or we insist on this instruction's memory operand being aligned to its size. */
export const isAligned = ({ insn, entry }: Encoding, { size }: Operand): boolean =>
  insn.lock || entry.mnemonic === "Xchg" || (size === 16 && !UNALIGNED.has(entry.mnemonic));

/** Always defined, never faulting, and without a use of memory but by its operands. */
function isPlain(encoding: Encoding): boolean {
  const { entry, insn } = encoding;
  const double = /^Sh[lr]d$/.test(entry.mnemonic) && insn.operands[0]!.size === 2;
  const implicit = /^(I?div|Leave|Enter|Xlatb|Maskmovdqu)$/i.test(entry.mnemonic);
  return !usesStack(encoding) && !double && !implicit;
}

/** All flags, or those that one condition needs: lifters keep less for those. */
export function generateLive(random: Random): FlagSet {
  if (random.chance(40)) return ALL_FLAGS;
  if (random.chance(10)) return 0;
  return flagsOfCondition(random.pick(CONDITIONS));
}
