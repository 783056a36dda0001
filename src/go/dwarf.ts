/**
 * Offsets of structure members from a program's DWARF. Source: the DWARF standard, versions 4 and 5, section 7.5; Go writes
 * the first until 1.24 and the second from 1.25 on, and names in the entries themselves.
 */
import type { ElfImage } from "../elf/image.js";
import { debugSection } from "../elf/section-data.js";

const TAG_MEMBER = 0x0d;
const TAG_STRUCTURE = 0x13;
const AT_NAME = 0x03;
const AT_MEMBER_LOCATION = 0x38;
const OP_PLUS_UCONST = 0x23;

const FORM = {
  addr: 0x01,
  block2: 0x03,
  block4: 0x04,
  data2: 0x05,
  data4: 0x06,
  data8: 0x07,
  string: 0x08,
  block: 0x09,
  block1: 0x0a,
  data1: 0x0b,
  flag: 0x0c,
  sdata: 0x0d,
  strp: 0x0e,
  udata: 0x0f,
  refAddr: 0x10,
  ref1: 0x11,
  ref2: 0x12,
  ref4: 0x13,
  ref8: 0x14,
  refUdata: 0x15,
  secOffset: 0x17,
  exprloc: 0x18,
  flagPresent: 0x19,
  strx: 0x1a,
  addrx: 0x1b,
  data16: 0x1e,
  lineStrp: 0x1f,
  implicitConst: 0x21,
  loclistx: 0x22,
  rnglistx: 0x23,
  strx1: 0x25,
  strx2: 0x26,
  strx3: 0x27,
  strx4: 0x28,
  addrx1: 0x29,
  addrx2: 0x2a,
  addrx3: 0x2b,
  addrx4: 0x2c,
} as const;

/** Bytes of the forms that always have as many. */
const FIXED_BYTES = new Map<number, number>([
  ...([FORM.flagPresent, FORM.implicitConst] as const).map((form) => [form, 0] as const),
  ...([FORM.data1, FORM.flag, FORM.ref1, FORM.strx1, FORM.addrx1] as const).map((form) => [form, 1] as const),
  ...([FORM.data2, FORM.ref2, FORM.strx2, FORM.addrx2] as const).map((form) => [form, 2] as const),
  ...([FORM.strx3, FORM.addrx3] as const).map((form) => [form, 3] as const),
  ...([FORM.data4, FORM.strp, FORM.refAddr, FORM.ref4, FORM.secOffset, FORM.lineStrp] as const).map(
    (form) => [form, 4] as const,
  ),
  ...([FORM.strx4, FORM.addrx4] as const).map((form) => [form, 4] as const),
  ...([FORM.addr, FORM.data8, FORM.ref8] as const).map((form) => [form, 8] as const),
  [FORM.data16, 16],
]);

interface Abbreviation {
  readonly tag: number;
  /** Attributes and their forms, one after the other. */
  readonly attributes: readonly number[];
  /** Of attributes whose form is `implicitConst`. */
  readonly constants: ReadonlyMap<number, number>;
}

/** By the structure's name and the member's. */
export type MemberOffsets = ReadonlyMap<string, ReadonlyMap<string, number>>;

/**
 * Reads where the members of structures are, by the names that the linker gives them, such as `runtime.g`.
 * @returns the structures that were found; none if the program has no DWARF, or none that can be read
 */
export async function memberOffsets(image: ElfImage, structures: ReadonlySet<string>): Promise<MemberOffsets> {
  const [info, abbreviations] = await Promise.all([
    debugSection(image, "debug_info"),
    debugSection(image, "debug_abbrev"),
  ]);
  const found = new Map<string, ReadonlyMap<string, number>>();
  if (!info || !abbreviations) return found;
  const known = new Map<number, ReadonlyMap<number, Abbreviation>>();
  const reader = new DwarfReader(info);
  try {
    while (reader.at < info.length && found.size < structures.size) {
      const { end, abbreviationsAt } = reader.unitHeader();
      let table = known.get(abbreviationsAt);
      if (!table) known.set(abbreviationsAt, (table = readAbbreviations(abbreviations, abbreviationsAt)));
      readUnit(reader, end, table, structures, found);
      reader.at = end;
    }
  } catch (error) {
    // Beyond the section's end, or of a kind that Go does not write: what was found is right all the same.
    if (!(error instanceof RangeError)) throw error;
  }
  return found;
}

function readUnit(
  reader: DwarfReader,
  end: number,
  table: ReadonlyMap<number, Abbreviation>,
  structures: ReadonlySet<string>,
  found: Map<string, ReadonlyMap<string, number>>,
): void {
  let members: Map<string, number> | undefined;
  while (reader.at < end) {
    const code = reader.unsigned();
    if (code === 0) {
      // Members have no children, so that this ends their structure.
      members = undefined;
      continue;
    }
    const abbreviation = table.get(code);
    if (!abbreviation) throw new RangeError(`abbreviation ${code} is missing`);
    const isStructure = abbreviation.tag === TAG_STRUCTURE;
    if (!isStructure && !(members && abbreviation.tag === TAG_MEMBER)) {
      reader.skip(abbreviation);
      continue;
    }
    const { name, location } = reader.member(abbreviation);
    if (!isStructure) members!.set(name, location);
    else if (structures.has(name) && !found.has(name)) found.set(name, (members = new Map()));
  }
}

function readAbbreviations(bytes: Uint8Array, at: number): ReadonlyMap<number, Abbreviation> {
  const reader = new DwarfReader(bytes, at);
  const table = new Map<number, Abbreviation>();
  for (let code = reader.unsigned(); code !== 0; code = reader.unsigned()) {
    const tag = reader.unsigned();
    reader.byte();
    const attributes: number[] = [];
    const constants = new Map<number, number>();
    for (;;) {
      const attribute = reader.unsigned();
      const form = reader.unsigned();
      if (attribute === 0 && form === 0) break;
      attributes.push(attribute, form);
      if (form === FORM.implicitConst) constants.set(attribute, reader.unsigned());
    }
    table.set(code, { tag, attributes, constants });
  }
  return table;
}

/** Reads DWARF of 32 bits. Throws a RangeError beyond the end, and at what it does not know. */
class DwarfReader {
  at: number;
  private readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  byte(): number {
    if (this.at >= this.bytes.length) throw new RangeError("beyond the end");
    return this.bytes[this.at++]!;
  }
  unsigned(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }
  /** A unit's header: where the unit ends, and where its abbreviations are. */
  unitHeader(): { readonly end: number; readonly abbreviationsAt: number } {
    const length = this.fixed(4);
    const end = this.at + length;
    const version = this.fixed(2);
    if (length === 0xffffffff || version < 2 || version > 5) throw new RangeError(`unit of version ${version}`);
    // The unit's type and the size of an address come first in version 5, the size last in the others.
    if (version === 5) this.at += 2;
    const abbreviationsAt = this.fixed(4);
    if (version < 5) this.at++;
    return { end, abbreviationsAt };
  }
  skip({ attributes }: Abbreviation): void {
    for (let i = 1; i < attributes.length; i += 2) this.skipForm(attributes[i]!);
  }
  /** The name and the place of an entry that has them. */
  member({ attributes, constants }: Abbreviation): { readonly name: string; readonly location: number } {
    let name = "";
    let location = 0;
    for (let i = 0; i < attributes.length; i += 2) {
      const form = attributes[i + 1]!;
      if (attributes[i] === AT_NAME && form === FORM.string) name = this.string();
      else if (attributes[i] === AT_MEMBER_LOCATION)
        location = constants.get(AT_MEMBER_LOCATION) ?? this.location(form);
      else this.skipForm(form);
    }
    return { name, location };
  }

  private location(form: number): number {
    switch (form) {
      case FORM.udata:
        return this.unsigned();
      case FORM.block1:
      case FORM.exprloc: {
        const end = this.byte() + this.at;
        const value = this.byte() === OP_PLUS_UCONST ? this.unsigned() : 0;
        this.at = end;
        return value;
      }
      default:
        return this.fixed(FIXED_BYTES.get(form) ?? 0);
    }
  }
  private string(): string {
    const end = this.bytes.indexOf(0, this.at);
    if (end < 0) throw new RangeError("beyond the end");
    const text = new TextDecoder().decode(this.bytes.subarray(this.at, end));
    this.at = end + 1;
    return text;
  }
  private fixed(length: number): number {
    let value = 0;
    for (let i = 0, scale = 1; i < length; i++, scale *= 256) value += this.byte() * scale;
    return value;
  }
  private advance(bytes: number): void {
    this.at += bytes;
  }
  private skipForm(form: number): void {
    const fixed = FIXED_BYTES.get(form);
    if (fixed !== undefined) return this.advance(fixed);
    switch (form) {
      case FORM.string:
        this.at = this.bytes.indexOf(0, this.at) + 1;
        return;
      case FORM.udata:
      case FORM.sdata:
      case FORM.refUdata:
      case FORM.strx:
      case FORM.addrx:
      case FORM.loclistx:
      case FORM.rnglistx:
        this.unsigned();
        return;
      case FORM.block:
      case FORM.exprloc:
        return this.advance(this.unsigned());
      case FORM.block1:
        return this.advance(this.byte());
      case FORM.block2:
        return this.advance(this.fixed(2));
      case FORM.block4:
        return this.advance(this.fixed(4));
      default:
        throw new RangeError(`form ${form} is not known`);
    }
  }
}
