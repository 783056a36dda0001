import { expect, test } from "vitest";
import { InstructionDecoder, OP_MEM, type Insn } from "../jit/decode.js";
import { memoryDisplacement } from "../jit/fault-address.js";
import { ENTRIES } from "../jit/lift/index.js";

const PC = 0x500000;

function decode(code: Uint8Array): Insn {
  const decoder = new InstructionDecoder();
  let first!: Insn;
  decoder.open(code, PC);
  decoder.decodeFrom(PC, (insn) => {
    first = insn;
    return false;
  });
  decoder.close();
  return first;
}

test("the displacement read from an encoding is the decoder's, for every form with a base register", () => {
  let compared = 0;
  for (const entry of ENTRIES) {
    for (const sample of entry.samples) {
      const code = new Uint8Array(32);
      code.set(Buffer.from(sample, "hex"));
      const memory = decode(code).operands.find(({ kind }) => kind === OP_MEM);
      if (!memory || memory.base < 0 || memory.addr32) continue;
      expect([sample, memoryDisplacement(code)]).toEqual([sample, memory.disp]);
      compared++;
    }
  }
  expect(compared).toBeGreaterThan(100);
});
