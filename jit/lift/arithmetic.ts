/** Integer addition, subtraction, comparison; multiplication and division are in multiply.ts. */
import { OP_GPR, OP_MEM, type Insn, type Operand } from "../decode.js";
import { CF, gprBit, RAX, RBX, RCX, RDX, STATUS_FLAGS, ZF } from "../registers.js";
import { i32 } from "../wasm.js";
import type { Access, InstructionEntry } from "./entry.js";
import {
  adcFlags,
  addFlags,
  givenFlags,
  onlyResultFlags,
  resultFlags,
  sbbFlags,
  stepFlags,
  subFlags,
} from "./flag-definitions.js";
import type { Lifter } from "./lifter.js";
import { atomicExchange, atomicUpdate, isLocked, updateKeeping, updateOnly, updateOnlyPlain } from "./locked.js";
import { gprOperand } from "./operands.js";
import { sourceOf, Width, type Source } from "./width.js";

/** Same register twice: the old value does not matter (except SBB's borrow). */
export function isSameRegister(insn: Insn): boolean {
  const [a, b] = insn.operands;
  return a!.kind === OP_GPR && b!.kind === OP_GPR && a!.reg === b!.reg && a!.high === b!.high && a!.size === b!.size;
}
export const cleared = (insn: Insn): readonly Access[] => (isSameRegister(insn) ? ["w", "-"] : ["rw", "r"]);

/** Writes zero. */
export function clear(lifter: Lifter, target: Operand): void {
  if (target.size >= 4) lifter.setGpr(target.reg, lifter.w.i64.const(0));
  else lifter.write(target, lifter.w.i32.const(0));
}

function add(lifter: Lifter, insn: Insn): void {
  const [target, source] = insn.operands;
  const width = new Width(lifter, target!.size);
  const { ops } = width;
  if ((lifter.flagsLive & STATUS_FLAGS) === 0) {
    updateOnly(lifter, width, insn, target!, lifter.read(source!), (a, b) => ops.add(a, b), "add");
    return;
  }
  const b = width.capture(source!);
  const { a, result } = updateKeeping(lifter, width, insn, target!, b, (x, y) => ops.add(x.get(), y.get()), "add");
  lifter.define(onlyResultFlags(lifter) ? resultFlags(width, result) : addFlags(width, a, b, result));
}

function sub(lifter: Lifter, insn: Insn): void {
  const [target, source] = insn.operands;
  const width = new Width(lifter, target!.size);
  const { ops } = width;
  if (isSameRegister(insn)) {
    clear(lifter, target!);
    lifter.define(subFlags(width, width.constant(0), width.constant(0)));
    return;
  }
  if ((lifter.flagsLive & STATUS_FLAGS) === 0) {
    updateOnly(lifter, width, insn, target!, lifter.read(source!), (a, b) => ops.sub(a, b), "sub");
    return;
  }
  const b = width.capture(source!);
  const { a, result } = updateKeeping(lifter, width, insn, target!, b, (x, y) => ops.sub(x.get(), y.get()), "sub");
  lifter.define(onlyResultFlags(lifter) ? resultFlags(width, result) : subFlags(width, a, b, result));
}

function cmp(lifter: Lifter, insn: Insn): void {
  const [first, second] = insn.operands;
  const width = new Width(lifter, first!.size);
  if ((lifter.flagsLive & STATUS_FLAGS) === 0) {
    // The access may still fault.
    for (const operand of insn.operands) if (operand.kind === OP_MEM) lifter.emit(lifter.w.drop(lifter.read(operand)));
    return;
  }
  const a = width.capture(first!);
  const b = isSameRegister(insn) ? a : width.capture(second!);
  lifter.define(subFlags(width, a, b));
}

function adc(lifter: Lifter, insn: Insn): void {
  const [target, source] = insn.operands;
  const width = new Width(lifter, target!.size);
  const { ops } = width;
  const carry = sourceOf(lifter, lifter.value(i32, lifter.flag(CF)));
  const b = width.capture(source!);
  const sum = (x: Source, y: Source) => ops.add(ops.add(x.get(), y.get()), width.fromI32(carry.get()));
  const { a, result } = updateKeeping(lifter, width, insn, target!, b, sum);
  lifter.define(adcFlags(width, a, b, carry, result));
}

function sbb(lifter: Lifter, insn: Insn): void {
  const [target, source] = insn.operands;
  const width = new Width(lifter, target!.size);
  const { ops } = width;
  const borrow = sourceOf(lifter, lifter.value(i32, lifter.flag(CF)));
  if (isSameRegister(insn)) {
    const zero = width.constant(0);
    const result = width.keep(width.cut(ops.sub(width.const(0), width.fromI32(borrow.get()))));
    lifter.write(target!, result.get());
    lifter.define(sbbFlags(width, zero, zero, borrow, result));
    return;
  }
  const b = width.capture(source!);
  const difference = (x: Source, y: Source) => ops.sub(ops.sub(x.get(), y.get()), width.fromI32(borrow.get()));
  const { a, result } = updateKeeping(lifter, width, insn, target!, b, difference);
  lifter.define(sbbFlags(width, a, b, borrow, result));
}

function neg(lifter: Lifter, insn: Insn): void {
  const target = insn.operands[0]!;
  const width = new Width(lifter, target.size);
  if ((lifter.flagsLive & STATUS_FLAGS) === 0 && !isLocked(insn)) {
    updateOnlyPlain(lifter, width, target, (old) => width.ops.sub(width.const(0), old));
    return;
  }
  const zero = width.constant(0);
  const negate = (old: Source) => width.ops.sub(width.const(0), old.get());
  const { a, result } = updateKeeping(lifter, width, insn, target, zero, negate);
  lifter.define(subFlags(width, zero, a, result));
}

function step(up: boolean): InstructionEntry["lift"] {
  return (lifter, insn) => {
    const target = insn.operands[0]!;
    const width = new Width(lifter, target.size);
    const { ops } = width;
    const op = up ? "add" : "sub";
    if ((lifter.flagsLive & STATUS_FLAGS & ~CF) === 0) {
      updateOnly(lifter, width, insn, target, width.const(1), (a, b) => ops[op](a, b), op);
      return;
    }
    const one = width.constant(1);
    const { result } = updateKeeping(lifter, width, insn, target, one, (a, b) => ops[op](a.get(), b.get()), op);
    lifter.define(stepFlags(width, up, result));
  };
}

function xadd(lifter: Lifter, insn: Insn): void {
  const [target, source] = insn.operands;
  const width = new Width(lifter, target!.size);
  const b = width.capture(source!);
  const sum = (x: Source) => width.cut(width.ops.add(x.get(), b.get()));
  let a: Source;
  let result: Source;
  if (target!.kind !== OP_MEM) {
    a = width.keep(lifter.read(target!));
    result = width.keep(sum(a));
    lifter.write(source!, a.get());
    lifter.write(target!, result.get());
  } else {
    const place = lifter.place(target!);
    if (isLocked(insn)) {
      a = atomicUpdate(lifter, width, place, "add", b.get());
      result = width.keep(sum(a));
    } else {
      a = width.keep(lifter.loadAt(lifter.placeAddress(place), width.size, false));
      result = width.keep(sum(a));
      lifter.storeAt(lifter.placeAddress(place), width.size, result.get());
    }
    lifter.write(source!, a.get());
  }
  lifter.define(addFlags(width, a, b, result));
}

/** Compares the accumulator with the target: equal, the target becomes the source; else the accumulator the target. */
function cmpxchg(lifter: Lifter, insn: Insn): void {
  const { w } = lifter;
  const [target, source] = insn.operands;
  const { size } = target!;
  const width = new Width(lifter, size);
  const accumulator = gprOperand(RAX, size);
  const expected = width.keep(lifter.read(accumulator));
  let old: Source;
  if (target!.kind === OP_MEM) {
    const place = lifter.place(target!);
    if (isLocked(insn)) old = atomicExchange(lifter, width, place, expected.get(), lifter.read(source!));
    else {
      old = width.keep(lifter.loadAt(lifter.placeAddress(place), size, false));
      const equal = width.ops.eq(expected.get(), old.get());
      // The processor writes in both cases.
      lifter.storeAt(lifter.placeAddress(place), size, w.select(equal, lifter.read(source!), old.get()));
    }
  } else {
    old = width.keep(lifter.read(target!));
    // On failure not even the upper half of a 32-bit target's register changes.
    const equal = width.ops.eq(expected.get(), old.get());
    lifter.emit(
      w.if(
        equal,
        lifter.nested(() => lifter.write(target!, lifter.read(source!))),
      ),
    );
  }
  // Written only on failure: on success the accumulator keeps even the upper half of its register.
  const failed = width.ops.ne(expected.get(), old.get());
  lifter.emit(
    w.if(
      failed,
      lifter.nested(() => lifter.write(accumulator, old.get())),
    ),
  );
  lifter.define(subFlags(width, expected, old));
}

/** EDX:EAX with a quadword of memory: equal, it becomes ECX:EBX; else EDX:EAX becomes it. Only ZF tells. */
function cmpxchg8b(lifter: Lifter, insn: Insn): void {
  const { w } = lifter;
  const width = new Width(lifter, 8);
  const joined = (high: number, low: number) =>
    w.i64.or(w.i64.shl(lifter.gpr(high), w.i64.const(32)), w.i64.and(lifter.gpr(low), w.i64.const(0xffffffffn)));
  const expected = width.keep(joined(RDX, RAX));
  const place = lifter.place(insn.operands[0]!);
  let old: Source;
  if (isLocked(insn)) old = atomicExchange(lifter, width, place, expected.get(), joined(RCX, RBX));
  else {
    old = width.keep(lifter.loadAt(lifter.placeAddress(place), 8, false));
    const replacement = w.select(w.i64.eq(expected.get(), old.get()), joined(RCX, RBX), old.get());
    lifter.storeAt(lifter.placeAddress(place), 8, replacement);
  }
  const failed = lifter.nested(() => {
    lifter.setGpr32(RAX, w.i32.wrap(old.get()));
    lifter.setGpr32(RDX, w.i32.wrap(w.i64.shr_u(old.get(), w.i64.const(32))));
  });
  lifter.emit(w.if(w.i64.ne(expected.get(), old.get()), failed));
  lifter.define(givenFlags(ZF, [...expected.values, ...old.values], () => w.i64.eq(expected.get(), old.get())));
}

/** Encodings of an ALU operation by its number (ADD 0 ... CMP 7): all sizes, directions and immediates. */
export function aluSamples(op: number, lockable: boolean): readonly string[] {
  const hex = (low: number) => (op * 8 + low).toString(16).padStart(2, "0");
  const group = (mod: number, rm: number) => ((mod << 6) | (op << 3) | rm).toString(16).padStart(2, "0");
  const samples = [
    `48${hex(1)}d9`,
    `${hex(1)}d9`,
    `66${hex(1)}d9`,
    `${hex(0)}d9`,
    `${hex(0)}e9`,
    `48${hex(1)}c9`,
    `${hex(1)}c9`,
    `48${hex(3)}4b10`,
    `${hex(3)}4b10`,
    `66${hex(3)}4b10`,
    `${hex(2)}4b10`,
    `48${hex(1)}4b10`,
    `${hex(1)}4b10`,
    `66${hex(1)}4b10`,
    `${hex(0)}4b10`,
    `${hex(4)}81`,
    `66${hex(5)}8180`,
    `${hex(5)}81ffff7f`,
    `48${hex(5)}81ffffff`,
    `80${group(3, 3)}81`,
    `6681${group(3, 3)}8180`,
    `81${group(3, 3)}81ffff7f`,
    `4881${group(3, 3)}81ffffff`,
    `6683${group(3, 3)}81`,
    `83${group(3, 3)}01`,
    `4883${group(3, 3)}81`,
    `80${group(1, 3)}1081`,
    `6681${group(1, 3)}108180`,
    `4881${group(1, 3)}1081ffffff`,
    `81${group(1, 3)}1081ffff7f`,
    `6683${group(1, 3)}1081`,
    `83${group(1, 3)}1081`,
    `4883${group(1, 3)}1001`,
  ];
  if (lockable)
    samples.push(
      `f048${hex(1)}4b10`,
      `f0${hex(1)}4b10`,
      `f066${hex(1)}4b10`,
      `f0${hex(0)}4b10`,
      `f04883${group(1, 3)}1081`,
    );
  return samples;
}
/** The same for a group 3, 4 or 5 operation with one operand. */
export function unarySamples(byteOpcode: number, extension: number): readonly string[] {
  const byte = byteOpcode.toString(16);
  const word = (byteOpcode + 1).toString(16);
  const register = ((3 << 6) | (extension << 3) | 3).toString(16).padStart(2, "0");
  const memory = `${((1 << 6) | (extension << 3) | 3).toString(16).padStart(2, "0")}10`;
  return ["", "f0"].flatMap((lock) =>
    (lock ? [memory] : [register, memory]).flatMap((operand) => [
      `${lock}48${word}${operand}`,
      `${lock}${word}${operand}`,
      `${lock}66${word}${operand}`,
      `${lock}${byte}${operand}`,
    ]),
  );
}

export const ARITHMETIC: readonly InstructionEntry[] = [
  {
    mnemonic: "Add",
    operands: ["rw", "r"],
    flagsWritten: STATUS_FLAGS,
    cpuid: "base",
    lift: add,
    samples: aluSamples(0, true),
  },
  {
    mnemonic: "Adc",
    operands: ["rw", "r"],
    flagsRead: CF,
    flagsWritten: STATUS_FLAGS,
    cpuid: "base",
    lift: adc,
    samples: aluSamples(2, true),
  },
  {
    mnemonic: "Sbb",
    operands: cleared,
    flagsRead: CF,
    flagsWritten: STATUS_FLAGS,
    cpuid: "base",
    lift: sbb,
    samples: aluSamples(3, true),
  },
  {
    mnemonic: "Sub",
    operands: cleared,
    flagsWritten: STATUS_FLAGS,
    cpuid: "base",
    lift: sub,
    samples: aluSamples(5, true),
  },
  {
    mnemonic: "Cmp",
    operands: ["r", "r"],
    flagsWritten: STATUS_FLAGS,
    cpuid: "base",
    lift: cmp,
    samples: aluSamples(7, false),
  },
  {
    mnemonic: "Neg",
    operands: ["rw"],
    flagsWritten: STATUS_FLAGS,
    cpuid: "base",
    lift: neg,
    samples: unarySamples(0xf6, 3),
  },
  {
    mnemonic: "Inc",
    operands: ["rw"],
    flagsWritten: STATUS_FLAGS & ~CF,
    cpuid: "base",
    lift: step(true),
    samples: unarySamples(0xfe, 0),
  },
  {
    mnemonic: "Dec",
    operands: ["rw"],
    flagsWritten: STATUS_FLAGS & ~CF,
    cpuid: "base",
    lift: step(false),
    samples: unarySamples(0xfe, 1),
  },
  {
    mnemonic: "Xadd",
    operands: ["rw", "rw"],
    flagsWritten: STATUS_FLAGS,
    cpuid: "base",
    lift: xadd,
    samples: ["480fc1d9", "0fc1d9", "660fc1d9", "0fc0d9", "0fc0e9", "480fc1c9"].concat(
      ["", "f0"].flatMap((lock) => [`${lock}480fc14b10`, `${lock}0fc14b10`, `${lock}660fc14b10`, `${lock}0fc04b10`]),
    ),
  },
  {
    mnemonic: "Cmpxchg",
    operands: ["rw", "r"],
    reads: gprBit(RAX),
    writes: gprBit(RAX),
    flagsWritten: STATUS_FLAGS,
    cpuid: "base",
    lift: cmpxchg,
    samples: ["480fb1d9", "0fb1d9", "660fb1d9", "0fb0d9", "0fb1c8", "0fb1c1"].concat(
      ["", "f0"].flatMap((lock) => [`${lock}480fb14b10`, `${lock}0fb14b10`, `${lock}660fb14b10`, `${lock}0fb04b10`]),
    ),
  },
  {
    mnemonic: "Cmpxchg8b",
    operands: ["rw"],
    reads: gprBit(RAX) | gprBit(RDX) | gprBit(RCX) | gprBit(RBX),
    writes: gprBit(RAX) | gprBit(RDX),
    flagsWritten: ZF,
    cpuid: "base",
    lift: cmpxchg8b,
    samples: ["0fc74e10", "f00fc74e10"],
  },
];
