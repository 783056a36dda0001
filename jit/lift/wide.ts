/**
 * Arithmetic of 128 bits. Everything is in line: a Wasm call in the middle of an instruction could find no stack left,
 * where the guest's registers are in locals and nothing can be resumed.
 */
import { i64, type Expr } from "../wasm.js";
import type { Lifter, Value } from "./lifter.js";

/**
 * High 64 bits of the unsigned product of two i64, by four 32-bit products; by two if `b` has 32 bits, as the factor of
 * math/big's mulAddVWW often does.
 */
export function mulHighU(lifter: Lifter, a: Value, b: Value): Expr {
  const { w } = lifter;
  const low = (x: Expr) => w.i64.and(x, w.i64.const(0xffffffffn));
  const high = (x: Expr) => w.i64.shr_u(x, w.i64.const(32));
  const get = (value: Value) => lifter.get(value);
  // t = a.hi*b.lo + (a.lo*b.lo >> 32); u = a.lo*b.hi + lo(t)
  const carry = high(w.i64.mul(low(get(a)), low(get(b))));
  const t = lifter.value(i64, w.i64.add(w.i64.mul(high(get(a)), low(get(b))), carry));
  const result = lifter.value(i64, high(get(t)));
  const wide = lifter.nested(() => {
    const u = lifter.value(i64, w.i64.add(w.i64.mul(low(get(a)), high(get(b))), low(get(t))));
    lifter.assign(result, w.i64.add(w.i64.mul(high(get(a)), high(get(b))), w.i64.add(get(result), high(get(u)))));
  });
  lifter.emit(w.if(w.i64.gt_u(get(b), w.i64.const(0xffffffffn)), wide));
  return get(result);
}

/** High half of the signed product of two i64. */
export function mulHighS(lifter: Lifter, a: Value, b: Value): Expr {
  const { w } = lifter;
  const correction = (sign: Value, other: Value) =>
    w.i64.and(w.i64.shr_s(lifter.get(sign), w.i64.const(63)), lifter.get(other));
  return w.i64.sub(w.i64.sub(mulHighU(lifter, a, b), correction(a, b)), correction(b, a));
}

/**
 * Statements for the unsigned division of high:low by `divisor`, where high < divisor. Schoolbook division in base
 * 2^32 after normalising the divisor (Knuth, TAOCP 4.3.1 D).
 */
export function divide128(
  lifter: Lifter,
  high: Expr,
  low: Expr,
  divisor: Expr,
  result: { readonly quotient: Value; readonly remainder: Value },
): void {
  const { w } = lifter;
  const { i64: x } = w;
  const get = (value: Value) => lifter.get(value);
  const value = (expr: Expr) => lifter.value(i64, expr);
  const constant = (n: number) => x.const(n);
  const given = value(divisor);
  const shift = value(x.clz(get(given)));
  const normal = value(x.shl(get(given), get(shift)));
  const d1 = value(x.shr_u(get(normal), constant(32)));
  const d0 = value(x.and(get(normal), x.const(0xffffffffn)));
  const lowBits = value(low);
  const highBits = value(high);
  // numerator = high:low << shift; nothing comes up from low for shift 0.
  const up = x.or(x.shl(get(highBits), get(shift)), x.shr_u(get(lowBits), x.sub(constant(64), get(shift))));
  const n32 = value(w.select(x.eqz(get(shift)), get(highBits), up));
  const n10 = value(x.shl(get(lowBits), get(shift)));
  /** One digit of the quotient: numerator / d1, corrected at most twice by the numerator's next digit. */
  const digit = (numerator: Value, next: Value): Value => {
    const q = value(x.div_u(get(numerator), get(d1)));
    const rest = value(x.sub(get(numerator), x.mul(get(q), get(d1))));
    const tooLarge = () =>
      w.i32.or(
        x.ne(x.shr_u(get(q), constant(32)), constant(0)),
        x.gt_u(x.mul(get(q), get(d0)), x.or(x.shl(get(rest), constant(32)), get(next))),
      );
    const label = lifter.label();
    const correct = lifter.nested(() => {
      lifter.assign(q, x.sub(get(q), constant(1)));
      lifter.assign(rest, x.add(get(rest), get(d1)));
      lifter.emit(w.br(label, x.eqz(x.shr_u(get(rest), constant(32)))));
    });
    lifter.emit(w.loop(label, w.if(tooLarge(), correct)));
    return q;
  };
  const q1 = digit(n32, value(x.shr_u(get(n10), constant(32))));
  const n0 = value(x.and(get(n10), x.const(0xffffffffn)));
  const n1 = x.shr_u(get(n10), constant(32));
  const n21 = value(x.sub(x.or(x.shl(get(n32), constant(32)), n1), x.mul(get(q1), get(normal))));
  const q0 = digit(n21, n0);
  const rest = x.sub(x.or(x.shl(get(n21), constant(32)), get(n0)), x.mul(get(q0), get(normal)));
  lifter.assign(result.remainder, x.shr_u(rest, get(shift)));
  lifter.assign(result.quotient, x.or(x.shl(get(q1), constant(32)), get(q0)));
}
