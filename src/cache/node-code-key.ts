/** What decides whether translated code may be used again. */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { buildVdso } from "../../runtime-shims/vdso.js";
import type { ElfImage } from "../elf/image.js";
import { COMPILATIONS } from "../machine/node-bundle.js";

export interface CodeKeyInput {
  readonly image: ElfImage;
  /** Calling convention that was assumed. */
  readonly convention: string;
  /** Address of the vDSO, which depends on the size of the address space. */
  readonly vdso: number;
  /** Probed addresses, by number: the code calls out with these numbers. */
  readonly probes: readonly number[];
}

/**
 * Hash of everything that translated code follows from: the program's segments, the vDSO, the engine and the options.
 * All segments count, not only the executable ones: jump tables and Go's function table are data.
 */
export function codeKey(input: CodeKeyInput, translator = translatorIdentity()): Uint8Array {
  const hash = createHash("sha256");
  const { image, convention, vdso, probes } = input;
  const segments = image.segments.map(({ vaddr, fileSize, memSize, flags }) => [vaddr, fileSize, memSize, flags]);
  hash.update(JSON.stringify([translator, process.versions.v8, convention, vdso, probes, image.entry, segments]));
  hash.update(buildVdso());
  for (const { fileOffset, fileSize } of image.segments) {
    hash.update(image.bytes.subarray(fileOffset, fileOffset + fileSize));
  }
  return hash.digest();
}

/**
 * Which translator this is: gojit's version with those of its dependencies, and for working copies, in which the
 * version stays while the code changes, when it was compiled.
 */
export function translatorIdentity(): string {
  const compiled = new URL("../../", import.meta.url);
  const times = COMPILATIONS.map((file) => statSync(new URL(file, compiled), { throwIfNoEntry: false })?.mtimeMs ?? 0);
  return `${readFileSync(new URL("../package.json", compiled), "utf8")}${times.join(" ")}`;
}
