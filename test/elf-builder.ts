/** Program header fields of a synthetic executable; what is left out makes a sound segment of code. */
export interface SegmentFields {
  type?: number;
  flags?: number;
  offset?: number;
  vaddr?: number;
  fileSize?: number;
  memSize?: number;
  align?: number;
  content?: Uint8Array;
}

export interface ElfFields {
  type?: number;
  machine?: number;
  entry?: number;
  programHeaderSize?: number;
  programHeaderCount?: number;
  segments?: SegmentFields[];
}

export const loadType = 1;
export const textAddress = 0x400000;

/** A 64-bit little-endian ELF file of one page of header and one page for each segment's content. */
export function buildElf(fields: ElfFields = {}): Uint8Array {
  const segments = fields.segments ?? [{}];
  const bytes = new Uint8Array(0x1000 * (1 + segments.length));
  const view = new DataView(bytes.buffer);
  const u64 = (at: number, value: number): void => view.setBigUint64(at, BigInt(value), true);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, fields.type ?? 2, true);
  view.setUint16(18, fields.machine ?? 62, true);
  view.setUint32(20, 1, true);
  u64(24, fields.entry ?? textAddress);
  u64(32, 64);
  view.setUint16(52, 64, true);
  view.setUint16(54, fields.programHeaderSize ?? 56, true);
  view.setUint16(56, fields.programHeaderCount ?? segments.length, true);
  for (const [index, segment] of segments.entries()) {
    const at = 64 + index * 56;
    const offset = segment.offset ?? 0x1000 * (1 + index);
    const fileSize = segment.fileSize ?? 0x1000;
    view.setUint32(at, segment.type ?? loadType, true);
    view.setUint32(at + 4, segment.flags ?? 5, true);
    u64(at + 8, offset);
    u64(at + 16, segment.vaddr ?? textAddress + index * 0x10000);
    u64(at + 24, segment.vaddr ?? textAddress + index * 0x10000);
    u64(at + 32, fileSize);
    u64(at + 40, segment.memSize ?? fileSize);
    u64(at + 48, segment.align ?? 0x1000);
    if (segment.content) bytes.set(segment.content, offset);
  }
  return bytes;
}
