/** AND, OR, XOR, NOT, TEST, SETcc and POPCNT; single bits are in bits.ts. */
import { OP_GPR, OP_IMM, OP_MEM, type Insn } from "../decode.js";
import { CONDITIONS, flagsOfCondition, STATUS_FLAGS, ZF, type Condition } from "../registers.js";
import { aluSamples, clear, cleared, isSameRegister, unarySamples } from "./arithmetic.js";
import type { InstructionEntry } from "./entry.js";
import { givenFlags, logicFlags } from "./flag-definitions.js";
import type { Lifter } from "./lifter.js";
import { updateKeeping, updateOnly } from "./locked.js";
import { Width } from "./width.js";

function logic(op: "and" | "or" | "xor"): InstructionEntry["lift"] {
  return (lifter, insn) => {
    const [target, source] = insn.operands;
    const width = new Width(lifter, target!.size);
    const { ops } = width;
    if (op === "xor" && isSameRegister(insn)) {
      clear(lifter, target!);
      lifter.define(logicFlags(width, width.constant(0)));
      return;
    }
    if ((lifter.flagsLive & STATUS_FLAGS) === 0) {
      if (op === "and" && target!.kind === OP_GPR && target!.size === 4 && source!.kind === OP_IMM) {
        const { w } = lifter;
        lifter.setGpr(target!.reg, w.i64.and(lifter.gpr(target!.reg), w.i64.const(source!.immLo >>> 0)));
        return;
      }
      updateOnly(lifter, width, insn, target!, lifter.read(source!), (a, b) => ops[op](a, b), op);
      return;
    }
    const b = width.capture(source!);
    const { result } = updateKeeping(lifter, width, insn, target!, b, (x, y) => ops[op](x.get(), y.get()), op);
    lifter.define(logicFlags(width, result));
  };
}

function test(lifter: Lifter, insn: Insn): void {
  const [first, second] = insn.operands;
  const width = new Width(lifter, first!.size);
  if ((lifter.flagsLive & STATUS_FLAGS) === 0) {
    if (first!.kind === OP_MEM) lifter.emit(lifter.w.drop(lifter.read(first!)));
    return;
  }
  const result = isSameRegister(insn)
    ? width.capture(first!)
    : width.keep(width.ops.and(lifter.read(first!), lifter.read(second!)));
  lifter.define(logicFlags(width, result));
}

function not(lifter: Lifter, insn: Insn): void {
  const target = insn.operands[0]!;
  const width = new Width(lifter, target.size);
  updateOnly(lifter, width, insn, target, width.const(-1), (a, b) => width.ops.xor(a, b), "xor");
}

function setcc(condition: Condition): InstructionEntry["lift"] {
  return (lifter, insn) => {
    const { w } = lifter;
    lifter.write(insn.operands[0]!, w.i32.ne(lifter.condition(condition), w.i32.const(0)));
  };
}
const setccEntries = CONDITIONS.map((condition, code): InstructionEntry => {
  const opcode = `0f9${code.toString(16)}`;
  return {
    mnemonic: `Set${condition}`,
    operands: ["w"],
    flagsRead: flagsOfCondition(condition),
    cpuid: "base",
    lift: setcc(condition),
    samples: [`${opcode}c1`, `${opcode}c7`, `40${opcode}c7`, `${opcode}4310`],
  };
});

function popcnt(lifter: Lifter, insn: Insn): void {
  const [target, source] = insn.operands;
  const width = new Width(lifter, target!.size);
  const operand = width.keep(lifter.read(source!));
  lifter.write(target!, width.ops.popcnt(operand.get()));
  lifter.define(
    givenFlags(STATUS_FLAGS, operand.values, (flag) =>
      flag === ZF ? width.zero(operand.get()) : lifter.w.i32.const(0),
    ),
  );
}

export const LOGIC: readonly InstructionEntry[] = [
  {
    mnemonic: "And",
    operands: ["rw", "r"],
    flagsWritten: STATUS_FLAGS,
    cpuid: "base",
    lift: logic("and"),
    samples: aluSamples(4, true),
  },
  {
    mnemonic: "Or",
    operands: ["rw", "r"],
    flagsWritten: STATUS_FLAGS,
    cpuid: "base",
    lift: logic("or"),
    samples: aluSamples(1, true),
  },
  {
    mnemonic: "Xor",
    operands: cleared,
    flagsWritten: STATUS_FLAGS,
    cpuid: "base",
    lift: logic("xor"),
    samples: aluSamples(6, true),
  },
  {
    mnemonic: "Not",
    operands: ["rw"],
    cpuid: "base",
    lift: not,
    samples: unarySamples(0xf6, 2),
  },
  {
    mnemonic: "Test",
    operands: ["r", "r"],
    flagsWritten: STATUS_FLAGS,
    cpuid: "base",
    lift: test,
    samples: [
      "4885c9",
      "85c9",
      "6685c9",
      "84c9",
      "4885d9",
      "85d9",
      "84e9",
      "48854b10",
      "854b10",
      "66854b10",
      "844b10",
      "a881",
      "66a98180",
      "a981ffffff",
      "48a981ffffff",
      "48f7c381ffffff",
      "f7c381ffffff",
      "66f7c38180",
      "f6c381",
      "48f7431081ffffff",
      "f643107f",
      "66f743108180",
    ],
  },
  ...setccEntries,
  {
    mnemonic: "Popcnt",
    operands: ["w", "r"],
    flagsWritten: STATUS_FLAGS,
    cpuid: "popcnt",
    lift: popcnt,
    samples: ["f3480fb8cb", "f30fb8cb", "66f30fb8cb", "f3480fb84b10", "f30fb84b10", "66f30fb84b10"],
  },
];
