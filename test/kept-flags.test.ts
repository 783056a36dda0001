/**
 * Where the Go compiler keeps a comparison's flags: over the jump through a switch's table, to branches at its targets,
 * and over calls of hand-written code that writes none (duffzero). And what a rare way out computes of them.
 */
import { expect, test } from "vitest";
import type { CodeSource } from "../jit/code-source.js";
import { ENDED } from "../jit/executor.js";
import { call, CODE, guestCode, word } from "./guest-code.js";

const RAX = 0;
const TABLE = CODE + 0x800;
const CASES = [CODE + 0x40, CODE + 0x60];
const END = CODE + 0x80;

/** The words of the table. */
const table = new Map(CASES.map((target, i) => [TABLE + 8 * i, BigInt(target)]));

/** mov r8d, value; mov edx, index; test r8, r8; lea r9, [table]; nop; jmp [r9 + rdx*8] */
function main(value: number, index: number): number[] {
  return [
    ...[0x41, 0xb8, ...word(value), 0xba, ...word(index), 0x4d, 0x85, 0xc0],
    ...[0x4c, 0x8d, 0x0c, 0x25, ...word(TABLE), 0x0f, 0x1f, 0x40, 0x00, 0x41, 0xff, 0x24, 0xd1],
  ];
}

/** jne past the next; mov eax, zero; syscall; mov eax, other; syscall */
const caseOf = (zero: number, other: number): number[] => [
  ...[0x75, 0x07, 0xb8, ...word(zero), 0x0f, 0x05, 0xb8, ...word(other), 0x0f, 0x05],
];

test.each([
  { how: "through a constant table", constantWord: (address: number) => table.get(address) ?? null, hot: 0 },
  { how: "through a table that may change", constantWord: () => null, hot: 0 },
  { how: "when interpreted", constantWord: () => null, hot: 64 },
])("flags reach the cases $how", ({ constantWord, hot }) => {
  for (const index of [0, 1]) {
    for (const value of [0, 7]) {
      const bytes = [...table.values()].flatMap((target) => [...word(Number(target)), ...word(0)]);
      const pieces = new Map([
        [CODE, main(value, index)],
        [CASES[0]!, caseOf(10, 11)],
        [CASES[1]!, caseOf(20, 21)],
        [TABLE, bytes],
      ]);
      const program: Partial<CodeSource> = {
        convention: "internal",
        functionAt: (pc) => (pc >= CODE && pc < END ? { start: CODE, end: END, origin: "compiler" } : null),
        constantWord,
      };
      const guest = guestCode(pieces, 1000, () => ({ syscall: () => ENDED }), { program, hot });
      guest.run();
      expect(guest.cpu.gpr[RAX]).toBe(BigInt(10 * (index + 1) + (value === 0 ? 0 : 1)));
    }
  }
});

test.each([
  { how: "translated", hot: 0 },
  { how: "interpreted", hot: 64 },
])("flags stay over a call of code that writes none, $how", ({ hot }) => {
  const helper = END + 0x10;
  for (const value of [0, 7]) {
    const pieces = new Map([
      // mov r8d, value; test r8, r8; call helper; then as in a case
      [CODE, [0x41, 0xb8, ...word(value), 0x4d, 0x85, 0xc0, ...call(CODE + 9, helper), ...caseOf(10, 11)]],
      // lea rdi, [rdi + 1]; ret
      [helper, [0x48, 0x8d, 0x7f, 0x01, 0xc3]],
    ]);
    const program: Partial<CodeSource> = {
      convention: "internal",
      functionAt: (pc) =>
        pc < END ? { start: CODE, end: END, origin: "compiler" } : { start: END, end: END + 0x40, origin: "asm" },
    };
    const guest = guestCode(pieces, 1, () => ({ syscall: () => ENDED }), { program, hot });
    guest.run();
    expect(guest.cpu.gpr[RAX]).toBe(BigInt(value === 0 ? 10 : 11));
  }
});

test.each([
  { factor: 4, overflows: 1n },
  { factor: 1, overflows: 0n },
])("flags that take several steps reach a way out, times $factor", ({ factor, overflows }) => {
  const out = END + 0x10;
  // xor eax, eax; mov ecx, factor; mov rbx, 1 << 62; imul rcx, rbx; je out
  const before = [0x31, 0xc0, 0xb9, ...word(factor), 0x48, 0xbb, ...word(0), ...word(1 << 30), 0x48, 0x0f, 0xaf, 0xcb];
  const pieces = new Map([
    [CODE, [...before, 0x0f, 0x84, ...word(out - (CODE + before.length + 6))]],
    // seto al; syscall
    [out, [0x0f, 0x90, 0xc0, 0x0f, 0x05]],
  ]);
  const program: Partial<CodeSource> = {
    functionAt: (pc) => (pc < END ? { start: CODE, end: END, origin: "asm" } : null),
  };
  const guest = guestCode(pieces, 1, () => ({ syscall: () => ENDED }), { program });
  guest.run();
  expect(guest.cpu.gpr[RAX]).toBe(overflows);
});
