import { type ByteReader, decodeText } from "./bytes.js";

/** One entry of a PT_NOTE segment. */
export interface ElfNote {
  /** The owner, such as "Go" or "GNU". */
  readonly name: string;
  readonly type: number;
  readonly description: Uint8Array;
}

const maxNotes = 64;

/** The notes in `length` bytes at `offset`, as far as they make sense. */
export function readNotes(reader: ByteReader, offset: number, length: number): ElfNote[] {
  const notes: ElfNote[] = [];
  if (!reader.has(offset, length)) return notes;
  const end = offset + length;
  for (let at = offset; at + 12 <= end && notes.length < maxNotes;) {
    const nameSize = reader.u32(at);
    const descriptionSize = reader.u32(at + 4);
    const nameStart = at + 12;
    const descriptionStart = nameStart + align4(nameSize);
    const next = descriptionStart + align4(descriptionSize);
    if (descriptionStart + descriptionSize > end) break;
    const name = decodeText(reader.bytes, nameStart, nameStart + nameSize).replace(/\0.*$/s, "");
    const description = reader.bytes.subarray(descriptionStart, descriptionStart + descriptionSize);
    notes.push({ name, type: reader.u32(at + 8), description });
    at = next;
  }
  return notes;
}

function align4(size: number): number {
  return Math.ceil(size / 4) * 4;
}
