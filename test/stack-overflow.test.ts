/**
 * The host's stack is exhausted again and again by guest recursion; no system call may be lost or repeated by that, and
 * no register.
 */
import { expect, test } from "vitest";
import type { CpuState } from "../jit/cpu-state.js";
import { CONTINUE, ENDED } from "../jit/executor.js";
import { call, CODE, FIRST_RSP, guestCode, word } from "./guest-code.js";

const FIRST = CODE + 0x40;
const SECOND = CODE + 0x80;
const DEPTH = 100_000;
const EXIT = 60;
/** Hotter than anything here gets before its count starts anew. */
const NEVER = 2 ** 15;
const GETPID = 39;
const RAX = 0;
const RSP = 4;
const RSI = 6;

/** mov edi, depth; xor esi, esi; call FIRST; mov eax, EXIT; syscall */
const main = [0xbf, ...word(DEPTH), 0x31, 0xf6, ...call(CODE + 7, FIRST), 0xb8, ...word(EXIT), 0x0f, 0x05];

/** A function: system call, RDTSC, MUL and DIV, RSI += 1, and itself through `next` until RDI is 0. */
function recursion(at: number, next: number): number[] {
  const body = [
    ...[0xb8, ...word(GETPID), 0x0f, 0x05], // mov eax, GETPID; syscall
    ...[0x0f, 0x31], // rdtsc
    ...[0x48, 0xf7, 0xe0], // mul rax
    ...[0xba, ...word(5), 0xb9, ...word(-1), 0x48, 0xf7, 0xf1], // mov edx, 5; mov ecx, 0xffffffff; div rcx
    ...[0x48, 0x83, 0xc6, 0x01, 0x48, 0x83, 0xef, 0x01], // add rsi, 1; sub rdi, 1
    ...[0x74, 0x05], // jz past the call
  ];
  return [...body, ...call(at + body.length, next), 0xc3];
}

/** JavaScript that needs so many frames of stack. */
const useStack = (levels: number): number => (levels === 0 ? 0 : 1 + useStack(levels - 1));

test.each([
  { how: "one module", moduleInstructions: 1000, hot: 0 },
  { how: "a module for each region", moduleInstructions: 1, hot: 0 },
  { how: "interpreted", moduleInstructions: 1, hot: NEVER },
  { how: "translated when hot", moduleInstructions: 1, hot: 64 },
])("deep recursion, $how", ({ moduleInstructions, hot }) => {
  const stackPointers = new Set<bigint>();
  let calls = 0;
  const pieces = new Map([
    [CODE, main],
    [FIRST, recursion(FIRST, SECOND)],
    [SECOND, recursion(SECOND, FIRST)],
  ]);
  const hooks = (cpu: CpuState) => ({
    syscall: () => {
      if (cpu.gpr[RAX] === BigInt(EXIT)) return ENDED;
      calls++;
      useStack(100);
      stackPointers.add(cpu.gpr[RSP]!);
      return CONTINUE;
    },
  });
  const guest = guestCode(pieces, moduleInstructions, hooks, { hot });
  guest.run();
  expect(calls).toBe(DEPTH);
  expect(stackPointers.size).toBe(DEPTH);
  expect(guest.cpu.gpr[RSI]).toBe(BigInt(DEPTH));
  expect(guest.cpu.gpr[RSP]).toBe(FIRST_RSP);
  // Interpreted calls take no stack of the host.
  if (hot !== NEVER) expect(guest.counters.get("overflow")).toBeGreaterThan(0);
});
