/** What all bodies of known functions have in common: how they are called, and what they may touch. */
import { GUEST, i64, type Expr, type Type, type WasmBuilder } from "../wasm.js";

/** Parameters of every body, i64 each: see `KnownBody`. */
export const STATE = 0;
export const TABLE_ADDRESS = 1;
export const DATA = 2;
export const LENGTH = 3;
export const PARAMETERS: readonly Type[] = [i64, i64, i64, i64];

/**
 * A Wasm function that gives a known function of the guest a head start: `(state, table, data, length) → (state,
 * consumed)`. It does what the guest's function would do with the first `consumed` bytes of its data, so that the
 * guest's function, called with the new state and the rest of the data, has the same effect as with all. Where anything
 * is out of the ordinary it does nothing and says 0. It never traps, and takes about a millisecond at most.
 */
export interface KnownBody {
  /** Of the Wasm function. */
  readonly name: string;
  /** Position of the parameter that has the table's address, -1 if it is none; the state is the first parameter. */
  readonly table: number;
  /** Position of the data's address; its length and its capacity follow. */
  readonly data: number;
  /** Bytes of data from which on a head start pays. */
  readonly shortest: number;
  /** Adds the function to the engine's own module. */
  readonly add: (w: WasmBuilder, name: string, guestBase: number) => void;
}

/** Result type of every body. */
export const bodyResult = (w: WasmBuilder): Type => w.types([i64, i64]);

/** Whether `size` bytes at guest address `address` (i64 both, each used more than once) are in the guest's memory. */
export function inMemory(w: WasmBuilder, address: () => Expr, size: () => Expr, guestBase: number): Expr {
  const pages = w.i64.extend_i32_u(w.memorySize(GUEST));
  const end = w.i64.add(w.i64.shl(pages, w.i64.const(16)), w.i64.const(guestBase));
  const room = w.i64.sub(end, address());
  // Room is huge for an address past the end.
  const isBelow = w.i64.le_u(address(), w.i64.const(0xffffffff));
  return w.i32.and(
    w.i32.and(w.i64.ge_u(address(), w.i64.const(guestBase)), isBelow),
    w.i32.and(w.i64.le_u(size(), w.i64.const(0xffffffff)), w.i64.ge_s(room, size())),
  );
}
