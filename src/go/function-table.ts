import { ByteReader } from "../elf/bytes.js";
import { SegmentFlags, type ElfImage } from "../elf/image.js";
import type { Pclntab, PclntabFormat } from "./pclntab.js";

/** Where the fields of a function record (`_func`) are, by table format; -1: not stored. */
interface RecordLayout {
  readonly name: number;
  readonly pcSp: number;
  readonly pcFile: number;
  readonly pcLine: number;
  /** How many pc-value tables there are besides, as a word, and how many pieces of data, as a byte. */
  readonly tables: number;
  readonly pieces: number;
  readonly unit: number;
  readonly flag: number;
  /** Where the record proper ends: the offsets of these tables follow, then the pieces. */
  readonly size: number;
}

const recordLayouts: Record<PclntabFormat, RecordLayout> = {
  "go1.2": { name: 8, pcSp: 20, pcFile: 24, pcLine: 28, tables: 32, pieces: 39, unit: -1, flag: -1, size: 40 },
  "go1.16": { name: 8, pcSp: 20, pcFile: 24, pcLine: 28, tables: 32, pieces: 43, unit: 36, flag: 41, size: 44 },
  "go1.18": { name: 4, pcSp: 16, pcFile: 20, pcLine: 24, tables: 28, pieces: 39, unit: 32, flag: 37, size: 40 },
  "go1.20": { name: 4, pcSp: 16, pcFile: 20, pcLine: 24, tables: 28, pieces: 43, unit: 32, flag: 41, size: 44 },
};

/** `abi.FuncFlagAsm`, set from Go 1.18 on; before, the source file's name tells. */
const asmFlag = 4;

/** A function table as plain data in shared memory: it can be posted to a Worker, and nothing is copied. */
export interface FunctionTableData {
  readonly pclntab: Pclntab;
  /** First address of each function in ascending order, and last of all the end of the last one. */
  readonly bounds: Uint32Array;
  /** Offset of each function's record in `pclntab.bytes`. */
  readonly records: Uint32Array;
}

/**
 * Every Go function of a program with its exact bounds, in stripped programs too. Functions are named by their index,
 * 0 to `count - 1`, in order of address. Names, files and lines are decoded when asked for.
 */
export class FunctionTable {
  readonly data: FunctionTableData;
  readonly count: number;
  /** First guest address of each function, ascending. */
  readonly start: Uint32Array;
  /** First guest address after each function, padding included. */
  readonly end: Uint32Array;
  readonly #reader: ByteReader;
  readonly #layout: RecordLayout;
  readonly #files = new Map<number, string>();

  constructor(data: FunctionTableData) {
    this.data = data;
    this.count = data.records.length;
    this.start = data.bounds.subarray(0, this.count);
    this.end = data.bounds.subarray(1);
    this.#reader = new ByteReader(data.pclntab.bytes);
    this.#layout = recordLayouts[data.pclntab.format];
  }

  /** The index of the function that `pc` is in, -1 if it is in none. */
  find(pc: number): number {
    const { start, count } = this;
    if (count === 0 || pc < start[0]! || pc >= this.end[count - 1]!) return -1;
    let low = 0;
    let high = count - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (start[middle]! <= pc) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The linker's name, such as `runtime.mallocgc` or `main.(*T).Method`. */
  name(index: number): string {
    return this.#reader.cString(this.#nameOffset(index));
  }

  /** The index of the function called `name`, -1 if there is none; takes about a millisecond per 100,000 functions. */
  indexOf(name: string): number {
    const wanted = new TextEncoder().encode(`${name}\0`);
    const { bytes } = this.#reader;
    for (let index = 0; index < this.count; index++) {
      const at = this.#nameOffset(index);
      let length = 0;
      while (length < wanted.length && bytes[at + length] === wanted[length]) length++;
      if (length === wanted.length) return index;
    }
    return -1;
  }

  /** The source file of the function's first instruction, "" if the table does not say. */
  file(index: number): string {
    return this.fileAt(this.start[index]!, index);
  }

  /** The source file of the instruction at `pc`, which is another function's where that was inlined. */
  fileAt(pc: number, index = this.find(pc)): string {
    if (index < 0) return "";
    const number = this.#pcValue(index, this.#layout.pcFile, pc).value;
    return number < 0 ? "" : this.#fileName(index, number);
  }

  /** The source line of the instruction at `pc`, 0 if the table does not say. */
  line(pc: number): number {
    const index = this.find(pc);
    return index < 0 ? 0 : Math.max(0, this.#pcValue(index, this.#layout.pcLine, pc).value);
  }

  /** The guest addresses [low, high) around `pc` that are of one line; empty if the table does not say. */
  lineRange(pc: number): { readonly low: number; readonly high: number } {
    const index = this.find(pc);
    if (index < 0) return { low: pc, high: pc };
    const { low, high } = this.#pcValue(index, this.#layout.pcLine, pc);
    return { low, high };
  }

  /** The first address in a function that is of a line of the function's own file, -1 if there is none. */
  addressOfLine(index: number, line: number): number {
    const end = this.end[index]!;
    for (let pc = this.start[index]!; pc < end;) {
      const { value, high } = this.#pcValue(index, this.#layout.pcLine, pc);
      if (value === line && this.fileAt(pc, index) === this.file(index)) return pc;
      if (high <= pc) break;
      pc = high;
    }
    return -1;
  }

  /**
   * By how many bytes the stack pointer at `pc` is below the return address's place, which is where it was at the function's
   * first instruction; -1 if the table does not say.
   */
  stackDepth(pc: number): number {
    const index = this.find(pc);
    return index < 0 ? -1 : this.#pcValue(index, this.#layout.pcSp, pc).value;
  }

  /** Whether the function was written in assembly: such code keeps to no calling convention. */
  isAsm(index: number): boolean {
    const { flag } = this.#layout;
    if (flag >= 0 && (this.#reader.u8(this.data.records[index]! + flag) & asmFlag) !== 0) return true;
    return this.file(index).endsWith(".s");
  }

  /** The value at `pc` of one of the tables that the compiler adds (PCDATA, internal/abi/symtab.go); -1 where there is none. */
  pcData(index: number, table: number, pc: number): number {
    const { tables, size } = this.#layout;
    const record = this.data.records[index]!;
    return table < this.#reader.u32(record + tables) ? this.#pcValue(index, size + 4 * table, pc).value : -1;
  }

  /**
   * Where one of the function's pieces of data is (FUNCDATA, internal/abi/symtab.go): its guest address; from Go 1.18 on what
   * it is behind `moduledata.gofunc`. -1 if there is none.
   */
  funcData(index: number, piece: number): number {
    const { data } = this;
    const { tables, pieces, size } = this.#layout;
    const record = data.records[index]!;
    if (piece >= this.#reader.u8(record + pieces)) return -1;
    const at = record + size + 4 * this.#reader.u32(record + tables);
    if (isRelative(data.pclntab.format)) {
      const offset = this.#reader.u32(at + 4 * piece);
      return offset === 0xffff_ffff ? -1 : offset;
    }
    const aligned = at + ((data.pclntab.address + at) & 4);
    return this.#reader.u64(aligned + 8 * piece) || -1;
  }

  /** The name at an offset in the table of names, "" if no name begins there. */
  nameAt(offset: number): string {
    const at = this.data.pclntab.namesOffset + offset;
    return offset > 0 && this.#reader.u8(at - 1) === 0 ? this.#reader.cString(at) : "";
  }

  #nameOffset(index: number): number {
    return this.data.pclntab.namesOffset + this.#reader.u32(this.data.records[index]! + this.#layout.name);
  }

  #fileName(index: number, number: number): string {
    const { pclntab, records } = this.data;
    const { unit } = this.#layout;
    let offset: number;
    if (unit < 0) {
      const known = this.#reader.u32(pclntab.filesOffset);
      if (number === 0 || number >= known) return "";
      offset = this.#reader.u32(pclntab.filesOffset + number * 4);
    } else {
      const inUnit = this.#reader.u32(records[index]! + unit) + number;
      const unitsLength = (pclntab.filesOffset - pclntab.unitsOffset) / 4;
      if (inUnit >= unitsLength) return "";
      offset = this.#reader.u32(pclntab.unitsOffset + inUnit * 4);
      if (offset === 0xffff_ffff) return "";
      offset += pclntab.filesOffset;
    }
    let name = this.#files.get(offset);
    if (name === undefined) this.#files.set(offset, (name = this.#reader.cString(offset)));
    return name;
  }

  /**
   * The value at `pc` of one of the function's pc-value tables: a list of (value delta, zig-zag; pc delta) pairs of
   * variable-length integers that ends with a value delta of 0. -1, for no addresses: no such table or `pc` is not covered.
   */
  #pcValue(index: number, field: number, pc: number): { value: number; low: number; high: number } {
    const none = { value: -1, low: pc, high: pc };
    const { pclntab, records } = this.data;
    const { bytes } = this.#reader;
    const table = this.#reader.u32(records[index]! + field);
    if (table === 0) return none;
    let at = pclntab.pctabOffset + table;
    const next = (): number => {
      let value = 0;
      for (let shift = 0; shift < 35; shift += 7) {
        const byte = bytes[at++] ?? 0;
        value |= (byte & 127) << shift;
        if (byte < 128) break;
      }
      return value >>> 0;
    };
    let value = -1;
    let end = this.start[index]!;
    const functionEnd = this.end[index]!;
    for (let first = true; ; first = false) {
      const delta = next();
      if (delta === 0 && !first) return none;
      value += delta & 1 ? ~(delta >>> 1) : delta >>> 1;
      const length = next();
      if (length === 0) return none;
      const low = end;
      end += length;
      if (pc < end) return { value, low, high: end };
      if (end >= functionEnd) return none;
    }
  }
}

/** Whether addresses of functions and of their data are relative to what the module data says. */
const isRelative = (format: PclntabFormat): boolean => format === "go1.18" || format === "go1.20";

/** Opens the table that `findPclntab` found; undefined if its functions are not in order or not in executable memory. */
export function openFunctionTable(image: ElfImage, pclntab: Pclntab): FunctionTable | undefined {
  const { functionCount: count, functabOffset, textStart, format } = pclntab;
  const reader = new ByteReader(pclntab.bytes);
  const { view } = reader;
  const relative = isRelative(format);
  const recordBase = format === "go1.2" ? 0 : functabOffset;
  const stride = relative ? 8 : 16;
  const bounds = new Uint32Array(new SharedArrayBuffer((count + 1) * 4));
  const records = new Uint32Array(new SharedArrayBuffer(count * 4));
  let previous = 0;
  for (let index = 0, at = functabOffset; index <= count; index++, at += stride) {
    const address = textStart + view.getUint32(at, true);
    if (address < previous || address > 0xffff_ffff || (!relative && view.getUint32(at + 4, true) !== 0))
      return undefined;
    bounds[index] = previous = address;
    if (index === count) break;
    const record = recordBase + view.getUint32(at + (relative ? 4 : 8), true);
    if (!reader.has(record, 44)) return undefined;
    records[index] = record;
  }
  const home = image.segmentAt(bounds[0]!);
  if (!home || (home.flags & SegmentFlags.X) === 0 || previous > home.vaddr + home.memSize) return undefined;
  const bytes = new Uint8Array(new SharedArrayBuffer(pclntab.bytes.length));
  bytes.set(pclntab.bytes);
  return new FunctionTable({ pclntab: { ...pclntab, bytes }, bounds, records });
}
