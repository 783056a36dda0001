import type { ElfImage } from "./image.js";

/** In `sh_flags`: the content begins with an Elf64_Chdr and is compressed. */
const SHF_COMPRESSED = 0x800;
const ELFCOMPRESS_ZLIB = 1;
const CHDR_BYTES = 24;
/** What `.zdebug_…` begins with, before compression had a flag: "ZLIB" and the size. */
const ZDEBUG_HEADER_BYTES = 12;

/** A section's content, inflated if it was compressed; undefined if there is none, or it cannot be read. */
export async function debugSection(image: ElfImage, name: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const plain = image.section(`.${name}`);
  const section = plain ?? image.section(`.z${name}`);
  if (!section || section.fileSize === 0) return undefined;
  // A copy: streams take no shared memory.
  const bytes = image.bytes.slice(section.fileOffset, section.fileOffset + section.fileSize) as Uint8Array<ArrayBuffer>;
  if (!plain) return inflate(bytes.subarray(ZDEBUG_HEADER_BYTES));
  if (!(section.flags & SHF_COMPRESSED)) return bytes;
  return bytes[0] === ELFCOMPRESS_ZLIB ? inflate(bytes.subarray(CHDR_BYTES)) : undefined;
}

async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    return undefined;
  }
}
