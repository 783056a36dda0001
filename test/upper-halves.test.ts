/** What entries say of the upper halves of XMM registers (`upper`) is what their `lift` does. */
import { describe, expect, test } from "vitest";
import { ENTRIES, registersWritten, upperHalf } from "../jit/lift/index.js";
import { Lifter } from "../jit/lift/lifter.js";
import { ALL_REGISTERS, ALL_XMM, xmmBit, type RegisterSet } from "../jit/registers.js";
import { regionImports } from "../jit/runtime-module.js";
import { i32, i64, WasmBuilder } from "../jit/wasm.js";
import { decodeOne } from "./instructions/generate.js";

const w = new WasmBuilder();
w.begin(regionImports(1, false));
const lifter = new Lifter(w, { guestBase: 0 });

/** The XMM registers whose halves are apart after an instruction, if those of `before` were. */
function apartAfter(sample: string, before: RegisterSet): { lifted: RegisterSet; stated: RegisterSet } {
  const { insn, entry } = decodeOne(Uint8Array.from(Buffer.from(sample, "hex")), true)!;
  lifter.beginFunction([i32, i64], 1);
  lifter.beginBlock(null, before);
  lifter.insn = insn;
  entry.lift(lifter, insn);
  const written = registersWritten(entry, insn) & ALL_XMM;
  const upper = upperHalf(entry, insn);
  const isApart = upper === "kept" || (upper === "copied" && (before & xmmBit(insn.operands[1]!.reg)) !== 0);
  return {
    lifted: lifter.handOverXmm(0, ALL_REGISTERS),
    stated: isApart ? before | written : before & ~written,
  };
}

describe("upper halves", () => {
  const samples = ENTRIES.flatMap((entry) => entry.samples.map((sample) => ({ entry, sample })));
  for (const before of [0, ALL_XMM]) {
    test(`after each instruction, ${before === 0 ? "whole" : "apart"} before`, () => {
      const wrong = samples.filter(({ sample }) => {
        const { lifted, stated } = apartAfter(sample, before);
        return lifted !== stated;
      });
      expect(wrong.map(({ entry, sample }) => `${entry.mnemonic} ${sample}`)).toEqual([]);
    });
  }
});
