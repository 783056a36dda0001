/** From a Wasm trap to the guest instruction that caused it. */
import type { CodeArena } from "./code-arena.js";
import { HANDLER_NAME, MARK_BIAS, REGION_NAME } from "./region-name.js";
import { lagOfColumn, visitMappings } from "./source-map.js";

export type TrapKind = "memory" | "division" | "unreachable" | "unaligned" | "stack" | "other";

export interface TrapSite {
  readonly kind: TrapKind;
  /** Guest address of the faulting instruction; for `stack`, where to go on. -1 if the trap was not in a region. */
  readonly pc: number;
  /** RSP at the instruction less its copy in the CPU block, in bytes. */
  readonly stackLag: number;
  /** True if an interpreted instruction has trapped, whose address CPU_RIP has. */
  readonly interpreted: boolean;
}

/**
 * First frame of Wasm code in a stack text: function name and code offset. A module that was compiled from a response
 * is named by its URL.
 */
const FRAME = /([^\s(]+) \([^)]*:wasm-function\[\d+\]:0x([0-9a-f]+)\)/;

const KINDS: readonly (readonly [RegExp, TrapKind])[] = [
  [/memory access out of bounds/, "memory"],
  [/divide by zero|divide result unrepresentable|remainder by zero/, "division"],
  [/unreachable/, "unreachable"],
  [/unaligned/, "unaligned"],
];

/**
 * Classifies what was thrown out of translated code; null if it was no trap. V8 tells the code offset in the stack
 * text, and the module's source map has the instruction for it.
 */
export function locateTrap(error: unknown, arena: CodeArena): TrapSite | null {
  const overflow = error instanceof RangeError;
  if (!overflow && !(error instanceof WebAssembly.RuntimeError)) return null;
  const { message, stack = "" } = error;
  const kind = overflow ? "stack" : (KINDS.find(([pattern]) => pattern.test(message))?.[1] ?? "other");
  // The machine's own code has headroom and must not overflow: its effects cannot be taken back.
  if (overflow && !FRAME.test(/^ +at .*$/m.exec(stack)?.[0] ?? "")) return null;
  const frame = FRAME.exec(stack);
  const region = frame && REGION_NAME.exec(frame[1]!);
  if (!frame || !region)
    return { kind, pc: -1, stackLag: 0, interpreted: frame !== null && HANDLER_NAME.test(frame[1]!) };
  const entry = Number.parseInt(region[2]!, 16);
  // The stack check comes before the first instruction: all registers are still in the CPU block.
  if (overflow) return { kind, pc: entry, stackLag: 0, interpreted: false };
  const map = arena.moduleMap(Number(region[1]));
  const mark = map && findMark(map, Number.parseInt(frame[2]!, 16));
  if (!mark) return { kind, pc: -1, stackLag: 0, interpreted: false };
  return { kind, pc: entry + mark.value - MARK_BIAS, stackLag: mark.lag, interpreted: false };
}

/** The mark at a code offset: that of the last mapping at or before it. A hint is none. */
function findMark(map: Uint8Array, offset: number): { readonly value: number; readonly lag: number } | null {
  let value = -1;
  let lag: number | null = null;
  visitMappings(map, (start, line, column) => {
    if (start > offset) return true;
    // Lines count from 0 in the map, marks are stored as line numbers that count from 1: see WasmBuilder.mark.
    value = line;
    lag = lagOfColumn(column);
    return false;
  });
  return value < 0 || lag === null ? null : { value, lag };
}
