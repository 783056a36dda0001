/** What decides whether translated code may be used again. */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import path from "node:path";
import { buildVdso } from "../../runtime-shims/vdso.js";
import type { ElfImage } from "../elf/image.js";

export interface CodeKeyInput {
  readonly image: ElfImage;
  /** Calling convention that was assumed. */
  readonly convention: string;
  /** Address of the vDSO, which depends on the size of the address space. */
  readonly vdso: number;
}

/**
 * Hash of everything that translated code follows from: the program's segments, the vDSO, the engine and the options.
 * All segments count, not only the executable ones: jump tables and Go's function table are data.
 */
export function codeKey(input: CodeKeyInput, translator = translatorIdentity()): Uint8Array {
  const hash = createHash("sha256");
  const { image, convention, vdso } = input;
  const segments = image.segments.map(({ vaddr, fileSize, memSize, flags }) => [vaddr, fileSize, memSize, flags]);
  hash.update(JSON.stringify([translator, process.versions.v8, convention, vdso, image.entry, segments]));
  hash.update(buildVdso());
  for (const { fileOffset, fileSize } of image.segments) {
    hash.update(image.bytes.subarray(fileOffset, fileOffset + fileSize));
  }
  return hash.digest();
}

/**
 * Which translator this is: gojit's version with those of its dependencies, and for working copies, in which the
 * version stays while the code changes, the state of the files.
 */
export function translatorIdentity(): string {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const compiled = path.resolve(here, "..", "..");
  const hash = createHash("sha256");
  hash.update(readFileSync(path.resolve(compiled, "..", "package.json")));
  for (const directory of [
    "jit",
    path.join("jit", "lift"),
    path.join("jit", "interpreter"),
    path.join("src", "machine"),
  ]) {
    for (const name of readdirSync(path.join(compiled, directory)).sort()) {
      if (!name.endsWith(".js")) continue;
      const { size, mtimeMs } = statSync(path.join(compiled, directory, name));
      hash.update(`${directory}/${name} ${size} ${mtimeMs}\n`);
    }
  }
  return hash.digest("hex");
}
