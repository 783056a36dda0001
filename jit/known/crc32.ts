/**
 * The slicing-by-8 update loop of hash/crc32, `slicingUpdate(crc, table, data)`, with SIMD. For two polynomials all but the
 * last 1216 bytes are eliminated (crc32-sparse.ts); those, and the data of other polynomials, are folded, 64 bytes at a
 * time.
 *
 * A CRC is linear: a byte v of the message can be taken out if v · x^512 mod P, four bytes, is added (XOR) 64 bytes
 * later. That product is a sum of two table lookups, by low and high half byte, and `i8x16.swizzle` looks up 16 bytes at
 * once. So each vector of 16 bytes is folded into the vector four further on: eight swizzles give the product's bytes 0
 * to 3 of each lane, and byte k belongs k lanes further up, in the next vector for the last lanes. The last 64 bytes then
 * hold the CRC of all, and are taken by slicing.
 *
 * All is computed from the table that the guest passes, whatever its polynomial is, after a check that it is linear
 * and that its eight parts belong together; with any other table the body does nothing.
 */
import { CPU_SCRATCH } from "../cpu-block.js";
import { CPU, GUEST, i32, i64, v128, type Expr, type WasmBuilder } from "../wasm.js";
import { eliminate, isTableOf, SPARSE_MULTIPLES, WINDOW_BYTES } from "./crc32-sparse.js";
import { FunctionBuilder, type Local } from "./function-builder.js";
import { bodyResult, DATA, inMemory, LENGTH, PARAMETERS, STATE, TABLE_ADDRESS, type KnownBody } from "./known-body.js";

/** Vectors that are folded side by side: one waits for the result of the one that far before it. */
const VECTORS = 4;
const FOLD_BYTES = 16 * VECTORS;
/** Parts of the slicing table, and bytes of one: entry v of part j is the CRC of byte v and j zero bytes. */
const PARTS = 8;
const PART_BYTES = 1024;
/** The guest's function takes less than this by another loop, and is left that much. */
const SLICING_CUTOFF = 16;
/** Consumed at most by one call: a millisecond where it is folded, else less. */
const MOST_BYTES = 4 << 20;

/** More than the window of the elimination, and twice 64 bytes to be folded. */
const SHORTEST = 2048;

export const crc32: KnownBody = { name: "crc32", table: 1, data: 2, shortest: SHORTEST, add };

function add(w: WasmBuilder, name: string, guestBase: number): void {
  const f = new FunctionBuilder(w, PARAMETERS);
  const giveUp = () => w.return(w.tuple([f.get(f.param(STATE)), w.i64.const(0)]));
  const length = () => f.get(f.param(LENGTH));
  const tableBytes = () => w.i64.const(PARTS * PART_BYTES);
  const isTooShort = w.i64.lt_u(length(), w.i64.const(SHORTEST));
  f.emit(w.if(isTooShort, giveUp()));
  for (const [address, size] of [
    [DATA, length],
    [TABLE_ADDRESS, tableBytes],
  ] as const) {
    f.emit(w.if(w.i32.eqz(inMemory(w, () => f.get(f.param(address)), size, guestBase)), giveUp()));
  }
  const [table, data, rest, crc] = [f.local(i32), f.local(i32), f.local(i32), f.local(i32)];
  const wasmAddress = (guest: number) => w.i32.sub(w.i32.wrap(f.get(f.param(guest))), w.i32.const(guestBase));
  f.set(table, wasmAddress(TABLE_ADDRESS));
  f.set(data, wasmAddress(DATA));
  const consumed = f.local(i64);
  const most = w.i64.const(MOST_BYTES);
  const available = () => w.i64.sub(length(), w.i64.const(SLICING_CUTOFF));
  const limited = w.select(w.i64.lt_u(available(), w.i64.const(MOST_BYTES)), available(), most);
  f.set(consumed, w.i64.and(limited, w.i64.const(-FOLD_BYTES)));
  f.set(rest, w.i32.wrap(f.get(consumed)));

  const { low, high, isWrong } = readTable(w, f, table);
  f.emit(w.if(isWrong, giveUp()));

  const pending = f.locals(v128, VECTORS);
  const state = () => w.i32.xor(w.i32.wrap(f.get(f.param(STATE))), w.i32.const(-1));
  /** What is returned; `memory` has the `rest` bytes of data. */
  const result = (memory: string): Expr => {
    const above = foldAll(w, f, { low, high, pending, memory, data, rest });
    // The last 64 bytes with what is pending, eight at a time.
    const word = f.local(i64);
    for (let half = 0; half < 2 * VECTORS; half++) {
      const folded = w.i64x2.extract(f.get(pending[half >> 1]!), half & 1);
      const loaded = w.load(memory, i64, 8, f.get(data), 8 * half);
      f.set(word, w.i64.xor(w.i64.xor(folded, loaded), w.i64.extend_i32_u(f.get(crc))));
      const byte = (i: number) => w.i32.wrap(w.i64.shr_u(f.get(word), w.i64.const(8 * i)));
      const parts = Array.from({ length: 8 }, (_, i) => entry(w, f, table, 7 - i, byte(i)));
      f.set(crc, parts.reduce(w.i32.xor));
    }
    const crcOfAll = w.i32.xor(w.i32.xor(f.get(crc), pendingAbove(w, f, above)), w.i32.const(-1));
    return w.tuple([w.i64.extend_i32_u(crcOfAll), f.get(consumed)]);
  };
  const isEliminated = f.local(i32);
  for (const multiple of SPARSE_MULTIPLES) {
    f.when(isTableOf(w, f, table, multiple.polynomial), () => {
      eliminate(w, f, multiple, { data, rest, state: state() });
      f.set(isEliminated, w.i32.const(1));
    });
  }
  f.when(f.get(isEliminated), () => {
    f.set(data, w.i32.const(CPU_SCRATCH));
    f.set(rest, w.i32.const(WINDOW_BYTES));
    f.emit(w.return(result(CPU)));
  });
  f.set(pending[0]!, w.i32x4.replace(zero(w), 0, state()));
  f.add(name, result(GUEST), bodyResult(w));
}

const zero = (w: WasmBuilder): Expr => w.v128.const(new Uint8Array(16));
const splatByte = (w: WasmBuilder, value: number): Expr => w.v128.const(new Uint8Array(16).fill(value));

/** Entry `index & 255` of part `part` of the slicing table. */
function entry(w: WasmBuilder, f: FunctionBuilder, table: Local, part: number, index: Expr): Expr {
  const offset = w.i32.shl(w.i32.and(index, w.i32.const(255)), w.i32.const(2));
  return w.load(GUEST, i32, 4, w.i32.add(f.get(table), offset), part * PART_BYTES);
}

interface FoldTables {
  /** By byte of the product: its values for the 16 low half bytes, and for the 16 high ones. */
  readonly low: readonly Local[];
  readonly high: readonly Local[];
  /** i32, not 0 if the guest's table is not one of slicing-by-8. */
  readonly isWrong: Expr;
}

/** Checks the guest's table, and makes those for folding of it. */
function readTable(w: WasmBuilder, f: FunctionBuilder, table: Local): FoldTables {
  const wrong = f.local(v128);
  checkLinear(w, f, table, wrong);
  const [low, high] = [f.locals(v128, 4), f.locals(v128, 4)];
  // Of the bytes with one bit set: all others are sums.
  const [bit, index] = [f.local(i32), f.local(i32)];
  const [before, steps, differ] = [f.local(i32), f.local(i32), f.local(i32)];
  const value = f.local(i32);
  const [lanes, lanesWith] = [f.local(v128), f.local(v128)];
  f.set(bit, w.i32.const(1));
  f.set(index, w.i32.const(1));
  f.repeat(
    "bits",
    () => {
      f.set(value, entry(w, f, table, 0, f.get(bit)));
      for (let part = 1; part < PARTS; part++) {
        f.set(before, f.get(value));
        f.set(value, entry(w, f, table, part, f.get(bit)));
        const next = w.i32.xor(entry(w, f, table, 0, f.get(before)), w.i32.shr_u(f.get(before), w.i32.const(8)));
        f.set(differ, w.i32.or(f.get(differ), w.i32.xor(f.get(value), next)));
      }
      // The byte and seven zero bytes, so far; 56 zero bytes more.
      f.set(steps, w.i32.const(FOLD_BYTES / 8 - 1));
      f.repeat(
        "zeros",
        () => {
          const byte = (i: number) => w.i32.shr_u(f.get(value), w.i32.const(8 * i));
          f.set(value, [0, 1, 2, 3].map((i) => entry(w, f, table, 7 - i, byte(i))).reduce(w.i32.xor));
          f.set(steps, w.i32.sub(f.get(steps), w.i32.const(1)));
        },
        () => f.get(steps),
      );
      const numbers = w.v128.const(Uint8Array.from({ length: 16 }, (_, i) => i));
      f.set(lanes, w.v128.and(w.i8x16.splat(f.get(index)), numbers));
      f.set(lanesWith, w.i8x16.ne(f.get(lanes), zero(w)));
      const addTo = (tables: readonly Local[]): Expr =>
        w.block(
          null,
          tables.map((to, byte) => {
            const splat = w.i8x16.splat(w.i32.shr_u(f.get(value), w.i32.const(8 * byte)));
            return w.local.set(to.index, w.v128.xor(f.get(to), w.v128.and(splat, f.get(lanesWith))));
          }),
        );
      f.emit(w.if(w.i32.lt_u(f.get(bit), w.i32.const(16)), addTo(low), addTo(high)));
      f.set(bit, w.i32.shl(f.get(bit), w.i32.const(1)));
      f.set(
        index,
        w.select(w.i32.eq(f.get(bit), w.i32.const(16)), w.i32.const(1), w.i32.shl(f.get(index), w.i32.const(1))),
      );
    },
    () => w.i32.lt_u(f.get(bit), w.i32.const(256)),
  );
  return { low, high, isWrong: w.i32.or(w.v128.any_true(f.get(wrong)), f.get(differ)) };
}

/** Adds to `wrong` wherever a part of the table is not linear: entry a ^ b must be entry a ^ entry b. */
function checkLinear(w: WasmBuilder, f: FunctionBuilder, table: Local, wrong: Local): void {
  const parts = f.locals(v128, PARTS);
  const [width, at] = [f.local(i32), f.local(i32)];
  const load = (address: Expr, part: number) => w.load(GUEST, v128, 16, address, part * PART_BYTES);
  const collect = (difference: Expr) => f.set(wrong, w.v128.or(f.get(wrong), difference));
  // Entries 0 to 3: 0 and 3 from 1 and 2.
  for (let part = 0; part < PARTS; part++) {
    const first = parts[part]!;
    f.set(first, load(f.get(table), part));
    const lane = (i: number) => w.i32x4.extract(f.get(first), i);
    const third = w.i32.xor(lane(3), w.i32.xor(lane(1), lane(2)));
    collect(w.i32x4.splat(w.i32.or(lane(0), third)));
  }
  // The upper half of 8, 16, ..., 256 entries from the lower and its own first.
  f.set(width, w.i32.const(16));
  f.repeat(
    "widths",
    () => {
      const upper = () => w.i32.add(f.get(table), f.get(width));
      parts.forEach((first, part) => {
        f.set(first, w.i32x4.splat(w.load(GUEST, i32, 4, upper(), part * PART_BYTES)));
      });
      f.set(at, f.get(table));
      f.repeat(
        "entries",
        () => {
          parts.forEach((first, part) => {
            const sum = w.v128.xor(f.get(first), load(f.get(at), part));
            collect(w.v128.xor(sum, load(w.i32.add(f.get(at), f.get(width)), part)));
          });
          f.set(at, w.i32.add(f.get(at), w.i32.const(16)));
        },
        () => w.i32.lt_u(f.get(at), upper()),
      );
      f.set(width, w.i32.shl(f.get(width), w.i32.const(1)));
    },
    () => w.i32.lt_u(f.get(width), w.i32.const(PART_BYTES)),
  );
}

interface Folding {
  readonly low: readonly Local[];
  readonly high: readonly Local[];
  /** What is to be added to the next vectors of data. */
  readonly pending: readonly Local[];
  readonly memory: string;
  /** Address in that memory. */
  readonly data: Local;
  /** Bytes from `data` on that are to be consumed: at least twice 64. */
  readonly rest: Local;
}

/**
 * Folds all but the last 64 bytes of the data.
 * @returns bytes 1 to 3 of the last vector's products
 */
function foldAll(w: WasmBuilder, f: FunctionBuilder, { low, high, pending, memory, data, rest }: Folding): Local[] {
  const above = f.locals(v128, 3);
  const products = f.locals(v128, 3);
  const [vector, lowHalves, highHalves] = [f.local(v128), f.local(v128), f.local(v128)];
  const lookUp = (byte: number): Expr =>
    w.v128.xor(
      w.i8x16.swizzle(f.get(low[byte]!), f.get(lowHalves)),
      w.i8x16.swizzle(f.get(high[byte]!), f.get(highHalves)),
    );
  f.repeat(
    "fold",
    () => {
      pending.forEach((sum, i) => {
        f.set(vector, w.v128.xor(f.get(sum), w.load(memory, v128, 16, f.get(data), 16 * i)));
        f.set(lowHalves, w.v128.and(f.get(vector), splatByte(w, 0x0f)));
        const shifted = w.i16x8.shr_u(f.get(vector), w.i32.const(4));
        f.set(highHalves, w.v128.and(shifted, splatByte(w, 0x0f)));
        products.forEach((product, k) => f.set(product, lookUp(k + 1)));
        // Byte k of a product belongs k lanes further up; the last lanes' come from the vector before.
        const moved = products.map((product, k) => {
          const lanes = Array.from({ length: 16 }, (_, lane) => 15 - k + lane);
          return w.i8x16.shuffle(f.get(above[k]!), f.get(product), lanes);
        });
        f.set(sum, [lookUp(0), ...moved].reduce(w.v128.xor));
        products.forEach((product, k) => f.set(above[k]!, f.get(product)));
      });
      f.set(data, w.i32.add(f.get(data), w.i32.const(FOLD_BYTES)));
      f.set(rest, w.i32.sub(f.get(rest), w.i32.const(FOLD_BYTES)));
    },
    () => w.i32.gt_u(f.get(rest), w.i32.const(FOLD_BYTES)),
  );
  return above;
}

/** What the last lanes' products add to the data behind the last 64 bytes, an i32. */
function pendingAbove(w: WasmBuilder, f: FunctionBuilder, above: readonly Local[]): Expr {
  const lane = (k: number, index: number) => w.i8x16.extract(f.get(above[k - 1]!), index);
  const bytes = [[lane(1, 15), lane(2, 14), lane(3, 13)], [lane(2, 15), lane(3, 14)], [lane(3, 15)]];
  return bytes.map((terms, i) => w.i32.shl(terms.reduce(w.i32.xor), w.i32.const(8 * i))).reduce(w.i32.or);
}
