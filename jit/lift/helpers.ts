/**
 * Wasm functions that lifted instructions call: operations too long to repeat at every site.
 * A module contains those that its regions use.
 */
import { CPU_SCRATCH } from "../cpu-block.js";
import { CPU, i32, i64, none, type Expr, type Type, type WasmBuilder } from "../wasm.js";

interface Helper {
  readonly params: readonly Type[];
  readonly result: Type;
  readonly locals: readonly Type[];
  readonly build: (w: WasmBuilder) => Expr;
}

/** High 64 bits of the unsigned product of two i64, by four 32-bit products. */
const mulHighU: Helper = {
  params: [i64, i64],
  result: i64,
  locals: [i64, i64, i64],
  build: (w) => {
    const a = () => w.local.get(0, i64);
    const b = () => w.local.get(1, i64);
    const low = (x: Expr) => w.i64.and(x, w.i64.const(0xffffffffn));
    const high = (x: Expr) => w.i64.shr_u(x, w.i64.const(32));
    const t = () => w.local.get(2, i64);
    const u = () => w.local.get(3, i64);
    const v = () => w.local.get(4, i64);
    return w.block(
      null,
      [
        // t = a.hi*b.lo + (a.lo*b.lo >> 32); u = a.lo*b.hi + lo(t)
        w.local.set(2, w.i64.add(w.i64.mul(high(a()), low(b())), high(w.i64.mul(low(a()), low(b()))))),
        w.local.set(3, w.i64.add(w.i64.mul(low(a()), high(b())), low(t()))),
        w.local.set(4, w.i64.mul(high(a()), high(b()))),
        w.i64.add(v(), w.i64.add(high(t()), high(u()))),
      ],
      i64,
    );
  },
};

/**
 * Unsigned 128/64 division (high, low, divisor) for high < divisor: quotient returned, remainder at CPU_SCRATCH.
 * Schoolbook division in base 2^32 after normalising the divisor (Knuth, TAOCP 4.3.1 D).
 */
const divide128: Helper = {
  params: [i64, i64, i64],
  result: i64,
  // 3 shift, 4 d1, 5 d0, 6 n32, 7 n1, 8 n0, 9 q1, 10 q0, 11 r, 12 n21
  locals: [i64, i64, i64, i64, i64, i64, i64, i64, i64, i64],
  build: (w) => {
    const L = (n: number) => w.local.get(n, i64);
    const C = (n: number | bigint) => w.i64.const(n);
    const MASK = 0xffffffffn;
    /** q = min(n / d1, ...) corrected at most twice; leaves quotient in `q`. `next` is the next numerator digit. */
    const digit = (q: number, numerator: number, next: number): Expr[] => [
      w.local.set(q, w.i64.div_u(L(numerator), L(4))),
      w.local.set(11, w.i64.sub(L(numerator), w.i64.mul(L(q), L(4)))),
      w.block(`done${q}`, [
        w.loop(
          `again${q}`,
          w.block(null, [
            w.br(
              `done${q}`,
              w.i32.and(
                w.i32.eqz(w.i64.ne(w.i64.shr_u(L(q), C(32)), C(0))),
                w.i64.le_u(w.i64.mul(L(q), L(5)), w.i64.or(w.i64.shl(L(11), C(32)), L(next))),
              ),
            ),
            w.local.set(q, w.i64.sub(L(q), C(1))),
            w.local.set(11, w.i64.add(L(11), L(4))),
            w.br(`again${q}`, w.i64.eqz(w.i64.shr_u(L(11), C(32)))),
          ]),
        ),
      ]),
    ];
    return w.block(
      null,
      [
        w.local.set(3, w.i64.clz(L(2))),
        w.local.set(2, w.i64.shl(L(2), L(3))),
        w.local.set(4, w.i64.shr_u(L(2), C(32))),
        w.local.set(5, w.i64.and(L(2), C(MASK))),
        // n32 = high << s | low >> 64-s (nothing for s = 0)
        w.local.set(
          6,
          w.select(w.i64.eqz(L(3)), L(0), w.i64.or(w.i64.shl(L(0), L(3)), w.i64.shr_u(L(1), w.i64.sub(C(64), L(3))))),
        ),
        w.local.set(1, w.i64.shl(L(1), L(3))),
        w.local.set(7, w.i64.shr_u(L(1), C(32))),
        w.local.set(8, w.i64.and(L(1), C(MASK))),
        ...digit(9, 6, 7),
        w.local.set(12, w.i64.sub(w.i64.or(w.i64.shl(L(6), C(32)), L(7)), w.i64.mul(L(9), L(2)))),
        ...digit(10, 12, 8),
        w.store(
          CPU,
          i64,
          8,
          w.i32.const(0),
          w.i64.shr_u(w.i64.sub(w.i64.or(w.i64.shl(L(12), C(32)), L(8)), w.i64.mul(L(10), L(2))), L(3)),
          CPU_SCRATCH,
        ),
        w.i64.or(w.i64.shl(L(9), C(32)), L(10)),
      ],
      i64,
    );
  },
};

/** Parity flag of the low byte: 1 if the number of one bits is even. */
const parity: Helper = {
  params: [i32],
  result: i32,
  locals: [],
  build: (w) =>
    w.i32.and(
      w.i32.xor(w.i32.popcnt(w.i32.and(w.local.get(0, i32), w.i32.const(0xff))), w.i32.const(1)),
      w.i32.const(1),
    ),
};

const HELPERS = { mulHighU, divide128, parity } satisfies Record<string, Helper>;
export type HelperName = keyof typeof HELPERS;

/** Adds the named helper to the module being built. */
export function addHelper(w: WasmBuilder, name: HelperName): void {
  const helper: Helper = HELPERS[name];
  w.addFunction(
    name,
    helper.params.length ? w.types(helper.params) : none,
    helper.result,
    helper.locals,
    helper.build(w),
  );
}
