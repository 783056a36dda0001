/** The files that keep code, on Node, whose threads share their descriptors. */
import { readSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { CodeFiles } from "../../jit/code-arena.js";

/** Fills `into` from a position in a file; false if that ends before. @throws the file system's error */
export function readFully(descriptor: number, position: number, into: Uint8Array): boolean {
  for (let done = 0; done < into.length;) {
    const count = readSync(descriptor, into, done, into.length - done, position + done);
    if (count === 0) return false;
    done += count;
  }
  return true;
}

export const nodeCodeFiles: CodeFiles = {
  read(descriptor, position, into) {
    try {
      return readFully(descriptor, position, into);
    } catch {
      // A disk or a network that fails: the code is made again.
      return false;
    }
  },
  checksum: (bytes) => crc32(bytes),
};
