/**
 * The host's stack is exhausted again and again by guest recursion; no system call may be lost or repeated by that, and
 * no register.
 */
/// <reference path="../jit/webassembly.d.ts" />
import { expect, test } from "vitest";
import { TranslationChannel } from "../jit/channel.js";
import { CodeArena } from "../jit/code-arena.js";
import type { CodeSource } from "../jit/code-source.js";
import { Counters } from "../jit/counters.js";
import { CPU_PAGES } from "../jit/cpu-block.js";
import { CpuState } from "../jit/cpu-state.js";
import { CONTINUE, ENDED, Executor } from "../jit/executor.js";
import { DEFAULT_TRANSLATOR_OPTIONS, Translator } from "../jit/translator.js";

const GUEST_BASE = 0x10000;
const CODE = 0x400000;
const FIRST = CODE + 0x40;
const SECOND = CODE + 0x80;
const STACK_TOP = 0x1800000;
const GUEST_PAGES = STACK_TOP / 65536;
const DEPTH = 100_000;
const EXIT = 60;
const GETPID = 39;
const RAX = 0;
const RSP = 4;
const RSI = 6;

const word = (value: number) => [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff];
/** A CALL at `at`, relative to its own end. */
const call = (at: number, target: number) => [0xe8, ...word(target - (at + 5))];

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

/** JavaScript that needs about `levels` frames of stack. */
const useStack = (levels: number): number => (levels === 0 ? 0 : 1 + useStack(levels - 1));

test.each([
  { modules: "one module", moduleInstructions: 1000 },
  { modules: "a module for each region", moduleInstructions: 1 },
])("deep recursion, $modules", ({ moduleInstructions }) => {
  const guestMemory = new WebAssembly.Memory({ initial: GUEST_PAGES, maximum: GUEST_PAGES, shared: true });
  const cpuMemory = new WebAssembly.Memory({ initial: CPU_PAGES, maximum: CPU_PAGES, shared: true });
  const bytes = new Uint8Array(guestMemory.buffer);
  bytes.set(main, CODE - GUEST_BASE);
  bytes.set(recursion(FIRST, SECOND), FIRST - GUEST_BASE);
  bytes.set(recursion(SECOND, FIRST), SECOND - GUEST_BASE);
  const source: CodeSource = {
    convention: "none",
    read: (pc, length) =>
      pc >= CODE && pc < CODE + 0x100 ? bytes.slice(pc - GUEST_BASE, pc - GUEST_BASE + length) : new Uint8Array(0),
    functionAt: () => null,
    constantWord: () => null,
  };
  const arena = new CodeArena(CodeArena.allocate());
  const now = () => performance.now();
  const translator = new Translator(
    source,
    arena,
    { guestBase: GUEST_BASE, guestPages: GUEST_PAGES, now, ...DEFAULT_TRANSLATOR_OPTIONS, moduleInstructions },
    () => false,
  );
  const runtime = translator.runtimeModule();
  arena.publish({ bytes: runtime, map: new Uint8Array(0), regions: [], dynamic: false }, arena.epoch);
  class LocalChannel extends TranslationChannel {
    override claimStart(): boolean {
      return false;
    }
    override request(pc: number): boolean {
      useStack(100);
      return translator.translate(pc);
    }
  }
  const cpu = new CpuState(cpuMemory.buffer as SharedArrayBuffer);
  cpu.rip = CODE;
  cpu.gpr[RSP] = BigInt(STACK_TOP - 64);
  const stackPointers = new Set<bigint>();
  let calls = 0;
  const counters = new Counters(Counters.allocate());
  const executor = new Executor({
    guestMemory,
    cpuMemory,
    cpu,
    runtime,
    arena,
    channel: new LocalChannel(TranslationChannel.allocate()),
    hooks: {
      syscall: () => {
        if (cpu.gpr[RAX] === BigInt(EXIT)) return ENDED;
        calls++;
        useStack(100);
        stackPointers.add(cpu.gpr[RSP]!);
        return CONTINUE;
      },
      poll: () => CONTINUE,
      fault: (fault) => {
        throw new Error(`${fault.kind} at ${cpu.rip.toString(16)}`);
      },
      timeStamp: () => 0xffff_ffff,
      startTranslator: () => {},
    },
    counters,
    now,
    isFunction: (pc) => pc === FIRST || pc === SECOND,
  });
  executor.run();
  expect(calls).toBe(DEPTH);
  expect(stackPointers.size).toBe(DEPTH);
  expect(cpu.gpr[RSI]).toBe(BigInt(DEPTH));
  expect(cpu.gpr[RSP]).toBe(BigInt(STACK_TOP - 64));
  expect(counters.get("overflow")).toBeGreaterThan(0);
});
