/**
 * The block function of crypto/sha256, `block(digest, data)`, four blocks at a time: the message schedule does not depend
 * on the state, so that of four blocks is computed side by side with SIMD; the rounds go block by block, with
 * the state in locals.
 */
import { CPU_SCRATCH } from "../cpu-block.js";
import { CPU, GUEST, i32, i64, v128, type Expr, type WasmBuilder } from "../wasm.js";
import { FunctionBuilder, type Local } from "./function-builder.js";
import { bodyResult, DATA, inMemory, LENGTH, PARAMETERS, STATE, TABLE_ADDRESS, type KnownBody } from "./known-body.js";

const BLOCKS = 4;
const BLOCK_BYTES = 64;
const GROUP_BYTES = BLOCKS * BLOCK_BYTES;
const ROUNDS = 64;
const DIGEST_BYTES = 32;
/** Consumed at most by one call, a millisecond. */
const MOST_BYTES = 256 << 10;

export const sha256: KnownBody = { name: "sha256", table: -1, data: 1, shortest: GROUP_BYTES, add };

/** The rounds' constants: 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2). */
const CONSTANTS: readonly number[] = firstPrimes(ROUNDS).map((prime) => Number(fractionOfCubeRoot(prime)));

function firstPrimes(count: number): number[] {
  const primes: number[] = [];
  for (let n = 2; primes.length < count; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n);
  return primes;
}

/** 32 bits of the fraction: exact, by bisection of r³ ≤ n · 2^96. */
function fractionOfCubeRoot(n: number): bigint {
  const cube = BigInt(n) << 96n;
  let root = 0n;
  for (let bit = 1n << 35n; bit; bit >>= 1n) if ((root + bit) ** 3n <= cube) root += bit;
  return root & 0xffffffffn;
}

function add(w: WasmBuilder, name: string, guestBase: number): void {
  const f = new FunctionBuilder(w, PARAMETERS);
  const giveUp = () => w.return(w.tuple([f.get(f.param(STATE)), w.i64.const(0)]));
  const argument = (index: number) => () => f.get(f.param(index));
  const [guestDigest, guestData, length] = [argument(STATE), argument(DATA), argument(LENGTH)];
  const digestBytes = () => w.i64.const(DIGEST_BYTES);
  f.emit(w.if(w.i64.lt_u(length(), w.i64.const(GROUP_BYTES)), giveUp()));
  f.emit(w.if(w.i32.eqz(inMemory(w, guestDigest, digestBytes, guestBase)), giveUp()));
  f.emit(w.if(w.i32.eqz(inMemory(w, guestData, length, guestBase)), giveUp()));
  const isBefore = w.i64.le_u(w.i64.add(guestDigest(), digestBytes()), guestData());
  const isBehind = w.i64.ge_u(guestDigest(), w.i64.add(guestData(), length()));
  f.emit(w.if(w.i32.eqz(w.i32.or(isBefore, isBehind)), giveUp()));
  checkConstants(w, f, guestBase, giveUp);

  const [digest, data, end] = [f.local(i32), f.local(i32), f.local(i32)];
  f.set(digest, w.i32.sub(w.i32.wrap(guestDigest()), w.i32.const(guestBase)));
  f.set(data, w.i32.sub(w.i32.wrap(guestData()), w.i32.const(guestBase)));
  const consumed = f.local(i64);
  const isShort = w.i64.lt_u(length(), w.i64.const(MOST_BYTES));
  const most = w.select(isShort, length(), w.i64.const(MOST_BYTES));
  f.set(consumed, w.i64.and(most, w.i64.const(-GROUP_BYTES)));
  f.set(end, w.i32.add(f.get(data), w.i32.wrap(f.get(consumed))));
  const state = f.locals(i32, 8);
  state.forEach((word, i) => f.set(word, w.load(GUEST, i32, 4, f.get(digest), 4 * i)));
  // Shared by all rounds: a local each would not be kept in a register any better.
  const temporaries = { sum: f.local(i32), both: f.local(i32), bothBefore: f.local(i32) };
  const lane = f.local(i32);
  const schedule = scheduleEmitter(w, f, data);
  f.repeat(
    "groups",
    () => {
      schedule();
      f.set(lane, w.i32.const(0));
      f.repeat(
        "blocks",
        () => {
          emitRounds(w, f, state, lane, temporaries);
          state.forEach((word, i) => {
            f.set(word, w.i32.add(f.get(word), w.load(GUEST, i32, 4, f.get(digest), 4 * i)));
            f.emit(w.store(GUEST, i32, 4, f.get(digest), f.get(word), 4 * i));
          });
          f.set(lane, w.i32.add(f.get(lane), w.i32.const(4)));
        },
        () => w.i32.ne(f.get(lane), w.i32.const(4 * BLOCKS)),
      );
      f.set(data, w.i32.add(f.get(data), w.i32.const(GROUP_BYTES)));
    },
    () => w.i32.ne(f.get(data), f.get(end)),
  );
  f.add(name, w.tuple([guestDigest(), f.get(consumed)]), bodyResult(w));
}

/** Gives up unless the guest's table of constants, if it has one, is the standard's. */
function checkConstants(w: WasmBuilder, f: FunctionBuilder, guestBase: number, giveUp: () => Expr): void {
  const address = () => f.get(f.param(TABLE_ADDRESS));
  const bytes = new Uint8Array(Uint32Array.from(CONSTANTS).buffer);
  const table = f.local(i32);
  const isSame = (): Expr => {
    const differences: Expr[] = [];
    for (let at = 0; at < bytes.length; at += 16) {
      const theirs = w.load(GUEST, v128, 16, f.get(table), at);
      differences.push(w.v128.xor(theirs, w.v128.const(bytes.subarray(at, at + 16))));
    }
    return w.i32.eqz(w.v128.any_true(differences.reduce(w.v128.or)));
  };
  const isThere = inMemory(w, address, () => w.i64.const(bytes.length), guestBase);
  const check = [
    w.if(w.i32.eqz(isThere), giveUp()),
    w.local.set(table.index, w.i32.sub(w.i32.wrap(address()), w.i32.const(guestBase))),
    w.if(w.i32.eqz(isSame()), giveUp()),
  ];
  f.emit(w.if(w.i32.wrap(address()), w.block(null, check)));
}

/** Returns what emits the schedule of four blocks from `data` on: word t of block b, its constant added, at 16 t + 4 b. */
function scheduleEmitter(w: WasmBuilder, f: FunctionBuilder, data: Local): () => void {
  const window = f.locals(v128, 16);
  const rows = f.locals(v128, BLOCKS);
  const pairs = f.locals(v128, BLOCKS);
  const word = (t: number) => window[t % 16]!;
  const rotr = (local: Local, count: number) =>
    w.v128.or(w.i32x4.shr_u(f.get(local), w.i32.const(count)), w.i32x4.shl(f.get(local), w.i32.const(32 - count)));
  const sigma = (local: Local, first: number, second: number, shift: number) =>
    w.v128.xor(w.v128.xor(rotr(local, first), rotr(local, second)), w.i32x4.shr_u(f.get(local), w.i32.const(shift)));
  const words = (a: Local, b: Local, picked: readonly number[]) =>
    w.i8x16.shuffle(
      f.get(a),
      f.get(b),
      picked.flatMap((i) => [4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3]),
    );
  /** Words `first` to `first + 3` of each block: read as big-endian numbers, and transposed. */
  const read = (first: number) => {
    const reversed = Uint8Array.from({ length: 16 }, (_, i) => i ^ 3);
    rows.forEach((row, block) => {
      const loaded = w.load(GUEST, v128, 16, f.get(data), BLOCK_BYTES * block + 4 * first);
      f.set(row, w.i8x16.swizzle(loaded, w.v128.const(reversed)));
    });
    const [a, b, c, d] = rows as [Local, Local, Local, Local];
    const [p, q, r, s] = pairs as [Local, Local, Local, Local];
    f.set(p, words(a, b, [0, 4, 1, 5]));
    f.set(q, words(c, d, [0, 4, 1, 5]));
    f.set(r, words(a, b, [2, 6, 3, 7]));
    f.set(s, words(c, d, [2, 6, 3, 7]));
    f.set(word(first), words(p, q, [0, 1, 4, 5]));
    f.set(word(first + 1), words(p, q, [2, 3, 6, 7]));
    f.set(word(first + 2), words(r, s, [0, 1, 4, 5]));
    f.set(word(first + 3), words(r, s, [2, 3, 6, 7]));
  };
  return () => {
    for (let t = 0; t < 16; t += 4) read(t);
    for (let t = 0; t < ROUNDS; t++) {
      if (t >= 16) {
        const terms = [
          f.get(word(t)),
          sigma(word(t - 15), 7, 18, 3),
          f.get(word(t - 7)),
          sigma(word(t - 2), 17, 19, 10),
        ];
        f.set(word(t), terms.reduce(w.i32x4.add));
      }
      const sum = w.i32x4.add(f.get(word(t)), w.i32x4.splat(w.i32.const(CONSTANTS[t]!)));
      f.emit(w.store(CPU, v128, 16, w.i32.const(0), sum, CPU_SCRATCH + 16 * t));
    }
  };
}

/** The 64 rounds of the block whose schedule is at `lane` (0, 4, 8, 12). */
function emitRounds(
  w: WasmBuilder,
  f: FunctionBuilder,
  state: readonly Local[],
  lane: Local,
  { sum, both, bothBefore }: Record<"sum" | "both" | "bothBefore", Local>,
): void {
  const rotr = (local: Local, count: number) => w.i32.rotr(f.get(local), w.i32.const(count));
  const sigma = (local: Local, counts: readonly number[]) => counts.map((n) => rotr(local, n)).reduce(w.i32.xor);
  const xor = (a: Local, b: Local) => w.i32.xor(f.get(a), f.get(b));
  f.set(bothBefore, xor(state[1]!, state[2]!));
  for (let t = 0; t < ROUNDS; t++) {
    // Instead of moving each word on, the names move.
    const at = (i: number) => state[(i - (t % 8) + 8) % 8]!;
    const [a, b, d, e, g, h] = [at(0), at(1), at(3), at(4), at(6), at(7)];
    const scheduled = w.load(CPU, i32, 4, f.get(lane), CPU_SCRATCH + 16 * t);
    const choice = w.i32.xor(w.i32.and(xor(at(5), g), f.get(e)), f.get(g));
    f.set(sum, [f.get(h), scheduled, choice, sigma(e, [6, 11, 25])].reduce(w.i32.add));
    f.set(d, w.i32.add(f.get(d), f.get(sum)));
    // The majority of a, b, c is b, except where b differs from both.
    f.set(both, xor(a, b));
    const majority = w.i32.xor(w.i32.and(f.get(both), f.get(bothBefore)), f.get(b));
    f.set(h, [f.get(sum), majority, sigma(a, [2, 13, 22])].reduce(w.i32.add));
    f.set(bothBefore, f.get(both));
  }
}
