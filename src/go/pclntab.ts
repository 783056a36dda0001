import { type ByteReader } from "../elf/bytes.js";
import { SegmentFlags, type ElfImage, type ElfSegment } from "../elf/image.js";

/**
 * The four layouts of Go's function table ("pclntab"), named by the first release that has them. Sources: the Go
 * releases' runtime/symtab.go (`pcHeader`, `moduledata`) and runtime/runtime2.go (`_func`).
 */
export type PclntabFormat = "go1.2" | "go1.16" | "go1.18" | "go1.20";

const formatOfMagic = new Map<number, PclntabFormat>([
  [0xfffffffb, "go1.2"],
  [0xfffffffa, "go1.16"],
  [0xfffffff0, "go1.18"],
  [0xfffffff1, "go1.20"],
]);

/** A pclntab that was found and whose header makes sense. Offsets count from the table's first byte. */
export interface Pclntab {
  readonly format: PclntabFormat;
  /** Guest address of the table. */
  readonly address: number;
  /** The table and whatever follows it in its segment's file part. */
  readonly bytes: Uint8Array;
  readonly functionCount: number;
  /** Added to relative entry addresses; 0 where the table holds absolute ones. */
  readonly textStart: number;
  /** The list of (entry, record offset) pairs, and what record offsets count from. */
  readonly functabOffset: number;
  readonly namesOffset: number;
  readonly filesOffset: number;
  /** Per compilation unit lists of file name offsets; 0 where there are none. */
  readonly unitsOffset: number;
  readonly pctabOffset: number;
}

const maxFunctions = 1 << 24;

/** Finds the function table by its section or, in stripped or packed programs, by its magic number. */
export function findPclntab(image: ElfImage, reader: ByteReader): Pclntab | undefined {
  for (const name of [".gopclntab", ".data.rel.ro.gopclntab"]) {
    const section = image.section(name);
    const found = section && parsePclntab(image, reader, section.vaddr);
    if (found) return found;
  }
  // Read-only data first; text last, because only old linkers put read-only data there.
  const order = (segment: ElfSegment): number =>
    segment.flags & SegmentFlags.X ? 2 : segment.flags & SegmentFlags.W ? 1 : 0;
  for (const segment of [...image.segments].sort((a, b) => order(a) - order(b))) {
    const found = searchSegment(image, reader, segment);
    if (found) return found;
  }
  return undefined;
}

function searchSegment(image: ElfImage, reader: ByteReader, segment: ElfSegment): Pclntab | undefined {
  const { bytes } = reader;
  const end = segment.fileOffset + segment.fileSize - 16;
  for (let at = segment.fileOffset + ((8 - (segment.vaddr & 7)) & 7); at <= end; at += 8) {
    // The magic's last three bytes are ff; the header goes on with two zeros, the instruction and the pointer size.
    if (bytes[at + 3] !== 0xff || bytes[at + 2] !== 0xff || bytes[at + 1] !== 0xff) continue;
    if (bytes[at]! < 0xf0 || bytes[at + 4] !== 0 || bytes[at + 7] !== 8) continue;
    const found = parsePclntab(image, reader, segment.vaddr + at - segment.fileOffset);
    if (found) return found;
  }
  return undefined;
}

function parsePclntab(image: ElfImage, reader: ByteReader, address: number): Pclntab | undefined {
  const base = image.fileOffsetOf(address, 16);
  const segment = image.segmentAt(address);
  if (base === undefined || !segment) return undefined;
  const format = formatOfMagic.get(reader.u32(base));
  const paddingAndSizes = reader.u32(base + 4);
  if (!format || paddingAndSizes !== 0x0801_0000) return undefined;
  const bytes = reader.bytes.subarray(base, segment.fileOffset + segment.fileSize);
  const functionCount = reader.u64(base + 8);
  if (functionCount < 1 || functionCount > maxFunctions) return undefined;
  if (format === "go1.2") {
    const functabEnd = 16 + functionCount * 16 + 8;
    if (functabEnd + 4 > bytes.length) return undefined;
    const filesOffset = reader.u32(base + functabEnd);
    const common = { format, address, bytes, functionCount, textStart: 0, functabOffset: 16 };
    return { ...common, namesOffset: 0, filesOffset, unitsOffset: 0, pctabOffset: 0 };
  }
  const relative = format !== "go1.16";
  const offsetsAt = base + (relative ? 32 : 24);
  const [namesOffset, unitsOffset, filesOffset, pctabOffset, functabOffset] = [0, 8, 16, 24, 32].map((o) =>
    reader.u64(offsetsAt + o),
  );
  const ordered = [64, namesOffset!, unitsOffset!, filesOffset!, pctabOffset!, functabOffset!];
  if (ordered.some((offset, index) => index > 0 && offset < ordered[index - 1]!)) return undefined;
  if (functabOffset! + functionCount * (relative ? 8 : 16) + (relative ? 4 : 8) > bytes.length) return undefined;
  const textStart = relative ? findTextStart(image, reader, address, base) : 0;
  if (textStart === undefined) return undefined;
  return {
    format,
    address,
    bytes,
    functionCount,
    textStart,
    functabOffset: functabOffset!,
    namesOffset: namesOffset!,
    filesOffset: filesOffset!,
    unitsOffset: unitsOffset!,
    pctabOffset: pctabOffset!,
  };
}

/**
 * The address that relative entries count from: the header's field until Go 1.25, which newer linkers leave 0; then
 * `runtime.text` from the module data, whose first word points to the table.
 */
function findTextStart(image: ElfImage, reader: ByteReader, address: number, base: number): number | undefined {
  const isText = (value: number): boolean => ((image.segmentAt(value)?.flags ?? 0) & SegmentFlags.X) !== 0;
  const stored = reader.u64(base + 24);
  if (stored !== 0 && isText(stored)) return stored;
  return findModuleData(image, reader, address)?.text;
}

/** What gojit reads of the runtime's `moduledata` (Go 1.16 and newer). */
export interface ModuleData {
  readonly address: number;
  readonly text: number;
  readonly endText: number;
}

// Offsets in `moduledata`: seven words of pcHeader and slices come before them, unchanged since Go 1.16.
const moduleDataOffsets = { functabLength: 136, minPc: 160, maxPc: 168, text: 176, endText: 184, size: 192 };

/** The module data of the pclntab at `pclntabAddress`, found by the pointer to it that it begins with. */
export function findModuleData(image: ElfImage, reader: ByteReader, pclntabAddress: number): ModuleData | undefined {
  const functionCount = reader.u64((image.fileOffsetOf(pclntabAddress, 16) ?? 0) + 8);
  const writableFirst = [...image.segments].sort((a, b) => (b.flags & SegmentFlags.W) - (a.flags & SegmentFlags.W));
  for (const segment of writableFirst) {
    const end = segment.fileOffset + segment.fileSize - moduleDataOffsets.size;
    for (let at = segment.fileOffset + ((8 - (segment.vaddr & 7)) & 7); at <= end; at += 8) {
      if (reader.view.getUint32(at, true) !== pclntabAddress || reader.view.getUint32(at + 4, true) !== 0) continue;
      const text = reader.u64(at + moduleDataOffsets.text);
      const endText = reader.u64(at + moduleDataOffsets.endText);
      const minPc = reader.u64(at + moduleDataOffsets.minPc);
      const maxPc = reader.u64(at + moduleDataOffsets.maxPc);
      const home = image.segmentAt(text);
      if (!home || (home.flags & SegmentFlags.X) === 0 || endText > home.vaddr + home.memSize) continue;
      if (reader.u64(at + moduleDataOffsets.functabLength) !== functionCount + 1) continue;
      if (minPc < text || maxPc < minPc || maxPc > endText) continue;
      return { address: segment.vaddr + at - segment.fileOffset, text, endText };
    }
  }
  return undefined;
}
