/** Data movement between general registers, memory and the stack. */
import { OP_GPR, OP_IMM, OP_MEM, type Insn, type Operand } from "../decode.js";
import { CONDITIONS, flagsOfCondition, gprBit, RAX, RBP, RBX, RDX, RSP, type Condition } from "../registers.js";
import { i32, i64, type Expr } from "../wasm.js";
import type { InstructionEntry } from "./entry.js";
import type { Lifter } from "./lifter.js";
import { gprOperand, memoryOperand } from "./operands.js";
import { Width } from "./width.js";

function mov(lifter: Lifter, insn: Insn): void {
  const { w } = lifter;
  const [target, source] = insn.operands as [Operand, Operand];
  if (target.kind === OP_GPR && target.size === 4) {
    if (source.kind === OP_IMM) return lifter.setGpr(target.reg, w.i64.const(source.immLo >>> 0));
    if (source.kind === OP_MEM) return lifter.setGpr(target.reg, lifter.loadI64(source, 4, false));
  }
  if (target.kind === OP_MEM && source.kind === OP_GPR && !source.high)
    return lifter.storeI64(target, source.size, lifter.gpr(source.reg));
  lifter.write(target, lifter.read(source));
}

/** MOVZX, MOVSX, MOVSXD. */
function movExtend(signed: boolean): InstructionEntry["lift"] {
  return (lifter, insn) => {
    const { w } = lifter;
    const [target, source] = insn.operands as [Operand, Operand];
    const direct = target.size === 8 || (target.size === 4 && !signed);
    if (direct && source.kind === OP_MEM) lifter.setGpr(target.reg, lifter.loadI64(source, source.size, signed));
    else if (direct && !source.high)
      lifter.setGpr(target.reg, extend(lifter, lifter.gpr(source.reg), source.size, signed));
    else {
      const value = signed ? lifter.readSigned(source) : lifter.read(source);
      if (target.size < 8) lifter.write(target, value);
      else lifter.write(target, signed ? w.i64.extend_i32_s(value) : w.i64.extend_i32_u(value));
    }
  };
}
/** The low 1, 2 or 4 bytes of an i64, extended. */
function extend({ w }: Lifter, value: Expr, size: number, signed: boolean): Expr {
  if (!signed) return w.i64.and(value, w.i64.const(size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff));
  if (size === 1) return w.i64.extend8_s(value);
  return size === 2 ? w.i64.extend16_s(value) : w.i64.extend32_s(value);
}

function lea(lifter: Lifter, insn: Insn): void {
  const [target, source] = insn.operands;
  const address = lifter.effectiveAddress(source!);
  lifter.write(target!, target!.size === 8 ? address : lifter.w.i32.wrap(address));
}

function xchg(lifter: Lifter, insn: Insn): void {
  const { w } = lifter;
  const [first, second] = insn.operands;
  const width = new Width(lifter, first!.size);
  if (first!.kind === OP_MEM || second!.kind === OP_MEM) {
    // With memory it is atomic, LOCK or not.
    const [memory, register] = first!.kind === OP_MEM ? [first!, second!] : [second!, first!];
    const { base, offset } = lifter.address(memory);
    const old = width.keep(
      lifter.mark(w.atomicRmw("xchg", width.type, width.size, base, lifter.read(register), offset)),
    );
    lifter.write(register, old.get());
    return;
  }
  const a = width.keep(lifter.read(first!));
  const b = width.keep(lifter.read(second!));
  lifter.write(first!, b.get());
  lifter.write(second!, a.get());
}

function cmov(condition: Condition): InstructionEntry["lift"] {
  return (lifter, insn) => {
    const [target, source] = insn.operands;
    lifter.write(target!, lifter.w.select(lifter.condition(condition), lifter.read(source!), lifter.read(target!)));
  };
}

function bswap(lifter: Lifter, insn: Insn): void {
  const { w } = lifter;
  const [target] = insn.operands;
  if (target!.size === 2) {
    // Undefined; processors clear the register's low half.
    lifter.write(target!, w.i32.const(0));
    return;
  }
  if (target!.size === 4) {
    const old = lifter.value(i32, lifter.read(target!));
    const evenBytes = w.i32.and(w.i32.rotl(lifter.get(old), w.i32.const(8)), w.i32.const(0x00ff00ff));
    const oddBytes = w.i32.and(w.i32.rotr(lifter.get(old), w.i32.const(8)), w.i32.const(0xff00ff00));
    lifter.write(target!, w.i32.or(evenBytes, oddBytes));
    return;
  }
  const swapNeighbours = (value: Expr, bits: number, mask: bigint): Expr => {
    const old = lifter.value(i64, value);
    return w.i64.or(
      w.i64.shl(w.i64.and(lifter.get(old), w.i64.const(mask)), w.i64.const(bits)),
      w.i64.and(w.i64.shr_u(lifter.get(old), w.i64.const(bits)), w.i64.const(mask)),
    );
  };
  const bytes = swapNeighbours(lifter.read(target!), 8, 0x00ff00ff00ff00ffn);
  const words = swapNeighbours(bytes, 16, 0x0000ffff0000ffffn);
  lifter.write(target!, w.i64.rotl(words, w.i64.const(32)));
}

/** Stack slots are 8 bytes, or 2 with an operand size prefix. */
function push(lifter: Lifter, insn: Insn): void {
  const [source] = insn.operands;
  pushValue(lifter, lifter.read(source!), source!.size);
}
export function pushValue(lifter: Lifter, value: Expr, size: number): void {
  const { w } = lifter;
  lifter.storeAt(lifter.address(stackSlot(size, -size)), size, value);
  lifter.setGpr(RSP, w.i64.sub(lifter.gpr(RSP), w.i64.const(size)));
}
/** Loads the top of the stack; RSP is left for the caller to change with `dropSlot`. */
export function loadTop(lifter: Lifter, size: number): Expr {
  return lifter.loadAt(lifter.address(stackSlot(size, 0)), size, false);
}
export function dropSlot(lifter: Lifter, size: number): void {
  lifter.setGpr(RSP, lifter.w.i64.add(lifter.gpr(RSP), lifter.w.i64.const(size)));
}
const stackSlot = (size: number, disp: number): Operand => memoryOperand(RSP, size, disp);

function pop(lifter: Lifter, insn: Insn): void {
  const target = insn.operands[0]!;
  const { size } = target;
  if (target.kind === OP_GPR && target.reg !== RSP) {
    lifter.write(target, loadTop(lifter, size));
    dropSlot(lifter, size);
    return;
  }
  const width = new Width(lifter, size);
  const value = width.keep(loadTop(lifter, size));
  if (target.kind === OP_MEM) {
    // An address that uses RSP sees it already incremented, but it changes only after the store.
    const disp = target.base === RSP ? target.disp + size : target.disp;
    lifter.write({ ...target, disp }, value.get());
    dropSlot(lifter, size);
    return;
  }
  dropSlot(lifter, size);
  lifter.write(target, value.get());
}

function leave(lifter: Lifter): void {
  const { w } = lifter;
  const frame = memoryOperand(RBP, 8);
  const saved = lifter.value(i64, lifter.loadAt(lifter.address(frame), 8, false));
  lifter.setGpr(RSP, w.i64.add(lifter.gpr(RBP), w.i64.const(8)));
  lifter.setGpr(RBP, lifter.get(saved));
}

/** ENTER without nested frames (level 0). */
function enter(lifter: Lifter, insn: Insn): void {
  const { w } = lifter;
  const bytes = insn.operands[0]!.immLo & 0xffff;
  // The new top of the stack must be accessible, too.
  lifter.emit(w.drop(lifter.loadAt(lifter.address(stackSlot(8, -8 - bytes)), 8, false)));
  pushValue(lifter, lifter.gpr(RBP), 8);
  lifter.setGpr(RBP, lifter.gpr(RSP));
  lifter.setGpr(RSP, w.i64.sub(lifter.gpr(RSP), w.i64.const(bytes)));
}

/** AL = [RBX + AL]. */
function xlat(lifter: Lifter): void {
  const { w } = lifter;
  const { base, offset } = lifter.address(memoryOperand(RBX, 1));
  const index = lifter.read(gprOperand(RAX, 1));
  lifter.write(gprOperand(RAX, 1), lifter.loadAt({ base: w.i32.add(base, index), offset }, 1, false));
}

/** CBW, CWDE, CDQE: sign-extends the lower half of the accumulator. */
function widenAccumulator(size: 2 | 4 | 8): InstructionEntry["lift"] {
  return (lifter) => {
    const { w } = lifter;
    if (size === 8) lifter.setGpr(RAX, w.i64.extend32_s(lifter.gpr(RAX)));
    else lifter.write(gprOperand(RAX, size), lifter.readSigned(gprOperand(RAX, size / 2)));
  };
}
/** CWD, CDQ, CQO: fills (E/R)DX with the accumulator's sign. */
function signToDx(size: 2 | 4 | 8): InstructionEntry["lift"] {
  return (lifter) => {
    const { w } = lifter;
    if (size === 8) lifter.setGpr(RDX, w.i64.shr_s(lifter.gpr(RAX), w.i64.const(63)));
    else {
      const accumulator = lifter.readSigned(gprOperand(RAX, size));
      lifter.write(gprOperand(RDX, size), w.i32.shr_s(accumulator, w.i32.const(31)));
    }
  };
}

const cmovEntries = CONDITIONS.map((condition, code): InstructionEntry => {
  const opcode = `0f4${code.toString(16)}`;
  return {
    mnemonic: `Cmov${condition}`,
    operands: ["rw", "r"],
    flagsRead: flagsOfCondition(condition),
    cpuid: "base",
    lift: cmov(condition),
    samples: [`48${opcode}c3`, `${opcode}d1`, `66${opcode}4b10`, `48${opcode}4b10`, `${opcode}4b10`],
  };
});

export const MOVE: readonly InstructionEntry[] = [
  {
    mnemonic: "Mov",
    operands: ["w", "r"],
    cpuid: "base",
    lift: mov,
    samples: [
      "4889d8", // mov rax, rbx
      "89d8",
      "6689d8",
      "88d8",
      "88e5", // mov ch, ah
      "4088f1", // mov cl, sil
      "8a4b10",
      "8a6b10", // mov ch, [rbx+10]
      "668b4b10",
      "8b4b10",
      "488b4b10",
      "4a8b4cab10", // mov rcx, [rbx+r13*4+10]
      "488b4c2410",
      "488b8b00ffffff", // displacement below 0
      "488b8b00104000", // displacement above the lowest mapping
      "488b0d10000000", // RIP-relative
      "488b0c2500000010", // absolute
      "488b0c7500000010", // index only
      "648b0c25f8ffffff", // fs:[-8]
      "64488b4b10",
      "67488b4b10", // 32-bit address
      "48894b10",
      "894b10",
      "66894b10",
      "884b10",
      "886b10",
      "b17f",
      "b5ff",
      "66b9ff80",
      "b9ffffffff",
      "48b98877665544332211",
      "48c7c1ffffffff",
      "48c74310ffffffff",
      "c74310ffffffff",
      "66c74310ff80",
      "c64310ff",
      "48a10000001000000000", // moffs
      "a10000001000000000",
      "66a10000001000000000",
      "a00000001000000000",
      "48a30000001000000000",
      "a20000001000000000",
    ],
  },
  {
    mnemonic: "Movzx",
    operands: ["w", "r"],
    cpuid: "base",
    lift: movExtend(false),
    samples: [
      "0fb6c3",
      "480fb6c3",
      "660fb6c7",
      "0fb64b10",
      "480fb64b10",
      "0fb7c3",
      "480fb7c3",
      "480fb74b10",
      "0fb74b10",
      "0fb6cf",
    ],
  },
  {
    mnemonic: "Movsx",
    operands: ["w", "r"],
    cpuid: "base",
    lift: movExtend(true),
    samples: ["0fbec3", "480fbec3", "660fbec7", "0fbe4b10", "480fbe4b10", "0fbfc3", "480fbfc3", "480fbf4b10", "0fbecf"],
  },
  {
    mnemonic: "Movsxd",
    operands: ["w", "r"],
    cpuid: "base",
    lift: movExtend(true),
    samples: ["4863c3", "48634b10", "63c3", "634b10"],
  },
  {
    mnemonic: "Lea",
    operands: ["w", "a"],
    cpuid: "base",
    lift: lea,
    samples: [
      "488d4b10",
      "488d4cab10",
      "488d0c1b",
      "8d4b10",
      "8d4cab10",
      "668d4b10",
      "488d0d10000000",
      "488d0cad10000000",
      "67488d4b10",
      "678d4cab80",
      "64488d4b10",
    ],
  },
  {
    mnemonic: "Xchg",
    operands: ["rw", "rw"],
    cpuid: "base",
    lift: xchg,
    samples: [
      "4887d8",
      "87d8",
      "6687d8",
      "86d8",
      "86dc",
      "4891",
      "91",
      "48874b10",
      "874b10",
      "66874b10",
      "864b10",
      "866b10",
    ],
  },
  ...cmovEntries,
  {
    mnemonic: "Bswap",
    operands: ["rw"],
    cpuid: "base",
    lift: bswap,
    samples: ["480fc9", "0fc9", "490fcd", "660fc9"],
  },
  {
    mnemonic: "Push",
    operands: ["r"],
    reads: gprBit(RSP),
    writes: gprBit(RSP),
    cpuid: "base",
    lift: push,
    samples: ["50", "54", "4157", "6650", "ff7310", "66ff7310", "ff742410", "6aff", "68ffffff7f", "666aff"],
  },
  {
    mnemonic: "Pop",
    operands: ["w"],
    reads: gprBit(RSP),
    writes: gprBit(RSP),
    cpuid: "base",
    lift: pop,
    samples: ["58", "5c", "415f", "6658", "665c", "8f4310", "668f4310", "8f442410"],
  },
  {
    mnemonic: "Leave",
    form: (insn) => insn.length === 1, // no operand size prefix
    operands: [],
    reads: gprBit(RBP),
    writes: gprBit(RBP) | gprBit(RSP),
    cpuid: "base",
    lift: leave,
    samples: ["c9"],
  },
  {
    mnemonic: "Enter",
    form: (insn) => insn.length === 4 && insn.operands[1]!.immLo === 0,
    operands: ["r", "r"],
    reads: gprBit(RSP) | gprBit(RBP),
    writes: gprBit(RSP) | gprBit(RBP),
    cpuid: "base",
    lift: enter,
    samples: ["c8200000"],
  },
  {
    mnemonic: "Xlatb",
    form: (insn) => insn.operands.every(({ addr32, fs }) => !addr32 && !fs),
    operands: ["r"],
    reads: gprBit(RAX) | gprBit(RBX),
    writes: gprBit(RAX),
    cpuid: "base",
    lift: xlat,
    samples: ["d7"],
  },
  {
    mnemonic: "Cbw",
    operands: [],
    reads: gprBit(RAX),
    writes: gprBit(RAX),
    cpuid: "base",
    lift: widenAccumulator(2),
    samples: ["6698"],
  },
  {
    mnemonic: "Cwde",
    operands: [],
    reads: gprBit(RAX),
    writes: gprBit(RAX),
    cpuid: "base",
    lift: widenAccumulator(4),
    samples: ["98"],
  },
  {
    mnemonic: "Cdqe",
    operands: [],
    reads: gprBit(RAX),
    writes: gprBit(RAX),
    cpuid: "base",
    lift: widenAccumulator(8),
    samples: ["4898"],
  },
  {
    mnemonic: "Cwd",
    operands: [],
    reads: gprBit(RAX) | gprBit(RDX),
    writes: gprBit(RDX),
    cpuid: "base",
    lift: signToDx(2),
    samples: ["6699"],
  },
  {
    mnemonic: "Cdq",
    operands: [],
    reads: gprBit(RAX),
    writes: gprBit(RDX),
    cpuid: "base",
    lift: signToDx(4),
    samples: ["99"],
  },
  {
    mnemonic: "Cqo",
    operands: [],
    reads: gprBit(RAX),
    writes: gprBit(RDX),
    cpuid: "base",
    lift: signToDx(8),
    samples: ["4899"],
  },
];
