/**
 * Which registers and flags a region must load, keep and store.
 *
 * Registers are in Wasm locals inside the region and in the CPU block outside. Before control leaves (an exit, a call,
 * a system call) the *dirty* ones that somebody may need are stored; where control comes in (the entry, a return)
 * the *live* ones are loaded.
 */
import type { CallingConvention, CodeSource } from "./code-source.js";
import type { Insn } from "./decode.js";
import type { Flow } from "./flow.js";
import {
  ALL_FLAGS,
  ALL_REGISTERS,
  ARGUMENT_REGISTERS,
  DF,
  gprBit,
  RSP,
  xmmBit,
  type FlagSet,
  type RegisterSet,
} from "./registers.js";
import type { Block, Edge, ExitEdge, Region } from "./region.js";

export interface Liveness {
  /** Live at the start of each block. */
  readonly registersIn: Int32Array;
  readonly flagsIn: Uint8Array;
  /** Flags live after each instruction of a block. */
  readonly flagsAfter: readonly Uint8Array[];
  /** Registers and flags that may differ from the CPU block at the start of each block. */
  readonly dirtyIn: Int32Array;
  readonly dirtyFlagsIn: Uint8Array;
  /** Registers and flags that each block writes. */
  readonly writes: Int32Array;
  readonly flagWrites: Uint8Array;
}

/** What code outside the region may read after an exit. */
export interface Needed {
  readonly registers: RegisterSet;
  readonly flags: FlagSet;
}

export const EVERYTHING: Needed = { registers: ALL_REGISTERS, flags: ALL_FLAGS };
export const NOTHING: Needed = { registers: 0, flags: 0 };
const ALL_BUT_FLAGS: Needed = { registers: ALL_REGISTERS, flags: DF };

/** What may be read where one of two ways is taken. */
export const either = (a: Needed, b: Needed): Needed => ({
  registers: a.registers | b.registers,
  flags: a.flags | b.flags,
});

const rsp = gprBit(RSP);

const set = (...registers: number[]): RegisterSet => registers.reduce((mask, register) => mask | gprBit(register), 0);
const xmmBelow = (count: number): RegisterSet => {
  let mask = 0;
  for (let i = 0; i < count; i++) mask |= xmmBit(i);
  return mask;
};
// Go's ABIInternal (cmd/compile ABI document): results and arguments in RAX RBX RCX RDI RSI R8-R11 and X0-X14;
// RDX is the closure context on entry; RSP, RBP, R14 (g) and X15 (zero) are kept.
const INTERNAL_RESULTS = set(...ARGUMENT_REGISTERS, RSP, 5, 14) | xmmBelow(16);
const INTERNAL_ARGUMENTS = INTERNAL_RESULTS | set(2);
// ABI0: everything on the stack; RDX is the closure context; deferproc's caller tests RAX.
const STACK_RESULTS = set(RSP, 5, 0);
const STACK_ARGUMENTS = set(RSP, 5, 2);
/** What signal handlers and tracebacks go by: RSP, RBP, R14 (g). */
const ALWAYS_VALID = set(RSP, 5, 14);

/** What may be read after a call (by the callee) or a return of compiled code. */
export function compilerNeeded(convention: CallingConvention, call: boolean): Needed {
  switch (convention) {
    case "internal":
      return { registers: call ? INTERNAL_ARGUMENTS : INTERNAL_RESULTS, flags: DF };
    case "abi0":
      return { registers: call ? STACK_ARGUMENTS : STACK_RESULTS, flags: DF };
    case "none":
      return EVERYTHING;
  }
}

/** What may be read after leaving `block` of `region` by its terminator (for calls: by the callee). */
export function neededAtExit(source: CodeSource, region: Region, block: Block): Needed {
  if (region.function?.origin !== "compiler") return neededByHandWritten(source, region, block);
  switch (block.end.kind) {
    case "return":
      return compilerNeeded(source.convention, false);
    case "resume": {
      // What is dead after the callee is so wherever it returns to.
      const { registers, flags } = compilerNeeded(source.convention, false);
      return { registers: registers & ~block.end.dead, flags };
    }
    case "call": {
      const { target, keepsFlags } = block.end;
      const { next } = block.items[block.items.length - 1]!.insn;
      return neededByCallee(source, { target, next }, () => keepsFlags);
    }
    case "guard":
      return compilerNeeded(source.convention, true);
    case "detour":
      return neededOverEdge(source, region, block.end.to);
    default:
      // A computed jump as well: the compiler keeps a comparison's flags over the jumps of a switch.
      return EVERYTHING;
  }
}

function neededByHandWritten(source: CodeSource, region: Region, { end }: Block): Needed {
  if (source.convention === "none" || !region.function) return EVERYTHING;
  if (end.kind !== "call" && end.kind !== "return") return EVERYTHING;
  return handWrittenNeeded(end.kind, () => region.blocks.some(popsFlags));
}

/**
 * What may be read after a call or a return of hand-written code: any register, but Go's ABI makes the status flags
 * scratch. Not so where flags are popped: `asyncPreempt` returns into the middle of a function.
 */
export const handWrittenNeeded = (end: "call" | "return", mayPopFlags: () => boolean): Needed =>
  end === "return" && mayPopFlags() ? EVERYTHING : ALL_BUT_FLAGS;

/** True if `block` takes all flags from memory. */
export const popsFlags = ({ items }: Block): boolean =>
  items.some(({ flagsWritten }) => (flagsWritten & ALL_FLAGS) === ALL_FLAGS);

/**
 * What may be read after a call in compiled code, by the callee or by who goes on after it.
 * @param call.target -1 if computed
 * @param call.next the return address
 * @param keepsFlags whether the callee writes no flags
 */
export function neededByCallee(
  source: CodeSource,
  { target, next }: Pick<Insn, "target" | "next">,
  keepsFlags: () => boolean,
): Needed {
  const named = source.convention === "internal" ? source.registersRead(target, next) : null;
  if (named) {
    return { registers: set(...named.general) | xmmBelow(named.xmm) | ALWAYS_VALID | xmmBit(15), flags: DF };
  }
  // Hand-written code may expect any register, but no flags, and most of it leaves none.
  if (target >= 0 && source.functionAt(target)?.origin !== "compiler") return keepsFlags() ? EVERYTHING : ALL_BUT_FLAGS;
  // A computed call's target may be hand-written, but is called by the convention.
  return compilerNeeded(source.convention, true);
}

/** What may be read after leaving over `edge` to another place of the program. */
export function neededOverEdge(source: CodeSource, region: Region, { exit, needed = EVERYTHING }: ExitEdge): Needed {
  // Where nothing is known of the program, somebody may look at it with a debugger.
  if (region.function?.origin !== "compiler" || source.convention === "none") {
    return { registers: ALL_REGISTERS, flags: needed.flags };
  }
  const target = source.functionAt(exit);
  if (target?.start !== exit || exit === region.function.start) {
    return { registers: needed.registers | ALWAYS_VALID, flags: needed.flags };
  }
  return target.origin === "compiler" ? neededByCallee(source, { target: exit, next: -1 }, () => false) : ALL_BUT_FLAGS;
}

const isExit = (edge: Edge): edge is ExitEdge => "exit" in edge;

/** True if all registers are stored before `block`'s terminator and loaded again after it. */
export const leavesAndReturns = ({ end: { kind } }: Block): boolean =>
  kind === "call" || kind === "detour" || kind === "syscall";

function exitEdges(block: Block): ExitEdge[] {
  const { end } = block;
  switch (end.kind) {
    case "fall":
    case "jump":
    case "enter":
      return isExit(end.to) ? [end.to] : [];
    case "resume":
      return isExit(end.next) ? [end.next] : [];
    case "branch":
      return [end.taken, end.fall].filter(isExit);
    default:
      return [];
  }
}

/** Solves liveness and dirtiness by iteration to a fixed point. */
export function analyseLiveness(source: CodeSource, region: Region, flow: Flow): Liveness {
  const { blocks } = region;
  const count = blocks.length;

  // What each block does as a whole: writes, and reads before it writes.
  const writes = new Int32Array(count);
  const flagWrites = new Uint8Array(count);
  const flagKills = new Uint8Array(count);
  const reads = new Int32Array(count);
  const flagReads = new Uint8Array(count);
  const leaves = new Uint8Array(count);
  // Registers that are neither dirty nor live any more after a block, whatever it does.
  const dead = new Int32Array(count);
  for (let b = 0; b < count; b++) {
    const block = blocks[b]!;
    const { items } = block;
    let written = 0;
    let flagsWritten = 0;
    let flagsKilled = 0;
    let read = 0;
    let flagsRead = 0;
    for (let i = 0; i < items.length; i++) {
      const item = items[i]!;
      read |= item.registersRead & ~written;
      flagsRead |= item.flagsRead & ~flagsKilled;
      written |= item.registersWritten;
      flagsWritten |= item.flagsWritten;
      flagsKilled |= item.flagsKilled;
    }
    writes[b] = written;
    flagWrites[b] = flagsWritten;
    flagKills[b] = flagsKilled;
    reads[b] = read;
    flagReads[b] = flagsRead;
    leaves[b] = leavesAndReturns(block) ? 1 : 0;
    dead[b] = block.end.kind === "resume" || block.end.kind === "enter" ? block.end.dead : 0;
  }

  // Forward: what is dirty where. A block that leaves and returns comes back clean.
  const dirtyIn = new Int32Array(count);
  const dirtyFlagsIn = new Uint8Array(count);
  for (let changed = true; changed;) {
    changed = false;
    for (let b = 0; b < count; b++) {
      let registers = 0;
      let flags = 0;
      const predecessors = flow.predecessors[b]!;
      for (let i = 0; i < predecessors.length; i++) {
        const from = predecessors[i]!;
        if (leaves[from]) continue;
        registers |= (dirtyIn[from]! | writes[from]!) & ~dead[from]!;
        flags |= dirtyFlagsIn[from]! | flagWrites[from]!;
      }
      if (registers !== dirtyIn[b] || flags !== dirtyFlagsIn[b]) {
        dirtyIn[b] = registers;
        dirtyFlagsIn[b] = flags;
        changed = true;
      }
    }
  }

  // A probe reads what it has to store.
  for (let b = 0; b < count; b++) {
    if (blocks[b]!.probe < 0) continue;
    reads[b]! |= dirtyIn[b]!;
    flagReads[b]! |= dirtyFlagsIn[b]!;
  }

  // Backward: what is live. Storing a dirty register at an exit is a use of its local.
  const registersOut = new Int32Array(count);
  const flagsOut = new Uint8Array(count);
  for (let b = 0; b < count; b++) {
    const block = blocks[b]!;
    const needed = neededAtEnd(source, region, block);
    registersOut[b] = rsp | (needed.registers & (dirtyIn[b]! | writes[b]!));
    flagsOut[b] = needed.flags & (dirtyFlagsIn[b]! | flagWrites[b]!);
  }
  const registersIn = new Int32Array(count);
  const flagsIn = new Uint8Array(count);
  for (let changed = true; changed;) {
    changed = false;
    for (let b = count - 1; b >= 0; b--) {
      let registers = registersOut[b]!;
      let flags = flagsOut[b]!;
      if (!leaves[b]) {
        const successors = flow.successors[b]!;
        for (let i = 0; i < successors.length; i++) {
          registers |= registersIn[successors[i]!]! & ~dead[b]!;
          flags |= flagsIn[successors[i]!]!;
        }
        registersOut[b] = registers;
        flagsOut[b] = flags;
      }
      registers = (registers & ~writes[b]!) | reads[b]!;
      flags = (flags & ~flagKills[b]!) | flagReads[b]!;
      if (registers !== registersIn[b] || flags !== flagsIn[b]) {
        registersIn[b] = registers;
        flagsIn[b] = flags;
        changed = true;
      }
    }
  }

  const flagsAfter = blocks.map(({ items }, b) => {
    const after = new Uint8Array(items.length);
    let flags = flagsOut[b]!;
    for (let i = items.length - 1; i >= 0; i--) {
      after[i] = flags;
      flags = (flags & ~items[i]!.flagsKilled) | items[i]!.flagsRead;
    }
    return after;
  });
  return { registersIn, flagsIn, flagsAfter, dirtyIn, dirtyFlagsIn, writes, flagWrites };
}

/** All that may be read after `block` has left the region, by its terminator or over one of its edges. */
function neededAtEnd(source: CodeSource, region: Region, block: Block): Needed {
  switch (block.end.kind) {
    case "call":
    case "guard":
    case "detour":
    case "syscall":
    case "return":
    case "indirect":
    case "stop":
    case "illegal":
      return neededAtExit(source, region, block);
    case "table":
      return EVERYTHING;
    default:
  }
  let needed = block.end.kind === "resume" ? neededAtExit(source, region, block) : NOTHING;
  for (const edge of exitEdges(block)) {
    needed = either(needed, neededOverEdge(source, region, edge));
  }
  return needed;
}
