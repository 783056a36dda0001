/**
 * Instructions that end a block, and CPUID and RDTSC. `lift` computes what the transfer needs and leaves it in the
 * lifter (`branchCondition`, `target`); region emission turns that into control flow.
 */
import { OP_IMM, type Insn } from "../decode.js";
import { CONDITIONS, flagsOfCondition, gprBit, R11, RAX, RBX, RCX, RDX, RSP } from "../registers.js";
import { i32, i64 } from "../wasm.js";
import type { InstructionEntry } from "./entry.js";
import { VECTOR_BP, VECTOR_GP, VECTOR_UD, type Lifter } from "./lifter.js";
import { liftCpuid } from "./cpuid.js";

const stackBit = gprBit(RSP);

/** Pushes the return address: the store may fault, so RSP changes after it. */
function pushReturnAddress(l: Lifter, insn: Insn): void {
  const { w } = l;
  const top = l.value(i64, w.i64.sub(l.gpr(RSP), w.i64.const(8)));
  l.storeAt(l.stackAddress(top), 8, w.i64.const(insn.next));
  l.setGpr(RSP, l.get(top));
}

const branches: InstructionEntry[] = CONDITIONS.map((condition, code) => ({
  mnemonic: `J${condition}`,
  operands: [],
  flagsRead: flagsOfCondition(condition),
  ends: "branch",
  cpuid: "base",
  lift: (l) => {
    l.branchCondition = l.condition(condition);
  },
  samples: [`7${code.toString(16)}10`, `0f8${code.toString(16)}10000000`],
}));

const countBranch = (mnemonic: string, opcode: string, condition?: "e" | "ne"): InstructionEntry => ({
  mnemonic,
  operands: [],
  reads: gprBit(RCX),
  writes: mnemonic === "Jrcxz" ? 0 : gprBit(RCX),
  flagsRead: condition ? flagsOfCondition(condition) : 0,
  ends: "branch",
  cpuid: "base",
  lift: (l) => {
    const { w } = l;
    if (mnemonic === "Jrcxz") {
      l.branchCondition = w.i64.eqz(l.gpr(RCX));
      return;
    }
    l.setGpr(RCX, w.i64.sub(l.gpr(RCX), w.i64.const(1)));
    const more = w.i64.ne(l.gpr(RCX), w.i64.const(0));
    l.branchCondition = condition ? w.i32.and(more, w.i32.ne(l.condition(condition), w.i32.const(0))) : more;
  },
  samples: [`${opcode}10`],
});

export const controlEntries: readonly InstructionEntry[] = [
  ...branches,
  countBranch("Jrcxz", "e3"),
  countBranch("Loop", "e2"),
  countBranch("Loope", "e1", "e"),
  countBranch("Loopne", "e0", "ne"),
  {
    mnemonic: "Jmp",
    operands: (insn) => (insn.operands.length ? ["r"] : []),
    ends: "jump",
    cpuid: "base",
    lift: (l, insn) => {
      if (insn.target < 0) l.target = l.value(i32, l.w.i32.wrap(l.read(insn.operands[0]!)));
    },
    samples: ["eb10", "e910000000", "ffe0", "ff20", "ff24c3"],
  },
  {
    mnemonic: "Call",
    operands: (insn) => (insn.operands.length ? ["r"] : []),
    reads: stackBit,
    writes: stackBit,
    ends: "call",
    cpuid: "base",
    lift: (l, insn) => {
      if (insn.target < 0) l.target = l.value(i32, l.w.i32.wrap(l.read(insn.operands[0]!)));
      pushReturnAddress(l, insn);
    },
    samples: ["e810000000", "ffd0", "ff12", "ff5008"],
  },
  {
    mnemonic: "Ret",
    operands: (insn) => insn.operands.map(() => "r"),
    reads: stackBit,
    writes: stackBit,
    ends: "return",
    cpuid: "base",
    lift: (l, insn) => {
      const { w } = l;
      const top = l.value(i64, l.gpr(RSP));
      l.target = l.value(i32, w.i32.wrap(l.loadAt(l.stackAddress(top), 8, false)));
      const count = insn.operands[0]?.kind === OP_IMM ? insn.operands[0].immLo & 0xffff : 0;
      l.setGpr(RSP, w.i64.add(l.get(top), w.i64.const(8 + count)));
    },
    samples: ["c3", "c21000"],
  },
  {
    mnemonic: "Syscall",
    operands: [],
    // The kernel may read and change everything; emission stores and reloads all registers around it.
    reads: gprBit(RAX),
    writes: gprBit(RAX) | gprBit(RCX) | gprBit(R11),
    ends: "syscall",
    cpuid: "base",
    lift: () => undefined,
    samples: ["0f05"],
  },
  {
    mnemonic: "Int3",
    operands: [],
    ends: "stop",
    cpuid: "base",
    lift: (l) => l.raise(VECTOR_BP),
    samples: ["cc"],
  },
  {
    mnemonic: "Int",
    operands: ["r"],
    ends: "stop",
    cpuid: "base",
    // Vector 3 is a breakpoint, every other vector is closed to user mode.
    lift: (l, insn) => l.raise(insn.operands[0]!.immLo === 3 ? VECTOR_BP : VECTOR_GP),
    samples: ["cd03"],
  },
  {
    mnemonic: "Ud2",
    operands: [],
    ends: "stop",
    cpuid: "base",
    lift: (l) => l.raise(VECTOR_UD),
    samples: ["0f0b"],
  },
  {
    mnemonic: "Hlt",
    operands: [],
    ends: "stop",
    cpuid: "base",
    lift: (l) => l.raise(VECTOR_GP),
    samples: ["f4"],
  },
  {
    mnemonic: "Cpuid",
    operands: [],
    reads: gprBit(RAX) | gprBit(RCX),
    writes: gprBit(RAX) | gprBit(RBX) | gprBit(RCX) | gprBit(RDX),
    cpuid: "base",
    lift: liftCpuid,
    samples: ["0fa2"],
  },
  {
    mnemonic: "Rdtsc",
    operands: [],
    writes: gprBit(RAX) | gprBit(RDX),
    // The counter comes from the machine, nanoseconds of a monotonic clock: emission calls it as for a system call.
    ends: "syscall",
    cpuid: "base",
    lift: () => undefined,
    samples: ["0f31"],
  },
];
