/**
 * What is known of RSP in translated code: how far an instruction moves it, and how far it is from its copy in the CPU
 * block.
 *
 * A fault must find RSP in the CPU block. To store it whenever it has moved before an instruction that may fault costs
 * most where functions are small: each inlined callee moves it. So what may trap carries the distance between the two,
 * which is nearly always known, and who handles the trap adds it.
 */
import { mnemonicByName, OP_GPR, OP_IMM, OP_MEM, type Operand } from "./decode.js";
import type { Flow } from "./flow.js";
import { gprBit, RSP } from "./registers.js";
import { leavesAndReturns } from "./liveness.js";
import type { Block, Item, Region } from "./region.js";

/** RSP less its copy in the CPU block, in bytes. */
export type StackLag = number | "unknown";

const PUSH = mnemonicByName("Push");
const POP = mnemonicByName("Pop");
const CALL = mnemonicByName("Call");
const RET = mnemonicByName("Ret");
const LEA = mnemonicByName("Lea");
const ADD = mnemonicByName("Add");
const SUB = mnemonicByName("Sub");

const rsp = gprBit(RSP);
/** Beyond it a distance is not kept track of. */
const FARTHEST_LAG = 1 << 20;

/** What an instruction adds to RSP, in bytes; null if that depends on what it finds. */
export function stackMove({ insn, registersWritten }: Pick<Item, "insn" | "registersWritten">): number | null {
  if (!(registersWritten & rsp)) return 0;
  const { mnemonic, operands } = insn;
  const [first, second] = operands;
  switch (mnemonic) {
    case CALL:
      return -8;
    case RET:
      return 8 + (first?.immLo ?? 0);
    case PUSH:
      return -first!.size;
    case POP:
      return first!.kind === OP_GPR && first!.reg !== RSP ? first!.size : null;
    case LEA:
      return isStackPointer(first!) && isOnStack(second!) ? second!.disp : null;
    case ADD:
    case SUB:
      if (!isStackPointer(first!) || second!.kind !== OP_IMM) return null;
      return mnemonic === ADD ? second!.immLo : -second!.immLo;
    default:
      return null;
  }
}

const isStackPointer = ({ kind, reg, size }: Operand): boolean => kind === OP_GPR && reg === RSP && size === 8;

/** True if an operand is in memory at a constant distance from RSP. */
export const isOnStack = ({ kind, base, index, fs, addr32 }: Operand): boolean =>
  kind === OP_MEM && base === RSP && index < 0 && !fs && !addr32;

/** The lag after an instruction before which it was `lag`. */
export function lagAfter(lag: StackLag, item: Item): StackLag {
  const move = stackMove(item);
  if (move === 0) return lag;
  if (move === null || lag === "unknown") return "unknown";
  return Math.abs(lag + move) > FARTHEST_LAG ? "unknown" : lag + move;
}

/** The lag after a call has returned: the thread may have gone on from the CPU block in between. */
export const LAG_AFTER_CALL = 0;

/**
 * The lag at the start of each block. Any answer would do: what comes over an edge with another lag changes the copy on
 * the way, except where the answer is that it is unknown. These are meant to make that rare where control often comes.
 * @param storesBefore true if RSP is stored before an instruction if the lag is unknown
 * @param isRare by block, whether control hardly ever comes there
 */
export function analyseStackLag(
  { blocks }: Region,
  flow: Flow,
  storesBefore: (item: Item) => boolean,
  isRare: readonly boolean[],
): readonly StackLag[] {
  const lagIn: StackLag[] = [];
  const lagOut: StackLag[] = [];
  blocks.forEach((block, index) => {
    lagIn.push(index === 0 ? 0 : flow.isLoop[index] && callsInLoop(index) ? LAG_AFTER_CALL : agreed(index));
    let lag = block.probe < 0 ? lagIn[index]! : 0;
    for (const item of block.items) {
      if (lag === "unknown" && storesBefore(item)) lag = 0;
      lag = lagAfter(lag, item);
    }
    lagOut.push(lag);
  });
  return lagIn;

  /** What the usual ways into block `index` agree on, but for those that have stored RSP anyway. */
  function agreed(index: number): StackLag {
    const edges = flow.predecessors[index]!.filter((from) => from < index);
    const usual = edges.filter((from) => !isRare[from]);
    const lags = new Set((usual.length > 0 ? usual : edges).map((from) => alongEdge(from, index)));
    if (lags.size > 1) lags.delete("unknown");
    if (lags.size > 1) lags.delete(0);
    return lags.size === 1 ? [...lags][0]! : "unknown";
  }

  function alongEdge(from: number, to: number): StackLag {
    return isCallEdge(blocks[from]!, to) ? LAG_AFTER_CALL : lagOut[from]!;
  }

  /** True if an iteration of the loop at block `header` usually calls something. */
  function callsInLoop(header: number): boolean {
    const seen = new Set([header]);
    const open = flow.predecessors[header]!.filter((from) => from >= header);
    for (let block = open.pop(); block !== undefined; block = open.pop()) {
      if (seen.has(block) || isRare[block]) continue;
      if (leavesAndReturns(blocks[block]!)) return true;
      seen.add(block);
      open.push(...flow.predecessors[block]!);
    }
    return false;
  }
}

/** True if `block` goes on at block `to` after a call. */
const isCallEdge = (block: Block, to: number): boolean =>
  leavesAndReturns(block) ||
  (block.end.kind === "guard" && !block.end.likely.some((likely) => "block" in likely.to && likely.to.block === to));
