/**
 * Elimination with a sparse multiple of a CRC's polynomial P, as in S. Russell, "Chorba: A novel CRC32 implementation",
 * 2024 (arXiv:2412.16398).
 *
 * Adding a multiple of P to the message leaves its CRC as it is. If Q is a multiple, so is Q(x³²): squaring a polynomial
 * over GF(2) doubles its exponents. So with a multiple of five terms, a 32-bit word of the message becomes zero when
 * it is added to four later ones, its distances from which are the distances of the exponents. All but the last words are made
 * zero that way, and their part in the CRC is then in the last ones.
 *
 * The other way round, what each word is when its turn comes is the sum of itself and of four words before it. No
 * distance is shorter than a vector, so that four words are taken at once.
 */
import { CPU_SCRATCH, SCRATCH_BYTES } from "../cpu-block.js";
import { CPU, GUEST, i32, v128, type Expr, type WasmBuilder } from "../wasm.js";
import type { FunctionBuilder, Local } from "./function-builder.js";

export interface SparseMultiple {
  /** Reversed, without its highest term, as in hash/crc32. */
  readonly polynomial: number;
  /** Distances of the other exponents from the highest, ascending: that is, of words. */
  readonly distances: readonly number[];
}

/** Found by looking for sums of few x^n mod P that are 1, those with the largest least distance among the first. */
export const SPARSE_MULTIPLES: readonly SparseMultiple[] = [
  // IEEE: x³⁰⁰ + x¹⁵⁵ + x¹¹⁷ + x⁸⁹ + 1.
  { polynomial: 0xedb88320, distances: [145, 183, 211, 300] },
  // Castagnoli: x²⁹⁰ + x¹³⁶ + x¹¹³ + x¹⁰⁷ + x³² + 1.
  { polynomial: 0x82f63b78, distances: [154, 177, 183, 258, 290] },
];

const VECTOR_BYTES = 16;
const WORD_BYTES = 4;
/** Vectors per turn of the loops. */
const UNROLLED = 4;
const TURN_BYTES = UNROLLED * VECTOR_BYTES;
/** Bytes before a word that matter for it, whole turns: what is left at the end. */
export const WINDOW_BYTES = 19 * TURN_BYTES;
/** Bytes that are eliminated before the window is moved: with it, no more than a part of the L1 cache. */
const MOST_BYTES = SCRATCH_BYTES - WINDOW_BYTES;
/** Behind the window's place. */
const CHUNK = CPU_SCRATCH + WINDOW_BYTES;

/** Whether a table that is one of slicing-by-8 is that of the polynomial, an i32. */
export function isTableOf(w: WasmBuilder, f: FunctionBuilder, table: Local, polynomial: number): Expr {
  const differences: Expr[] = [];
  // Entries 128, 64, … are those of x⁰ … x⁷: all others are sums.
  let value = polynomial;
  for (let index = 128; index; index >>= 1) {
    const theirs = w.load(GUEST, i32, 4, f.get(table), 4 * index);
    differences.push(w.i32.xor(theirs, w.i32.const(value)));
    value = (value >>> 1) ^ (value & 1 ? polynomial : 0);
  }
  return w.i32.eqz(differences.reduce(w.i32.or));
}

/**
 * Emits: takes `rest` bytes from `data` on, more than the window and a multiple of 64, and leaves a window's bytes with
 * the same CRC, if it begins with 0, in the scratch area.
 * @param state what the first four bytes are to be added to
 */
export function eliminate(
  w: WasmBuilder,
  f: FunctionBuilder,
  { distances }: SparseMultiple,
  { data, rest, state }: { readonly data: Local; readonly rest: Local; readonly state: Expr },
): void {
  const [at, end] = [f.local(i32), f.local(i32)];
  /** The next turn's words as they are when their turn comes, to `target`. */
  const turn = (target: number) => {
    for (let i = 0; i < TURN_BYTES; i += VECTOR_BYTES) {
      const earlier = distances.map((n) => w.load(CPU, v128, 4, f.get(at), CHUNK + i - WORD_BYTES * n));
      const sum = [w.load(GUEST, v128, 16, f.get(data), i), ...earlier].reduce(w.v128.xor);
      f.emit(w.store(CPU, v128, 16, f.get(at), sum, target + i));
    }
    f.set(data, w.i32.add(f.get(data), w.i32.const(TURN_BYTES)));
    f.set(at, w.i32.add(f.get(at), w.i32.const(TURN_BYTES)));
  };
  const clear = (address: number) =>
    f.emit(w.memoryFill(CPU, w.i32.const(address), w.i32.const(0), w.i32.const(WINDOW_BYTES)));

  // The state is a word that only the first one is reached from.
  clear(CPU_SCRATCH);
  f.emit(w.store(CPU, i32, 4, w.i32.const(0), state, CHUNK - WORD_BYTES * distances.at(-1)!));
  f.set(rest, w.i32.sub(f.get(rest), w.i32.const(WINDOW_BYTES)));
  f.repeat(
    "chunks",
    () => {
      const isLast = w.i32.lt_u(f.get(rest), w.i32.const(MOST_BYTES));
      f.set(end, w.select(isLast, f.get(rest), w.i32.const(MOST_BYTES)));
      f.set(rest, w.i32.sub(f.get(rest), f.get(end)));
      f.set(at, w.i32.const(0));
      f.repeat(
        "turns",
        () => turn(CHUNK),
        () => w.i32.ne(f.get(at), f.get(end)),
      );
      const last = w.i32.add(f.get(at), w.i32.const(CPU_SCRATCH));
      f.emit(w.memoryCopy(CPU, w.i32.const(CPU_SCRATCH), last, w.i32.const(WINDOW_BYTES)));
    },
    () => f.get(rest),
  );
  // The window's own words are not eliminated. Each sum takes the place of a word that is not needed any more.
  clear(CHUNK);
  f.set(at, w.i32.const(0));
  f.repeat(
    "window",
    () => turn(CPU_SCRATCH),
    () => w.i32.ne(f.get(at), w.i32.const(WINDOW_BYTES)),
  );
}
