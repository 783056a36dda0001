import { CodeCache } from "../cache/node-code-cache.js";
import { defaultCacheDirectory } from "../cache/node-cache-directory.js";
import { codeKey } from "../cache/node-code-key.js";
import { header, type KernelMemory } from "../../runtime-shims/kernel-memory.js";
import type { CodeArena } from "../../jit/code-arena.js";
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
  /** Fills the arena with what was kept, before any thread uses it. Returns how many modules that were. */
  load(): number;
  /** Keeps what has been translated since. */
  save(): void;
}

/** Undefined if the options leave no cache to use. */
export function programCache(
  program: LoadedProgram,
  mapped: { readonly kernel: KernelMemory; readonly convention: string; readonly arena: CodeArena },
  options: Options,
): ProgramCache | undefined {
  const cache = openCache(options);
  if (!cache) return undefined;
  const { arena, convention } = mapped;
  const vdso = mapped.kernel.words[header.vdso]! >>> 0;
  const key = codeKey({ image: program.image, convention, vdso });
  let known = 0;
  return {
    load: () => (known = cache.load(key, arena)),
    save: () => cache.save(key, arena, known, program.realPath),
  };
}
