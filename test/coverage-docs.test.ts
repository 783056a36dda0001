import { readFileSync } from "node:fs";
import path from "node:path";
import iced from "iced-x86";
import { expect, test } from "vitest";
import { ENTRIES } from "../jit/lift/index.js";
import { FEATURES } from "../jit/lift/cpuid.js";
import type { CpuidBit } from "../jit/lift/entry.js";
import { decodeOne } from "./instructions/generate.js";
import { parseVector } from "./instructions/vectors.js";

const order: readonly CpuidBit[] = ["base", "sse", "sse2", "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "cx16"];

const isAnnounced = (bit: CpuidBit): boolean => bit === "base" || FEATURES.some((feature) => feature === bit);

const { Code, CpuidFeature, Instruction } = iced;

/** Lines of a file beside this one that are no comments. */
const linesOf = (file: string): string[] =>
  readFileSync(path.join(import.meta.dirname, file), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));

/** Encoding forms that Go programs consist of. */
const goForms = linesOf("data/go-codes.txt");
const nameOf = (code: number): string => Code[code]!;
const sampledEntries = ENTRIES.flatMap((entry) =>
  entry.samples.map((sample) => ({ entry, insn: decodeOne(Uint8Array.from(Buffer.from(sample, "hex")), true)!.insn })),
);
const recordedForms = new Set(
  linesOf("instructions/vectors.txt").map((line) => nameOf(parseVector(line).encoding.insn.code)),
);
const liftedForms = new Set([...recordedForms, ...sampledEntries.map(({ insn }) => nameOf(insn.code))]);

/** Forms of Go programs that no entry lifts, by the processor's features that they need. */
function missingForms(): string[] {
  const byFeature = new Map<string, string[]>();
  for (const form of goForms) {
    if (liftedForms.has(form)) continue;
    const instruction = new Instruction();
    instruction.code = (Code as unknown as Record<string, number>)[form]!;
    const features = [...instruction.cpuidFeatures()].map((feature) => CpuidFeature[feature]).join(" + ");
    byFeature.set(features, [...(byFeature.get(features) ?? []), form]);
  }
  return [...byFeature]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([features, forms]) => `- ${features}: ${forms.join(" ")}`);
}

/** The text of docs/coverage-x86.md. */
const coverage = (): string => {
  const lines = [
    "# x86-64 instructions",
    "",
    "Written by `test/coverage-docs.test.ts` from the entries in `jit/lift/`, under the names that iced-x86 gives them. An",
    "instruction that is not listed ends in SIGILL, at its address. What CPUID does not announce no Go program uses.",
  ];
  for (const bit of order) {
    const names = new Set(ENTRIES.filter((entry) => entry.cpuid === bit).map((entry) => entry.mnemonic));
    if (names.size === 0) continue;
    lines.push(
      "",
      `## ${bit} (${names.size}${isAnnounced(bit) ? "" : ", not announced"})`,
      "",
      [...names].sort().join(" "),
    );
  }
  lines.push(
    "",
    "## In Go programs, but not lifted",
    "",
    `Of the ${goForms.length} encoding forms (iced's Code) in the programs that were scanned (\`test/data/go-codes.txt\`), by the features that they need.`,
    "Go asks CPUID before it uses them. Retfd is most likely data that the scan read as code.",
    "",
    ...missingForms(),
  );
  return `${lines.join("\n")}\n`;
};

test("docs/coverage-x86.md says what the entries say (npx vitest run test/coverage-docs -u writes it anew)", async () => {
  await expect(coverage()).toMatchFileSnapshot("../docs/coverage-x86.md");
});

test("results of the processor are recorded for every form in Go programs that does not change control", () => {
  const endsOf = new Map(sampledEntries.map(({ entry, insn }) => [nameOf(insn.code), entry.ends]));
  const unrecorded = goForms.filter((form) => liftedForms.has(form) && !recordedForms.has(form) && !endsOf.get(form));
  // It answers what the machine announces, not what this processor does.
  expect(unrecorded).toEqual(["Cpuid"]);
});
