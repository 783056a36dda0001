import { expect, test } from "vitest";
import { ENDED } from "../jit/executor.js";
import { call, CODE, guestCode, word } from "./guest-code.js";

const CALLED = CODE + 0x80;

/** mov ecx, 10; then ten times: call CALLED, dec ecx, jnz; then syscall */
const main = [0xb9, ...word(10), ...call(CODE + 5, CALLED), 0xff, 0xc9, 0x75, 0xf7, 0x0f, 0x05];
/** nop; ret */
const called = [0x90, 0xc3];

test.each([1, 1000])(
  "translated code counts the instructions that it comes to, in modules of %s",
  (moduleInstructions) => {
    const pieces = new Map([
      [CODE, main],
      [CALLED, called],
    ]);
    const count = (countsInstructions: boolean): number => {
      const guest = guestCode(pieces, moduleInstructions, () => ({ syscall: () => ENDED }), { countsInstructions });
      guest.run();
      return guest.executed();
    };
    expect(count(true)).toBe(1 + 10 * (3 + 2) + 1);
    expect(count(false)).toBe(0);
  },
);
