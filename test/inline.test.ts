/** Which calls are inlined, and that a fault in an inlined callee is exact. */
import { expect, test } from "vitest";
import type { CodeSource } from "../jit/code-source.js";
import { ENDED } from "../jit/executor.js";
import { neededAtExit } from "../jit/liveness.js";
import { RegionFinder, type Profile } from "../jit/region.js";
import { ALL_FLAGS, ALL_REGISTERS, ALL_XMM, CF, DF, gprBit, OF, RAX, RCX, SF, xmmBit, ZF } from "../jit/registers.js";
import { call, CODE, FIRST_RSP, guestCode, word } from "./guest-code.js";

const CALLEE = CODE + 0x80;
const END = CALLEE + 0x80;
const RSP = 4;
const R12 = 12;
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
  registersRead: () => null,
  probeAt: () => -1,
};

const followsAll: Profile = {
  isHot: () => true,
  isFollowed: () => true,
  likelyTargets: () => [],
  isReached: () => true,
};

/** How many calls of the caller's region are inlined. */
function inlined(hot: boolean, share: number): number {
  const region = new RegionFinder(source, { ...followsAll, isHot: () => hot }).find(CODE, 100, share)!;
  return region.blocks.filter(({ end }) => end.kind === "resume").length;
}

test("hot callees are inlined", () => {
  expect(inlined(false, 1)).toBe(0);
  expect(inlined(true, 1)).toBe(2);
});

test("edges that are not followed leave the region, but not what follows a call", () => {
  const isFollowed: Profile["isFollowed"] = (_, taken) => taken;
  const finder = new RegionFinder(source, { ...followsAll, isHot: () => false, isFollowed });
  const { blocks } = finder.find(CODE, 100)!;
  // What comes before the loop, and the loop, which a call cuts in two; not what follows it.
  expect(blocks.map(({ end }) => end.kind)).toEqual(["fall", "call", "branch"]);
  expect(blocks[2]!.end).toMatchObject({ taken: { block: 1 }, fall: { exit: CODE + 5 + loop.length + 2 } });
});

test("a long callee has so many copies, not more", () => {
  const long = [...new Array<number>(40).fill(0x90), 0xc3];
  const caller = [...new Array<number>(18).fill(0).flatMap((_, i) => call(CODE + 5 * i, CALLEE)), 0xc3];
  const code = new Uint8Array(END - CODE);
  code.set(caller);
  code.set(long, CALLEE - CODE);
  const finder = new RegionFinder(
    { ...source, read: (pc, length) => code.slice(Math.max(pc - CODE, 0), Math.max(pc - CODE + length, 0)) },
    followsAll,
  );
  expect(finder.find(CODE, 100)!.blocks.filter(({ end }) => end.kind === "resume").length).toBe(16);
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

/** mov ecx, 7; test dil, dil; jz rare; 30 times nop; mov eax, 1; ret; rare: sete al; movzx eax, al; imul eax, ecx; ret. */
const withRareWay = [
  ...[0xb9, ...word(7), 0x40, 0x84, 0xff, 0x74, NOPS + 6],
  ...[...new Array<number>(NOPS).fill(0x90), 0xb8, ...word(1), 0xc3],
  ...[0x0f, 0x94, 0xc0, 0x0f, 0xb6, 0xc0, 0x0f, 0xaf, 0xc1, 0xc3],
];

test("a way out says what may be read there", () => {
  const neededAt = (code: readonly number[]) => {
    // jz out; ret; out: …
    const bytes = new Uint8Array([0x74, 0x01, 0xc3, ...code, ...new Array<number>(16).fill(0xc3)]);
    const finder = new RegionFinder(
      { ...source, read: (pc, length) => bytes.slice(pc - CODE, pc - CODE + length) },
      { ...followsAll, isFollowed: (_, taken) => !taken },
    );
    const { end } = finder.find(CODE, 100)!.blocks[0]!;
    return end.kind === "branch" && "exit" in end.taken ? end.taken.needed : undefined;
  };
  const read = (code: readonly number[]) => neededAt(code)?.flags;
  // cmp eax, ecx; sete al
  expect(read([0x39, 0xc8, 0x0f, 0x94, 0xc0])).toBe(DF);
  // sete al; cmp eax, ecx
  expect(read([0x0f, 0x94, 0xc0, 0x39, 0xc8])).toBe(DF | ZF);
  // jg to the next; cmp eax, ecx
  expect(read([0x7f, 0x00, 0x39, 0xc8])).toBe(DF | ZF | SF | OF);
  // jg to a return, which leaves no flags
  expect(read([0x7f, 0x01, 0x90, 0xc3])).toBe(DF | ZF | SF | OF);
  // inc eax; cmp leaves nothing of the carry
  expect(read([0xff, 0xc0, 0x39, 0xc8])).toBe(DF);
  // inc eax; setb al; cmp
  expect(read([0xff, 0xc0, 0x0f, 0x92, 0xc0, 0x39, 0xc8])).toBe(DF | CF);
  // a call
  expect(read(call(CODE + 3, CALLEE))).toBe(DF);
  // a computed jump, where the look-ahead ends: jmp rdx
  expect(read([0xff, 0xe2])).toBe(ALL_FLAGS);
  // mov ecx, [rax]; mov r12d, edx; jmp rdx: all but what is written, and RDX is read.
  const registers = neededAt([0x8b, 0x08, 0x41, 0x89, 0xd4, 0xff, 0xe2])!.registers;
  expect(~registers & ALL_REGISTERS).toBe(gprBit(RCX) | gprBit(R12));
  // mov ecx, 0; ret:: arguments that were not touched may be results.
  const results = neededAt([0xb9, ...word(0), 0xc3])!.registers;
  expect(results & (gprBit(RAX) | gprBit(RCX) | gprBit(R12))).toBe(gprBit(RAX));
});

test("a way out of hand-written code keeps the flags to its return only where a POPFQ may have set them", () => {
  const flagsAt = (code: readonly number[]) => {
    // jz out; ret; out: …
    const bytes = new Uint8Array([0x74, 0x01, 0xc3, ...code]);
    const finder = new RegionFinder(
      {
        ...source,
        functionAt: () => ({ start: CODE, end: CODE + bytes.length, origin: "asm" }),
        read: (pc, length) => bytes.slice(pc - CODE, pc - CODE + length),
      },
      { ...followsAll, isFollowed: (_, taken) => !taken },
    );
    const { end } = finder.find(CODE, 100)!.blocks[0]!;
    return end.kind === "branch" && "exit" in end.taken ? end.taken.needed?.flags : undefined;
  };
  // mov ecx, 0; ret
  expect(flagsAt([0xb9, ...word(0), 0xc3])).toBe(DF);
  // pop rbp; ret; popfq
  expect(flagsAt([0x5d, 0xc3, 0x9d])).toBe(ALL_FLAGS);
  // A call, which may read any register.
  expect(flagsAt(call(CODE + 3, CALLEE))).toBe(DF);
});

test("the rare ways of an inlined callee are detours", () => {
  const code = bytes.slice();
  code.set(withRareWay, CALLEE - CODE);
  const finder = new RegionFinder(
    { ...source, read: (pc, length) => code.slice(Math.max(pc - CODE, 0), Math.max(pc - CODE + length, 0)) },
    { ...followsAll, isFollowed: ({ pc }, taken) => pc < CALLEE || !taken },
  );
  const { blocks } = finder.find(CODE, 100)!;
  const rare = CALLEE + 10 + NOPS + 6;
  const detours = blocks.filter(({ end }) => end.kind === "detour");
  expect(detours.map(({ end }) => end)).toMatchObject([
    { to: { exit: rare }, expected: CODE + 15 },
    { to: { exit: rare }, expected: CODE + 5 + loop.length + 9 },
  ]);
});

test("a hot callee is found once, and again when the program comes to more of it", () => {
  const code = sourceOf(
    new Map([
      [CODE, main],
      [CALLEE, withRareWay],
    ]),
  );
  let reads = 0;
  let isRare = true;
  const finder = new RegionFinder(
    {
      ...code,
      read(pc, length) {
        if (pc === CALLEE) reads++;
        return code.read(pc, length);
      },
    },
    { ...followsAll, isFollowed: ({ pc }, taken) => pc < CALLEE || !taken || !isRare },
  );
  /** How many there are, and whether the callee has been looked at for that. */
  const detours = () => {
    const before = reads;
    const { blocks } = finder.find(CODE, 100)!;
    return { detours: blocks.filter(({ end }) => end.kind === "detour").length, looked: reads > before };
  };
  expect(detours()).toEqual({ detours: 2, looked: true });
  expect(detours()).toEqual({ detours: 2, looked: false });
  isRare = false;
  expect(detours()).toEqual({ detours: 0, looked: true });
  expect(detours()).toEqual({ detours: 0, looked: false });
  finder.forget();
  expect(detours()).toEqual({ detours: 0, looked: true });
});

test.each([0, 64])("the rare ways of an inlined callee come back, hot %i", (hot) => {
  const turns = 10_240;
  // mov edi, esi; call; add ebx, eax; sub esi, 1; jnz; ret, to where no code is.
  const turn = [0x89, 0xf7, ...call(CODE + 7, CALLEE), 0x01, 0xc3, 0x83, 0xee, 0x01];
  const caller = [0xbe, ...word(turns), ...turn, 0x75, 256 - (turn.length + 2), 0xc3];
  const code = new Map([
    [CODE, caller],
    [CALLEE, withRareWay],
  ]);
  const program = { convention: "internal", functionAt } as const;
  const guest = guestCode(code, 250, () => ({ fault: () => ENDED }), { program, hot });
  guest.run();
  const rare = turns / 256;
  expect(guest.cpu.gpr[3]).toBe(BigInt(turns - rare + 7 * rare));
  expect(guest.cpu.gpr[RSP]).toBe(FIRST_RSP + 8n);
});

const OTHER = END;
/** mov edi, esi; mov eax, CALLEE; test dil, dil; jnz; mov eax, OTHER; call rax; add ebx, eax; sub esi, 1. */
const computedTurn = [
  ...[0x89, 0xf7, 0xb8, ...word(CALLEE), 0x40, 0x84, 0xff, 0x75, 0x05, 0xb8, ...word(OTHER)],
  ...[0xff, 0xd0, 0x01, 0xc3, 0x83, 0xee, 0x01],
];
const COMPUTED_TURNS = 10_240;
/** Runs the turn 10,240 times, every 256th with the other target; ret, to where no code is. */
const computedCalls = [0xbe, ...word(COMPUTED_TURNS), ...computedTurn, 0x75, 256 - (computedTurn.length + 2), 0xc3];
/** 30 times nop; mov eax, `result`; ret. */
const returning = (result: number) => [...new Array<number>(NOPS).fill(0x90), 0xb8, ...word(result), 0xc3];

/** `source` with other code, which begins at CODE. */
function sourceOf(code: ReadonlyMap<number, ArrayLike<number>>): CodeSource {
  const all = new Uint8Array(Math.max(...[...code].map(([address, piece]) => address + piece.length)) - CODE);
  for (const [address, piece] of code) all.set(piece, address - CODE);
  return { ...source, read: (pc, length) => all.slice(Math.max(pc - CODE, 0), Math.max(pc - CODE + length, 0)) };
}

test("a computed call's likely target is inlined behind a guard", () => {
  const finder = new RegionFinder(
    sourceOf(
      new Map([
        [CODE, computedCalls],
        [CALLEE, returning(1)],
      ]),
    ),
    { ...followsAll, likelyTargets: () => [CALLEE] },
  );
  const { blocks } = finder.find(CODE, 100)!;
  const guard = blocks.findIndex(({ end }) => end.kind === "guard");
  expect(blocks[guard]!.end).toMatchObject({ likely: [{ target: CALLEE, to: { block: guard + 1 } }] });
  expect(blocks[guard + 1]!.pc).toBe(CALLEE);
});

test.each([0, 256])("computed calls go where they go, hot %i", (hot) => {
  const code = new Map([
    [CODE, computedCalls],
    [CALLEE, returning(1)],
    [OTHER, returning(7)],
  ]);
  const program = {
    convention: "internal" as const,
    functionAt: (pc: number) =>
      pc >= OTHER ? ({ start: OTHER, end: OTHER + 0x80, origin: "compiler" } as const) : functionAt(pc),
  };
  const guest = guestCode(code, 250, () => ({ fault: () => ENDED }), { program, hot });
  guest.run();
  const others = COMPUTED_TURNS / 256;
  expect(guest.cpu.gpr[3]).toBe(BigInt(COMPUTED_TURNS - others + 7 * others));
  expect(guest.cpu.gpr[RSP]).toBe(FIRST_RSP + 8n);
});

const THIRD = OTHER + 0x80;
/** mov edi, esi; mov eax, CALLEE; test dil, 1; jz; mov eax, OTHER; test dil, dil; jnz; mov eax, THIRD; call rax; … */
const alternatingTurn = [
  ...[0x89, 0xf7, 0xb8, ...word(CALLEE), 0x40, 0xf6, 0xc7, 0x01, 0x74, 0x05, 0xb8, ...word(OTHER)],
  ...[0x40, 0x84, 0xff, 0x75, 0x05, 0xb8, ...word(THIRD), 0xff, 0xd0, 0x01, 0xc3, 0x83, 0xee, 0x01],
];
/** Calls CALLEE and OTHER in turn, and THIRD at every 256th turn. */
const alternatingCalls = [
  ...[0xbe, ...word(COMPUTED_TURNS), ...alternatingTurn, 0x75, 256 - (alternatingTurn.length + 2), 0xc3],
];
/** The address of `call rax`. */
const alternatingCall = CODE + 5 + alternatingTurn.length - 7;
const alternatingCode = new Map([
  [CODE, alternatingCalls],
  [CALLEE, returning(1)],
  [OTHER, returning(3)],
  [THIRD, returning(7)],
]);
const alternatingFunctionAt: CodeSource["functionAt"] = (pc) => {
  const start = pc < CALLEE ? CODE : pc - ((pc - CODE) % 0x80);
  return pc < CODE || pc >= THIRD + 0x80
    ? null
    : { start, end: start < CALLEE ? CALLEE : start + 0x80, origin: "compiler" };
};

test("both likely targets of a computed call are inlined behind a guard", () => {
  const { blocks } = new RegionFinder(
    { ...sourceOf(alternatingCode), functionAt: alternatingFunctionAt },
    { ...followsAll, likelyTargets: (pc) => (pc === alternatingCall ? [OTHER, CALLEE] : []) },
  ).find(CODE, 100)!;
  const guard = blocks.find(({ end }) => end.kind === "guard")!.end;
  expect(guard).toMatchObject({ computed: true, likely: [{ target: OTHER }, { target: CALLEE }] });
  const entered = guard.kind === "guard" ? guard.likely.map(({ to }) => "block" in to && blocks[to.block]!.pc) : [];
  expect(entered).toEqual([OTHER, CALLEE]);
});

test.each([0, 256])("calls of two likely targets and a third one go where they go, hot %i", (hot) => {
  const program = { convention: "internal" as const, functionAt: alternatingFunctionAt };
  const guest = guestCode(alternatingCode, 250, () => ({ fault: () => ENDED }), { program, hot });
  guest.run();
  const thirds = COMPUTED_TURNS / 256;
  const odd = COMPUTED_TURNS / 2;
  expect(guest.cpu.gpr[3]).toBe(BigInt(3 * odd + (COMPUTED_TURNS - odd - thirds) + 7 * thirds));
  expect(guest.cpu.gpr[RSP]).toBe(FIRST_RSP + 8n);
  const likely = guest.records.likelyTargets(alternatingCall);
  expect([...likely].sort()).toEqual(hot === 0 ? [] : [CALLEE, OTHER]);
});

const TAIL = CALLEE + 0x40;
/** movups xmm0, [rdi]; movups [rsp - 16], xmm0; jmp TAIL */
const handWritten = [0x0f, 0x10, 0x07, 0x0f, 0x11, 0x44, 0x24, 0xf0, ...[0xe9, ...word(TAIL - (CALLEE + 13))]];
/** mov rax, [rsp - 16]; ret */
const handWrittenTail = [0x48, 0x8b, 0x44, 0x24, 0xf0, 0xc3];
const withHandWritten: CodeSource["functionAt"] = (pc) => {
  if (pc < CODE || pc >= END) return null;
  if (pc < CALLEE) return { start: CODE, end: CALLEE, origin: "compiler" };
  return pc < TAIL ? { start: CALLEE, end: TAIL, origin: "asm" } : { start: TAIL, end: END, origin: "asm" };
};

test("hand-written leaves are inlined if they are hot, with what they jump to", () => {
  const code = bytes.slice();
  code.set(handWritten, CALLEE - CODE);
  code.set(handWrittenTail, TAIL - CODE);
  const read: CodeSource["read"] = (pc, length) => code.slice(Math.max(pc - CODE, 0), Math.max(pc - CODE + length, 0));
  const ends = (isHot: Profile["isHot"]) =>
    new RegionFinder({ ...source, read, functionAt: withHandWritten }, { ...followsAll, isHot })
      .find(CODE, 100)!
      .blocks.map(({ end }) => end);
  expect(ends(() => false).filter(({ kind }) => kind === "call").length).toBe(2);
  expect(ends((pc) => pc === CALLEE).filter(({ kind }) => kind === "detour").length).toBe(2);
  const resumed = ends(() => true);
  expect(resumed.filter(({ kind }) => kind === "detour" || kind === "call")).toEqual([]);
  expect(resumed.filter(({ kind }) => kind === "resume").length).toBe(2);
});

test("XMM registers are dead after a hand-written callee", () => {
  const code = bytes.slice();
  // movups xmm3, [rdi]; ret
  code.set([0x0f, 0x10, 0x1f, 0xc3], CALLEE - CODE);
  const read: CodeSource["read"] = (pc, length) => code.slice(Math.max(pc - CODE, 0), Math.max(pc - CODE + length, 0));
  const changed = { ...source, read, functionAt: withHandWritten };
  const region = new RegionFinder(changed, followsAll).find(CODE, 100)!;
  const resumed = region.blocks.filter(({ end }) => end.kind === "resume");
  expect(resumed.map(({ end }) => end)).toMatchObject([{ dead: xmmBit(3) }, { dead: xmmBit(3) }]);
  // Also where it returns to another place than expected: a way that is hardly ever taken would keep them alive through its loops.
  for (const block of resumed)
    expect(neededAtExit(changed, region, block).registers & ALL_XMM).toBe(ALL_XMM & ~xmmBit(3));
});

test.each([0, 64])("an inlined hand-written callee does what it says, and its fault is exact, hot %i", (hot) => {
  const faults: unknown[] = [];
  const code = new Map([
    [CODE, main],
    [CALLEE, handWritten],
    [TAIL, handWrittenTail],
  ]);
  const guest = guestCode(
    code,
    1,
    (cpu) => ({
      fault: ({ kind }) => {
        faults.push({ kind, rip: cpu.rip, rsp: cpu.gpr[RSP], rax: cpu.gpr[0] });
        return ENDED;
      },
    }),
    { program: { convention: "internal", functionAt: withHandWritten }, hot },
  );
  guest.run();
  const first = new DataView(Uint8Array.from(main).buffer).getBigUint64(0, true);
  expect(faults).toEqual([{ kind: "page", rip: CALLEE, rsp: FIRST_RSP - 8n, rax: first }]);
});
