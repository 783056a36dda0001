import { type ByteReader, decodeText } from "../elf/bytes.js";
import { SegmentFlags, type ElfImage } from "../elf/image.js";
import type { PclntabFormat } from "./pclntab.js";

const releases: Record<PclntabFormat, { first: number; last: number }> = {
  "go1.2": { first: 2, last: 15 },
  "go1.16": { first: 16, last: 17 },
  "go1.18": { first: 18, last: 19 },
  "go1.20": { first: 20, last: Infinity },
};

const versionText = /^go1\.(\d+)(\.\d+|beta\d+|rc\d+)?([ +-][\w .,:=/+-]*)?$/;

/** The minor number of a version: 22 of "go1.22.5"; undefined if it is none. */
export function minorOf(version: string): number | undefined {
  const match = /^go1\.(\d+)/.exec(version);
  return match ? Number(match[1]) : undefined;
}

/**
 * The Go version of a program without build information: the value of `runtime.buildVersion`, a Go string (pointer,
 * length) in writable data that points to "go1.…" in read-only data. Programs may hold more such strings, so those
 * that contradict the function table's format are passed over, and a full release number ("go1.22.5") wins.
 */
export function searchVersion(image: ElfImage, reader: ByteReader, format: PclntabFormat): string {
  const range = releases[format];
  let best = "";
  for (const segment of image.segments) {
    if ((segment.flags & SegmentFlags.W) === 0) continue;
    const end = segment.fileOffset + segment.fileSize - 16;
    for (let at = segment.fileOffset + ((8 - (segment.vaddr & 7)) & 7); at <= end; at += 8) {
      const length = reader.view.getUint32(at + 8, true);
      if (length < 5 || length > 100) continue;
      const pointer = reader.u64(at);
      if (reader.u32(at + 12) !== 0 || pointer === 0) continue;
      const text = image.fileOffsetOf(pointer, length);
      if (text === undefined || reader.u32(text) !== 0x2e316f67) continue; // "go1."
      const candidate = decodeText(reader.bytes, text, text + length);
      const match = versionText.exec(candidate);
      if (!match || Number(match[1]) < range.first || Number(match[1]) > range.last) continue;
      if (best === "" || (match[2] !== undefined && versionText.exec(best)![2] === undefined)) best = candidate;
    }
  }
  return best;
}
