/**
 * Random little programs: a handful of blocks, which branch on random conditions, mostly forwards. R15 counts what
 * branches backwards. R14, RSP and R13, made small, address memory; no other instruction writes these four.
 */
import { ENTRIES, registersWritten } from "../../jit/lift/index.js";
import { gprBit, RSP } from "../../jit/registers.js";
import { decodeOne, generateState, isAligned, isPure, isRunnable, mutate, onlyMemoryOperand } from "./generate.js";
import { withMemoryAt, type Place } from "./memory-operand.js";
import type { Random } from "./random.js";
import { DATA, FS_BASE, type CpuState } from "./state.js";

/** The native runner's room for code. */
const MAXIMUM_BYTES = 240;
/** PUSH and POP each; the stack stays inside the window then. */
const MAXIMUM_STACKED = 6;
const INDEX = 13;
const POINTER = 14;
const COUNTER = 15;
const RESERVED = [RSP, INDEX, POINTER, COUNTER].reduce((set, register) => set | gprBit(register), 0);
/** Where `POINTER` and, in the beginning, RSP point: the middle of the window. */
const MIDDLE = DATA + 512;
/** Displacements are below this, so that with the index and the operand's size all stays inside the window. */
const REACH = 230;
const NOP = Uint8Array.of(0x90);

const entries = ENTRIES.filter(isRunnable);

export interface ProgramOptions {
  /** Mnemonics to leave out. */
  readonly without: RegExp;
  /** Chooses among the instructions that do not branch. */
  readonly allowed: (code: Uint8Array) => boolean;
}

/** A block's instructions and how it ends: a jump of `opcode` bytes with a 32-bit distance to a block, if any. */
interface Draft {
  readonly body: Uint8Array;
  readonly opcode: readonly number[];
  readonly target: number;
}

/** Bytes of a program, which ends by running past them. */
export function randomProgram(random: Random, options: ProgramOptions): Uint8Array {
  for (;;) {
    const stacked = { left: MAXIMUM_STACKED };
    const count = 2 + random.below(6);
    const drafts = Array.from({ length: count }, (_, b): Draft => {
      const body = Array.from({ length: random.below(6) }, () => randomStep(random, options, stacked));
      const kind = b === count - 1 ? 0 : random.below(10);
      let opcode: number[] = [];
      let target = b + 1 + random.below(count - b - 1);
      if (kind >= 8 && b > 0) {
        // sub r15, 1; jg back
        body.push(Uint8Array.of(0x49, 0x83, 0xef, 0x01));
        opcode = [0x0f, 0x8f];
        target = random.below(b + 1);
      } else if (kind >= 2) opcode = [0x0f, 0x80 + random.below(16)];
      else if (kind === 1) opcode = [0xe9];
      return { body: Buffer.concat(body), opcode, target };
    });
    const program = link(drafts);
    if (program.length <= MAXIMUM_BYTES) return program;
  }
}

function link(drafts: readonly Draft[]): Uint8Array {
  const sizes = drafts.map(({ body, opcode }) => body.length + (opcode.length ? opcode.length + 4 : 0));
  const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
  const parts = drafts.map(({ body, opcode, target }, i) => {
    if (!opcode.length) return body;
    const distance = Buffer.alloc(4);
    distance.writeInt32LE(starts[target]! - (starts[i]! + sizes[i]!));
    return Buffer.concat([body, Uint8Array.from(opcode), distance]);
  });
  return Buffer.concat(parts);
}

/** One instruction, with what it needs before it. */
function randomStep(random: Random, options: ProgramOptions, stacked: { left: number }): Uint8Array {
  for (;;) {
    if (stacked.left > 0 && random.chance(10)) {
      stacked.left--;
      // push or pop of RAX to RDI but RSP
      const register = random.pick([0, 1, 2, 3, 5, 6, 7]);
      return Uint8Array.of((random.chance(50) ? 0x50 : 0x58) + register);
    }
    const entry = random.pick(entries);
    if (options.without.test(entry.mnemonic)) continue;
    const sample = Uint8Array.from(Buffer.from(random.pick(entry.samples), "hex"));
    const encoding = random.chance(50) ? decodeOne(sample) : mutate(sample, random);
    if (!encoding || options.without.test(encoding.entry.mnemonic)) continue;
    if (registersWritten(encoding.entry, encoding.insn) & RESERVED) continue;
    if (isPure(encoding)) {
      if (options.allowed(encoding.code)) return encoding.code;
      continue;
    }
    const operand = onlyMemoryOperand(encoding);
    if (!operand) continue;
    const place = randomPlace(random, isAligned(encoding, operand));
    const code = withMemoryAt(encoding.code, place);
    if (!code || !options.allowed(code)) continue;
    return place.index < 0 ? code : Buffer.concat([smallIndex(random), code]);
  }
}

/** A place inside the window, where the registers are as `programState` sets them. */
function randomPlace(random: Random, aligned: boolean): Place {
  const near = aligned ? 16 * (random.below(29) - 14) : random.below(2 * REACH) - REACH;
  const scale = 1 << random.below(4);
  const none = { base: -1, index: -1, scale: 1, displacement: near, fs: false };
  switch (random.below(aligned ? 4 : 7)) {
    case 0:
      return { ...none, displacement: MIDDLE + near };
    case 1:
      return { ...none, displacement: MIDDLE - FS_BASE + near, fs: true };
    case 4:
      return { ...none, base: RSP };
    case 5:
      return { ...none, base: POINTER, index: INDEX, scale };
    case 6:
      return { ...none, index: INDEX, scale, displacement: MIDDLE + near };
    default:
      return { ...none, base: POINTER };
  }
}

/** mov r13d, another register; and r13d, 15 */
function smallIndex(random: Random): Uint8Array {
  return Uint8Array.of(0x41, 0x89, 0xc5 | (random.below(4) << 3), 0x41, 0x83, 0xe5, 0x0f);
}

/** A state to run a program in. */
export function programState(random: Random): CpuState {
  const state = generateState(decodeOne(NOP)!, random)!;
  state.gpr[RSP] = BigInt(MIDDLE);
  state.gpr[POINTER] = BigInt(MIDDLE);
  state.gpr[COUNTER] = BigInt(random.below(6));
  return state;
}
