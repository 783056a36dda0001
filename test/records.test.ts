/** The record memory: what is hot in another run, and what is decoded. */
import { expect, test } from "vitest";
import { ENDED } from "../jit/executor.js";
import { Records } from "../jit/interpreter/records.js";
import { CODE, FIRST_RSP, guestCode, word } from "./guest-code.js";

/** The records of one run for another. */
function handOn(first: Records, hot: number): Records {
  const second = new Records(Records.allocate(hot));
  first.snapshot(
    () => true,
    ({ size, sections }) => {
      const views = second.beginLoad(size)!;
      sections.forEach((section, i) => views[i]!.set(section));
      expect(second.finishLoad(size, views)).toBe(true);
    },
  );
  return second;
}

test("what was hot in an earlier run is hot for those that may inline it, and nothing else is", () => {
  const LOOP = CODE + 5;
  const COLD = CODE + 0x40;
  const code = new Map([
    // mov esi, 1000; loop: sub esi, 1; jnz loop; call COLD; ret
    [CODE, [0xbe, ...word(1000), 0x83, 0xee, 0x01, 0x75, 0xfb, 0xe8, ...word(COLD - (LOOP + 10)), 0xc3]],
    [COLD, [0xc3]],
  ]);
  const guest = guestCode(code, 250, () => ({ fault: () => ENDED }), { hot: 256 });
  guest.run();
  expect(guest.cpu.gpr[4]).toBe(FIRST_RSP + 8n);
  expect(guest.records.isNearlyHot(LOOP)).toBe(true);
  const second = handOn(guest.records, 256);
  expect(second.isNearlyHot(LOOP)).toBe(true);
  expect(second.timesAt(COLD)).toBe(0);
  expect(second.isNearlyHot(COLD)).toBe(false);
});

test("the ways of a function that control has not taken are decoded ahead, what they call is not", () => {
  const [COLD, COLDER, OTHER] = [CODE + 0x40, CODE + 0x60, CODE + 0x100];
  const code = new Map([
    // xor eax, eax; jnz COLD; ret
    [CODE, [0x31, 0xc0, 0x75, COLD - (CODE + 4), 0xc3]],
    // call OTHER; jmp COLDER
    [COLD, [0xe8, ...word(OTHER - (COLD + 5)), 0xeb, COLDER - (COLD + 7)]],
    [COLDER, [0xc3]],
    [OTHER, [0xc3]],
  ]);
  const functionAt = (pc: number) => {
    const [start, end] = pc < OTHER ? [CODE, OTHER] : [OTHER, OTHER + 1];
    return { start, end, origin: "compiler" as const };
  };
  const guest = guestCode(code, 250, () => ({ fault: () => ENDED }), { hot: 256, program: { functionAt } });
  guest.run();
  expect(guest.cpu.gpr[4]).toBe(FIRST_RSP + 8n);
  const isDecoded = (pc: number) => guest.records.find(pc) !== 0;
  expect([COLD, COLDER, OTHER].map(isDecoded)).toEqual([true, true, false]);
});
