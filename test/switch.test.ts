/** The Go compiler's switch: a comparison, a jump through a table, and branches on that comparison at its targets. */
import { expect, test } from "vitest";
import type { CodeSource } from "../jit/code-source.js";
import { ENDED } from "../jit/executor.js";
import { CODE, guestCode, word } from "./guest-code.js";

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
