import { expect, test } from "vitest";
import { ENTRIES } from "../jit/lift/index.js";
import { FEATURES } from "../jit/lift/cpuid.js";
import type { CpuidBit } from "../jit/lift/entry.js";

const order: readonly CpuidBit[] = ["base", "sse", "sse2", "sse3", "ssse3", "sse4.1", "sse4.2", "popcnt", "cx16"];

const isAnnounced = (bit: CpuidBit): boolean => bit === "base" || FEATURES.some((feature) => feature === bit);

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
  return `${lines.join("\n")}\n`;
};

test("docs/coverage-x86.md says what the entries say (npx vitest run test/coverage-docs -u writes it anew)", async () => {
  await expect(coverage()).toMatchFileSnapshot("../docs/coverage-x86.md");
});
