/**
 * What the status flags are after each kind of operation. A definition captures operands and result; the flags are
 * computed from them only where something reads them, and frequent conditions become one comparison.
 *
 * Flags that the manual leaves undefined are what Zen 4 gives where that is simple (said at each); otherwise they are
 * not in `defines`, and keep or lose their old value.
 */
import { AF, CF, OF, PF, SF, STATUS_FLAGS, ZF, type Condition, type FlagSet } from "../registers.js";
import { i32, type Expr } from "../wasm.js";
import type { FlagDefinition, Lifter, Value } from "./lifter.js";
import type { Source, Width } from "./width.js";

const RESULT_FLAGS = PF | ZF | SF;
const NO_VALUES: readonly Value[] = [];

/** PF: 1 if the number of one bits in the low byte is even. */
export function parity(width: Width, result: Expr): Expr {
  const { i32: x } = width.lifter.w;
  return x.and(x.xor(x.popcnt(x.and(width.low(result), x.const(0xff))), x.const(1)), x.const(1));
}

/** ZF, SF and PF, which depend on the result alone. */
function resultFlag(width: Width, result: () => Expr, flag: FlagSet): Expr {
  if (flag === ZF) return width.zero(result());
  if (flag === SF) return width.negative(result());
  return parity(width, result());
}
const carryOfNibble = (width: Width, a: Source, b: Source, result: Source): Expr =>
  width.bit(width.ops.xor(width.ops.xor(a.get(), b.get()), result.get()), 4);
const valuesOf = (...sources: readonly Source[]): readonly Value[] => sources.flatMap((source) => source.values);
const unknown = (flag: FlagSet): never => {
  throw new Error(`flag ${flag} is not defined by this operation`);
};

/** True if the flags read later are functions of the result alone, so that operands need not be kept. */
export const onlyResultFlags = (lifter: Lifter): boolean => (lifter.flagsLive & (CF | AF | OF)) === 0;

/** AND, OR, XOR, TEST: CF = OF = 0; AF (undefined) 0. */
export function logicFlags(width: Width, result: Source): FlagDefinition {
  const { w } = width.lifter;
  const { ops } = width;
  return {
    defines: STATUS_FLAGS,
    values: result.values,
    flag: (flag) => (flag & RESULT_FLAGS ? resultFlag(width, result.get, flag) : w.i32.const(0)),
    condition: (condition) => {
      switch (condition) {
        case "e":
        case "be":
          return width.zero(result.get());
        case "ne":
        case "a":
          return ops.ne(result.get(), width.const(0));
        case "s":
        case "l":
          return width.negative(result.get());
        case "ns":
        case "ge":
          return ops.ge_s(width.signed(result.get()), width.const(0));
        case "le":
          return ops.le_s(width.signed(result.get()), width.const(0));
        case "g":
          return ops.gt_s(width.signed(result.get()), width.const(0));
        case "o":
        case "b":
          return w.i32.const(0);
        case "no":
        case "ae":
          return w.i32.const(1);
        default:
          return undefined;
      }
    },
  };
}

/** Conditions that only look at ZF or SF. */
function resultCondition(width: Width, result: () => Expr, condition: Condition): Expr | undefined {
  switch (condition) {
    case "e":
      return width.zero(result());
    case "ne":
      return width.ops.ne(result(), width.const(0));
    case "s":
      return width.negative(result());
    case "ns":
      return width.ops.ge_s(width.signed(result()), width.const(0));
    default:
      return undefined;
  }
}

/**
 * For an operation that writes `defines`, of which nothing but ZF, SF and PF (functions of the result) is read later.
 */
export function resultFlags(width: Width, result: Source, defines: FlagSet = STATUS_FLAGS): FlagDefinition {
  return {
    defines,
    values: result.values,
    flag: (flag) => resultFlag(width, result.get, flag),
    condition: (condition) => resultCondition(width, result.get, condition),
  };
}

/** a + b, `result` cut to the width. */
export function addFlags(width: Width, a: Source, b: Source, result: Source): FlagDefinition {
  const { ops } = width;
  return {
    defines: STATUS_FLAGS,
    values: valuesOf(a, b, result),
    flag: (flag) => {
      if (flag === CF) return ops.lt_u(result.get(), a.get());
      if (flag === OF) return addOverflow(width, a, b, result);
      if (flag === AF) return carryOfNibble(width, a, b, result);
      return resultFlag(width, result.get, flag);
    },
    condition: (condition) => {
      if (condition === "ae") return ops.ge_u(result.get(), a.get());
      return resultCondition(width, result.get, condition);
    },
  };
}
const addOverflow = (width: Width, a: Source, b: Source, result: Source): Expr =>
  width.negative(width.ops.and(width.ops.xor(a.get(), result.get()), width.ops.xor(b.get(), result.get())));
const subOverflow = (width: Width, a: Source, b: Source, result: () => Expr): Expr =>
  width.negative(width.ops.and(width.ops.xor(a.get(), b.get()), width.ops.xor(a.get(), result())));

/** a - b; without `result` (CMP) it is computed where a flag needs it. */
export function subFlags(width: Width, a: Source, b: Source, result?: Source): FlagDefinition {
  const { ops } = width;
  const difference = result ? result.get : () => width.cut(ops.sub(a.get(), b.get()));
  const signedA = () => width.signed(a.get());
  const signedB = () => width.signed(b.get());
  return {
    defines: STATUS_FLAGS,
    values: result ? valuesOf(a, b, result) : valuesOf(a, b),
    flag: (flag) => {
      switch (flag) {
        case CF:
          return ops.lt_u(a.get(), b.get());
        case ZF:
          return ops.eq(a.get(), b.get());
        case OF:
          return subOverflow(width, a, b, difference);
        case AF:
          return width.bit(ops.xor(ops.xor(a.get(), b.get()), difference()), 4);
        default:
          return resultFlag(width, difference, flag);
      }
    },
    condition: (condition) => {
      switch (condition) {
        case "b":
          return ops.lt_u(a.get(), b.get());
        case "ae":
          return ops.ge_u(a.get(), b.get());
        case "e":
          return ops.eq(a.get(), b.get());
        case "ne":
          return ops.ne(a.get(), b.get());
        case "be":
          return ops.le_u(a.get(), b.get());
        case "a":
          return ops.gt_u(a.get(), b.get());
        case "l":
          return ops.lt_s(signedA(), signedB());
        case "ge":
          return ops.ge_s(signedA(), signedB());
        case "le":
          return ops.le_s(signedA(), signedB());
        case "g":
          return ops.gt_s(signedA(), signedB());
        default:
          return resultCondition(width, difference, condition);
      }
    },
  };
}

/** a + b + carry; `carry` is an i32 of 0 or 1. */
export function adcFlags(width: Width, a: Source, b: Source, carry: Source, result: Source): FlagDefinition {
  const { w } = width.lifter;
  const { ops } = width;
  return {
    defines: STATUS_FLAGS,
    values: valuesOf(a, b, carry, result),
    flag: (flag) => {
      // Equal to `a` with a carry in means that b + carry was 2^bits.
      if (flag === CF)
        return w.i32.or(ops.lt_u(result.get(), a.get()), w.i32.and(carry.get(), ops.eq(result.get(), a.get())));
      if (flag === OF) return addOverflow(width, a, b, result);
      if (flag === AF) return carryOfNibble(width, a, b, result);
      return resultFlag(width, result.get, flag);
    },
    condition: (condition) => resultCondition(width, result.get, condition),
  };
}
/** a - b - borrow. */
export function sbbFlags(width: Width, a: Source, b: Source, borrow: Source, result: Source): FlagDefinition {
  const { w } = width.lifter;
  const { ops } = width;
  return {
    defines: STATUS_FLAGS,
    values: valuesOf(a, b, borrow, result),
    flag: (flag) => {
      if (flag === CF) return w.i32.or(ops.lt_u(a.get(), b.get()), w.i32.and(borrow.get(), ops.eq(a.get(), b.get())));
      if (flag === OF) return subOverflow(width, a, b, result.get);
      if (flag === AF) return carryOfNibble(width, a, b, result);
      return resultFlag(width, result.get, flag);
    },
    condition: (condition) => resultCondition(width, result.get, condition),
  };
}

/** INC and DEC: all but CF. */
export function stepFlags(width: Width, up: boolean, result: Source): FlagDefinition {
  const { w } = width.lifter;
  const { ops } = width;
  const lowest = () => ops.shl(width.const(1), width.const(width.bits - 1));
  return {
    defines: STATUS_FLAGS & ~CF,
    values: result.values,
    flag: (flag) => {
      if (flag === OF) return ops.eq(result.get(), up ? lowest() : ops.sub(lowest(), width.const(1)));
      if (flag === AF) return w.i32.eq(w.i32.and(width.low(result.get()), w.i32.const(15)), w.i32.const(up ? 0 : 15));
      return resultFlag(width, result.get, flag);
    },
    condition: (condition) => resultCondition(width, result.get, condition),
  };
}

/** Flags with values of their own: `get(flag)` must give 0 or 1. */
export function givenFlags(defines: FlagSet, values: readonly Value[], flag: (flag: FlagSet) => Expr): FlagDefinition {
  return { defines, values, flag };
}
/** The same constant, 0 or 1, for each of `defines`. */
export function constantFlags(lifter: Lifter, defines: FlagSet, value: 0 | 1): FlagDefinition {
  return { defines, values: NO_VALUES, flag: () => lifter.w.i32.const(value) };
}

/** `inner` if the i32 `happened` is not zero, else the flags from before. */
export function flagsWhen(lifter: Lifter, happened: Source, inner: FlagDefinition): FlagDefinition {
  const old = new Map<FlagSet, Value>();
  for (let flag = 1; flag <= inner.defines; flag <<= 1)
    if (inner.defines & lifter.flagsLive & flag) old.set(flag, lifter.value(i32, lifter.flag(flag)));
  return {
    defines: inner.defines,
    values: [...inner.values, ...happened.values, ...old.values()],
    flag: (flag) => lifter.w.select(happened.get(), inner.flag(flag), lifter.get(old.get(flag) ?? unknown(flag))),
  };
}
