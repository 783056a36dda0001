/** Loads from the stack that take a stored value from a local, and all that must not. */
import { expect, test } from "vitest";
import type { CodeSource } from "../jit/code-source.js";
import { analyseFlow } from "../jit/flow.js";
import { ENTRIES, registersWritten } from "../jit/lift/index.js";
import { Lifter } from "../jit/lift/lifter.js";
import { RegionFinder } from "../jit/region.js";
import { gprBit, RSP } from "../jit/registers.js";
import { regionImports } from "../jit/runtime-module.js";
import { findStackSlots, mayWriteElsewhere } from "../jit/stack-slots.js";
import { GUEST, i32, i64, WasmBuilder, type Expr } from "../jit/wasm.js";
import { decodeOne } from "./instructions/generate.js";

const CODE = 0x400000;
const RET = 0xc3;

const codeSource = (code: readonly number[], { probe = -1 } = {}): CodeSource => ({
  convention: "internal",
  read: (pc, length) =>
    pc < CODE ? new Uint8Array(0) : Uint8Array.from(code.slice(pc - CODE, Math.max(pc - CODE + length, 0))),
  functionAt: () => ({ start: CODE, end: CODE + code.length, origin: "compiler" }),
  constantWord: () => null,
  registersRead: () => null,
  probeAt: (pc) => (pc === probe ? 0 : -1),
});

const STORE = [0x48, 0x89, 0x5c, 0x24, 0x08]; // mov [rsp+8], rbx
const LOAD = [0x48, 0x8b, 0x44, 0x24, 0x08]; // mov rax, [rsp+8]
const STORE_4 = STORE.slice(1);
const LOAD_4 = LOAD.slice(1);
const PUSH = 0x53; // push rbx
const POP = 0x58; // pop rax
const NOP = 0x90;
/** A conditional jump, taken with ZF, over `length` bytes. */
const skip = (length: number): number[] => [0x74, length];

/** How many loads of `code`, followed by RET, are spared. */
function spared(code: readonly number[], options?: { probe: number }): number {
  const region = new RegionFinder(codeSource([...code, RET], options)).find(CODE, 100)!;
  const found = findStackSlots(region, analyseFlow(region)) ?? [];
  return found.flatMap((accesses) => [...(accesses?.values() ?? [])]).filter(({ kind }) => kind === "load").length;
}

test.each([
  { what: "a spilled register", code: [...STORE, NOP, ...LOAD], loads: 1 },
  { what: "long ago", code: [...STORE, ...new Array<number>(16).fill(NOP), ...LOAD], loads: 0 },
  { what: "a constant long ago", code: [0x6a, 7, ...new Array<number>(16).fill(NOP), POP], loads: 1 },
  { what: "of four bytes", code: [...STORE_4, ...LOAD_4], loads: 1 },
  { what: "what was pushed", code: [PUSH, POP], loads: 1 },
  { what: "at another distance from RSP", code: [...STORE, PUSH, 0x48, 0x8b, 0x44, 0x24, 0x10, 0x59], loads: 2 },
  { what: "after RSP has moved", code: [0x48, 0x83, 0xec, 0x10, ...STORE, 0x48, 0x83, 0xc4, 0x10, ...LOAD], loads: 0 },
  { what: "by both ways to it", code: [...skip(7), ...STORE, 0xeb, 0x05, ...STORE, ...LOAD], loads: 1 },
  { what: "by one way to it", code: [...skip(5), ...STORE, ...LOAD], loads: 0 },
  { what: "what was not stored", code: LOAD, loads: 0 },
  { what: "more than was stored", code: [...STORE_4, ...LOAD], loads: 0 },
  { what: "less than was stored", code: [...STORE, ...LOAD_4], loads: 0 },
  { what: "a part stored again", code: [...STORE, 0x88, 0x4c, 0x24, 0x09, ...LOAD], loads: 0 },
  { what: "another slot stored", code: [...STORE, 0x48, 0x89, 0x4c, 0x24, 0x10, ...LOAD], loads: 1 },
  { what: "a store elsewhere", code: [...STORE, 0x48, 0x89, 0x0f, ...LOAD], loads: 0 },
  { what: "a store at RSP with an index", code: [...STORE, 0x48, 0x89, 0x0c, 0x0c, ...LOAD], loads: 0 },
  { what: "a string store", code: [...STORE, 0xf3, 0x48, 0xab, ...LOAD], loads: 0 },
  { what: "an atomic instruction", code: [...STORE, 0xf0, 0x48, 0x0f, 0xc1, 0x4c, 0x24, 0x20, ...LOAD], loads: 0 },
  { what: "a new stack", code: [...STORE, 0x48, 0x89, 0xcc, ...LOAD], loads: 0 },
  { what: "a call", code: [...STORE, 0xe8, 0x00, 0x10, 0x00, 0x00, ...LOAD], loads: 0 },
  { what: "a system call", code: [...STORE, 0x0f, 0x05, ...LOAD], loads: 0 },
  { what: "a probe", code: [...STORE, ...LOAD], loads: 0, probe: CODE + STORE.length },
  { what: "the start of a loop", code: [...STORE, ...LOAD, 0x75, 0xf9], loads: 0 },
  { what: "within a loop", code: [NOP, ...STORE, ...LOAD, 0x75, 0xf3], loads: 1 },
])("$what: $loads", ({ code, loads, probe = -1 }) => {
  expect(spared(code, { probe })).toBe(loads);
});

/** Notes whether guest memory is written. */
class WatchingBuilder extends WasmBuilder {
  writes = false;
  override store(...args: Parameters<WasmBuilder["store"]>): Expr {
    this.writes ||= args[0] === GUEST;
    return super.store(...args);
  }
  override atomicRmw(...args: Parameters<WasmBuilder["atomicRmw"]>): Expr {
    this.writes = true;
    return super.atomicRmw(...args);
  }
  override atomicCmpxchg(...args: Parameters<WasmBuilder["atomicCmpxchg"]>): Expr {
    this.writes = true;
    return super.atomicCmpxchg(...args);
  }
  override memoryCopy(...args: Parameters<WasmBuilder["memoryCopy"]>): Expr {
    this.writes = true;
    return super.memoryCopy(...args);
  }
  override memoryFill(...args: Parameters<WasmBuilder["memoryFill"]>): Expr {
    this.writes = true;
    return super.memoryFill(...args);
  }
}

test("no instruction writes memory that is not known to", () => {
  const w = new WatchingBuilder();
  w.begin(regionImports(1, false));
  const lifter = new Lifter(w, { guestBase: 0 });
  const unknown = ENTRIES.flatMap(({ samples }) => samples).filter((sample) => {
    const { insn, entry } = decodeOne(Uint8Array.from(Buffer.from(sample, "hex")), true)!;
    lifter.beginFunction([i32, i64], 1);
    lifter.beginBlock(null, 0);
    lifter.insn = insn;
    w.writes = false;
    entry.lift(lifter, insn);
    const changesRsp = (registersWritten(entry, insn) & gprBit(RSP)) !== 0;
    return w.writes && !changesRsp && !mayWriteElsewhere({ insn, entry });
  });
  expect(unknown).toEqual([]);
});
