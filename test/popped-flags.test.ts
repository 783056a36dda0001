/** Go's `asyncPreempt`: hand-written code that pops flags and returns to where they are live. */
import { expect, test } from "vitest";
import type { CodeSource } from "../jit/code-source.js";
import { ENDED } from "../jit/executor.js";
import { CODE, guestCode, word } from "./guest-code.js";

const RAX = 0;
const RESUMED = CODE + 0x40;
const COMPILED_END = CODE + 0x80;
const PREEMPT = COMPILED_END;
const END = CODE + 0xc0;
const ZF = 0x40;

/** push RESUMED; jmp PREEMPT */
const main = [0x68, ...word(RESUMED), 0xe9, ...word(PREEMPT - (CODE + 10))];
/** push flags; test rsp, rsp; popfq; ret */
const preempt = (flags: number): number[] => [0x6a, flags, 0x48, 0x85, 0xe4, 0x9d, 0xc3];
/** jne past the next; mov eax, 1; syscall; mov eax, 2; syscall */
const resumed = [0x75, 0x07, 0xb8, ...word(1), 0x0f, 0x05, 0xb8, ...word(2), 0x0f, 0x05];

test.each([
  { flags: ZF, result: 1n },
  { flags: 0, result: 2n },
])("flags $flags reach the place that hand-written code returns to", ({ flags, result }) => {
  const pieces = new Map([
    [CODE, main],
    [RESUMED, resumed],
    [PREEMPT, preempt(flags)],
  ]);
  const program: Partial<CodeSource> = {
    convention: "internal",
    functionAt: (pc) => {
      if (pc < CODE || pc >= END) return null;
      if (pc < COMPILED_END) return { start: CODE, end: COMPILED_END, origin: "compiler" };
      return { start: PREEMPT, end: END, origin: "asm" };
    },
  };
  const guest = guestCode(pieces, 1000, () => ({ syscall: () => ENDED }), { program });
  guest.run();
  expect(guest.cpu.gpr[RAX]).toBe(result);
});
