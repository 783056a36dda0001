/** Probes: in translated, inlined and interpreted code they see every register, once each time, and may change them. */
import { expect, test } from "vitest";
import { FIRST_MODULE } from "../jit/code-arena.js";
import type { CodeSource } from "../jit/code-source.js";
import type { CpuState } from "../jit/cpu-state.js";
import { CONTINUE, ENDED, REPLACED, type Continuation } from "../jit/executor.js";
import { call, CODE, FIRST_RSP, guestCode, word, type GuestCode } from "./guest-code.js";

const LEAF = CODE + 0x80;
const DEEP = CODE + 0x100;
const END = CODE + 0x180;
const TURNS = 500;
const RCX = 1;
const RSP = 4;
const RSI = 6;
const RDI = 7;
const ZF = 1 << 6;

/** mov edi, TURNS; xor esi, esi */
const start = [0xbf, ...word(TURNS), 0x31, 0xf6];
const LOOP = CODE + start.length;
const main = [
  ...start,
  ...call(LOOP, LEAF), // loop:
  ...[0x48, 0x83, 0xef, 0x01], // sub rdi, 1
  ...[0x75, 0xf5], // jnz loop
  ...[0x0f, 0x05], // syscall
];
const BRANCH = LOOP + 9;
/** lea rcx, [rdi+5]; add rsi, rcx; ret. RCX is of no use to anybody afterwards. */
const leaf = [0x48, 0x8d, 0x4f, 0x05, 0x48, 0x01, 0xce, 0xc3];
const MIDDLE = LEAF + 4;
const pieces = new Map([
  [CODE, main],
  [LEAF, leaf],
]);
const sum = (terms: number): bigint => BigInt((TURNS * 5 + (TURNS * (TURNS + 1)) / 2) * terms);

const functionAt: CodeSource["functionAt"] = (pc) => {
  const starts = [CODE, LEAF, DEEP, END];
  const index = starts.findIndex((address) => pc < address);
  return index < 1 ? null : { start: starts[index - 1]!, end: starts[index]!, origin: "compiler" };
};

const modes = [
  { how: "one module", moduleInstructions: 1000, hot: 0 },
  { how: "a module for each region", moduleInstructions: 1, hot: 0 },
  { how: "interpreted", moduleInstructions: 1, hot: 2 ** 15 },
  { how: "translated when hot", moduleInstructions: 1, hot: 64 },
];
type Mode = (typeof modes)[number];

function guestWith(
  { moduleInstructions, hot }: Mode,
  code: ReadonlyMap<number, readonly number[]>,
  probe: (cpu: CpuState) => Continuation,
): GuestCode {
  const hooks = (cpu: CpuState) => ({ syscall: (): Continuation => ENDED, probe: () => probe(cpu) });
  return guestCode(code, moduleInstructions, hooks, { program: { convention: "internal", functionAt }, hot });
}

test.each(modes)("registers are exact at each probe, $how", (mode) => {
  const seen: unknown[] = [];
  const guest = guestWith(mode, pieces, ({ rip, gpr, rflags }) => {
    // Flags are scratch at a function's beginning.
    seen.push([rip, gpr[RDI], gpr[RSI], gpr[RSP], rip === MIDDLE && gpr[RCX], rip === BRANCH && rflags & ZF]);
    return CONTINUE;
  });
  for (const pc of [LOOP, LEAF, MIDDLE, BRANCH]) guest.setProbe(pc);
  guest.run();
  const expected: unknown[] = [];
  let rsi = 0n;
  for (let rdi = BigInt(TURNS); rdi > 0n; rdi--) {
    expected.push([LOOP, rdi, rsi, FIRST_RSP, false, false]);
    expected.push([LEAF, rdi, rsi, FIRST_RSP - 8n, false, false]);
    expected.push([MIDDLE, rdi, rsi, FIRST_RSP - 8n, rdi + 5n, false]);
    rsi += rdi + 5n;
    expected.push([BRANCH, rdi - 1n, rsi, FIRST_RSP, false, rdi === 1n ? ZF : 0]);
  }
  expect(seen).toEqual(expected);
  expect(guest.cpu.gpr[RSI]).toBe(sum(1));
});

test.each(modes)("a probe may change registers and the next address, $how", (mode) => {
  let calls = 0;
  const guest = guestWith(mode, pieces, (cpu) => {
    calls++;
    if (cpu.rip === MIDDLE) cpu.gpr[RCX]! *= 2n;
    // Over the call.
    else if (cpu.gpr[RDI] === 1n) cpu.rip += 5;
    else return CONTINUE;
    return REPLACED;
  });
  guest.setProbe(MIDDLE);
  guest.setProbe(LOOP);
  guest.run();
  expect(calls).toBe(2 * TURNS - 1);
  expect(guest.cpu.gpr[RSI]).toBe(sum(2) - 12n);
  expect(guest.cpu.gpr[RSP]).toBe(FIRST_RSP);
});

test.each(modes)("probes come and go while the code runs, $how", (mode) => {
  const seen: number[] = [];
  const guest = guestWith(mode, pieces, ({ rip, gpr }) => {
    seen.push(rip);
    // Where the code is that calls out, and is forgotten by that.
    if (rip === MIDDLE && gpr[RDI] === 300n) guest.setProbe(BRANCH);
    if (rip === BRANCH && gpr[RDI] === 200n) guest.clearProbe(MIDDLE);
    return CONTINUE;
  });
  guest.setProbe(MIDDLE);
  guest.run();
  const times = (pc: number): number => seen.filter((rip) => rip === pc).length;
  expect(times(MIDDLE)).toBe(TURNS - 200);
  expect(times(BRANCH)).toBe(300);
  expect(guest.cpu.gpr[RSI]).toBe(sum(1));
});

test.each(modes)("no probe is lost or repeated where the host's stack ends, $how", (mode) => {
  const depth = 100_000;
  // add rsi, 1; sub rdi, 1; jz to the return; call DEEP; ret
  const deep = [0x48, 0x83, 0xc6, 0x01, 0x48, 0x83, 0xef, 0x01, 0x74, 0x05, ...call(DEEP + 10, DEEP), 0xc3];
  const first = [0xbf, ...word(depth), 0x31, 0xf6, ...call(CODE + 7, DEEP), 0x0f, 0x05];
  const seen = new Set<bigint>();
  let calls = 0;
  const code = new Map([
    [CODE, first],
    [DEEP, deep],
  ]);
  const guest = guestWith(mode, code, ({ gpr }) => {
    calls++;
    seen.add(gpr[RSI]!);
    return CONTINUE;
  });
  guest.setProbe(DEEP + 4);
  guest.run();
  expect(calls).toBe(depth);
  expect(seen.size).toBe(depth);
  expect(guest.cpu.gpr[RSI]).toBe(BigInt(depth));
  expect(guest.cpu.gpr[RSP]).toBe(FIRST_RSP);
});

test("code without a probe is the same whether there are probes elsewhere or not", () => {
  const modules = (probed: readonly number[]): Uint8Array[] => {
    const guest = guestWith(modes[1]!, pieces, () => CONTINUE);
    for (const pc of probed) guest.setProbe(pc);
    guest.run();
    const { arena } = guest;
    return Array.from({ length: arena.moduleCount - FIRST_MODULE }, (_, i) =>
      arena.moduleBytes(FIRST_MODULE + i)!.slice(),
    );
  };
  const without = modules([]);
  expect(without.length).toBeGreaterThan(0);
  expect(without.some((bytes) => new TextDecoder("latin1").decode(bytes).includes("probe"))).toBe(false);
  expect(modules([END])).toEqual(without);
  expect(modules([MIDDLE])).not.toEqual(without);
});
