/** RSP is exact at a fault on every way through code that pushes, pops and calls in branches and loops. */
import { expect, test } from "vitest";
import { ENDED } from "../jit/executor.js";
import { call, CODE, FIRST_RSP, guestCode, word } from "./guest-code.js";
import { Random } from "./instructions/random.js";

const CALLEE = CODE + 0xf00;
const RSP = 4;

/** Where the stack is, in bytes below FIRST_RSP, at each access that runs, in order. */
interface Program {
  readonly code: number[];
  readonly accesses: { readonly pc: number; readonly depth: number }[];
}

/** Code of random structure; every access, `mov rax, [rdi+16]`, is the last one if ECX has counted down to 0. */
function program(random: Random): Program {
  const code: number[] = [];
  const accesses: { pc: number; depth: number }[] = [];
  const choices = random.below(256);
  const here = () => CODE + code.length;

  /** @param runs whether control comes here */
  function part(nesting: number, depth: number, runs: boolean): void {
    const kind = nesting > 4 ? 0 : random.below(6);
    if (kind === 0) {
      // sub ecx, 1; jnz over; xor edi, edi; over: mov rax, [rdi+16]
      code.push(0x83, 0xe9, 1, 0x75, 2, 0x31, 0xff);
      if (runs) accesses.push({ pc: here(), depth });
      code.push(0x48, 0x8b, 0x47, 0x10);
    } else if (kind === 1) {
      code.push(0x53); // push rbx
      parts(nesting, depth + 8, runs);
      code.push(0x5b); // pop rbx
    } else if (kind === 2) {
      code.push(0x48, 0x83, 0xec, 24); // sub rsp, 24
      parts(nesting, depth + 24, runs);
      code.push(0x48, 0x83, 0xc4, 24); // add rsp, 24
    } else if (kind === 3) code.push(...call(here(), CALLEE));
    else if (kind === 4) {
      const bit = random.below(8);
      code.push(0xf7, 0xc6, ...word(1 << bit)); // test esi, bit
      const otherwise = jump(0x84);
      const taken = (choices & (1 << bit)) !== 0;
      parts(nesting, depth, runs && taken);
      const end = random.below(2) ? jump(null) : -1;
      land(otherwise);
      if (end >= 0) {
        parts(nesting, depth, runs && !taken);
        land(end);
      }
    } else if (depth === 0 || nesting > 2) part(nesting + 1, depth, runs);
    else {
      code.push(0x49, 0x89, 0xe0, 0x4c, 0x89, 0xc4); // mov r8, rsp; mov rsp, r8
      parts(nesting, depth, runs);
    }
  }
  function parts(nesting: number, depth: number, runs: boolean): void {
    for (let count = 1 + random.below(3); count > 0; count--) part(nesting + 1, depth, runs);
  }
  function jump(condition: number | null): number {
    code.push(...(condition === null ? [0xe9] : [0x0f, condition]), ...word(0));
    return code.length;
  }
  function land(from: number): void {
    word(code.length - from).forEach((byte, i) => (code[from - 4 + i] = byte));
  }

  code.push(0xbe, ...word(choices), 0xbf, ...word(CODE), 0xb9, ...word(0)); // mov esi, choices; mov edi, CODE; mov ecx, 0
  const begin = code.length;
  part(5, 0, true);
  for (let count = 0; count < 4; count++) part(0, 0, true);
  code.push(0xe9, ...word(begin - (code.length + 5))); // jmp begin
  return { code, accesses };
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])("random code, seed %i", (seed) => {
  const random = new Random(seed);
  for (let round = 0; round < 4; round++) {
    const { code, accesses } = program(random);
    expect(code.length).toBeLessThan(CALLEE - CODE);
    // In the first pass through the loop, and in the second.
    for (let nth = 0; nth < 2 * accesses.length; nth += 1 + Math.floor(accesses.length / 8)) {
      word(nth + 1).forEach((byte, i) => (code[11 + i] = byte));
      const { pc, depth } = accesses[nth % accesses.length]!;
      const faults: unknown[] = [];
      const pieces = new Map([
        [CODE, code],
        [CALLEE, [0x53, 0x5b, 0xc3]], // push rbx; pop rbx; ret
      ]);
      const guest = guestCode(pieces, 1000, (cpu) => ({
        fault: ({ kind }) => {
          faults.push({ kind, rip: cpu.rip, rsp: cpu.gpr[RSP] });
          return ENDED;
        },
      }));
      guest.run();
      expect(faults).toEqual([{ kind: "page", rip: pc, rsp: FIRST_RSP - BigInt(depth) }]);
    }
  }
});
