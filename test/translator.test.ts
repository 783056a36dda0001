/** What is translated together. */
import { expect, test } from "vitest";
import { CodeArena, FIRST_MODULE } from "../jit/code-arena.js";
import { Translator } from "../jit/translator.js";

const CODE = 0x10000;
const APART = 0x100;

/**
 * A translator of functions that are so many NOPs and a RET, APART from each other, 50 instructions to a module.
 * @param others functions, by index, that begin with another byte
 */
function translatorOf(
  lengths: readonly number[],
  others: readonly (readonly [number, number])[] = [],
): { arena: CodeArena; translator: Translator } {
  const code = new Uint8Array(lengths.length * APART);
  lengths.forEach((length, index) => {
    code.fill(0x90, index * APART, index * APART + length);
    if (length) code[index * APART + length] = 0xc3;
  });
  for (const [index, byte] of others) code[index * APART] = byte;
  const arena = new CodeArena(CodeArena.allocate());
  const translator = new Translator(
    {
      convention: "none",
      read: (pc, length) => (code[pc - CODE] ? code.slice(pc - CODE, pc - CODE + length) : new Uint8Array(0)),
      functionAt: (pc) => {
        const start = pc - ((pc - CODE) % APART);
        return { start, end: start + APART, origin: "compiler" };
      },
      constantWord: () => null,
      registersRead: () => null,
      probeAt: () => -1,
    },
    arena,
    {
      guestBase: CODE,
      guestPages: 1,
      functionInstructions: 1000,
      moduleInstructions: 50,
      now: () => performance.now(),
    },
    {
      isDynamic: () => false,
      isLikely: () => true,
      published: () => {},
      isHot: () => false,
      isFollowed: () => true,
      likelyTargets: () => [],
      isReached: () => true,
    },
  );
  return { arena, translator };
}

const addressOf = (index: number): number => CODE + index * APART;

/** How many functions are in each module, if the first is asked for while the others wait. */
function modulesOf(lengths: readonly number[], waiting: readonly number[]): number[] {
  const { arena, translator } = translatorOf(lengths);
  const queue = waiting.map(addressOf);
  const more = () => queue.shift() ?? 0;
  expect(translator.translate(CODE, more)).toBe(lengths[0] !== 0);
  for (let pc = more(); pc; pc = more()) translator.translate(pc, more);
  for (const index of waiting) expect(arena.isTranslated(addressOf(index))).toBe(lengths[index] !== 0);
  return Array.from({ length: arena.moduleCount - FIRST_MODULE }, (_, i) => arena.functionCount(FIRST_MODULE + i));
}

test("regions that wait share a module with others of about their size", () => {
  expect(modulesOf([10, 20, 30, 40], [1, 2, 3])).toEqual([4]);
  expect(modulesOf([100, 10, 150, 10, 250], [1, 2, 3, 4])).toEqual([2, 2, 1]);
  expect(modulesOf(new Array<number>(20).fill(250), [1, 2, 3, 4, 5, 6, 7, 8, 9])).toEqual([7, 3]);
  // So many at a time.
  const many = new Array<number>(20).fill(3);
  expect(modulesOf(many, [...many.keys()].slice(1))).toEqual([16, 4]);
});

test("what waits twice, or is no code, is passed over", () => {
  expect(modulesOf([10, 10, 10, 0], [1, 1, 3, 2, 1])).toEqual([3]);
  expect(modulesOf([0, 10], [1])).toEqual([1]);
  expect(modulesOf([0], [])).toEqual([]);
});

test("what is no instruction has a region too", () => {
  const { arena, translator } = translatorOf([10, 0, 10], [[1, 0x06]]);
  expect(translator.translate(addressOf(1))).toBe(true);
  expect(arena.isTranslated(addressOf(1))).toBe(true);
  expect(arena.moduleCount).toBe(FIRST_MODULE + 1);
});

test("code that changes while regions wait is translated as it is then", () => {
  const { arena, translator } = translatorOf([40, 40, 10]);
  const queue = [1, 2].map(addressOf);
  const publish = arena.publish.bind(arena);
  let changed = false;
  arena.publish = (module, epoch) => {
    if (!changed) arena.invalidate(CODE, 1);
    changed = true;
    return publish(module, epoch);
  };
  expect(translator.translate(CODE, () => queue.shift() ?? 0)).toBe(true);
  for (const index of [0, 1, 2]) expect(arena.isTranslated(addressOf(index))).toBe(true);
});
