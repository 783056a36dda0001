/** What failed bounds checks read, from the compiler's table, and that no more is stored for them. */
import { expect, test } from "vitest";
import { neededByCallee } from "../jit/liveness.js";
import { gprBit, RSP, xmmBit } from "../jit/registers.js";
import { BoundsChecks } from "../src/go/bounds-checks.js";
import type { FunctionTable } from "../src/go/function-table.js";
import type { CodeSource } from "../jit/code-source.js";

const PANIC_BOUNDS = 0x2000;
const NEXT = 0x1005;
const PCDATA_PANIC_BOUNDS = 4;

/** A program in which the compiler says `value` of the call before NEXT. */
const program = (value: number): BoundsChecks =>
  new BoundsChecks({
    indexOf: (name) => (name === "runtime.panicBounds" ? 1 : -1),
    start: Uint32Array.of(0x1000, PANIC_BOUNDS),
    find: (pc) => (pc >= 0x1000 && pc < PANIC_BOUNDS ? 0 : -1),
    pcData: (index, table, pc) => (index === 0 && table === PCDATA_PANIC_BOUNDS && pc === NEXT - 1 ? value : -1),
  } as Pick<FunctionTable, "indexOf" | "start" | "find" | "pcData"> as FunctionTable);

interface Operand {
  readonly register: boolean;
  readonly value: number;
}

/** As `abi.BoundsEncode` of internal/abi/bounds.go. */
function encode(code: number, signed: boolean, index: Operand, length: Operand): number {
  let bits = index.register ? 1 | (signed ? 4 : 0) | (index.value << 3) : index.value << 2;
  bits |= (length.register ? 2 : 0) | (length.value << 7);
  return bits * 9 + code;
}

const operands = [
  ...Array.from({ length: 16 }, (_, value) => ({ register: true, value })),
  ...Array.from({ length: 32 }, (_, value) => ({ register: false, value })),
];

test("the registers of index and length are those that the compiler has named", () => {
  for (const index of operands) {
    for (const length of operands) {
      const registers = [index, length].filter(({ register }) => register).map(({ value }) => value);
      for (let code = 0; code < 9; code++) {
        for (const signed of [false, true]) {
          expect(program(encode(code, signed, index, length)).registersRead(PANIC_BOUNDS, NEXT)).toEqual(registers);
        }
      }
    }
  }
});

test("nothing is said of other calls, of calls that have no value, and of values that have no meaning", () => {
  expect(program(0).registersRead(0x3000, NEXT)).toBeNull();
  expect(program(-1).registersRead(PANIC_BOUNDS, NEXT)).toBeNull();
  expect(program(9 << 12).registersRead(PANIC_BOUNDS, NEXT)).toBeNull();
});

test("a call that says what it reads needs that, the stack and the goroutine", () => {
  const source = {
    convention: "internal",
    functionAt: (pc: number) => ({ start: pc, end: pc + 1, origin: "asm" }),
    registersRead: (target: number, next: number) =>
      target === PANIC_BOUNDS && next === NEXT ? { general: [1, 9], xmm: 0, returns: false } : null,
  } as Pick<CodeSource, "convention" | "functionAt" | "registersRead"> as CodeSource;
  const needed = (target: number) => neededByCallee(source, { target, next: NEXT }, () => false).registers;
  const always = gprBit(RSP) | gprBit(5) | gprBit(14);
  expect(needed(PANIC_BOUNDS)).toBe(always | gprBit(1) | gprBit(9) | xmmBit(15));
  expect(needed(PANIC_BOUNDS + 16) & gprBit(2)).toBe(gprBit(2));
});
