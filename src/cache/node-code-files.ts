/** The files that keep code, on Node, whose threads share their descriptors. */
import { readSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { CodeFiles } from "../../jit/code-arena.js";

export const nodeCodeFiles: CodeFiles = {
  read(descriptor, position, into) {
    try {
      for (let done = 0; done < into.length;) {
        const count = readSync(descriptor, into, done, into.length - done, position + done);
        if (count === 0) return false;
        done += count;
      }
      return true;
    } catch {
      // A disk or a network that fails: the code is made again.
      return false;
    }
  },
  checksum: (bytes) => crc32(bytes),
};
