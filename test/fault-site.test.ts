/** RIP and RSP are exact at a fault, however the engine has optimised the code: first calls, hot code, inlined callees. */
import { expect, test } from "vitest";
import { ENDED } from "../jit/executor.js";
import { call, CODE, FIRST_RSP, guestCode, word } from "./guest-code.js";

const CALLEE = CODE + 0x80;
const RSP = 4;

/** push rbx; sub rsp, 16; mov [rsp+8], rdi; mov rax, [rdi+16]; add rsp, 16; pop rbx; ret */
const callee = [0x53, 0x48, 0x83, 0xec, 0x10, 0x48, 0x89, 0x7c, 0x24, 0x08, 0x48, 0x8b, 0x47, 0x10];
const FAULT = CALLEE + 10;
const epilogue = [0x48, 0x83, 0xc4, 0x10, 0x5b, 0xc3];

/** Calls CALLEE `count` times with RDI = CODE, then once with 0. */
function main(count: number): number[] {
  const loop = [0xbf, ...word(CODE), ...call(CODE + 10, CALLEE), 0x83, 0xee, 0x01]; // mov edi, CODE; call; sub esi, 1
  return [
    ...[0xbe, ...word(count)], // mov esi, count
    ...loop,
    ...[0x75, 256 - (loop.length + 2)], // jnz loop
    ...[0x31, 0xff], // xor edi, edi
    ...call(CODE + 5 + loop.length + 4, CALLEE),
  ];
}

test.each([1, 1000, 100_000, 5_000_000])("a nil access after %i calls", (count) => {
  for (const moduleInstructions of [1, 1000]) {
    const pieces = new Map([
      [CODE, main(count)],
      [CALLEE, [...callee, ...epilogue]],
    ]);
    const faults: unknown[] = [];
    const guest = guestCode(pieces, moduleInstructions, (cpu) => ({
      fault: ({ kind }) => {
        faults.push({ kind, rip: cpu.rip, rsp: cpu.gpr[RSP] });
        return ENDED;
      },
    }));
    guest.run();
    expect(faults).toEqual([{ kind: "page", rip: FAULT, rsp: FIRST_RSP - 32n }]);
  }
});
