/**
 * The registers of a thread as gdb has them: their order, their description for gdb, and where they are. Sources: the GDB
 * manual, "Standard Target Features", "i386 Features"; gdb/features/i386 of binutils-gdb for names and order.
 */
import type { CpuState } from "../../jit/cpu-state.js";
import { writeRegister } from "../debug/registers.js";

/** What registers are read from. */
export interface RegisterFile {
  readonly cpu: CpuState;
  /** True if the thread is blocked in a system call. */
  readonly inCall: boolean;
}

interface RegisterRow {
  readonly name: string;
  readonly bits: number;
  /** A type of gdb's, or one that its feature defines. */
  readonly type: string;
  readonly group?: "float" | "vector";
  /** Unsigned, of `bits` bits. */
  readonly read: (file: RegisterFile) => bigint;
  /** None: it cannot be changed. */
  readonly write?: (cpu: CpuState, value: bigint) => void;
}

interface Feature {
  readonly name: string;
  readonly types: string;
  readonly rows: readonly RegisterRow[];
}

const general = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"] as const;
const extended = ["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"] as const;
const POINTERS = new Set(["rbp", "rsp"]);
/** Numbers of `general` and `extended` in x86 encoding. */
const ENCODING = [0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15];

const constant = (name: string, bits: number, type: string, value: bigint): RegisterRow => ({
  name,
  bits,
  type,
  read: () => value,
});

/** Selectors of a 64-bit process under Linux. */
const SEGMENTS = { cs: 0x33n, ss: 0x2bn, ds: 0n, es: 0n, fs: 0n, gs: 0n };
/** Of an x87 that nothing has used: the guest has none. */
const X87 = { fctrl: 0x37fn, fstat: 0n, ftag: 0xffffn, fiseg: 0n, fioff: 0n, foseg: 0n, fooff: 0n, fop: 0n };

const BITS_64 = (1n << 64n) - 1n;

const core: Feature = {
  name: "org.gnu.gdb.i386.core",
  types: flags("i386_eflags", {
    ...{ CF: 0, "": 1, PF: 2, AF: 4, ZF: 6, SF: 7, TF: 8, IF: 9, DF: 10, OF: 11, NT: 14, RF: 16, VM: 17, AC: 18 },
    ...{ VIF: 19, VIP: 20, ID: 21 },
  }),
  rows: [
    ...[...general, ...extended].map((name, i): RegisterRow => ({
      name,
      bits: 64,
      type: POINTERS.has(name) ? "data_ptr" : "int64",
      read: ({ cpu }) => cpu.gpr[ENCODING[i]!]!,
      write: (cpu, value) => writeRegister(cpu, name, value),
    })),
    {
      name: "rip",
      bits: 64,
      type: "code_ptr",
      read: ({ cpu }) => BigInt(cpu.rip),
      write: (cpu, value) => writeRegister(cpu, "rip", value),
    },
    {
      name: "eflags",
      bits: 32,
      type: "i386_eflags",
      read: ({ cpu }) => BigInt(cpu.rflags),
      write: (cpu, value) => writeRegister(cpu, "rflags", value),
    },
    ...Object.entries(SEGMENTS).map(([name, value]) => constant(name, 32, "int32", value)),
    ...Array.from({ length: 8 }, (_, i) => constant(`st${i}`, 80, "i387_ext", 0n)),
    ...Object.entries(X87).map(([name, value]): RegisterRow => ({
      ...constant(name, 32, "int", value),
      group: "float",
    })),
  ],
};

/** What the 16 bytes of an XMM register can be. */
const VECTORS = [
  { id: "v4f", field: "v4_float", element: "ieee_single", count: 4 },
  { id: "v2d", field: "v2_double", element: "ieee_double", count: 2 },
  { id: "v16i8", field: "v16_int8", element: "int8", count: 16 },
  { id: "v8i16", field: "v8_int16", element: "int16", count: 8 },
  { id: "v4i32", field: "v4_int32", element: "int32", count: 4 },
  { id: "v2i64", field: "v2_int64", element: "int64", count: 2 },
];

const sse: Feature = {
  name: "org.gnu.gdb.i386.sse",
  types: `${VECTORS.map(({ id, element, count }) => `<vector id="${id}" type="${element}" count="${count}"/>`).join("")}
<union id="vec128">${VECTORS.map(({ id, field }) => `<field name="${field}" type="${id}"/>`).join("")}
<field name="uint128" type="uint128"/></union>
${flags("i386_mxcsr", {
  ...{ IE: 0, DE: 1, ZE: 2, OE: 3, UE: 4, PE: 5, DAZ: 6, IM: 7, DM: 8, ZM: 9, OM: 10, UM: 11, PM: 12, FZ: 15 },
})}`,
  rows: [
    ...Array.from({ length: 16 }, (_, i): RegisterRow => ({
      name: `xmm${i}`,
      bits: 128,
      type: "vec128",
      read: ({ cpu }) => bytesToNumber(cpu.xmm.subarray(16 * i, 16 * i + 16)),
      write: (cpu, value) => cpu.xmm.set(numberToBytes(value, 16), 16 * i),
    })),
    {
      name: "mxcsr",
      bits: 32,
      type: "i386_mxcsr",
      group: "vector",
      read: ({ cpu }) => BigInt(cpu.mxcsr),
      write: (cpu, value) => (cpu.mxcsr = Number(value)),
    },
  ],
};

const linux: Feature = {
  name: "org.gnu.gdb.i386.linux",
  types: "",
  rows: [
    {
      name: "orig_rax",
      bits: 64,
      type: "int",
      read: ({ cpu, inCall }) => (inCall ? cpu.gpr[0]! : BITS_64),
      // gdb sets it to -1 before it calls a function of the program: so that no system call is made again. None is.
      write: () => {},
    },
  ],
};

const segments: Feature = {
  name: "org.gnu.gdb.i386.segments",
  types: "",
  rows: [
    {
      name: "fs_base",
      bits: 64,
      type: "int",
      read: ({ cpu }) => BigInt(cpu.fsBase),
      write: (cpu, value) => writeRegister(cpu, "fsBase", value),
    },
    constant("gs_base", 64, "int", 0n),
  ],
};

const FEATURES = [core, sse, linux, segments];

/** Every register; its index is gdb's number of it. */
const ROWS = FEATURES.flatMap(({ rows }) => rows);

/** Numbers of rbp, rsp and rip, which gdb needs at every stop. */
export const STOP_REGISTERS = ["rbp", "rsp", "rip"].map((name) => ROWS.findIndex((row) => row.name === name));

/** Bytes of all registers. */
export const ALL_BYTES = ROWS.reduce((sum, { bits }) => sum + bits / 8, 0);

/** A register's bytes, the lowest first; undefined if there is no such. */
export function readOne(file: RegisterFile, number: number): Uint8Array | undefined {
  const row = ROWS[number];
  return row && numberToBytes(row.read(file), row.bits / 8);
}
/** All registers one after the other. */
export function readAll(file: RegisterFile): Uint8Array {
  const all = new Uint8Array(ALL_BYTES);
  let at = 0;
  for (let number = 0; number < ROWS.length; number++) {
    const bytes = readOne(file, number)!;
    all.set(bytes, at);
    at += bytes.length;
  }
  return all;
}
/** False if there is no such register, or none of that size. One that cannot be changed stays. */
export function writeOne(cpu: CpuState, number: number, bytes: Uint8Array): boolean {
  const row = ROWS[number];
  if (!row || bytes.length !== row.bits / 8) return false;
  row.write?.(cpu, bytesToNumber(bytes));
  return true;
}
/** @param bytes `ALL_BYTES` of them */
export function writeAll(cpu: CpuState, bytes: Uint8Array): void {
  let at = 0;
  ROWS.forEach(({ bits }, number) => {
    writeOne(cpu, number, bytes.subarray(at, at + bits / 8));
    at += bits / 8;
  });
}

/** What gdb asks for as target.xml. */
export const targetDescription = `<?xml version="1.0"?>
<!DOCTYPE target SYSTEM "gdb-target.dtd">
<target>
<architecture>i386:x86-64</architecture>
<osabi>GNU/Linux</osabi>
${FEATURES.map(describe).join("\n")}
</target>
`;

function describe({ name, types, rows }: Feature): string {
  const regs = rows.map(
    ({ name, bits, type, group }) =>
      `<reg name="${name}" bitsize="${bits}" type="${type}"${group ? ` group="${group}"` : ""}/>`,
  );
  return [`<feature name="${name}">${types}`, ...regs, "</feature>"].join("\n");
}

function flags(id: string, bits: Readonly<Record<string, number>>): string {
  const fields = Object.entries(bits).map(([name, bit]) => `<field name="${name}" start="${bit}" end="${bit}"/>`);
  return `<flags id="${id}" size="4">${fields.join("")}</flags>`;
}

function bytesToNumber(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
function numberToBytes(value: bigint, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = Number((value >> BigInt(8 * i)) & 0xffn);
  return bytes;
}
