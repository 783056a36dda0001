/**
 * Loads from the guest's stack whose value a store of the same region has just put there.
 *
 * The Go compiler spills registers to its frame and loads them again some instructions later; an inlined callee pushes
 * its return address and RBP and pops both. A processor knows such a slot's value without asking the cache; here the
 * same load would be addressed by another register, and what waits for it waits for the store. So the stored value is
 * kept in a local as well, and loads take it from there. Memory is written as ever.
 *
 * Slots are told apart by their distance from RSP at the region's entry. What is known of them is forgotten where
 * somebody else may write them: at every store that is not relative to RSP, at calls, system calls and probes. It is
 * forgotten at the start of each loop, too, so that a program that waits for a change of its stack sees it.
 */
import { mnemonicByName, OP_IMM, OP_MEM, type Operand } from "./decode.js";
import type { Flow } from "./flow.js";
import { operandAccess } from "./lift/index.js";
import type { SlotAccess } from "./lift/lifter.js";
import type { Item, Region } from "./region.js";
import { isOnStack, stackMove } from "./stack-pointer.js";

/** By block, then by instruction; null where there is nothing to do. */
export type StackSlots = readonly (ReadonlyMap<number, SlotAccess> | null)[];

/** What is known at a place of the code. */
interface State {
  /** RSP less what it was at the region's entry. */
  depth: number;
  /** Instructions so far. */
  now: number;
  /** Slots that are in locals, by their distance from RSP at the region's entry. */
  readonly slots: Map<number, Slot>;
}

interface Slot {
  /** In bytes. */
  readonly size: number;
  /** `now` at the store, by the longest way; `Infinity` if a constant was stored. */
  readonly since: number;
}

/** An access of the stack that begins at `at`. */
interface Candidate {
  readonly block: number;
  readonly item: number;
  readonly key: number;
  readonly kind: "load" | "store";
}

const mnemonics = (...names: readonly string[]): ReadonlySet<number> => new Set(names.map(mnemonicByName));
const MOV = mnemonicByName("Mov");
const PUSH = mnemonicByName("Push");
const POP = mnemonicByName("Pop");
const CALL = mnemonicByName("Call");
const RET = mnemonicByName("Ret");
/** What reads no more of its memory operand than that. */
const LOADS = mnemonics("Mov", "Movsxd", "Add", "Sub", "And", "Or", "Xor", "Cmp", "Test", "Imul");
/** What writes no more of its memory operand than that. */
const PLAIN_STORES = mnemonics("Movups", "Movaps", "Movdqu", "Movdqa", "Movsd", "Movss", "Movq", "Movd");

/**
 * What was stored longer ago is loaded, unless it is a constant: nothing waits for the store any more, and the local would
 * only take a register, of which the compiler had none to spare.
 */
const NEAR_INSTRUCTIONS = 16;

const keyOf = (at: number, size: number): number => at * 16 + size;

/** Finds the loads of `region` that can be spared, and the stores whose values they need. */
export function findStackSlots({ blocks, function: info }: Region, flow: Flow): StackSlots | null {
  if (info?.origin !== "compiler") return null;
  const candidates: Candidate[] = [];
  const loaded = new Set<number>();
  const after: State[] = [];
  blocks.forEach(({ items, probe }, index) => {
    const state = before(index);
    if (probe >= 0 || flow.isLoop[index]) state.slots.clear();
    items.forEach((item, at) => {
      const found = follow(item, state);
      if (!found) return;
      candidates.push({ block: index, item: at, ...found });
      if (found.kind === "load") loaded.add(found.key);
    });
    after.push(state);
  });
  if (!loaded.size) return null;
  const accesses: (Map<number, SlotAccess> | null)[] = blocks.map(() => null);
  const numbers = new Map([...loaded].map((key, index) => [key, index]));
  for (const { block, item, key, kind } of candidates) {
    const slot = numbers.get(key);
    if (slot !== undefined) (accesses[block] ??= new Map<number, SlotAccess>()).set(item, { slot, kind });
  }
  return accesses;

  /** What all ways to block `index` agree on. */
  function before(index: number): State {
    let state: State | null = null;
    let known = true;
    for (const from of flow.predecessors[index]!) {
      if (from >= index) continue;
      const over = alongEdge(from, index);
      if (!over) known = false;
      else if (!state) state = { ...over, slots: new Map(over.slots) };
      else if (state.depth !== over.depth) known = false;
      else meet(state, over);
    }
    state ??= { depth: 0, now: 0, slots: new Map() };
    if (!known) state.slots.clear();
    return state;
  }

  function alongEdge(from: number, to: number): State | null {
    const { end } = blocks[from]!;
    const state = after[from]!;
    const returned = { ...state, depth: state.depth + 8, slots: NOTHING };
    switch (end.kind) {
      case "call":
        return returned;
      case "guard":
        return end.likely.some((likely) => "block" in likely.to && likely.to.block === to) ? state : returned;
      case "detour":
        return null;
      case "syscall":
        return { ...state, slots: NOTHING };
      default:
        return state;
    }
  }
}

const NOTHING = new Map<number, Slot>();

/** Leaves in `state` what `other` knows as well. */
function meet(state: State, other: State): void {
  for (const [at, { size, since }] of state.slots) {
    const same = other.slots.get(at);
    if (same?.size !== size) state.slots.delete(at);
    else state.slots.set(at, { size, since: Math.min(since, same.since + state.now - other.now) });
  }
}

/** Follows one instruction; the access that it makes of a slot that is in a local, or could be. */
function follow(item: Item, state: State): Pick<Candidate, "key" | "kind"> | null {
  const { insn, entry } = item;
  const { mnemonic, operands } = insn;
  const [first, second] = operands;
  state.now++;
  const at = state.depth;
  const move = stackMove(item);
  if (move !== null && move !== 0) {
    state.depth += move;
    switch (mnemonic) {
      case CALL:
        return store(state, state.depth, 8, CONSTANT);
      case PUSH:
        return store(state, state.depth, first!.size, first!);
      case POP:
        return load(state, at, first!.size);
      case RET:
        return load(state, at, 8);
      default:
        return null;
    }
  }
  if (move === null || mayWriteElsewhere(item)) {
    state.slots.clear();
    return null;
  }
  const access = operandAccess(entry, insn);
  const which = operands.findIndex((operand, i) => operand.kind === OP_MEM && access[i] !== "a" && access[i] !== "-");
  const memory = operands[which];
  if (!memory || !isOnStack(memory)) return null;
  if (access[which] === "r") return LOADS.has(mnemonic) ? load(state, at + memory.disp, memory.size) : null;
  return store(state, at + memory.disp, memory.size, mnemonic === MOV ? second! : null);
}

/** What a store of a return address or of an immediate operand stores. */
const CONSTANT: Pick<Operand, "kind" | "high"> = { kind: OP_IMM, high: false };
type Stored = typeof CONSTANT | null;

/** @param stored null if it is not known, or not worth it */
function store(
  { slots, now }: State,
  at: number,
  size: number,
  stored: Stored,
): Pick<Candidate, "key" | "kind"> | null {
  for (const [other, slot] of slots) if (other < at + size && at < other + slot.size) slots.delete(other);
  if (!stored || stored.kind === OP_MEM || stored.high || size < 4) return null;
  slots.set(at, { size, since: stored.kind === OP_IMM ? Infinity : now });
  return { key: keyOf(at, size), kind: "store" };
}
function load({ slots, now }: State, at: number, size: number): Pick<Candidate, "key" | "kind"> | null {
  const slot = slots.get(at);
  return slot?.size === size && now - slot.since <= NEAR_INSTRUCTIONS ? { key: keyOf(at, size), kind: "load" } : null;
}

/** False if an instruction writes no memory but its operand on the stack, at most. */
export function mayWriteElsewhere({ insn, entry }: Pick<Item, "insn" | "entry">): boolean {
  const access = operandAccess(entry, insn);
  const { operands, mnemonic } = insn;
  for (let i = 0; i < operands.length; i++) {
    if (operands[i]!.kind !== OP_MEM || !access[i]!.includes("w")) continue;
    if (!isOnStack(operands[i]!) || !(mnemonic === MOV || PLAIN_STORES.has(mnemonic))) return true;
  }
  return false;
}
