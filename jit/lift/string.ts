/**
 * String instructions: STOS, MOVS, LODS, SCAS, CMPS, single and repeated.
 *
 * A repeated STOS or MOVS is one `memory.fill` or `memory.copy` where that is the same. Those check
 * their bounds before they write anything, so a fault finds the registers as before the instruction; a loop that
 * faults midway does as well, having done part of the work. Restarting is right in both cases.
 */
import { OP_MEM, type Insn, type Operand } from "../decode.js";
import { DF, gprBit, RAX, RCX, RDI, RSI, STATUS_FLAGS, type FlagSet, type RegisterSet } from "../registers.js";
import { GUEST, i32, i64, type Expr } from "../wasm.js";
import type { InstructionEntry } from "./entry.js";
import { flagsWhen, subFlags } from "./flag-definitions.js";
import type { Lifter, Value } from "./lifter.js";
import { gprOperand } from "./operands.js";
import { sourceOf, Width, type Source } from "./width.js";

const repeated = (insn: Insn): boolean => insn.rep || insn.repne;

/** What is added to a pointer for each element: the size, negative if DF is set. */
function stepOf(lifter: Lifter, size: number): Value {
  const { w } = lifter;
  return lifter.value(i64, w.select(lifter.flag(DF), w.i64.const(-size), w.i64.const(size)));
}
const advance = (lifter: Lifter, register: number, step: Value): void =>
  lifter.setGpr(register, lifter.w.i64.add(lifter.gpr(register), lifter.get(step)));
const load = (lifter: Lifter, operand: Operand): Expr => lifter.loadAt(lifter.address(operand), operand.size, false);

/** `body` once for each of RCX elements, counting RCX down; `goOn` is a further condition for the next round. */
function loop(lifter: Lifter, body: () => void, goOn?: () => Expr): void {
  const { w } = lifter;
  const label = lifter.label();
  const round = lifter.nested(() => {
    body();
    lifter.setGpr(RCX, w.i64.sub(lifter.gpr(RCX), w.i64.const(1)));
    const more = w.i64.ne(lifter.gpr(RCX), w.i64.const(0));
    lifter.emit(w.br(label, goOn ? w.i32.and(more, goOn()) : more));
  });
  lifter.emit(w.loop(label, round));
}
const ifAny = (lifter: Lifter, build: () => void): void =>
  lifter.emit(lifter.w.if(lifter.w.i64.ne(lifter.gpr(RCX), lifter.w.i64.const(0)), lifter.nested(build)));

/** A repeated operation as one block of memory. */
interface Bulk {
  /** Size in bytes (i32); -1 for more than there can be, which traps. */
  readonly bytes: Value;
  /** What is added to the pointers (i64). */
  readonly distance: Value;
  /** Lowest address of the block that an element pointer's operand begins. */
  readonly lowest: (operand: Operand) => Value;
}
function bulk(lifter: Lifter, size: number): Bulk {
  const { w } = lifter;
  const tooMany = w.i64.gt_u(lifter.gpr(RCX), w.i64.const(Math.floor(0xffffffff / size)));
  const product = w.i32.mul(lifter.gpr32(RCX), w.i32.const(size));
  const bytes = lifter.value(i32, w.select(tooMany, w.i32.const(-1), product));
  const up = () => w.i64.extend_i32_u(lifter.get(bytes));
  const distance = lifter.value(i64, w.select(lifter.flag(DF), w.i64.sub(w.i64.const(0), up()), up()));
  /** Downwards the block ends with the first element. */
  const toLowest = lifter.value(
    i32,
    w.select(lifter.flag(DF), w.i32.sub(w.i32.const(size), lifter.get(bytes)), w.i32.const(0)),
  );
  return {
    bytes,
    distance,
    lowest: (operand) => {
      const { base } = lifter.place(operand);
      return lifter.value(i32, w.i32.add(lifter.get(base), lifter.get(toLowest)));
    },
  };
}
const isTooMuch = (lifter: Lifter, { bytes }: Bulk): Expr => lifter.w.i32.eq(lifter.get(bytes), lifter.w.i32.const(-1));
/** After a bulk operation: the pointers moved, RCX 0. */
function finishBulk(lifter: Lifter, { distance }: Bulk, ...pointers: readonly number[]): void {
  for (const register of pointers) advance(lifter, register, distance);
  lifter.setGpr(RCX, lifter.w.i64.const(0));
}

function stos(lifter: Lifter, insn: Insn): void {
  const { w } = lifter;
  const [target, accumulator] = insn.operands;
  const { size } = target!;
  const store = () => lifter.storeAt(lifter.address(target!), size, lifter.read(accumulator!));
  if (!repeated(insn)) {
    const step = stepOf(lifter, size);
    store();
    advance(lifter, RDI, step);
    return;
  }
  ifAny(lifter, () => {
    const byte = () => w.i32.and(lifter.gpr32(RAX), w.i32.const(0xff));
    const whole = bulk(lifter, size);
    const to = whole.lowest(target!);
    const fill = lifter.nested(() => {
      lifter.emit(lifter.mark(w.memoryFill(GUEST, lifter.get(to), byte(), lifter.get(whole.bytes))));
      finishBulk(lifter, whole, RDI);
    });
    if (size === 1) {
      lifter.emit(fill);
      return;
    }
    const slow = lifter.nested(() => {
      const step = stepOf(lifter, size);
      loop(lifter, () => {
        store();
        advance(lifter, RDI, step);
      });
    });
    const width = new Width(lifter, size);
    const pattern = size === 8 ? w.i64.const(0x0101010101010101n) : w.i32.const(size === 4 ? 0x01010101 : 0x0101);
    // All bytes of the element are the same.
    const uniform = width.ops.eq(lifter.read(accumulator!), width.ops.mul(width.fromI32(byte()), pattern));
    lifter.emit(w.if(w.i32.or(uniform, isTooMuch(lifter, whole)), fill, slow));
  });
}

function movs(lifter: Lifter, insn: Insn): void {
  const { w } = lifter;
  const [target, source] = insn.operands;
  const { size } = target!;
  const moveOne = (step: Value) => {
    lifter.storeAt(lifter.address(target!), size, load(lifter, source!));
    advance(lifter, RSI, step);
    advance(lifter, RDI, step);
  };
  if (!repeated(insn)) {
    moveOne(stepOf(lifter, size));
    return;
  }
  ifAny(lifter, () => {
    const whole = bulk(lifter, size);
    const from = whole.lowest(source!);
    const to = whole.lowest(target!);
    const copy = lifter.nested(() => {
      lifter.emit(lifter.mark(w.memoryCopy(GUEST, lifter.get(to), lifter.get(from), lifter.get(whole.bytes))));
      finishBulk(lifter, whole, RSI, RDI);
    });
    const slow = lifter.nested(() => {
      const step = stepOf(lifter, size);
      loop(lifter, () => moveOne(step));
    });
    // What is written and read again later is repeated by the loop, but not by memory.copy.
    const ahead = w.select(
      lifter.flag(DF),
      w.i32.sub(lifter.get(from), lifter.get(to)),
      w.i32.sub(lifter.get(to), lifter.get(from)),
    );
    const apart = w.i32.ge_u(ahead, lifter.get(whole.bytes));
    lifter.emit(w.if(w.i32.or(apart, isTooMuch(lifter, whole)), copy, slow));
  });
}

function lods(lifter: Lifter, insn: Insn): void {
  const [accumulator, source] = insn.operands;
  const width = new Width(lifter, source!.size);
  const step = stepOf(lifter, source!.size);
  const one = () => {
    const value = width.keep(load(lifter, source!));
    advance(lifter, RSI, step);
    lifter.write(accumulator!, value.get());
  };
  if (repeated(insn)) ifAny(lifter, () => loop(lifter, one));
  else one();
}

/** SCAS compares the accumulator with [RDI], CMPS [RSI] with [RDI]. */
function compare(isScan: boolean): InstructionEntry["lift"] {
  return (lifter, insn) => {
    const { w } = lifter;
    const [first, second] = insn.operands;
    const { size } = second!;
    const width = new Width(lifter, size);
    const step = stepOf(lifter, size);
    const a = lifter.fresh(width.type);
    const b = lifter.fresh(width.type);
    const one = () => {
      lifter.assign(a, isScan ? lifter.read(gprOperand(RAX, size)) : load(lifter, first!));
      lifter.assign(b, load(lifter, second!));
      if (!isScan) advance(lifter, RSI, step);
      advance(lifter, RDI, step);
    };
    const sources: [Source, Source] = [sourceOf(lifter, a), sourceOf(lifter, b)];
    if (!repeated(insn)) {
      one();
      lifter.define(subFlags(width, ...sources));
      return;
    }
    const happened = sourceOf(lifter, lifter.value(i32, w.i64.ne(lifter.gpr(RCX), w.i64.const(0))));
    const goOn = () => (insn.repne ? width.ops.ne : width.ops.eq)(lifter.get(a), lifter.get(b));
    ifAny(lifter, () => loop(lifter, one, goOn));
    lifter.define(flagsWhen(lifter, happened, subFlags(width, ...sources)));
  };
}

const writesPointers =
  (...pointers: readonly number[]) =>
  (insn: Insn): RegisterSet =>
    pointers.reduce((set, register) => set | gprBit(register), repeated(insn) ? gprBit(RCX) : 0);
const readsCount = (insn: Insn): RegisterSet => (repeated(insn) ? gprBit(RCX) : 0);
/** With a count of zero nothing is compared. */
const compareFlagsKept = (insn: Insn): FlagSet => (repeated(insn) ? STATUS_FLAGS : 0);
/** Not the SSE instructions of the same name (MOVSD, CMPSD), and only 64-bit addresses. */
const stringForm = ({ operands }: Insn): boolean =>
  operands.length === 2 && operands.every(({ kind, addr32 }) => kind === OP_MEM && !addr32);
const accumulatorForm = ({ operands }: Insn): boolean => operands.every(({ addr32 }) => !addr32);

const SUFFIXES = [
  ["b", 1],
  ["w", 2],
  ["d", 4],
  ["q", 8],
] as const;
/** The four sizes of one operation; `opcode` is the one of the byte form. */
function family(
  name: string,
  opcode: number,
  operands: InstructionEntry["operands"],
  repPrefixes: readonly string[],
  rest: Pick<InstructionEntry, "lift" | "writes" | "flagsRead" | "flagsWritten" | "flagsKept">,
): readonly InstructionEntry[] {
  return SUFFIXES.map(([suffix, size]): InstructionEntry => {
    const bytes =
      (size === 2 ? "66" : "") + "%" + (size === 8 ? "48" : "") + (size === 1 ? opcode : opcode + 1).toString(16);
    return {
      mnemonic: name + suffix,
      form: name === "Movs" || name === "Cmps" ? stringForm : accumulatorForm,
      operands,
      reads: readsCount,
      cpuid: "base",
      samples: ["", ...repPrefixes].map((prefix) => bytes.replace("%", prefix)),
      ...rest,
    };
  });
}

export const STRING: readonly InstructionEntry[] = [
  ...family("Stos", 0xaa, ["w", "r"], ["f3"], { lift: stos, writes: writesPointers(RDI), flagsRead: DF }),
  ...family("Movs", 0xa4, ["w", "r"], ["f3"], { lift: movs, writes: writesPointers(RSI, RDI), flagsRead: DF }),
  ...family("Lods", 0xac, (insn) => [repeated(insn) ? "rw" : "w", "r"], ["f3"], {
    lift: lods,
    writes: writesPointers(RSI),
    flagsRead: DF,
  }),
  ...family("Scas", 0xae, ["r", "r"], ["f3", "f2"], {
    lift: compare(true),
    writes: writesPointers(RDI),
    flagsRead: DF,
    flagsWritten: STATUS_FLAGS,
    flagsKept: compareFlagsKept,
  }),
  ...family("Cmps", 0xa6, ["r", "r"], ["f3", "f2"], {
    lift: compare(false),
    writes: writesPointers(RSI, RDI),
    flagsRead: DF,
    flagsWritten: STATUS_FLAGS,
    flagsKept: compareFlagsKept,
  }),
];
