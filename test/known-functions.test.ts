/**
 * Known functions have the same effect with their head start as without, for whatever arguments. Both are code of
 * committed executables: translated with a head start, translated without (as under `--count`), and interpreted.
 */
import { readFileSync } from "node:fs";
import { crc32 as hostCrc32 } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { FunctionInfo } from "../jit/code-source.js";
import { CONTINUE, ENDED, REPLACED, type GuestFault } from "../jit/executor.js";
import { recognise } from "../jit/known/recognise.js";
import { RAX, RBX, RCX, RDI, RSI, RSP } from "../jit/registers.js";
import { ImageCode } from "../src/image-code.js";
import { openProgram } from "../src/program.js";
import { call, CODE, FIRST_RSP, GUEST_BASE, guestCode, type GuestCodeOptions } from "./guest-code.js";
import { guestVersions, unpack } from "./guests/unpack.js";
import { Random } from "./instructions/random.js";

const ARGUMENT_REGISTERS = [RAX, RBX, RCX, RDI, RSI];
const R14 = 14;
/** What the guest may use, behind every committed program's own segments. */
const THREAD = 0x1000000;
const TABLE = 0x1001000;
const DIGEST = 0x1004000;
const DATA = 0x1008000;
const DATA_END = 0x1780000;
const MEMORY_END = 0x1800000 + GUEST_BASE;
const KNOWN = {
  crc32: "hash/crc32.slicingUpdate",
  sha256: /^crypto\/(internal\/fips140\/sha256\.blockGeneric|sha256\.block)$/,
} as const;
type Name = keyof typeof KNOWN;

/** One call: what is in memory and what is passed. */
interface Case {
  readonly prepare: (bytes: Uint8Array) => void;
  /** Address of the digest, or the CRC so far. */
  readonly state: number;
  /** Of the slicing table. */
  readonly table: number;
  readonly data: number;
  readonly length: number;
}

interface Outcome {
  /** The CRC, and the 64 bytes from the digest on. */
  readonly results: string[];
  readonly faults: { readonly kind: GuestFault["kind"]; readonly pc: number }[];
  /** Where the thread came to a safepoint, of those cases before which the poll word was set. */
  readonly polls: number[];
}

/** A known function of a committed executable. */
function findKnown(version: string, name: Name) {
  const program = openProgram(new Uint8Array(readFileSync(unpack(version, "guests"))));
  const { functions } = program.go;
  const code = new ImageCode(program);
  const wanted = KNOWN[name];
  for (let index = 0; index < functions.count; index++) {
    const text = functions.name(index);
    if (typeof wanted === "string" ? text !== wanted : !wanted.test(text)) continue;
    const info = code.functionAt(functions.start[index]!)!;
    const known = recognise(code, info);
    if (known) return { program, code, info, known, name };
  }
  throw new Error(`${name} of Go ${version} is not recognised`);
}
type Found = ReturnType<typeof findKnown>;

/** A loop of: call the function, syscall. */
function run(
  { program, code, info, known, name }: Found,
  cases: readonly Case[],
  options: GuestCodeOptions,
  polls = false,
) {
  const outcome: Outcome = { results: [], faults: [], polls: [] };
  const driver = Uint8Array.from([...call(CODE, info.start), 0x0f, 0x05, 0xeb, 0xf7]);
  const pieces = new Map<number, Uint8Array>(
    program.image.segments.map(({ vaddr, fileOffset, fileSize }) => [
      vaddr,
      program.image.bytes.subarray(fileOffset, fileOffset + fileSize),
    ]),
  );
  // Over the file's header.
  const header = pieces.get(CODE)!.slice();
  header.set(driver);
  pieces.set(CODE, header);
  const inRegisters = known.arguments === "registers";
  let next = 0;
  const prepare = () => {
    const { prepare: prepareMemory, state, table, data, length } = cases[next++]!;
    prepareMemory(guest.bytes);
    const args = [state, ...(name === "crc32" ? [table] : []), data, length, length];
    const { gpr } = guest.cpu;
    gpr[RSP] = FIRST_RSP;
    args.forEach((value, i) => {
      if (inRegisters) gpr[ARGUMENT_REGISTERS[i]!] = BigInt(value);
      else view.setBigUint64(Number(FIRST_RSP) - GUEST_BASE + 8 * i, BigInt(value), true);
    });
  };
  const finish = () => {
    const crc = inRegisters ? guest.cpu.gpr32[2 * RAX]! : view.getUint32(Number(FIRST_RSP) - GUEST_BASE + 40, true);
    const digest = Buffer.from(guest.bytes.subarray(DIGEST - GUEST_BASE, DIGEST - GUEST_BASE + 64)).toString("hex");
    outcome.results.push(name === "crc32" ? crc.toString(16) : digest);
    if (next === cases.length) return ENDED;
    prepare();
    return CONTINUE;
  };
  const guest = guestCode(
    pieces,
    1,
    (cpu) => ({
      syscall: finish,
      fault: ({ kind }) => {
        outcome.faults.push({ kind, pc: cpu.rip });
        if (next === cases.length) return ENDED;
        prepare();
        cpu.rip = CODE;
        return REPLACED;
      },
      poll: () => {
        outcome.polls.push(cpu.rip);
        cpu.pending[0] = 0;
        return CONTINUE;
      },
      probe: () => {
        cpu.pending[0] = 1;
        return CONTINUE;
      },
    }),
    {
      ...options,
      program: {
        convention: program.go.abi,
        functionAt: (pc) => (pc >>> 12 === CODE >>> 12 ? driverInfo : code.functionAt(pc)),
        read: (pc, length) =>
          pc >>> 12 === CODE >>> 12 ? header.slice(pc - CODE, pc - CODE + length) : code.read(pc, length),
      },
    },
  );
  const view = new DataView(guest.bytes.buffer);
  // g, whose stack has no limit, as compiled code finds it before and from Go 1.17 on.
  guest.cpu.fsBase = THREAD + 8;
  view.setBigUint64(THREAD - GUEST_BASE, BigInt(THREAD + 64), true);
  guest.cpu.gpr[R14] = BigInt(THREAD + 64);
  // Right before the call.
  if (polls) guest.setProbe(CODE);
  prepare();
  guest.run();
  const memory = guest.bytes.subarray(TABLE - GUEST_BASE, DATA_END - GUEST_BASE);
  return { ...outcome, memory: hostCrc32(memory) };
}

/** The table that hash/crc32 makes for a polynomial. */
function slicingTable(polynomial: number): Uint32Array {
  const table = new Uint32Array(8 * 256);
  for (let i = 0; i < 256; i++) {
    let crc = i;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1;
    table[i] = crc;
  }
  for (let i = 256; i < table.length; i++) {
    const before = table[i - 256]!;
    table[i] = table[before & 255]! ^ (before >>> 8);
  }
  return table;
}
const IEEE = 0xedb88320;
const CASTAGNOLI = 0x82f63b78;

const put = (bytes: Uint8Array, address: number, what: Uint8Array | Uint32Array): void =>
  bytes.set(new Uint8Array(what.buffer, what.byteOffset, what.byteLength), address - GUEST_BASE);

function randomBytes(random: Random, length: number): Uint8Array {
  const words = Uint32Array.from({ length: length / 4 }, () => random.word());
  return new Uint8Array(words.buffer);
}

function randomCases(name: Name, random: Random, count: number, longest: number): Case[] {
  return Array.from({ length: count }, () => {
    const length = random.below(longest);
    const data = DATA + random.below(4096);
    const noise = randomBytes(random, (length + 3) & ~3);
    const digest = new Uint32Array(8).map(() => random.word());
    const table = slicingTable([IEEE, CASTAGNOLI, IEEE, random.word()][random.below(4)]!);
    // Some tables are no slicing tables, by one bit, or at all.
    if (random.chance(20)) table[random.below(table.length)]! ^= 1 << random.below(32);
    else if (random.chance(5)) table.forEach((_, i) => (table[i] = random.word()));
    return {
      prepare: (bytes) => {
        put(bytes, data, noise.subarray(0, length));
        put(bytes, DIGEST, digest);
        put(bytes, TABLE, table);
      },
      state: name === "crc32" ? random.word() : DIGEST,
      table: TABLE,
      data,
      length,
    };
  });
}

/** Lengths about those from which on a body consumes something, or one part more. */
function borderCases(name: Name): Case[] {
  const [base] = randomCases(name, new Random(7), 1, 2) as [Case];
  const prepare = (bytes: Uint8Array) => {
    base.prepare(bytes);
    put(bytes, TABLE, slicingTable(IEEE));
    put(bytes, DATA, randomBytes(new Random(9), 3000));
  };
  const lengths = [
    0, 1, 15, 16, 63, 64, 65, 127, 128, 191, 192, 255, 256, 257, 319, 320, 511, 512, 2047, 2048, 2064, 2065, 2127, 2128,
  ];
  return lengths.map((length) => ({ ...base, prepare, data: DATA, length }));
}

/** Arguments that lead out of memory; the last one not. */
function faultyCases(name: Name): Case[] {
  const [base] = randomCases(name, new Random(3), 1, 9000) as [Case];
  return [
    { ...base, data: MEMORY_END - 4096, length: 8192 },
    { ...base, data: MEMORY_END, length: 4096 },
    { ...base, data: 0, length: 4096 },
    { ...base, data: -4096 >>> 0, length: 8192 },
    name === "crc32" ? { ...base, table: 0, length: 4096 } : { ...base, state: 0, length: 4096 },
    name === "crc32" ? { ...base, table: MEMORY_END - 4096 } : { ...base, state: MEMORY_END - 16, length: 4096 },
    { ...base, length: 4096 },
  ];
}

/** The caller counts as compiled, so that calls can be inlined. */
const driverInfo: FunctionInfo = { start: CODE, end: CODE + 9, origin: "compiler" };
const WITHOUT: GuestCodeOptions = { countsInstructions: true };
const INTERPRETED: GuestCodeOptions = { hot: 1 << 30 };
/** Translated after some calls, what is called often inlined. */
const INLINED: GuestCodeOptions = { hot: 3 };

for (const version of guestVersions()) {
  describe.each(Object.keys(KNOWN) as Name[])(`%s of Go ${version}`, (name) => {
    const found = findKnown(version, name);

    test("has the same effect with a head start as without", () => {
      const random = randomCases(name, new Random(Number(version.slice(2))), 20, 9000);
      const cases = [...random, ...borderCases(name), ...faultyCases(name)];
      const ahead = run(found, cases, {});
      expect(ahead).toEqual(run(found, cases, WITHOUT));
      expect(ahead.faults.length).toBeGreaterThanOrEqual(5);
      expect(ahead.results.length).toBeGreaterThanOrEqual(cases.length - 6);
      if (name === "crc32") expect(run(found, cases, INLINED)).toEqual(ahead);
      const short = cases.filter(({ length }) => length < 5000).slice(0, 5);
      expect(run(found, short, {})).toEqual(run(found, short, INTERPRETED));
    });

    test("comes to safepoints at its entry, and only with a head start", () => {
      // More than one part.
      const length = name === "crc32" ? 5 << 20 : 600 << 10;
      const data = DATA + 1;
      const [base] = randomCases(name, new Random(5), 1, 100) as [Case];
      const prepare = (bytes: Uint8Array) => {
        base.prepare(bytes);
        put(bytes, TABLE, slicingTable(IEEE));
        put(bytes, data, randomBytes(new Random(11), length));
      };
      const cases = [{ ...base, prepare, data, length }];
      const ahead = run(found, cases, {}, true);
      const without = run(found, cases, WITHOUT, true);
      expect(ahead.polls).toEqual([found.info.start]);
      expect(without.polls).not.toContain(found.info.start);
      expect({ ...ahead, polls: [] }).toEqual({ ...without, polls: [] });
    });

    test("is not recognised with a probe in it, or with another byte", () => {
      const { code, info, known } = found;
      const probed = { ...bound(code), probeAt: (pc: number) => (pc === info.end - 1 ? 0 : -1) };
      expect(recognise(probed, info)).toBeNull();
      const changed = code.read(info.start, info.end - info.start);
      changed[changed.length >> 1]! ^= 1;
      expect(recognise({ ...bound(code), read: () => changed }, info)).toBeNull();
      expect(recognise(bound(code), info)).toEqual(known);
    });
  });
}

/** The same with methods of its own, to be changed. */
const bound = (code: ImageCode) => ({
  convention: code.convention,
  read: (pc: number, length: number) => code.read(pc, length),
  functionAt: (pc: number) => code.functionAt(pc),
  constantWord: (address: number) => code.constantWord(address),
  registersRead: () => null,
  probeAt: () => -1,
});

test("the data that the digest lies in, and other round constants, are left to the program", () => {
  const found = findKnown("1.27", "sha256");
  const [base] = randomCases("sha256", new Random(13), 1, 9000) as [Case];
  const overlapping = [0, 100, 1000].map((before) => ({ ...base, data: DIGEST - before, length: 1024 }));
  const changed = {
    ...base,
    prepare: (bytes: Uint8Array) => {
      base.prepare(bytes);
      bytes[found.known.table - GUEST_BASE + 255]! ^= 1;
    },
    length: 1024,
  };
  const cases = [{ ...base, length: 1024 }, ...overlapping, changed];
  const ahead = run(found, cases, {});
  expect(ahead).toEqual(run(found, cases, WITHOUT));
  expect(new Set(ahead.results).size).toBe(cases.length);
});

test("any slicing table will do, and any length", () => {
  const found = findKnown("1.27", "crc32");
  const random = new Random(19);
  const data = randomBytes(random, 64 << 10);
  // Linear, but no polynomial's: as if one bit of a byte counted differently.
  const unlike = (polynomial: number, bit: number): Uint32Array => {
    const table = slicingTable(polynomial);
    for (let i = 0; i < 256; i++) if (i & (1 << bit)) table[i]! ^= 0x10000;
    for (let i = 256; i < table.length; i++) table[i] = table[table[i - 256]! & 255]! ^ (table[i - 256]! >>> 8);
    return table;
  };
  const known = [IEEE, CASTAGNOLI];
  const tables = [...known, ...known, 0x12345678].map(slicingTable);
  for (let bit = 0; bit < 8; bit++) tables.push(...known.map((polynomial) => unlike(polynomial, bit)));
  // A part of the data is taken at once, up to some 15,000 bytes, then the next.
  const lengths = [...[1, 2, 3, 4].map((n) => n * 15_168 + 1216 + 16), 2048, 4096, 40_000];
  const cases = tables.flatMap((table) =>
    [...lengths, 2048 + random.below(60_000)].map((length) => ({
      prepare: (bytes: Uint8Array) => {
        put(bytes, TABLE, table);
        put(bytes, DATA, data);
      },
      state: random.word(),
      table: TABLE,
      data: DATA + random.below(64),
      length: length + random.below(3) * 64 - 64,
    })),
  );
  expect(run(found, cases, {})).toEqual(run(found, cases, WITHOUT));
});

test("the CRC is that of the host", () => {
  const found = findKnown("1.27", "crc32");
  const data = randomBytes(new Random(17), 100_000);
  const prepare = (bytes: Uint8Array) => {
    put(bytes, TABLE, slicingTable(IEEE));
    put(bytes, DATA, data);
  };
  const { results } = run(found, [{ prepare, state: 0, table: TABLE, data: DATA, length: data.length }], {});
  expect(results).toEqual([hostCrc32(data).toString(16)]);
});
