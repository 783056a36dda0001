/** What is translated again, thoroughly: how it is found, what it becomes, and that threads go on in it. */
import { expect, test } from "vitest";
import { CodeArena } from "../jit/code-arena.js";
import { CPU_PAGES, CPU_SAMPLE, CPU_SAMPLED } from "../jit/cpu-block.js";
import type { CodeSource } from "../jit/code-source.js";
import { CONTINUE, ENDED } from "../jit/executor.js";
import { Sampler } from "../src/machine/sampler.js";
import { call, CODE, guestCode, word, type GuestCode } from "./guest-code.js";

const [F, G, CALLEE] = [CODE + 0x100, CODE + 0x200, CODE + 0x300];
const SYSCALL = [0x0f, 0x05];
const RET = 0xc3;

const RDTSC = [0x0f, 0x31];

/** So many that a function is not inlined by the first translation. */
const NOPS = new Array<number>(50).fill(0x90);
/** Compiled functions: two that call a third. */
const functions: readonly (readonly [number, readonly number[]])[] = [
  [F, [...NOPS, ...call(F + NOPS.length, CALLEE), RET]],
  [G, [...NOPS, ...call(G + NOPS.length, CALLEE), RET]],
  [CALLEE, [...NOPS, RET]],
];
const program: Partial<CodeSource> = {
  functionAt: (pc) => ({ start: pc & ~0xff, end: (pc & ~0xff) + 0x100, origin: "compiler" }),
};

/** What the thread has answered since it was asked which region it is in: an entry, or 0. */
function takeAnswer({ cpuMemory }: GuestCode): number {
  const words = new Int32Array(cpuMemory.buffer);
  const answer = words[CPU_SAMPLED / 4]!;
  words[CPU_SAMPLED / 4] = 0;
  return answer;
}
function ask({ cpuMemory }: GuestCode): void {
  new Int32Array(cpuMemory.buffer)[CPU_SAMPLE / 4] = 1;
}

/**
 * Runs a program that calls functions in turn, and is asked before each call.
 * @param between called before each call and after the last, with the number of those before; a system call follows
 * @returns what was answered during each call
 */
function answersDuring(targets: readonly number[], between: (guest: GuestCode, calls: number) => void): number[] {
  const main: number[] = [];
  for (const target of targets) {
    main.push(...RDTSC, ...SYSCALL, ...RDTSC);
    main.push(...call(CODE + main.length, target));
  }
  main.push(...RDTSC, ...SYSCALL);
  const answers: number[] = [];
  let calls = 0;
  let asks = false;
  const guest = guestCode(
    new Map([[CODE, main], ...functions]),
    1,
    () => ({
      timeStamp() {
        if (asks) ask(guest);
        else {
          answers.push(takeAnswer(guest));
          between(guest, calls++);
        }
        asks = !asks;
        return 0;
      },
      syscall: () => (calls > targets.length ? ENDED : CONTINUE),
    }),
    { program, thorough: false },
  );
  guest.run();
  return answers.slice(1);
}

test("code of the first translation says where it is when it is asked, thorough code does not", () => {
  const answers = answersDuring([F, G, F, G], ({ translator }, calls) => {
    if (calls === 2) translator.improve(F);
  });
  expect(answers).toEqual([F, G, 0, G]);
});

test("code without calls says nothing", () => {
  expect(answersDuring([CALLEE, F], () => {})).toEqual([0, F]);
});

test("a loop answers, and goes on as it was", () => {
  const answers: number[] = [];
  // mov ecx, 1000; loop: rdtsc; call CALLEE; sub ecx, 1; jnz loop; syscall
  const loop = [0xb9, ...word(1000), ...RDTSC, ...call(CODE + 7, CALLEE), 0x83, 0xe9, 0x01, 0x75, 0xf4, ...SYSCALL];
  const guest = guestCode(
    new Map([[CODE, loop], ...functions]),
    1,
    () => ({
      timeStamp() {
        answers.push(takeAnswer(guest));
        if (answers.length % 100 === 0) ask(guest);
        return 0;
      },
      syscall: () => ENDED,
    }),
    { program, thorough: false },
  );
  guest.run();
  expect(answers.length).toBe(1000);
  expect(answers.filter((answer) => answer === CODE).length).toBe(9);
  expect(guest.counters.get("poll")).toBe(0);
});

test("who is asked in a system call says nothing", () => {
  let calls = 0;
  const guest = guestCode(
    new Map([[CODE, [...SYSCALL, ...call(CODE + 2, F), ...SYSCALL]], ...functions]),
    1,
    () => ({
      syscall() {
        if (calls++ > 0) return ENDED;
        ask(guest);
        return CONTINUE;
      },
    }),
    { program, thorough: false },
  );
  guest.run();
  expect(calls).toBe(2);
  expect(takeAnswer(guest)).toBe(0);
});

test("better code stays where it is when a module is linked that has the former", () => {
  const answers = answersDuring([F, G, F], ({ translator, arena }, calls) => {
    if (calls > 0) return;
    const waiting = [G];
    translator.translate(F, () => waiting.shift() ?? 0);
    expect(arena.moduleOf(arena.slotOf(F))).toBe(arena.moduleOf(arena.slotOf(G)));
    translator.improve(F);
    expect(arena.moduleOf(arena.slotOf(F))).not.toBe(arena.moduleOf(arena.slotOf(G)));
  });
  expect(answers).toEqual([0, G, 0]);
});

test("what is not translated, or thoroughly, is not improved; changed code is, from its beginning", () => {
  const { translator, arena } = guestCode(new Map(functions), 1, () => ({}), { program, thorough: false });
  translator.improve(F);
  expect(arena.isTranslated(F)).toBe(false);
  translator.translate(F);
  expect(arena.isImprovable(F)).toBe(true);
  translator.improve(F);
  translator.improve(F);
  expect(translator.counts).toMatchObject({ regions: 2, improved: 1 });
  expect(arena.isImprovable(F)).toBe(false);
  arena.invalidate(F, 1);
  expect(arena.isTranslated(F)).toBe(false);
  translator.translate(F);
  expect(arena.isImprovable(F)).toBe(true);
});

test("a function's former module goes with the better one, and what else is in it", () => {
  const arena = new CodeArena(CodeArena.allocate());
  const publish = (improved: boolean, ...regions: { pc: number; start: number; end: number }[]) => {
    for (const { pc } of regions) arena.reserve(pc);
    const bytes = new Uint8Array(10);
    return arena.publish({ bytes, map: bytes, regions, dynamic: false, improved }, arena.epoch);
  };
  publish(false, { pc: F, start: F, end: F + 9 }, { pc: G, start: G, end: G + 9 });
  publish(true, { pc: F, start: F, end: F + 1 });
  // Code that only the former function of F was made from.
  arena.invalidate(F + 5, 1);
  expect([arena.isTranslated(F), arena.isTranslated(G)]).toEqual([false, false]);
  expect(arena.improvedSlots()).toEqual([]);
});

test("the sampler counts the answers of all threads", () => {
  const memories = [0, 1, 2].map(
    () => new WebAssembly.Memory({ initial: CPU_PAGES, maximum: CPU_PAGES, shared: true }),
  );
  const got: (readonly [number, number])[] = [];
  const sampler = new Sampler([memories[0]!, memories[1]!], (entry, times) => got.push([entry, times]));
  const answer = (thread: number, entry: number): void => {
    const words = new Int32Array(memories[thread]!.buffer);
    expect(words[CPU_SAMPLE / 4]).toBe(1);
    words[CPU_SAMPLE / 4] = 0;
    words[CPU_SAMPLED / 4] = entry;
  };
  expect(sampler.ask()).toBe(false);
  answer(0, F);
  expect(sampler.ask()).toBe(true);
  answer(0, F);
  answer(1, F);
  expect(sampler.ask()).toBe(true);
  expect(sampler.ask()).toBe(false);
  answer(1, 0xffff_0000);
  expect(sampler.ask()).toBe(true);
  expect(got).toEqual([
    [F, 1],
    [F, 2],
    [F, 3],
    [0xffff_0000, 1],
  ]);
});
