/** Single bits: BT, BTS, BTR, BTC and the scans BSF, BSR. */
import { OP_IMM, OP_MEM, type Insn } from "../decode.js";
import { CF, OF, PF, STATUS_FLAGS, ZF } from "../registers.js";
import { i32, type AtomicRmw, type Expr } from "../wasm.js";
import type { InstructionEntry } from "./entry.js";
import { givenFlags, parity } from "./flag-definitions.js";
import type { Lifter, Place } from "./lifter.js";
import { atomicUpdate, isLocked } from "./locked.js";
import { Width, type Source } from "./width.js";

/** AND, OR or XOR of a mask that is made from the bit. */
const CHANGES = {
  Bts: { op: "or", inverted: false },
  Btr: { op: "and", inverted: true },
  Btc: { op: "xor", inverted: false },
} as const satisfies Record<string, { op: AtomicRmw; inverted: boolean }>;

/** CF is the bit; the others (undefined but ZF, which stays) keep their values, as on the processor. */
function defineBit(lifter: Lifter, width: Width, operand: Source, bit: Source): void {
  const { ops } = width;
  lifter.define(
    givenFlags(CF, [...operand.values, ...bit.values], () => width.bit(ops.shr_u(operand.get(), bit.get()), 0)),
  );
}

/** The memory operand that holds the bit: a register's bit number reaches beyond the operand, in either direction. */
function bitPlace(lifter: Lifter, insn: Insn, width: Width): Place {
  const { w } = lifter;
  const [memory, position] = insn.operands;
  const place = lifter.place(memory!);
  if (position!.kind === OP_IMM) return place;
  const { size } = width;
  const number = lifter.readSigned(position!);
  const log2Bits = Math.log2(width.bits);
  const step = width.low(width.ops.shr_s(number, width.const(log2Bits)));
  const bytes = w.i32.shl(step, w.i32.const(Math.log2(size)));
  return { base: lifter.value(i32, w.i32.add(lifter.get(place.base), bytes)), offset: place.offset };
}

function bitOperation(change?: {
  readonly op: "and" | "or" | "xor";
  readonly inverted: boolean;
}): InstructionEntry["lift"] {
  return (lifter, insn) => {
    const [target, position] = insn.operands;
    const width = new Width(lifter, target!.size);
    const { ops } = width;
    const bit =
      position!.kind === OP_IMM
        ? width.constant(position!.immLo & (width.bits - 1))
        : width.keep(ops.and(lifter.read(position!), width.const(width.bits - 1)));
    const mask = (): Expr => {
      const one = ops.shl(width.const(1), bit.get());
      return change?.inverted ? width.not(one) : one;
    };
    if (target!.kind !== OP_MEM) {
      const old = width.keep(lifter.read(target!));
      if (change) lifter.write(target!, ops[change.op](old.get(), mask()));
      defineBit(lifter, width, old, bit);
      return;
    }
    const place = bitPlace(lifter, insn, width);
    let old: Source;
    if (change && isLocked(insn)) old = atomicUpdate(lifter, width, place, change.op, mask());
    else {
      old = width.keep(lifter.loadAt(lifter.placeAddress(place), width.size, false));
      if (change) {
        const changed = ops[change.op](old.get(), mask());
        lifter.storeAt(lifter.placeAddress(place), width.size, changed);
      }
    }
    defineBit(lifter, width, old, bit);
  };
}

/**
 * A source of zero leaves the target unchanged (as every processor does, though Intel's manual says undefined). Only ZF
 * is defined; the others are what Zen 4 gives: PF of the bit number (1 without a bit),
 * the rest 0.
 */
function scan(forward: boolean): InstructionEntry["lift"] {
  return (lifter, insn) => {
    const { w } = lifter;
    const [target, source] = insn.operands;
    const width = new Width(lifter, target!.size);
    const { ops } = width;
    const operand = width.keep(lifter.read(source!));
    const typeBits = width.size === 8 ? 63 : 31;
    const found = () => (forward ? ops.ctz(operand.get()) : ops.sub(width.const(typeBits), ops.clz(operand.get())));
    const some = lifter.nested(() => lifter.write(target!, found()));
    lifter.emit(w.if(ops.ne(operand.get(), width.const(0)), some));
    lifter.define(
      givenFlags(STATUS_FLAGS, operand.values, (flag) => {
        if (flag === ZF) return width.zero(operand.get());
        if (flag !== PF) return w.i32.const(0);
        return w.i32.or(width.zero(operand.get()), parity(width, found()));
      }),
    );
  };
}

/** Zero counts as many zeros as the operand has bits. PF, AF and SF (undefined) are 0 and OF stays, as on Zen 4. */
function tzcnt(lifter: Lifter, insn: Insn): void {
  const { w } = lifter;
  const [target, source] = insn.operands;
  const width = new Width(lifter, target!.size);
  const { ops } = width;
  const operand = width.keep(lifter.read(source!));
  // A bit beyond a 16-bit operand stops the count.
  const stopped = width.size === 2 ? w.i32.or(operand.get(), w.i32.const(0x10000)) : operand.get();
  const result = width.keep(ops.ctz(stopped));
  lifter.write(target!, result.get());
  lifter.define(
    givenFlags(STATUS_FLAGS & ~OF, [...operand.values, ...result.values], (flag) => {
      if (flag === CF) return width.zero(operand.get());
      return flag === ZF ? width.zero(result.get()) : w.i32.const(0);
    }),
  );
}

const bitSamples = (opcode: number, extension: number, lockable: boolean): readonly string[] => {
  const hex = opcode.toString(16);
  const register = ((3 << 6) | (extension << 3) | 3).toString(16);
  const memory = ((1 << 6) | (extension << 3) | 3).toString(16);
  const samples = [
    `480f${hex}cb`,
    `0f${hex}cb`,
    `660f${hex}cb`,
    `480f${hex}4b10`,
    `0f${hex}4b10`,
    `660f${hex}4b10`,
    `480fba${register}a5`,
    `0fba${register}05`,
    `660fba${register}35`,
    `480fba${memory}10a5`,
    `0fba${memory}1005`,
    `660fba${memory}1035`,
  ];
  if (lockable)
    samples.push(
      `f0480f${hex}4b10`,
      `f00f${hex}4b10`,
      `f0660f${hex}4b10`,
      `f0480fba${memory}1023`,
      `f00fba${memory}1003`,
    );
  return samples;
};

export const BITS: readonly InstructionEntry[] = [
  {
    mnemonic: "Bt",
    operands: ["r", "r"],
    flagsWritten: CF,
    cpuid: "base",
    lift: bitOperation(),
    samples: bitSamples(0xa3, 4, false),
  },
  {
    mnemonic: "Bts",
    operands: ["rw", "r"],
    flagsWritten: CF,
    cpuid: "base",
    lift: bitOperation(CHANGES.Bts),
    samples: bitSamples(0xab, 5, true),
  },
  {
    mnemonic: "Btr",
    operands: ["rw", "r"],
    flagsWritten: CF,
    cpuid: "base",
    lift: bitOperation(CHANGES.Btr),
    samples: bitSamples(0xb3, 6, true),
  },
  {
    mnemonic: "Btc",
    operands: ["rw", "r"],
    flagsWritten: CF,
    cpuid: "base",
    lift: bitOperation(CHANGES.Btc),
    samples: bitSamples(0xbb, 7, true),
  },
  {
    mnemonic: "Bsf",
    operands: ["rw", "r"],
    flagsWritten: STATUS_FLAGS,
    cpuid: "base",
    lift: scan(true),
    samples: ["480fbccb", "0fbccb", "660fbccb", "480fbc4b10", "0fbc4b10", "660fbc4b10"],
  },
  {
    mnemonic: "Bsr",
    operands: ["rw", "r"],
    flagsWritten: STATUS_FLAGS,
    cpuid: "base",
    lift: scan(false),
    samples: ["480fbdcb", "0fbdcb", "660fbdcb", "480fbd4b10", "0fbd4b10", "660fbd4b10"],
  },
  {
    // BSF with a REP prefix, which compilers write even for processors without BMI1: there it is BSF, and the same for
    // any source but zero.
    mnemonic: "Tzcnt",
    operands: ["w", "r"],
    flagsWritten: STATUS_FLAGS & ~OF,
    cpuid: "base",
    lift: tzcnt,
    samples: ["f3480fbccb", "f30fbccb", "66f30fbccb", "f3480fbc4b10", "f30fbc4b10"],
  },
];
