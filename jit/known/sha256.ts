/**
 * The block function of crypto/sha256, `block(digest, data)`, with the state in locals. The rounds are one chain, whose
 * latency leaves room for other work: the message schedule, which does not depend on the state, is computed
 * with SIMD, four words at a time, between the rounds, and ahead of them.
 */
import { CPU_SCRATCH } from "../cpu-block.js";
import { CPU, GUEST, i32, i64, v128, type Expr, type WasmBuilder } from "../wasm.js";
import { FunctionBuilder, type Local } from "./function-builder.js";
import { bodyResult, DATA, inMemory, LENGTH, PARAMETERS, STATE, TABLE_ADDRESS, type KnownBody } from "./known-body.js";

const BLOCK_BYTES = 64;
const ROUNDS = 64;
const DIGEST_BYTES = 32;
/** Words that a v128 holds. */
const LANES = 4;
/** Words of the schedule that are in locals: each is made of some of the 16 before it. */
const WINDOW = 16;
/** Consumed at most by one call: half a millisecond. */
const MOST_BYTES = 256 << 10;

export const sha256: KnownBody = { name: "sha256", table: -1, data: 1, shortest: BLOCK_BYTES, add };

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
  f.emit(w.if(w.i64.lt_u(length(), w.i64.const(BLOCK_BYTES)), giveUp()));
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
  f.set(consumed, w.i64.and(most, w.i64.const(-BLOCK_BYTES)));
  f.set(end, w.i32.add(f.get(data), w.i32.wrap(f.get(consumed))));
  const state = f.locals(i32, 8);
  state.forEach((word, i) => f.set(word, w.load(GUEST, i32, 4, f.get(digest), 4 * i)));
  const schedule = scheduleEmitter(w, f, data);
  f.repeat(
    "blocks",
    () => {
      emitRounds(w, f, state, schedule);
      state.forEach((word, i) => {
        f.set(word, w.i32.add(f.get(word), w.load(GUEST, i32, 4, f.get(digest), 4 * i)));
        f.emit(w.store(GUEST, i32, 4, f.get(digest), f.get(word), 4 * i));
      });
      f.set(data, w.i32.add(f.get(data), w.i32.const(BLOCK_BYTES)));
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

/** Where the rounds find word `t` of the schedule. */
const scheduleAddress = (t: number): number => CPU_SCRATCH + 4 * t;

/**
 * Returns what emits words `t` to `t + 3` of the schedule of the block at `data`, after those before them, to
 * `scheduleAddress`.
 */
function scheduleEmitter(w: WasmBuilder, f: FunctionBuilder, data: Local): (t: number) => void {
  const window = f.locals(v128, WINDOW / LANES);
  const temporary = f.local(v128);
  const wordsFrom = (t: number) => window[(t / LANES) % window.length]!;
  const words = (a: Expr, b: Expr, picked: readonly number[]) =>
    w.i8x16.shuffle(
      a,
      b,
      picked.flatMap((i) => [4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3]),
    );
  const zero = () => w.v128.const(new Uint8Array(16));
  const shr = (count: number) => w.i32x4.shr_u(f.get(temporary), w.i32.const(count));
  const shl = (count: number) => w.i32x4.shl(f.get(temporary), w.i32.const(count));
  const shr64 = (count: number) => w.i64x2.shr_u(f.get(temporary), w.i32.const(count));
  /** Rotations by 7 and 18, and a shift by 3. */
  const sigma0 = () => [shr(7), shl(25), shr(18), shl(14), shr(3)].reduce(w.v128.xor);
  /** Rotations by 17 and 19, and a shift by 10, of words that are in both halves of 64 bits: in the lower halves. */
  const sigma1 = () => [shr64(17), shr64(19), shr(10)].reduce(w.v128.xor);
  const extend = (t: number) => {
    const sum = wordsFrom(t);
    const addToSum = (terms: Expr) => f.set(sum, w.i32x4.add(f.get(sum), terms));
    const threeBefore = [t - 12, t - 8, t - 4].map(wordsFrom) as [Local, Local, Local];
    const [second, third, fourth] = threeBefore;
    // The sum is that of words t - 16 on, so far.
    f.set(temporary, words(f.get(sum), f.get(second), [1, 2, 3, 4]));
    addToSum(words(f.get(third), f.get(fourth), [1, 2, 3, 4]));
    addToSum(sigma0());
    // Words t and t + 1 need t - 2 and t - 1; then the other two need these.
    f.set(temporary, words(f.get(fourth), f.get(fourth), [2, 2, 3, 3]));
    f.set(temporary, sigma1());
    addToSum(words(f.get(temporary), zero(), [0, 2, 4, 4]));
    f.set(temporary, words(f.get(sum), f.get(sum), [0, 0, 1, 1]));
    f.set(temporary, sigma1());
    addToSum(words(zero(), f.get(temporary), [0, 0, 4, 6]));
  };
  const bigEndian = f.local(v128);
  f.set(bigEndian, w.v128.const(Uint8Array.from({ length: 16 }, (_, i) => i ^ 3)));
  return (t) => {
    if (t < WINDOW) {
      const loaded = w.load(GUEST, v128, 16, f.get(data), 4 * t);
      f.set(wordsFrom(t), w.i8x16.swizzle(loaded, f.get(bigEndian)));
    } else {
      extend(t);
    }
    f.emit(w.store(CPU, v128, 16, w.i32.const(0), f.get(wordsFrom(t)), scheduleAddress(t)));
  };
}

/** The 64 rounds of a block; `schedule` emits four words of its schedule. */
function emitRounds(w: WasmBuilder, f: FunctionBuilder, state: readonly Local[], schedule: (t: number) => void): void {
  const [sum, both, bothBefore] = [f.local(i32), f.local(i32), f.local(i32)];
  const rotr = (local: Local, count: number) => w.i32.rotr(f.get(local), w.i32.const(count));
  const sigma = (local: Local, counts: readonly number[]) => counts.map((n) => rotr(local, n)).reduce(w.i32.xor);
  const xor = (a: Local, b: Local) => w.i32.xor(f.get(a), f.get(b));
  for (let t = 0; t < WINDOW; t += LANES) schedule(t);
  f.set(bothBefore, xor(state[1]!, state[2]!));
  for (let t = 0; t < ROUNDS; t++) {
    if (t % LANES === 0 && t + WINDOW < ROUNDS) schedule(t + WINDOW);
    // Instead of moving each word on, the names move.
    const at = (i: number) => state[(i - (t % 8) + 8) % 8]!;
    const [a, b, d, e, g, h] = [at(0), at(1), at(3), at(4), at(6), at(7)];
    const scheduled = w.load(CPU, i32, 4, w.i32.const(0), scheduleAddress(t));
    const choice = w.i32.xor(w.i32.and(xor(at(5), g), f.get(e)), f.get(g));
    // What comes late is added last.
    const terms = [f.get(h), w.i32.const(CONSTANTS[t]!), scheduled, choice, sigma(e, [6, 11, 25])];
    f.set(sum, terms.reduce(w.i32.add));
    f.set(d, w.i32.add(f.get(d), f.get(sum)));
    // The majority of a, b, c is b, except where b differs from both.
    f.set(both, xor(a, b));
    const majority = w.i32.xor(w.i32.and(f.get(both), f.get(bothBefore)), f.get(b));
    f.set(h, [f.get(sum), majority, sigma(a, [2, 13, 22])].reduce(w.i32.add));
    f.set(bothBefore, f.get(both));
  }
}
