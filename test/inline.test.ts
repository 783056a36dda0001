/** Which calls are inlined, and that a fault in an inlined callee is exact. */
import { expect, test } from "vitest";
import type { CodeSource } from "../jit/code-source.js";
import { ENDED } from "../jit/executor.js";
import { RegionFinder } from "../jit/region.js";
import { call, CODE, FIRST_RSP, guestCode, word } from "./guest-code.js";

const CALLEE = CODE + 0x80;
const END = CALLEE + 0x80;
const RSP = 4;
const NOPS = 30;

/** 30 times nop; mov rax, [rdi]; ret: too long for a leaf that is not hot. */
const callee = [...new Array<number>(NOPS).fill(0x90), 0x48, 0x8b, 0x07, 0xc3];
const LOOPS = 1000;
/** Calls CALLEE 1000 times with RDI = CODE, then once with 0. */
const loop = [0xbf, ...word(CODE), ...call(CODE + 10, CALLEE), 0x83, 0xee, 0x01]; // mov edi, CODE; call; sub esi, 1
const main = [
  ...[0xbe, ...word(LOOPS)], // mov esi, 1000
  ...loop,
  ...[0x75, 256 - (loop.length + 2)], // jnz loop
  ...[0x31, 0xff], // xor edi, edi
  ...call(CODE + 5 + loop.length + 4, CALLEE),
  0xc3,
];
const pieces = new Map([
  [CODE, main],
  [CALLEE, callee],
]);

const functionAt: CodeSource["functionAt"] = (pc) => {
  if (pc < CODE || pc >= END) return null;
  const [start, end] = pc < CALLEE ? [CODE, CALLEE] : [CALLEE, END];
  return { start, end, origin: "compiler" };
};
const bytes = new Uint8Array(END - CODE);
for (const [address, code] of pieces) bytes.set(code, address - CODE);
const source: CodeSource = {
  convention: "internal",
  read: (pc, length) => bytes.slice(Math.max(pc - CODE, 0), Math.max(pc - CODE + length, 0)),
  functionAt,
  constantWord: () => null,
  probeAt: () => -1,
};

/** How many calls of the caller's region are inlined. */
function inlined(hot: boolean, share: number): number {
  const region = new RegionFinder(source, { isHot: () => hot, isReached: () => true }).find(CODE, 100, share)!;
  return region.blocks.filter(({ end }) => end.kind === "resume").length;
}

test("hot callees are inlined", () => {
  expect(inlined(false, 1)).toBe(0);
  expect(inlined(true, 1)).toBe(2);
});

test("what was never reached is left out, but not what follows a call", () => {
  const reached = new Set([CODE]);
  const finder = new RegionFinder(source, { isHot: () => false, isReached: (pc) => reached.has(pc) });
  const { blocks } = finder.find(CODE, 100)!;
  // Up to the first call, the jump behind it, and the loop, which is a part of the first; not what follows the loop.
  expect(blocks.map(({ end }) => end.kind)).toEqual(["call", "branch", "call"]);
  expect(blocks[1]!.end).toMatchObject({ taken: { block: 2 }, fall: { exit: CODE + 5 + loop.length + 2 } });
});

test("a long callee has so many copies, not more", () => {
  const long = [...new Array<number>(50).fill(0x90), 0xc3];
  const caller = [...new Array<number>(12).fill(0).flatMap((_, i) => call(CODE + 5 * i, CALLEE)), 0xc3];
  const code = new Uint8Array(END - CODE);
  code.set(caller);
  code.set(long, CALLEE - CODE);
  const finder = new RegionFinder(
    { ...source, read: (pc, length) => code.slice(Math.max(pc - CODE, 0), Math.max(pc - CODE + length, 0)) },
    { isHot: () => true, isReached: () => true },
  );
  expect(finder.find(CODE, 100)!.blocks.filter(({ end }) => end.kind === "resume").length).toBe(8);
});

test("less is inlined where a region must be small", () => {
  // 800 instructions are usual.
  expect(inlined(true, 40 / 800)).toBe(1);
  expect(inlined(true, 1 / 800)).toBe(0);
});

test.each([0, 64])("a fault in a callee that may be inlined is exact, hot %i", (hot) => {
  const faults: unknown[] = [];
  const guest = guestCode(
    pieces,
    1,
    (cpu) => ({
      fault: ({ kind }) => {
        faults.push({ kind, rip: cpu.rip, rsp: cpu.gpr[RSP] });
        return ENDED;
      },
    }),
    { program: { convention: "internal", functionAt }, hot },
  );
  guest.run();
  expect(faults).toEqual([{ kind: "page", rip: CALLEE + NOPS, rsp: FIRST_RSP - 8n }]);
});
