/**
 * The Wasm that instructions and functions become, by size: a change of the translator shows in review what it costs or
 * saves. After a change that is meant: `npx vitest run test/codegen -u`.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { CodeSource } from "../jit/code-source.js";
import { explainRegion } from "../jit/explain-region.js";
import { ENTRIES } from "../jit/lift/index.js";
import { DEFAULT_TRANSLATOR_OPTIONS } from "../jit/translator.js";
import { GUEST_BASE } from "../runtime-shims/guest-memory.js";
import { ImageCode } from "../src/image-code.js";
import { MAX_GUEST_PAGES } from "../src/machine/parts.js";
import { openProgram } from "../src/program.js";
import { unpack } from "./guests/unpack.js";

/** Calls, loops, memory, floating point, the runtime's hot paths, and hand-written code; some are of one version only. */
const FUNCTIONS: readonly string[] = [
  "main.fib",
  "main.benchSieve",
  "main.benchXorshift",
  "main.benchMatmul",
  "main.benchNbody",
  "main.benchFannkuch",
  "runtime.mallocgc",
  "runtime.mallocgcSmallScanNoHeader",
  "runtime.mapaccess1_fast64",
  "runtime.chansend",
  "runtime.chanrecv",
  "runtime.schedule",
  "runtime.gopark",
  "runtime.casgstatus",
  "runtime.scanobject",
  "runtime.scanSpan",
  "runtime.memhashFallback",
  "runtime.gogo",
  "runtime.mcall",
  "runtime.systemstack",
  "runtime.memmove",
  "runtime.memclrNoHeapPointers",
  "math/big.lshVU",
  "runtime.memequal",
  "runtime.gcWriteBarrier",
  "runtime.gcWriteBarrier2",
  "internal/bytealg.IndexByte",
  "crypto/sha256.block",
  "crypto/internal/fips140/sha256.blockGeneric",
  "sort.insertionSort",
  "strconv.ParseInt",
];
const GO_VERSIONS: readonly string[] = ["1.19", "1.27"];

/** Of each instruction: to translate all would take the suite ten seconds. */
const SAMPLES = 2;

const CODE = 0x400000;
const RET = 0xc3;
const options = {
  guestBase: GUEST_BASE,
  guestPages: MAX_GUEST_PAGES,
  regionInstructions: DEFAULT_TRANSLATOR_OPTIONS.functionInstructions,
  width: 100,
};

function sizeOf(source: CodeSource, pc: number): { operations: number; bytes: number; byOperation: object } {
  const { operations, bytes } = explainRegion(source, pc, options)!;
  const total = [...operations.values()].reduce((sum, count) => sum + count, 0);
  return { operations: total, bytes, byOperation: Object.fromEntries(operations) };
}

/** Code of which nothing is known, at CODE. */
const bareCode = (code: Uint8Array): CodeSource => ({
  convention: "none",
  read: (pc, length) => (pc < CODE ? new Uint8Array(0) : code.slice(pc - CODE, pc - CODE + length)),
  functionAt: () => null,
  constantWord: () => null,
  registersRead: () => null,
  probeAt: () => -1,
});

/** A JSON object with one line for each key. */
const lines = (rows: readonly (readonly [string, object])[]): string =>
  `{\n${rows.map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`).join(",\n")}\n}\n`;

test("instructions, each followed by RET, become as much Wasm as recorded", async () => {
  const rows = ENTRIES.flatMap(({ mnemonic, samples }) =>
    samples.slice(0, SAMPLES).map((sample) => {
      const code = Uint8Array.from([...Buffer.from(sample, "hex"), RET]);
      const { operations, bytes } = sizeOf(bareCode(code), CODE);
      return [`${mnemonic} ${sample}`, { operations, bytes }] as const;
    }),
  );
  await expect(lines(rows)).toMatchFileSnapshot("data/codegen-instructions.json");
});

test("functions become as much Wasm as recorded", async () => {
  const found = new Set<string>();
  const rows = GO_VERSIONS.flatMap((version) => {
    const program = openProgram(new Uint8Array(readFileSync(unpack(version, "guests"))));
    const { functions } = program.go;
    return FUNCTIONS.flatMap((name) => {
      const index = functions.indexOf(name);
      if (index < 0) return [];
      found.add(name);
      return [[`${name}, Go ${version}`, sizeOf(new ImageCode(program), functions.start[index]!)] as const];
    });
  });
  expect(FUNCTIONS.filter((name) => !found.has(name))).toEqual([]);
  await expect(lines(rows)).toMatchFileSnapshot("data/codegen-functions.json");
});
