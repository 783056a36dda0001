/**
 * Read-modify-write of a memory operand, plain or atomic (LOCK).
 *
 * Wasm's atomic accesses trap when they are not aligned, where x86 only gets slower; that is kept (a quirk), because an
 * access that is not atomic would be wrong without a sign of it.
 */
import { OP_MEM, type Insn, type Operand } from "../decode.js";
import type { AtomicRmw, Expr } from "../wasm.js";
import type { Place } from "./lifter.js";
import type { Lifter } from "./lifter.js";
import type { Source, Width } from "./width.js";

export const isLocked = (insn: Insn): boolean => insn.lock && insn.operands[0]!.kind === OP_MEM;

/** Atomic operation on `place`; the old value. */
export function atomicUpdate(lifter: Lifter, width: Width, place: Place, op: AtomicRmw, value: Expr): Source {
  const { base, offset } = lifter.placeAddress(place);
  return width.keep(lifter.mark(lifter.w.atomicRmw(op, width.type, width.size, base, value, offset)));
}

/** Atomic compare and exchange on `place`; the old value. */
export function atomicExchange(lifter: Lifter, width: Width, place: Place, expected: Expr, value: Expr): Source {
  const { base, offset } = lifter.placeAddress(place);
  return width.keep(lifter.mark(lifter.w.atomicCmpxchg(width.type, width.size, base, expected, value, offset)));
}

/** An atomic update that Wasm has no instruction for: a compare-exchange loop. `compute` may be called once only. */
export function atomicLoop(lifter: Lifter, width: Width, place: Place, compute: (old: Source) => Expr): Source {
  const { w } = lifter;
  const label = lifter.label();
  const old = lifter.fresh(width.type);
  const oldSource: Source = { get: () => lifter.get(old), values: [old] };
  lifter.assign(old, lifter.loadAt(lifter.placeAddress(place), width.size, false));
  const body = lifter.nested(() => {
    const expected = width.keep(oldSource.get());
    const seen = atomicExchange(lifter, width, place, expected.get(), compute(expected));
    lifter.assign(old, seen.get());
    lifter.emit(w.br(label, width.ops.ne(seen.get(), expected.get())));
  });
  lifter.emit(w.loop(label, body));
  return oldSource;
}

/** Both operands and the result of `target op= source`, all kept. */
export interface Binary {
  readonly a: Source;
  readonly b: Source;
  readonly result: Source;
}

/**
 * `target = compute(target, b)` with everything kept for flags. With LOCK by `op` where Wasm has it, else by a loop.
 * A register target is not written yet: the caller does that by `finish`, when it has read all it needs.
 */
export function updateKeeping(
  lifter: Lifter,
  width: Width,
  insn: Insn,
  target: Operand,
  b: Source,
  compute: (a: Source, b: Source) => Expr,
  op?: AtomicRmw,
): Binary {
  if (target.kind !== OP_MEM) {
    const a = width.keep(lifter.read(target));
    const result = width.keep(width.cut(compute(a, b)));
    lifter.write(target, result.get());
    return { a, b, result };
  }
  const place = lifter.place(target);
  if (isLocked(insn)) {
    const a = op
      ? atomicUpdate(lifter, width, place, op, b.get())
      : atomicLoop(lifter, width, place, (old) => width.cut(compute(old, b)));
    return { a, b, result: width.keep(width.cut(compute(a, b))) };
  }
  const a = width.keep(lifter.loadAt(lifter.placeAddress(place), width.size, false));
  const result = width.keep(width.cut(compute(a, b)));
  lifter.storeAt(lifter.placeAddress(place), width.size, result.get());
  return { a, b, result };
}
/** The same without anything kept. */
export function updateOnly(
  lifter: Lifter,
  width: Width,
  insn: Insn,
  target: Operand,
  source: Expr,
  compute: (a: Expr, b: Expr) => Expr,
  op: AtomicRmw,
): void {
  const { w } = lifter;
  if (target.kind !== OP_MEM) {
    lifter.write(target, compute(lifter.read(target), source));
    return;
  }
  if (isLocked(insn)) {
    const { base, offset } = lifter.address(target);
    lifter.emit(w.drop(lifter.mark(w.atomicRmw(op, width.type, width.size, base, source, offset))));
    return;
  }
  updateOnlyPlain(lifter, width, target, (old) => compute(old, source));
}

/** An update that has no LOCK form, without anything kept. */
export function updateOnlyPlain(lifter: Lifter, width: Width, target: Operand, compute: (old: Expr) => Expr): void {
  if (target.kind !== OP_MEM) {
    lifter.write(target, compute(lifter.read(target)));
    return;
  }
  const place = lifter.place(target);
  const old = lifter.loadAt(lifter.placeAddress(place), width.size, false);
  lifter.storeAt(lifter.placeAddress(place), width.size, compute(old));
}
