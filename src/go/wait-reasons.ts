import { ByteReader } from "../elf/bytes.js";
import { SegmentFlags, type ElfImage } from "../elf/image.js";
import { pointedText } from "./build-info.js";

/** How `runtime.waitReasonStrings` goes on after its first entry, which is empty, in every release from 1.12 on. */
const FIRST = ["GC assist marking", "IO wait"] as const;
const STRING_BYTES = 16;
const MOST = 100;
const LONGEST = 64;

/**
 * Why goroutines wait, by `waitReason`: the texts that the program has itself, which no symbol leads to in a stripped one. Empty if they
 * are not found.
 */
export function readWaitReasons(image: ElfImage): string[] {
  const reader = new ByteReader(image.bytes);
  const { view } = reader;
  for (const { flags, vaddr, fileOffset, fileSize } of image.segments) {
    if ((flags & SegmentFlags.X) !== 0) continue;
    const end = fileOffset + fileSize - 2 * STRING_BYTES;
    for (let at = fileOffset + ((8 - (vaddr & 7)) & 7); at <= end; at += 8) {
      if (view.getUint32(at + 8, true) !== FIRST[0].length) continue;
      if (view.getUint32(at + STRING_BYTES + 8, true) !== FIRST[1].length) continue;
      const text = (index: number) => pointedText(image, reader, vaddr + at - fileOffset + index * STRING_BYTES);
      if (text(0) !== FIRST[0] || text(1) !== FIRST[1]) continue;
      const reasons = [""];
      for (
        let next = text(0);
        next !== "" && next.length < LONGEST && reasons.length < MOST;
        next = text(reasons.length - 1)
      )
        reasons.push(next);
      return reasons;
    }
  }
  return [];
}
