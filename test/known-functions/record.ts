/**
 * Writes jit/known/fingerprints.ts from programs that the Go toolchains build: `npm run record:known`.
 * Toolchains are found as for the benchmarks.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InstructionDecoder, OP_MEM, type Insn } from "../../jit/decode.js";
import type { BodyName } from "../../jit/known/bodies.js";
import { fingerprintHash, withoutPadding, type Fingerprint } from "../../jit/known/fingerprint.js";
import { askGo, findGo } from "../../src/cli/bench/go-toolchain.js";
import { ImageCode } from "../../src/image-code.js";
import { openProgram } from "../../src/program.js";

const GO_VERSIONS = ["1.15", "1.19", "1.21", "1.22", "1.23", "1.24", "1.25", "1.26", "1.27"];

/** Of some only one is in a program, of others all, and the processor decides. */
const NAMES = new Map<string, BodyName>([
  ["hash/crc32.slicingUpdate", "crc32"],
  ["crypto/sha256.block", "sha256"],
  ["crypto/internal/fips140/sha256.blockAMD64", "sha256"],
  ["crypto/internal/fips140/sha256.blockGeneric", "sha256"],
]);
/** How many tables the code of those refers to that have one which its body wants to see. */
const TABLES = new Map([["crypto/internal/fips140/sha256.blockGeneric", 1]]);

const root = join(import.meta.dirname, "../../..");
const found = new Map<string, Fingerprint & { go: string[] }>();
const folder = mkdtempSync(join(tmpdir(), "gojit-known-"));
try {
  for (const version of GO_VERSIONS) {
    const file = join(folder, version);
    askGo(findGo(version), ["build", "-o", file, "main.go"], join(root, "test/known-functions/guest"));
    for (const { key, fingerprint } of fingerprintsOf(file)) {
      const known = found.get(key);
      if (known) known.go.push(version);
      else found.set(key, { ...fingerprint, go: [version] });
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
const rows = [...found.values()].sort((a, b) => a.body.localeCompare(b.body));
writeFileSync(
  join(root, "jit/known/fingerprints.ts"),
  `/** Written by \`npm run record:known\`. */
import type { Fingerprint } from "./fingerprint.js";

export const FINGERPRINTS: readonly Fingerprint[] = ${JSON.stringify(rows, null, 2)};
`,
);
for (const { body, go, size, linked } of rows)
  console.log(`${body}: ${size} bytes, ${linked.length} links, ${go.join(" ")}`);

function* fingerprintsOf(file: string): Iterable<{ key: string; fingerprint: Omit<Fingerprint, "go"> }> {
  const program = openProgram(readFileSync(file));
  const { functions } = program.go;
  const code = new ImageCode(program);
  for (let index = 0; index < functions.count; index++) {
    const name = functions.name(index);
    const body = NAMES.get(name);
    if (!body) continue;
    const start = functions.start[index]!;
    const bytes = withoutPadding(code.read(start, functions.end[index]! - start));
    const { linked, tables } = linkedFields(bytes, start);
    const wanted = TABLES.get(name) ?? 0;
    if (wanted && tables.length !== wanted) throw new Error(`${name} of ${file} refers to ${tables.length} tables`);
    const hash = fingerprintHash(bytes, linked);
    const inRegisters = program.go.abi === "internal" && !functions.isAsm(index);
    yield {
      key: `${body} ${hash}`,
      fingerprint: {
        body,
        arguments: inRegisters ? "registers" : "stack",
        size: bytes.length,
        linked,
        table: wanted ? tables[0]! : -1,
        hash,
      },
    };
  }
}

/** Offsets of the 32-bit fields that refer to something outside, and which of them are addresses in LEA. */
function linkedFields(code: Uint8Array, start: number): { linked: number[]; tables: number[] } {
  const linked: number[] = [];
  const tables: number[] = [];
  const decoder = new InstructionDecoder();
  decoder.open(code, start);
  for (let pc = start; pc < start + code.length;) {
    const insn = decoder.decode(pc);
    if (insn.mnemonic === 0) throw new Error(`no instruction at ${pc.toString(16)}`);
    const at = linkedField(insn, code, start);
    if (at >= 0) linked.push(at);
    const isLea = insn.operands.length === 2 && code[at - 2] === 0x8d;
    if (at >= 0 && isLea) tables.push(at);
    pc = insn.next;
  }
  decoder.close();
  return { linked, tables };
}

/** Offset of the field in `code` that leads to another function or to data, -1 if there is none. */
function linkedField(insn: Insn, code: Uint8Array, start: number): number {
  const memory = insn.operands.find(({ kind, base, index, fs }) => kind === OP_MEM && base < 0 && index < 0 && !fs);
  const isOutside = insn.target >= 0 && (insn.target < start || insn.target >= start + code.length);
  if (!memory && !isOutside) return -1;
  const to = isOutside ? insn.target : memory!.disp;
  const view = new DataView(code.buffer, code.byteOffset);
  const places = [];
  for (let at = insn.pc - start + 1; at + 4 <= insn.next - start; at++) {
    if (insn.next + view.getInt32(at, true) === to) places.push(at);
  }
  if (places.length !== 1) throw new Error(`no link found in the instruction at ${insn.pc.toString(16)}`);
  return places[0]!;
}
