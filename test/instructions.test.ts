/** Every instruction entry against recorded results of a real processor, and against iced's instruction tables. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { InstructionEntry } from "../jit/lift/entry.js";
import { ENTRIES, flagsRead, flagsWritten, registersRead, registersWritten } from "../jit/lift/index.js";
import { CONDITIONS, flagsOfCondition } from "../jit/registers.js";
import { differences, undefinedFlags } from "./instructions/compare.js";
import { decodeOne } from "./instructions/generate.js";
import { icedUse } from "./instructions/iced-use.js";
import { ALL_LIVE, Translated } from "./instructions/translated.js";
import { parseVector } from "./instructions/vectors.js";

const CHUNK = 500;
const lines = readFileSync(join(import.meta.dirname, "instructions/vectors.txt"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));

describe("recorded vectors", () => {
  const translated = new Translated();
  for (let from = 0; from < lines.length; from += CHUNK) {
    test(`${from} to ${Math.min(from + CHUNK, lines.length) - 1}`, () => {
      const vectors = lines.slice(from, from + CHUNK).map(parseVector);
      const live = vectors.map(({ encoding }, i) => {
        // All flags, or now and then those of one condition: lifters keep less for those.
        const wanted = i % 3 === 2 ? flagsOfCondition(CONDITIONS[(i / 3) & 15]!) : ALL_LIVE;
        return wanted & ~undefinedFlags(encoding.code);
      });
      translated.load(vectors.map(({ encoding }, i) => ({ ...encoding, live: live[i]! })));
      const wrong = vectors.flatMap(({ encoding, state, outcome }, i) => {
        const found = differences(outcome, translated.run(i, state), live[i]!);
        return found.length ? [`${encoding.entry.mnemonic} ${lines[from + i]}\n  ${found.join("\n  ")}`] : [];
      });
      expect(wrong).toEqual([]);
    });
  }
});

/** iced does not say that these write the XMM registers. */
const WRITES_MORE = new Set(["Fxrstor", "Fxrstor64"]);

/** What the entry says otherwise than iced about one encoding. */
function disagreements(entry: InstructionEntry, sample: string): string[] {
  const bytes = Uint8Array.from(Buffer.from(sample, "hex"));
  const encoding = decodeOne(bytes, true);
  if (encoding?.entry !== entry || encoding.code.length !== bytes.length) return [`${sample} is not for this entry`];
  const { insn } = encoding;
  const use = icedUse(bytes);
  const [a, b] = insn.operands;
  // An operation of a register with itself may not depend on it (XOR); iced knows some of these.
  const idiom = a !== undefined && b !== undefined && a.kind === b.kind && a.reg === b.reg;
  const out: string[] = [];
  const check = (what: string, set: number) => {
    if (set !== 0) out.push(`${sample}: ${what} ${(set >>> 0).toString(16)}`);
  };
  if (!idiom) check("registers read", use.registersRead & ~registersRead(entry, insn));
  check("registers written", use.registersWritten & ~registersWritten(entry, insn));
  if (!WRITES_MORE.has(entry.mnemonic))
    check("registers not written", registersWritten(entry, insn) & ~use.registersWritten);
  check("flags read", use.flagsRead & ~flagsRead(entry, insn));
  check("flags written", use.flagsModified & ~flagsWritten(entry, insn));
  check("flags not written", flagsWritten(entry, insn) & ~use.flagsModified & ~use.flagsUndefined);
  return out;
}

describe("tables agree with iced", () => {
  for (const entry of ENTRIES) {
    test(entry.mnemonic + (entry.form ? " (some forms)" : ""), () => {
      expect(entry.samples.length).toBeGreaterThan(0);
      expect(entry.samples.flatMap((sample) => disagreements(entry, sample))).toEqual([]);
    });
  }
});
