/** What the program's tables tell of a call's arguments, against signatures and against the code itself. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { OP_GPR, type Insn } from "../jit/decode.js";
import { readFirst } from "../jit/inline.js";
import { neededByCallee } from "../jit/liveness.js";
import { RegionFinder, type Item, type Region } from "../jit/region.js";
import { ARGUMENT_REGISTERS, gprBit, RDX, type RegisterSet } from "../jit/registers.js";
import { Arguments } from "../src/go/arguments.js";
import type { FunctionTable } from "../src/go/function-table.js";
import { ImageCode } from "../src/image-code.js";
import { openProgram } from "../src/program.js";
import { guestVersions, unpack } from "./guests/unpack.js";

const open = (version: string) => openProgram(readFileSync(unpack(version, "guests")));
const REGISTER_ABI = guestVersions().filter((version) => version !== "1.15");

/** Words of arguments, the same in all these releases; null where the compiler leaves some out. */
const SIGNATURES: Readonly<Record<string, number | null>> = {
  "main.main": 0,
  "runtime.goexit1": 0,
  "runtime.convT64": 1,
  "runtime.mallocgc": 3,
  "runtime.growslice": 5,
  "runtime.concatstring3": 7,
  // More than ten words.
  "runtime.concatstring5": null,
  // Hand-written.
  "runtime.memmove": null,
};

/** What the instruction reads of general registers, for what it computes: not what it keeps of a register, nor what it only probes with. */
function readFor(item: Item): RegisterSet {
  const { mnemonic } = item.entry;
  const keeps = /^(Set\w+|Mov|Bsf|Bsr)$/.test(mnemonic) && item.insn.operands[0]!.kind === OP_GPR;
  if (keeps) return item.registersRead & ~item.registersWritten & 0xffff;
  return (isProbe(item.insn, mnemonic) ? 0 : item.registersRead) & 0xffff;
}
/** TEST [r], AL: the compiler's check for nil. */
const isProbe = ({ operands }: Insn, mnemonic: string): boolean => mnemonic === "Test" && operands[0]!.kind !== OP_GPR;

/** The same code with nothing behind its calls. */
const asFarAsCalls = ({ blocks }: Region): Pick<Region, "blocks"> => ({
  blocks: blocks.map((block) => ({
    ...block,
    items: block.items.map((item) => ({ ...item, registersRead: readFor(item) })),
    end: block.end.kind === "call" ? { kind: "stop" } : block.end,
  })),
});

describe.each(REGISTER_ABI)("Go %s", (version) => {
  const program = open(version);
  const code = new ImageCode(program);
  const { functions } = program.go;

  it("tells how many words functions take", () => {
    const seen = Object.keys(SIGNATURES).map((name) => {
      const read = code.registersRead(functions.start[functions.indexOf(name)]!, -1);
      return [name, read && read.general.length - 1];
    });
    expect(Object.fromEntries(seen)).toEqual(SIGNATURES);
  });

  it("agrees with what the code of functions reads", () => {
    const finder = new RegionFinder(code);
    const wrong: string[] = [];
    let checked = 0;
    for (let index = 0; index < functions.count; index++) {
      const pc = functions.start[index]!;
      if (functions.isAsm(index) || !code.registersRead(pc, -1)) continue;
      const region = finder.find(pc, 2000);
      if (!region) continue;
      checked++;
      const needed = neededByCallee(code, { target: pc, next: -1 }, () => false).registers;
      const missing = readFirst(asFarAsCalls(region)) & ~needed;
      if (ARGUMENT_REGISTERS.some((register) => missing & gprBit(register))) wrong.push(functions.name(index));
    }
    expect(wrong).toEqual([]);
    expect(checked).toBeGreaterThan(4000);
  });

  it("says that nothing comes back from where the stack grows", () => {
    const read = (name: string) => code.registersRead(functions.start[functions.indexOf(name)]!, 0x1000);
    expect(read("runtime.morestack_noctxt")).toEqual({ general: [], xmm: 0, returns: false });
    expect(read("runtime.morestack")).toEqual({ general: [RDX], xmm: 0, returns: false });
    expect(read("runtime.gopanic")?.returns).toBe(false);
    expect(read("runtime.convT64")?.returns).toBe(true);
    expect(code.registersRead(functions.start[functions.indexOf("runtime.convT64")]! + 1, -1)).toBeNull();
  });
});

it("says nothing of programs whose arguments are on the stack", () => {
  expect(open("1.15").go.piecesAddress).toBeNull();
});

describe("a list of arguments", () => {
  const SAMPLE = 3;
  let sample = [0, 8, 8, 8, 16, 1, 0xff];
  const words = (...bytes: readonly number[]) => {
    const functions = {
      indexOf: (name: string) => (name === "runtime.mallocgc" ? SAMPLE : -1),
      funcData: (index: number) => (index === 0 ? -1 : index === SAMPLE ? 1016 : 16),
      name: (index: number) => (index === 2 ? "main.f[...]" : "main.f"),
    } as Pick<FunctionTable, "indexOf" | "funcData" | "name"> as FunctionTable;
    return new Arguments(functions, 100, (address) => {
      const byte = address >= 1116 ? sample[address - 1116] : bytes[address - 116];
      return byte === undefined ? null : BigInt(byte) | 0xab00n;
    });
  };
  it("has a word for each offset", () => {
    expect(words(0xff).words(1)).toBe(0);
    expect(words(0, 8, 0xfe, 8, 8, 16, 4, 0xfd, 24, 1, 0xff).words(1)).toBe(4);
    expect(words(0, 8, 0xfb, 0xfb, 0xff).words(1)).toBe(3);
  });
  it("is not known if it is cut short, damaged, of generic code, or where it is is not known", () => {
    expect(words(0, 8, 0xfc, 0xff).words(1)).toBeNull();
    expect(words(0, 8, 0xf3, 0xff).words(1)).toBeNull();
    expect(words(0, 8).words(1)).toBeNull();
    expect(words(...new Array<number>(1000).fill(0)).words(1)).toBeNull();
    expect(words(0, 8, 0xff).words(2)).toBeNull();
    expect(new Arguments({ indexOf: () => 0 } as unknown as FunctionTable, null, () => 0n).words(1)).toBeNull();
  });
  it("is empty where there is none", () => expect(words().words(0)).toBe(0));
  it("is not believed if that of a function that all programs have is not as expected", () => {
    sample = [0, 8, 8, 8, 0xff];
    expect(words(0, 8, 0xff).words(1)).toBeNull();
    expect(words().words(0)).toBeNull();
  });
});
