/**
 * Region discovery: the control-flow graph of what is reached from an entry without leaving its function,
 * limited in size. Edges that leave are exits.
 */
import type { CodeSource, FunctionInfo } from "./code-source.js";
import { inlineCalls } from "./inline.js";
import { InstructionDecoder, mnemonicName, OP_GPR, OP_MEM, type Insn } from "./decode.js";
import { recognise, type KnownFunction } from "./known/recognise.js";
import { entryFor, flagsKilled, flagsRead, flagsWritten, registersRead, registersWritten } from "./lift/index.js";
import type { BlockEnd, InstructionEntry } from "./lift/entry.js";
import {
  compilerNeeded,
  either,
  EVERYTHING,
  handWrittenNeeded,
  neededByCallee,
  NOTHING,
  type Needed,
} from "./liveness.js";
import { gprBit, RSP, type FlagSet, type RegisterSet } from "./registers.js";

/** Way out of the region to a guest address, and what may be read there; default: everything. */
export interface ExitEdge {
  readonly exit: number;
  readonly needed?: Needed;
  /** True if control will not come back to the frame that it leaves. */
  readonly final?: boolean;
}

/** Where control goes: to a block of the region (by index), or out of it. */
export type Edge = { readonly block: number } | ExitEdge;

/** How a block ends. Each case says where control goes next. */
export type Terminator =
  /** Runs into the next block. */
  | { readonly kind: "fall"; readonly to: Edge }
  /** Direct jump. */
  | { readonly kind: "jump"; readonly to: Edge }
  /** Entry of an inlined callee, which reads nothing of the registers `dead`; nor does anybody after it. */
  | { readonly kind: "enter"; readonly to: Edge; readonly dead: RegisterSet }
  /** Conditional branch. */
  | { readonly kind: "branch"; readonly taken: Edge; readonly fall: Edge }
  /** Jump through a table of constant targets, indexed by a register; other indices are left to the dispatcher. */
  | { readonly kind: "table"; readonly index: number; readonly targets: readonly Edge[] }
  /** Jump to a computed address: leaves the region. */
  | { readonly kind: "indirect" }
  /**
   * Call; `target` -1 if computed. Goes on at `next` if that is where the callee returns to. With `keepsFlags` the callee
   * writes no flags: the compiler knows that of `duffzero`, and keeps a comparison over the call.
   */
  | { readonly kind: "call"; readonly target: number; readonly next: Edge; readonly keepsFlags: boolean }
  /**
   * Call whose likely targets are inlined, the likeliest first. As `call` if it is `computed` and goes elsewhere after
   * all, or if its only target is a `known` function and has so much to do that a head start pays.
   */
  | {
      readonly kind: "guard";
      readonly likely: readonly GuardTarget[];
      readonly computed: boolean;
      readonly known: KnownFunction | null;
      readonly next: Edge;
    }
  | { readonly kind: "return" }
  /**
   * Return of an inlined callee: goes on at `next` if the return address is `expected`, else leaves as `return` does.
   * Nobody reads what is in the registers `dead` after it.
   */
  | { readonly kind: "resume"; readonly expected: number; readonly next: Edge; readonly dead: RegisterSet }
  /**
   * Exit of an inlined callee to its code at `to`, as a call of that: goes on at `next` if the code there returns to
   * `expected`, else leaves as after a call.
   */
  | { readonly kind: "detour"; readonly to: ExitEdge; readonly expected: number; readonly next: Edge }
  | { readonly kind: "syscall"; readonly next: Edge }
  /** Never continues: an exception has been raised. */
  | { readonly kind: "stop" }
  /** The bytes at `pc` are no instruction that has an entry. */
  | { readonly kind: "illegal"; readonly pc: number; readonly what: string };

/** A likely target of a call, and where its inlined code is. */
export interface GuardTarget {
  readonly target: number;
  readonly to: Edge;
}

/** An instruction with its entry and what it reads and writes. */
export interface Item {
  readonly insn: Insn;
  readonly entry: InstructionEntry;
  readonly registersRead: RegisterSet;
  readonly registersWritten: RegisterSet;
  readonly flagsRead: FlagSet;
  readonly flagsWritten: FlagSet;
  readonly flagsKilled: FlagSet;
}

export interface Block {
  readonly pc: number;
  /** Number of the probe at `pc`, or -1. A probed address always begins a block. */
  readonly probe: number;
  readonly items: readonly Item[];
  /** The last of `items` belongs to the terminator, except for `fall` and `illegal`. */
  end: Terminator;
}

export interface Region {
  readonly entry: number;
  readonly function: FunctionInfo | null;
  /** If `entry` is the beginning of a known function, what is known of it. */
  readonly known: KnownFunction | null;
  /** In reverse postorder; block 0 is the entry. */
  readonly blocks: Block[];
  readonly instructionCount: number;
}

/** Longest window of code that one region may come from. */
const WINDOW_BYTES = 1 << 16;
const MAX_TABLE = 512;
/** So often at most a long function is inlined: without a limit, large programs have twice the code. */
const MOST_COPIES = 16;
const RECENT_ITEMS = 8_000;
/** Callees that are kept, hot ones and others. With twice as many the translator of a large program takes 20 MB more. */
const RECENT_CALLEES = 512;
/** Instructions behind an exit that are looked at for what they read. */
const LOOK_AHEAD = 12;
/** Opcode of the instruction that takes all flags from the stack. */
const POPFQ = 0x9d;

/** The successors inside the region. */
export function successors(end: Terminator): number[] {
  const list: number[] = [];
  const add = (edge: Edge) => {
    if ("block" in edge) list.push(edge.block);
  };
  switch (end.kind) {
    case "fall":
    case "jump":
    case "enter":
      add(end.to);
      break;
    case "branch":
      add(end.taken);
      add(end.fall);
      break;
    case "table":
      end.targets.forEach(add);
      break;
    case "guard":
      for (const { to } of end.likely) add(to);
      add(end.next);
      break;
    case "call":
    case "resume":
    case "detour":
    case "syscall":
      add(end.next);
      break;
    default:
  }
  return list;
}

/** True if `block` loads RSP with something other than a sum with RSP: a change of stacks. */
export const switchesStack = (block: Block): boolean =>
  block.items.some(({ insn, entry }) => {
    const to = insn.operands[0];
    return entry.mnemonic === "Mov" && to?.kind === OP_GPR && to.reg === RSP;
  });

/** The same terminator with every edge passed through `map`. (Written out: each kind keeps one shape of objects.) */
export function mapEdges(end: Terminator, map: (edge: Edge) => Edge): Terminator {
  switch (end.kind) {
    case "fall":
      return { kind: "fall", to: map(end.to) };
    case "jump":
      return { kind: "jump", to: map(end.to) };
    case "enter":
      return { kind: "enter", to: map(end.to), dead: end.dead };
    case "branch":
      return { kind: "branch", taken: map(end.taken), fall: map(end.fall) };
    case "table":
      return { kind: "table", index: end.index, targets: end.targets.map(map) };
    case "call":
      return { kind: "call", target: end.target, next: map(end.next), keepsFlags: end.keepsFlags };
    case "guard":
      return {
        kind: "guard",
        likely: end.likely.map(({ target, to }) => ({ target, to: map(to) })),
        computed: end.computed,
        known: end.known,
        next: map(end.next),
      };
    case "resume":
      return { kind: "resume", expected: end.expected, next: map(end.next), dead: end.dead };
    case "detour":
      return { kind: "detour", to: end.to, expected: end.expected, next: map(end.next) };
    case "syscall":
      return { kind: "syscall", next: map(end.next) };
    default:
      return end;
  }
}

/** What is known of the program's run so far. */
export interface Profile {
  /** True if the function at an address runs often. */
  readonly isHot: (pc: number) => boolean;
  /** False if control never or hardly ever goes over an edge of a conditional branch: it leaves the region then. */
  readonly isFollowed: (branch: Insn, taken: boolean) => boolean;
  /** Where the computed call at an address goes most of the time, the likeliest target first; empty if not known. */
  readonly likelyTargets: (pc: number) => readonly number[];
  /** False if control has never come to an address: jumps through tables leave the region to there. */
  readonly isReached: (pc: number) => boolean;
}
const ALL_ALIKE: Profile = {
  isHot: () => false,
  isFollowed: () => true,
  likelyTargets: () => [],
  isReached: () => true,
};

/** Guest addresses of the code that the decoder has open: from `low` to before `high`. */
interface Window {
  readonly low: number;
  readonly high: number;
  /** Whose code that is, if known. */
  readonly function: FunctionInfo | null;
}

/** What has been found from an entry on. */
interface Explored {
  readonly insns: ReadonlyMap<number, Item | Insn>;
  /** Where blocks begin. */
  readonly leaders: ReadonlySet<number>;
  /** By address of their jump. */
  readonly tables: ReadonlyMap<number, { index: number; targets: number[] }>;
}

/** What was found of a callee with a limit, and for each way that was left out whether control takes it by now. */
interface HotCallee {
  readonly region: Region;
  readonly limit: number;
  readonly leftOut: readonly (() => boolean)[];
}

/** Finds regions; one instance can be used for any number of them. */
export class RegionFinder {
  private readonly decoder = new InstructionDecoder();
  private readonly calleeDecoder = new InstructionDecoder();
  private readonly source: CodeSource;
  private readonly profile: Profile;

  /** What has been decoded lately: a callee is looked at by its callers and then by itself. */
  private readonly items = new Map<number, Item>();
  /** By entry: what was found lately of a callee with the largest limit that was asked for. */
  private readonly callees = new Map<number, { readonly region: Region | null; readonly limit: number }>();
  /** By entry: what was found lately of hot callees, which many callers inline. */
  private readonly hotCallees = new Map<number, HotCallee>();
  /**
   * By entry: the largest limit that was too small for what the program had come to of a callee, which becomes hardly
   * ever less.
   */
  private readonly tooLarge = new Map<number, number>();
  /** By entry: how often a long function was inlined. */
  private readonly copies = new Map<number, number>();
  /** By entry into hand-written code: whether it returns without having written a flag. */
  private readonly flagKeepers = new Map<number, boolean>();

  constructor(source: CodeSource, profile: Profile = ALL_ALIKE) {
    this.source = source;
    this.profile = profile;
  }

  /**
   * The region of `entry` with at most `limit` instructions, plus those of inlined callees, `share` of as many as usual;
   * null if nothing executable is there.
   * @param thorough whether hot callees are inlined, and more of others
   */
  find(entry: number, limit: number, share = 1, thorough = true): Region | null {
    const alone = this.findAlone(entry, limit, this.profile);
    if (!alone) return null;
    const region = inlineCalls(alone, {
      find: (pc, most, hot) => (hot ? this.findHotCallee(pc, most) : this.findCallee(pc, most)),
      isHot: this.profile.isHot,
      likelyTargets: this.profile.likelyTargets,
      handedOver: (pc) => neededByCallee(this.source, { target: pc, next: -1 }, () => false).registers,
      results: compilerNeeded(this.source.convention, false).registers,
      mayCopy: (pc) => this.mayCopy(pc),
      thorough,
      share,
    });
    this.markFlagKeepers(region);
    return region;
  }

  /** Must be called after code has changed. */
  forget(): void {
    this.items.clear();
    this.callees.clear();
    this.hotCallees.clear();
    this.tooLarge.clear();
    this.flagKeepers.clear();
  }

  /** The region of the function at `pc` if that is compiled and has at most `limit` instructions. */
  private findCallee(pc: number, limit: number): Region | null {
    let known = this.callees.get(pc);
    if (!known || known.limit < limit) {
      const info = this.source.functionAt(pc);
      // By its size in bytes first: no long function is decoded for nothing.
      const small = info?.start === pc && info.origin === "compiler" && info.end - info.start <= limit * 8;
      known = { region: small ? this.findAlone(pc, limit) : null, limit };
      if (this.callees.size >= RECENT_CALLEES) this.callees.clear();
      this.callees.set(pc, known);
    }
    return known.region && known.region.instructionCount <= limit ? known.region : null;
  }

  /** The same, of what the program has come to by now. */
  private findHotCallee(pc: number, limit: number): Region | null {
    if ((this.tooLarge.get(pc) ?? -1) >= limit) return null;
    const known = this.hotCallees.get(pc);
    if (known?.limit === limit && !known.leftOut.some((isTaken) => isTaken())) return known.region;
    const { isFollowed, isReached } = this.profile;
    const leftOut: (() => boolean)[] = [];
    const region = this.findAlone(pc, limit + 1, {
      ...this.profile,
      isFollowed(branch, taken) {
        const follows = isFollowed(branch, taken);
        if (!follows) leftOut.push(() => isFollowed(branch, taken));
        return follows;
      },
      isReached(target) {
        const reached = isReached(target);
        if (!reached) leftOut.push(() => isReached(target));
        return reached;
      },
    });
    if (region && region.instructionCount <= limit) {
      if (this.hotCallees.size >= RECENT_CALLEES) this.hotCallees.clear();
      this.hotCallees.set(pc, { region, limit, leftOut });
      return region;
    }
    this.tooLarge.set(pc, limit);
    return null;
  }

  private mayCopy(pc: number): boolean {
    const copies = this.copies.get(pc) ?? 0;
    if (copies >= MOST_COPIES) return false;
    this.copies.set(pc, copies + 1);
    return true;
  }

  private markFlagKeepers(region: Region): void {
    if (region.function?.origin !== "compiler") return;
    for (const block of region.blocks) {
      const { end } = block;
      if (end.kind === "call" && this.keepsFlags(end.target)) block.end = { ...end, keepsFlags: true };
    }
  }

  private keepsFlags(target: number): boolean {
    let keeps = this.flagKeepers.get(target);
    if (keeps === undefined) {
      const info = target < 0 ? null : this.source.functionAt(target);
      keeps = info?.origin === "asm" && this.returnsWithoutFlags(target, info);
      this.flagKeepers.set(target, keeps);
    }
    return keeps;
  }

  private returnsWithoutFlags(target: number, info: FunctionInfo): boolean {
    const window = this.window(target, info);
    if (!window) return false;
    // The other one may be open at the caller's code.
    const decoder = this.calleeDecoder;
    decoder.open(window.bytes, window.start);
    try {
      for (let pc = target; pc < window.start + window.bytes.length;) {
        const item = this.itemAt(pc, decoder);
        if (!("insn" in item) || item.flagsWritten) return false;
        if (item.entry.ends) return item.entry.ends === "return";
        pc = item.insn.next;
      }
      return false;
    } finally {
      decoder.close();
    }
  }

  /** The instruction at `pc` in the decoder's window; as it is if no entry lifts it. */
  private itemAt(pc: number, decoder = this.decoder): Item | Insn {
    let item = this.items.get(pc);
    if (item) return item;
    const insn = decoder.decode(pc);
    const entry = entryFor(insn);
    if (!entry) return insn;
    item = itemOf(entry, insn);
    this.items.set(pc, item);
    return item;
  }

  /**
   * What code at `pc` of the decoder's window may read before it writes it. Most comparisons have one reader, and what leaves
   * the region soon calls or returns.
   * @param asked what is in question
   * @param budget how many instructions are looked at
   */
  private neededAt(pc: number, window: Window, asked: Needed = EVERYTHING, budget = LOOK_AHEAD): Needed {
    let { registers, flags } = asked;
    let read = NOTHING;
    for (; budget > 0; budget--) {
      if (pc < window.low || pc >= window.high || this.source.probeAt(pc) >= 0) break;
      const item = this.itemAt(pc);
      if (!("insn" in item)) break;
      const { insn, entry } = item;
      read = either(read, { registers: item.registersRead & registers, flags: item.flagsRead & flags });
      registers &= ~(item.registersRead | item.registersWritten);
      flags &= ~(item.flagsRead | item.flagsKilled);
      if (entry.ends === "branch") {
        for (const to of [insn.target, insn.next]) {
          read = either(read, this.neededAt(to, window, { registers, flags }, budget >> 1));
        }
        return read;
      }
      if (entry.ends === "call" || entry.ends === "return") {
        const behind = this.neededBehind(item, window.function);
        return either(read, { registers: registers & behind.registers, flags: flags & behind.flags });
      }
      const goesOn = entry.ends === undefined || (entry.ends === "jump" && insn.target >= 0);
      if (!goesOn) break;
      pc = entry.ends ? insn.target : insn.next;
    }
    return either(read, { registers, flags });
  }

  /** True if code at `pc` of the decoder's window soon calls what does not return. */
  private isFinal(pc: number, window: Window): boolean {
    if (this.source.convention !== "internal") return false;
    for (let budget = LOOK_AHEAD; budget > 0 && pc >= window.low && pc < window.high; budget--) {
      const item = this.itemAt(pc);
      if (!("insn" in item) || this.source.probeAt(pc) >= 0) return false;
      const { insn, entry } = item;
      if (entry.ends === "call") return this.source.registersRead(insn.target, insn.next)?.returns === false;
      if (entry.ends) return false;
      pc = insn.next;
    }
    return false;
  }

  /** What may be read after a call or a return in a function. */
  private neededBehind({ entry, insn }: Item, info: FunctionInfo | null): Needed {
    const { convention } = this.source;
    if (!info || convention === "none") return EVERYTHING;
    const isReturn = entry.ends === "return";
    if (info.origin !== "compiler") {
      return handWrittenNeeded(isReturn ? "return" : "call", () => this.mayPopFlags(info));
    }
    return isReturn
      ? compilerNeeded(convention, false)
      : neededByCallee(this.source, insn, () => this.keepsFlags(insn.target));
  }

  /** True if a function may take the flags from memory: where one of its bytes could be the POPFQ. */
  private mayPopFlags({ start, end }: FunctionInfo): boolean {
    return this.source.read(start, end - start).includes(POPFQ);
  }

  /** @param profile by which some edges leave the region */
  private findAlone(entry: number, limit: number, profile: Profile = ALL_ALIKE): Region | null {
    const info = this.source.functionAt(entry);
    const window = this.source.read(entry, 1).length ? this.window(entry, info) : null;
    if (!window) return null;
    this.decoder.open(window.bytes, window.start);
    if (this.items.size > RECENT_ITEMS) this.items.clear();
    try {
      const { start, bytes } = window;
      return this.explore(entry, limit, { low: start, high: start + bytes.length, function: info }, profile);
    } finally {
      this.decoder.close();
    }
  }

  private window(entry: number, info: FunctionInfo | null): { bytes: Uint8Array; start: number } | null {
    // Backward jumps stay inside the function; without bounds they are exits.
    const start = info ? Math.max(info.start, entry - WINDOW_BYTES / 2) : entry;
    const end = info ? Math.min(info.end, start + WINDOW_BYTES) : entry + 4096;
    const bytes = this.source.read(start, end - start);
    return start + bytes.length > entry ? { bytes, start } : null;
  }

  private explore(entry: number, limit: number, window: Window, profile: Profile): Region {
    const { low, high } = window;
    const insns = new Map<number, Item | Insn>();
    const leaders = new Set<number>([entry]);
    const tables = new Map<number, { index: number; targets: number[] }>();
    const work = [entry];
    const inside = (pc: number) => pc >= low && pc < high;
    const lead = (pc: number) => {
      if (!inside(pc) || leaders.has(pc)) return;
      leaders.add(pc);
      work.push(pc);
    };
    let full = false;
    while (work.length) {
      const from = work.shift()!;
      if (insns.has(from) || full) continue;
      const before: Item[] = [];
      for (let pc = from; inside(pc) && !insns.has(pc);) {
        if (insns.size >= limit) {
          full = true;
          break;
        }
        if (this.source.probeAt(pc) >= 0) leaders.add(pc);
        const found = this.itemAt(pc);
        if (!("insn" in found)) {
          // An instruction that the window cuts off is decoded as invalid: leave it to a region of its own.
          const cutOff = found.mnemonic === 0 && pc + 15 > high && high < 0x1_0000_0000 && pc !== entry;
          if (!cutOff) insns.set(pc, found);
          break;
        }
        insns.set(pc, found);
        const { insn } = found;
        const { ends } = found.entry;
        if (ends === undefined) {
          before.push(found);
          pc = insn.next;
          continue;
        }
        if (ends === "call" || ends === "syscall" || (ends === "branch" && profile.isFollowed(insn, false))) {
          lead(insn.next);
        }
        if ((ends === "branch" || ends === "jump") && insn.target >= 0) {
          if (ends === "jump" || profile.isFollowed(insn, true)) lead(insn.target);
        } else if (ends === "jump") {
          const table = this.jumpTable(insn, before, low, high);
          if (table) {
            tables.set(pc, table);
            table.targets.filter(profile.isReached).forEach(lead);
          }
        }
        break;
      }
    }
    return this.build(entry, window, { insns, leaders, tables });
  }

  /**
   * Recognises the Go compiler's `LEAQ table, R; …; JMP (R)(I*8)` with constant targets in the window.
   * @param before the straight code that runs into the jump
   */
  private jumpTable(
    jump: Insn,
    before: readonly Item[],
    low: number,
    high: number,
  ): { index: number; targets: number[] } | null {
    const memory = jump.operands[0];
    if (!memory || memory.kind !== OP_MEM || memory.index < 0 || memory.scale !== 8 || memory.fs) return null;
    const lea = before.findLast((item) => item.registersWritten & gprBit(memory.base));
    if (lea?.entry.mnemonic !== "Lea") return null;
    const [to, address] = lea.insn.operands;
    if (!to || !address || to.size !== 8) return null;
    if (address.base >= 0 || address.index >= 0 || memory.index === memory.base) return null;
    const start = address.disp + memory.disp;
    const targets: number[] = [];
    while (targets.length < MAX_TABLE) {
      const word = this.source.constantWord(start + 8 * targets.length);
      if (word === null || word < BigInt(low) || word >= BigInt(high)) break;
      targets.push(Number(word));
    }
    return targets.length ? { index: memory.index, targets } : null;
  }

  private build(entry: number, window: Window, { insns, leaders, tables }: Explored): Region {
    const info = window.function;
    const blocks: Block[] = [];
    const indexOf = new Map<number, number>();
    // Depth-first from the entry; postorder reversed at the end.
    const order: number[] = [];
    const visited = new Set<number>();
    const drafts = new Map<number, { items: Item[]; end: DraftEnd }>();
    const stack: { pc: number; next: number[] }[] = [];
    const open = (pc: number) => {
      visited.add(pc);
      const draft = draftBlock(pc, insns, leaders, tables);
      drafts.set(pc, draft);
      stack.push({ pc, next: draft.end.targets.filter((target) => insns.has(target)) });
    };
    open(entry);
    while (stack.length) {
      const top = stack[stack.length - 1]!;
      const target = top.next.pop();
      if (target === undefined) {
        order.push(top.pc);
        stack.pop();
      } else if (!visited.has(target)) open(target);
    }
    order.reverse();
    order.forEach((pc, index) => indexOf.set(pc, index));
    const edge = (pc: number): Edge => {
      const block = indexOf.get(pc);
      return block === undefined
        ? { exit: pc, needed: this.neededAt(pc, window), final: this.isFinal(pc, window) }
        : { block };
    };
    for (const pc of order) {
      const draft = drafts.get(pc)!;
      blocks.push({ pc, probe: this.source.probeAt(pc), items: draft.items, end: draft.end.build(edge) });
    }
    if (info?.origin === "compiler" && info.start === entry) cutRestarts(entry, blocks);
    let instructionCount = 0;
    for (const block of blocks) instructionCount += block.items.length;
    const known = info?.start === entry ? recognise(this.source, info) : null;
    return { entry, function: info, known, blocks, instructionCount };
  }
}

/**
 * Compiled code calls `morestack` and jumps back to its start when its stack is too small. That jump becomes an exit:
 * it would make a loop of the whole function.
 */
function cutRestarts(entry: number, blocks: readonly Block[]): void {
  const predecessors = blocks.map(() => 0);
  for (const { end } of blocks) for (const to of successors(end)) predecessors[to]!++;
  for (const { end } of blocks) {
    if (end.kind !== "call" || !("block" in end.next) || predecessors[end.next.block] !== 1) continue;
    const after = blocks[end.next.block]!;
    if (after.end.kind === "jump" && "block" in after.end.to && after.end.to.block === 0) {
      after.end = { kind: "jump", to: { exit: entry } };
    }
  }
}

interface DraftEnd {
  /** Guest addresses it may go to. */
  readonly targets: readonly number[];
  readonly build: (edge: (pc: number) => Edge) => Terminator;
}

function draftBlock(
  start: number,
  insns: ReadonlyMap<number, Item | Insn>,
  leaders: ReadonlySet<number>,
  tables: ReadonlyMap<number, { index: number; targets: number[] }>,
): { items: Item[]; end: DraftEnd } {
  const items: Item[] = [];
  let pc = start;
  for (;;) {
    const found = insns.get(pc);
    if (!found || (pc !== start && leaders.has(pc))) {
      return { items, end: { targets: [pc], build: (edge) => ({ kind: "fall", to: edge(pc) }) } };
    }
    if (!("insn" in found)) {
      const what = found.mnemonic === 0 ? "no instruction" : mnemonicName(found.mnemonic);
      return { items, end: { targets: [], build: () => ({ kind: "illegal", pc, what }) } };
    }
    items.push(found);
    const { insn, entry } = found;
    if (entry.ends) return { items, end: draftEnd(insn, entry.ends, tables.get(pc)) };
    pc = insn.next;
  }
}

const itemOf = (entry: InstructionEntry, insn: Insn): Item => ({
  insn,
  entry,
  registersRead: registersRead(entry, insn),
  registersWritten: registersWritten(entry, insn),
  flagsRead: flagsRead(entry, insn),
  flagsWritten: flagsWritten(entry, insn),
  flagsKilled: flagsKilled(entry, insn),
});

function draftEnd(insn: Insn, ends: BlockEnd, table: { index: number; targets: number[] } | undefined): DraftEnd {
  const { next, target } = insn;
  switch (ends) {
    case "branch":
      return {
        targets: [target, next],
        build: (edge) => ({ kind: "branch", taken: edge(target), fall: edge(next) }),
      };
    case "jump":
      if (target >= 0) return { targets: [target], build: (edge) => ({ kind: "jump", to: edge(target) }) };
      if (table) {
        const { index, targets } = table;
        return { targets, build: (edge) => ({ kind: "table", index, targets: targets.map(edge) }) };
      }
      return { targets: [], build: () => ({ kind: "indirect" }) };
    case "call":
      return { targets: [next], build: (edge) => ({ kind: "call", target, next: edge(next), keepsFlags: false }) };
    case "syscall":
      return { targets: [next], build: (edge) => ({ kind: "syscall", next: edge(next) }) };
    case "return":
      return { targets: [], build: () => ({ kind: "return" }) };
    case "stop":
      return { targets: [], build: () => ({ kind: "stop" }) };
  }
}
