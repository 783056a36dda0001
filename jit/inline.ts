/**
 * Inlining: blocks of small callees become part of the caller's region, so that registers stay in their locals over
 * the call. Nothing else changes: the return address is pushed, and the callee's return compares what it pops with it;
 * a difference leaves the region, as it does after a call.
 */
import { popsFlags } from "./liveness.js";
import { ALL_REGISTERS, ALL_XMM, xmmBit, type RegisterSet } from "./registers.js";
import {
  mapEdges,
  successors,
  switchesStack,
  type Block,
  type Edge,
  type ExitEdge,
  type GuardTarget,
  type Region,
  type Terminator,
} from "./region.js";

/** Instructions of a callee that is inlined: of a leaf, of one that calls others, and of the function itself. */
const LEAF_INSTRUCTIONS = 20;
const WRAPPER_INSTRUCTIONS = 16;
const CALLEE_INSTRUCTIONS = 40;
/** Instructions of a hot callee. */
const HOT_INSTRUCTIONS = 200;
/**
 * Instructions that inlining adds to one region when it is translated at first: each copy of a callee is translated,
 * compiled and optimised anew, and most regions do not run long enough for that.
 */
const FIRST_ADDED_INSTRUCTIONS = 60;
/** The same when it is translated thoroughly, and with hot callees: half of a short function's time is spent at its borders. */
const ADDED_INSTRUCTIONS = 150;
const ADDED_HOT_INSTRUCTIONS = 800;
/** Calls inside inlined callees are inlined down to this depth. */
const MAX_DEPTH = 6;

/**
 * Finds the region of a function; null if that has more than `limit` instructions. Of a hot one, only what the program
 * comes to often.
 */
export type FindCallee = (pc: number, limit: number, hot: boolean) => Region | null;

/** What inlining goes by. */
export interface InlineOptions {
  readonly find: FindCallee;
  /** True if the function at an address runs often. */
  readonly isHot: (pc: number) => boolean;
  /** Where the computed call at an address goes most of the time, the likeliest target first; empty if not known. */
  readonly likelyTargets: (pc: number) => readonly number[];
  /** The registers that a call or jump to the compiled function at an address hands over to it. */
  readonly handedOver: (pc: number) => RegisterSet;
  /** The registers in which compiled code may leave something when it returns. */
  readonly results: RegisterSet;
  /** True if there may be one copy more of the long function at an address; it will be made. */
  readonly mayCopy: (pc: number) => boolean;
  /** Whether hot callees are inlined, and more of others. */
  readonly thorough: boolean;
  /** Of the usual number of instructions that may be added. */
  readonly share: number;
}

/**
 * Replaces calls of small or hot functions in compiled code, the first ones first: direct calls, and computed
 * ones that go to one or two functions most of the time.
 */
export function inlineCalls(region: Region, options: InlineOptions): Region {
  if (region.function?.origin !== "compiler") return region;
  const { find, isHot, likelyTargets, handedOver, results, mayCopy, thorough, share } = options;
  const usual = thorough ? ADDED_INSTRUCTIONS : FIRST_ADDED_INSTRUCTIONS;
  const blocks = [...region.blocks];
  const depths = blocks.map(() => 0);
  let added = 0;
  /** The callee at `target` if it may be inlined in place of `end`. */
  const inlinable = (target: number, computed: boolean, end: Terminator): Region | null => {
    const recursive = target === region.entry;
    const hot = thorough && !recursive && isHot(target);
    if ((computed || end.kind === "detour") && !hot) return null;
    const callee = find(target, hot ? HOT_INSTRUCTIONS : CALLEE_INSTRUCTIONS, hot);
    if (!callee || !canInline(callee, hot)) return null;
    // A guard asks one thing: whether the target is the likely one, or whether a head start pays.
    if (computed && callee.known) return null;
    // Of what inlined callees leave to, only the rest of hand-written functions that are in two parts.
    if (end.kind === "detour" && callee.function!.origin !== "asm") return null;
    const most = hot || recursive ? Infinity : isLeaf(callee) ? LEAF_INSTRUCTIONS : WRAPPER_INSTRUCTIONS;
    if (callee.instructionCount > most) return null;
    const budget = (hot ? ADDED_HOT_INSTRUCTIONS : usual) * share;
    if (added + callee.instructionCount > budget) return null;
    return callee.instructionCount > CALLEE_INSTRUCTIONS && !mayCopy(target) ? null : callee;
  };
  for (let at = 0; at < blocks.length; at++) {
    const { pc, probe, items, end } = blocks[at]!;
    const site = callSite(blocks[at]!, likelyTargets);
    if (!site || depths[at]! >= MAX_DEPTH) continue;
    const { targets, next, expected, computed } = site;
    const likely: GuardTarget[] = [];
    let entered: Terminator | null = null;
    for (const target of targets) {
      const callee = inlinable(target, computed, end);
      if (!callee) continue;
      added += callee.instructionCount;
      const to = { block: blocks.length };
      const dead = deadAfter(callee, results);
      blocks.push(...inlinedBlocks(callee, to.block, { expected, next, dead }));
      while (depths.length < blocks.length) depths.push(depths[at]! + 1);
      const { known } = callee;
      likely.push({ target, to });
      entered =
        computed || known
          ? { kind: "guard", likely, computed, known, next }
          : {
              kind: "enter",
              to,
              dead: (isAsm(callee) ? dead : ALL_REGISTERS & ~handedOver(target)) & ~readFirst(callee),
            };
    }
    if (entered) blocks[at] = { pc, probe, items, end: entered };
  }
  return blocks.length === region.blocks.length ? region : inReversePostorder(region, blocks);
}

interface CallSite {
  readonly targets: readonly number[];
  /** Whether `targets` are only where the call goes most of the time. */
  readonly computed: boolean;
  /** The return address, and where control goes on if the callee returns there. */
  readonly expected: number;
  readonly next: Edge;
}

function callSite({ items, end }: Block, likelyTargets: InlineOptions["likelyTargets"]): CallSite | null {
  if (end.kind === "detour") return { ...end, targets: [end.to.exit], computed: false };
  if (end.kind !== "call" || !("block" in end.next)) return null;
  const { insn } = items[items.length - 1]!;
  const computed = end.target < 0;
  return { targets: computed ? likelyTargets(insn.pc) : [end.target], computed, expected: insn.next, next: end.next };
}

/**
 * The callee's blocks, to stand at index `base` on; its returns go on at `next`, where nobody reads the registers `dead`, and exits that
 * come back are detours.
 */
function inlinedBlocks(
  callee: Region,
  base: number,
  { expected, next, dead }: Pick<Terminator & { kind: "resume" }, "expected" | "next" | "dead">,
): Block[] {
  const detours: Block[] = [];
  const detourTo = (to: ExitEdge): number => {
    const known = detours.findIndex((detour) => detour.pc === to.exit);
    return known >= 0
      ? known
      : detours.push({ pc: to.exit, probe: -1, items: [], end: { kind: "detour", to, expected, next } }) - 1;
  };
  const inCaller = (edge: Edge): Edge => {
    if ("block" in edge) return { block: base + edge.block };
    return edge.final ? edge : { block: base + callee.blocks.length + detourTo(edge) };
  };
  const blocks = callee.blocks.map(({ pc, probe, items, end }): Block => {
    return {
      pc,
      probe,
      items,
      end: end.kind === "return" ? { kind: "resume", expected, next, dead } : mapEdges(end, inCaller),
    };
  });
  return [...blocks, ...detours];
}

const isAsm = ({ function: info }: Region): boolean => info?.origin === "asm";

/**
 * Compiled code finds nothing in the XMM registers that hand-written code leaves written: that is called with everything
 * on the stack, or belongs to the runtime, where no such function returns a float. X15 is always zero.
 * @param results what compiled code may leave something in
 */
function deadAfter(callee: Region, results: RegisterSet): RegisterSet {
  if (!isAsm(callee)) return ALL_REGISTERS & ~results;
  let written: RegisterSet = 0;
  for (const { items } of callee.blocks) for (const item of items) written |= item.registersWritten;
  return written & ALL_XMM & ~xmmBit(15);
}

/** Registers that code of the region reads before it has written them. */
export function readFirst({ blocks }: Pick<Region, "blocks">): RegisterSet {
  const readIn = new Int32Array(blocks.length);
  for (let changed = true; changed;) {
    changed = false;
    for (let b = blocks.length - 1; b >= 0; b--) {
      const { items, end } = blocks[b]!;
      let read = 0;
      for (const to of successors(end)) read |= readIn[to]!;
      for (let i = items.length - 1; i >= 0; i--) {
        const { registersRead, registersWritten } = items[i]!;
        read = (read & ~registersWritten) | registersRead;
      }
      if (read !== readIn[b]) {
        readIn[b] = read;
        changed = true;
      }
    }
  }
  return readIn[0]!;
}

/** After these a return would go past the mirrored frame of the caller, or control has no frame to come back to. */
const NOT_INLINED: ReadonlySet<string> = new Set<Terminator["kind"]>(["indirect", "syscall", "illegal"]);

/**
 * Only what returns is inlined, or is hot without returning, such as the scheduler's `execute`. Of hand-written code it
 * is hot leaves, such as `memmove`, from any of their instructions on, as the compiler calls `duffzero`.
 */
function canInline(callee: Region, hot: boolean): boolean {
  const info = callee.function;
  if (!info || callee.blocks.some(({ end }) => NOT_INLINED.has(end.kind))) return false;
  const returns = callee.blocks.some(({ end }) => end.kind === "return");
  if (info.origin === "compiler") return callee.entry === info.start && (hot || returns);
  return (
    hot && !callee.known && isLeaf(callee) && !callee.blocks.some((block) => switchesStack(block) || popsFlags(block))
  );
}

const isLeaf = (region: Region): boolean => region.blocks.every(({ end }) => end.kind !== "call");

function inReversePostorder(region: Region, blocks: readonly Block[]): Region {
  const order: number[] = [];
  const visited = new Uint8Array(blocks.length);
  const stack: { index: number; next: number[] }[] = [];
  const open = (index: number) => {
    visited[index] = 1;
    stack.push({ index, next: successors(blocks[index]!.end) });
  };
  open(0);
  while (stack.length) {
    const top = stack[stack.length - 1]!;
    const to = top.next.pop();
    if (to === undefined) {
      order.push(top.index);
      stack.pop();
    } else if (!visited[to]) open(to);
  }
  order.reverse();
  const indexOf = new Int32Array(blocks.length).fill(-1);
  order.forEach((index, position) => (indexOf[index] = position));
  const remap = (edge: Edge): Edge => ("block" in edge ? { block: indexOf[edge.block]! } : edge);
  const sorted = order.map((index) => {
    const { pc, probe, items, end } = blocks[index]!;
    return { pc, probe, items, end: mapEdges(end, remap) };
  });
  let instructionCount = 0;
  for (const block of sorted) instructionCount += block.items.length;
  return { ...region, blocks: sorted, instructionCount };
}
