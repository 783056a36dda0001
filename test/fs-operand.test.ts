/** Addresses counted from the FS base. */
import { expect, test } from "vitest";
import { ENDED } from "../jit/executor.js";
import { CODE, guestCode } from "./guest-code.js";

const RAX = 0;
const RBP = 5;

/** mov rax, fs:[rbp+riz*4+0x40]; ret, to where no code is. */
const code = [0x64, 0x48, 0x8b, 0x44, 0xa5, 0x40, 0xc3];

test.each([
  ["translated", 0],
  ["interpreted", 64],
])("the scale of an SIB byte without an index scales nothing, %s", (_, hot) => {
  const base = 0x1000;
  const guest = guestCode(
    new Map([[CODE, code]]),
    1,
    (cpu) => {
      cpu.fsBase = CODE - base - 0x40;
      cpu.gpr[RBP] = BigInt(base);
      return { fault: () => ENDED };
    },
    { hot },
  );
  guest.run();
  expect(guest.cpu.gpr[RAX]! & 0xffff_ffffn).toBe(0x448b_4864n);
});
