/** Integer arithmetic of one operand size as Wasm expressions. */
import { OP_IMM, type Operand } from "../decode.js";
import { i32, i64, type Expr, type Type, type WasmBuilder } from "../wasm.js";
import type { Lifter, Value } from "./lifter.js";

/** A value that can be read any number of times: temporaries, or a constant that needs none. */
export interface Source {
  readonly get: () => Expr;
  readonly values: readonly Value[];
}

/**
 * Operand size 1, 2 or 4 bytes in i32, 8 bytes in i64. Values of 1 and 2 bytes are kept zero-extended; `cut` restores
 * that after an operation that may carry out of them.
 */
export class Width {
  readonly size: number;
  readonly bits: number;
  readonly type: Type;
  readonly ops: WasmBuilder["i32"] | WasmBuilder["i64"];
  readonly lifter: Lifter;
  private readonly w: WasmBuilder;

  constructor(lifter: Lifter, size: number) {
    this.lifter = lifter;
    this.w = lifter.w;
    this.size = size;
    this.bits = size * 8;
    this.type = size === 8 ? i64 : i32;
    this.ops = size === 8 ? lifter.w.i64 : lifter.w.i32;
  }

  const(value: number): Expr {
    return this.ops.const(value);
  }
  cut(value: Expr): Expr {
    if (this.size >= 4) return value;
    return this.w.i32.and(value, this.w.i32.const(this.size === 1 ? 0xff : 0xffff));
  }
  /** The value as a signed number of the Wasm type. */
  signed(value: Expr): Expr {
    if (this.size === 1) return this.w.i32.extend8_s(value);
    if (this.size === 2) return this.w.i32.extend16_s(value);
    return value;
  }
  /** The low 32 bits. */
  low(value: Expr): Expr {
    return this.size === 8 ? this.w.i32.wrap(value) : value;
  }
  /** An i32 widened without sign. */
  fromI32(value: Expr): Expr {
    return this.size === 8 ? this.w.i64.extend_i32_u(value) : value;
  }
  /** 1 if the sign bit is set, else 0. Bits above the size are ignored. */
  negative(value: Expr): Expr {
    if (this.size >= 4) return this.ops.lt_s(value, this.const(0));
    return this.bit(value, this.bits - 1);
  }
  /** One bit as 0 or 1 (i32). */
  bit(value: Expr, position: number): Expr {
    const { w } = this;
    const low = position === 0 ? value : this.ops.shr_u(value, this.const(position));
    return w.i32.and(this.low(low), w.i32.const(1));
  }
  zero(value: Expr): Expr {
    return this.ops.eqz(value);
  }
  not(value: Expr): Expr {
    return this.ops.xor(value, this.const(this.size === 1 ? 0xff : this.size === 2 ? 0xffff : -1));
  }

  /** Evaluates now and keeps. */
  keep(value: Expr): Source {
    return sourceOf(this.lifter, this.lifter.value(this.type, value));
  }
  /** Reads an operand now; an immediate needs no temporary. */
  capture(operand: Operand): Source {
    const { lifter } = this;
    if (operand.kind === OP_IMM) return { get: () => lifter.immediate(operand, false), values: [] };
    return this.keep(lifter.read(operand));
  }
  constant(value: number): Source {
    return { get: () => this.const(value), values: [] };
  }
}

export const sourceOf = (lifter: Lifter, value: Value): Source => ({ get: () => lifter.get(value), values: [value] });
