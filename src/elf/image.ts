import { GojitError } from "../errors.js";
import { ByteReader } from "./bytes.js";
import { machineName } from "./machines.js";
import { readNotes, type ElfNote } from "./notes.js";
import { hasSymbolTable, readSections, type ElfSection } from "./sections.js";

// Layout and constants: System V ABI (gABI) chapters 4 and 5, and the amd64 supplement.
const headerSize = 64;
const programHeaderSize = 56;
const maxProgramHeaders = 1024;
const ET = { REL: 1, EXEC: 2, DYN: 3, CORE: 4 };
const EM_X86_64 = 62;
const PT = { LOAD: 1, INTERP: 3, NOTE: 4, TLS: 7 };
const pageSize = 4096;

/** Guest addresses that can be mapped; below is the nil page region, above is more than a linear memory holds. */
export const lowestGuestAddress = 0x10000;
const guestAddressEnd = 0x1_0000_0000;

/** Permission bits of a segment, as in `p_flags`. */
export const SegmentFlags = { X: 1, W: 2, R: 4 } as const;

/** One PT_LOAD segment; all numbers are checked against the file, the guest's address space and one another. */
export interface ElfSegment {
  readonly vaddr: number;
  readonly fileOffset: number;
  readonly fileSize: number;
  /** At least `fileSize`; what lies beyond is zero. */
  readonly memSize: number;
  /** `SegmentFlags` bits. */
  readonly flags: number;
  readonly align: number;
}

/** A static x86-64 executable that can be mapped as it is. The section table is read when first asked for. */
export class ElfImage {
  readonly bytes: Uint8Array;
  readonly entry: number;
  /** Ascending, without overlap, not even within a page. */
  readonly segments: readonly ElfSegment[];
  /** Guest address of the program headers (AT_PHDR), 0 if no segment maps them. */
  readonly programHeadersAddress: number;
  readonly programHeaderCount: number;
  readonly programHeaderSize: number = programHeaderSize;
  /** Whether there is a PT_TLS segment, which only programs with C code in them have. */
  readonly hasTls: boolean;
  readonly notes: readonly ElfNote[];
  readonly #reader: ByteReader;
  #sections: readonly ElfSection[] | undefined;

  constructor(
    reader: ByteReader,
    headers: ProgramHeader[],
    entry: number,
    segments: ElfSegment[],
    headersAddress: number,
  ) {
    this.#reader = reader;
    this.bytes = reader.bytes;
    this.entry = entry;
    this.segments = segments;
    this.programHeadersAddress = headersAddress;
    this.programHeaderCount = headers.length;
    this.hasTls = headers.some((header) => header.type === PT.TLS);
    this.notes = headers
      .filter((header) => header.type === PT.NOTE)
      .flatMap((header) => readNotes(reader, header.offset, header.fileSize));
  }

  /** Sections with their names; empty if the table is missing or makes no sense, which never stops a program. */
  get sections(): readonly ElfSection[] {
    return (this.#sections ??= readSections(this.#reader));
  }

  /** Whether the symbol table was removed, as -ldflags=-s does. */
  get isStripped(): boolean {
    return !hasSymbolTable(this.sections);
  }

  section(name: string): ElfSection | undefined {
    return this.sections.find((section) => section.name === name);
  }

  /** The segment that maps `address`, its zero part included. */
  segmentAt(address: number): ElfSegment | undefined {
    return this.segments.find((segment) => address >= segment.vaddr && address < segment.vaddr + segment.memSize);
  }

  /** File offset of the byte that is loaded at `address`, if `length` bytes from there come from the file. */
  fileOffsetOf(address: number, length = 1): number | undefined {
    const segment = this.segmentAt(address);
    if (!segment || !(length >= 0) || address - segment.vaddr + length > segment.fileSize) return undefined;
    return segment.fileOffset + (address - segment.vaddr);
  }
}

interface ProgramHeader {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly fileSize: number;
  readonly memSize: number;
  readonly align: number;
}

/**
 * Reads an executable, trusting nothing in it.
 * @throws GojitError with a sentence for the user, and nothing else, for every file that cannot be run as it is.
 */
export function parseImage(bytes: Uint8Array): ElfImage {
  const reader = new ByteReader(bytes);
  checkIdentity(reader);
  const headers = readProgramHeaders(reader);
  checkLinkage(reader, headers);
  const segments = loadSegments(reader, headers);
  const entry = reader.u64(24);
  if (!segments.some((s) => (s.flags & SegmentFlags.X) !== 0 && entry >= s.vaddr && entry < s.vaddr + s.fileSize)) {
    throw badSegments(`its entry point 0x${entry.toString(16)} lies in no executable segment`);
  }
  const headersOffset = reader.u64(32);
  const home = segments.find((s) => headersOffset >= s.fileOffset && headersOffset < s.fileOffset + s.fileSize);
  const headersAddress = home ? home.vaddr + headersOffset - home.fileOffset : 0;
  return new ElfImage(reader, headers, entry, segments, headersAddress);
}

function checkIdentity(reader: ByteReader): void {
  if (reader.length === 0) throw new GojitError("not-elf", "the file is empty; give it a linux/amd64 Go executable.");
  if (reader.u8(0) !== 0x7f || reader.cString(1, 4) !== "ELF") {
    throw new GojitError(
      "not-elf",
      `the file is ${describeForeign(reader)}; build the program with GOOS=linux GOARCH=amd64.`,
    );
  }
  const fileClass = reader.u8(4);
  if (reader.length < (fileClass === 1 ? 52 : headerSize)) throw truncated("the ELF header");
  const machine = reader.view.getUint16(18, reader.u8(5) !== 2);
  if (fileClass === 1) {
    throw new GojitError(
      "wrong-class",
      `this is a 32-bit program for ${machineName(machine)}; build it with GOARCH=amd64.`,
    );
  }
  if (reader.u8(5) === 2) {
    throw new GojitError(
      "wrong-byte-order",
      `this is a big-endian program for ${machineName(machine)}; build it with GOARCH=amd64.`,
    );
  }
  if (fileClass !== 2 || reader.u8(5) !== 1 || reader.u8(6) !== 1) {
    throw new GojitError(
      "not-elf",
      "its ELF identification is damaged (class, byte order or version); get an intact copy of the file.",
    );
  }
  if (machine !== EM_X86_64) {
    throw new GojitError(
      "wrong-machine",
      `this is a program for ${machineName(machine)}, not for x86-64; build it with GOARCH=amd64.`,
    );
  }
  const type = reader.u16(16);
  if (type === ET.EXEC || type === ET.DYN) return;
  const kind =
    type === ET.REL ? "an object file" : type === ET.CORE ? "a core dump" : `an ELF file of unknown type ${type}`;
  throw new GojitError("not-executable-type", `this is ${kind}, not an executable; link it with go build.`);
}

/** Names the formats a user most likely gave instead of a Linux executable. */
function describeForeign(reader: ByteReader): string {
  const magic = reader.u32(0);
  if (reader.u16(0) === 0x5a4d) return "a Windows executable";
  if (magic === 0xfeedfacf || magic === 0xfeedface || magic === 0xbebafeca || magic === 0xcffaedfe)
    return "a macOS executable";
  if (magic === 0x6d736100) return "a WebAssembly module";
  if (reader.u16(0) === 0x2123) return "a script";
  return "not an ELF executable";
}

function readProgramHeaders(reader: ByteReader): ProgramHeader[] {
  const offset = reader.u64(32);
  const entrySize = reader.u16(54);
  const count = reader.u16(56);
  if (count === 0) throw badSegments("it has no program headers");
  if (entrySize !== programHeaderSize)
    throw badSegments(`its program headers are ${entrySize} bytes each instead of ${programHeaderSize}`);
  if (count > maxProgramHeaders) throw badSegments(`it claims ${count} program headers`);
  if (!reader.has(offset, count * entrySize)) throw truncated("its program headers");
  const headers: ProgramHeader[] = [];
  for (let at = offset; headers.length < count; at += entrySize) {
    headers.push({
      type: reader.u32(at),
      flags: reader.u32(at + 4),
      offset: reader.u64(at + 8),
      vaddr: reader.u64(at + 16),
      fileSize: reader.u64(at + 32),
      memSize: reader.u64(at + 40),
      align: reader.u64(at + 48),
    });
  }
  return headers;
}

function checkLinkage(reader: ByteReader, headers: ProgramHeader[]): void {
  const interpreter = headers.find((header) => header.type === PT.INTERP);
  if (interpreter) {
    const path = reader.cString(interpreter.offset, interpreter.offset + interpreter.fileSize, 256);
    throw new GojitError(
      "dynamically-linked",
      `the program is dynamically linked (it needs ${path || "an interpreter"}); build it with CGO_ENABLED=0 and without -buildmode=pie.`,
    );
  }
  if (reader.u16(16) === ET.DYN) {
    throw new GojitError(
      "position-independent",
      "this is a shared library or a position-independent program; build it with CGO_ENABLED=0 go build -buildmode=exe.",
    );
  }
}

function loadSegments(reader: ByteReader, headers: ProgramHeader[]): ElfSegment[] {
  const loads = headers.filter((header) => header.type === PT.LOAD && header.memSize > 0);
  if (loads.length === 0) throw badSegments("it has no loadable segment");
  const segments = loads.map((header) => {
    const { vaddr, offset, fileSize, memSize, align } = header;
    const where = `the segment at 0x${vaddr.toString(16)}`;
    if (fileSize > memSize) throw badSegments(`${where} is larger in the file than in memory`);
    if (vaddr < lowestGuestAddress) throw badSegments(`${where} begins below 0x${lowestGuestAddress.toString(16)}`);
    if (vaddr + memSize > guestAddressEnd) throw badSegments(`${where} ends above 4 GiB`);
    if (align > 1 && (align > guestAddressEnd || !Number.isInteger(Math.log2(align))))
      throw badSegments(`${where} has a senseless alignment`);
    if (fileSize > 0 && vaddr % pageSize !== offset % pageSize)
      throw badSegments(`${where} is not aligned with its place in the file`);
    if (!reader.has(offset, fileSize)) throw truncated(where);
    return { vaddr, fileOffset: offset, fileSize, memSize, flags: header.flags & 7, align };
  });
  segments.sort((a, b) => a.vaddr - b.vaddr);
  for (const [index, segment] of segments.entries()) {
    const previous = segments[index - 1];
    if (previous && pageOf(previous.vaddr + previous.memSize - 1) >= pageOf(segment.vaddr)) {
      throw badSegments(`its segments at 0x${previous.vaddr.toString(16)} and 0x${segment.vaddr.toString(16)} overlap`);
    }
  }
  return segments;
}

function pageOf(address: number): number {
  return Math.floor(address / pageSize);
}

function truncated(what: string): GojitError {
  return new GojitError("truncated", `the file ends before ${what} is complete; get an intact copy of it.`);
}

function badSegments(what: string): GojitError {
  return new GojitError(
    "bad-segments",
    `this is no executable that can be loaded: ${what}; get an intact copy of the file or build it with go build.`,
  );
}
