import type { ByteReader } from "./bytes.js";

const sectionHeaderSize = 64;
const SHT = { SYMTAB: 2, NOBITS: 8 };

/** One section header. Nothing needs it to run a program, so nothing in it is guaranteed beyond `fileSize` being readable. */
export interface ElfSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly vaddr: number;
  readonly fileOffset: number;
  /** Bytes in the file: 0 for sections without any (.bss) and for those that lie outside of it. */
  readonly fileSize: number;
  readonly size: number;
  readonly link: number;
}

/** The section table, empty if there is none that can be read. */
export function readSections(reader: ByteReader): ElfSection[] {
  const offset = reader.u64(40);
  const count = reader.u16(60);
  const nameTable = reader.u16(62);
  if (offset === 0 || count === 0 || reader.u16(58) !== sectionHeaderSize || nameTable >= count) return [];
  if (!reader.has(offset, count * sectionHeaderSize)) return [];
  const namesHeader = offset + nameTable * sectionHeaderSize;
  const namesOffset = reader.u64(namesHeader + 24);
  const namesEnd = namesOffset + reader.u64(namesHeader + 32);
  const sections: ElfSection[] = [];
  for (let at = offset; sections.length < count; at += sectionHeaderSize) {
    const type = reader.u32(at + 4);
    const fileOffset = reader.u64(at + 24);
    const size = reader.u64(at + 32);
    sections.push({
      name: reader.cString(namesOffset + reader.u32(at), namesEnd, 256),
      type,
      flags: reader.u32(at + 8),
      vaddr: reader.u64(at + 16),
      fileOffset,
      fileSize: type !== SHT.NOBITS && reader.has(fileOffset, size) ? size : 0,
      size,
      link: reader.u32(at + 40),
    });
  }
  return sections;
}

/** Whether there is a symbol table; Go programs built with -ldflags=-s have none and need none. */
export function hasSymbolTable(sections: readonly ElfSection[]): boolean {
  return sections.some((section) => section.type === SHT.SYMTAB && section.fileSize > 0);
}
