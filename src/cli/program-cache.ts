import { CodeCache, NOTHING_KNOWN, type KnownCode } from "../cache/node-code-cache.js";
import { defaultCacheDirectory } from "../cache/node-cache-directory.js";
import type { KeptCode } from "../cache/node-pack-file.js";
import { codeKey } from "../cache/node-code-key.js";
import type { Probes } from "../../jit/probes.js";
import { header, type KernelMemory } from "../../runtime-shims/kernel-memory.js";
import { PAGE_SIZE } from "../../runtime-shims/page-map.js";
import type { LoadedProgram } from "./load-program.js";
import type { Options } from "./options.js";

/** The cache directory that the options name; undefined if there is none. */
export function openCache(options: Options): CodeCache | undefined {
  const directory = options.cacheDirectory ?? defaultCacheDirectory();
  if (options.noCache || directory === undefined) return undefined;
  const named = options.cacheDirectory !== undefined;
  return new CodeCache(directory, (problem) => {
    // A directory that the user did not ask for is not the user's problem.
    if (named) process.stderr.write(`gojit: ${problem}.\n`);
  });
}

/** The part of the code cache that belongs to one mapped program. */
export interface ProgramCache {
  /** Fills the memories with what was kept, before any thread uses them. Returns how much that was. */
  load(): KnownCode;
  /** Keeps what has been decoded and translated since. */
  save(): void;
}

/** Undefined if the options leave no cache to use. */
export function programCache(
  program: LoadedProgram,
  mapped: KeptCode & { readonly kernel: KernelMemory; readonly convention: string; readonly probes: Probes },
  options: Options,
): ProgramCache | undefined {
  const cache = openCache(options);
  if (!cache) return undefined;
  const { convention, probes } = mapped;
  const vdso = mapped.kernel.words[header.vdso]! >>> 0;
  const key = codeKey({ image: program.image, convention, vdso, probes: probes.addresses() });
  const last = program.image.segments[program.image.segments.length - 1]!;
  const end = last.vaddr + last.memSize;
  let known = NOTHING_KNOWN;
  return {
    load() {
      known = cache.load(key, mapped);
      return known;
    },
    save: () =>
      cache.save(key, mapped, known, program.realPath, (pc) => pc < end || (pc >= vdso && pc < vdso + PAGE_SIZE)),
  };
}
