import { CodeCache } from "../cache/node-code-cache.js";
import { defaultCacheDirectory } from "../cache/node-cache-directory.js";
import { codeKey } from "../cache/node-code-key.js";
import { header } from "../../runtime-shims/kernel-memory.js";
import type { Machine } from "../machine/machine.js";
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

/** The part of the code cache that belongs to one machine's program. */
export interface ProgramCache {
  /** Fills the machine's arena with what was kept. Before any thread uses it. */
  load(): void;
  /** Keeps what has been translated since. */
  save(): void;
}

export function programCache(program: LoadedProgram, machine: Machine, options: Options): ProgramCache | undefined {
  const cache = openCache(options);
  if (!cache) return undefined;
  let key: Uint8Array;
  let known = 0;
  return {
    load() {
      key = codeKey({
        image: program.image,
        convention: machine.parts.convention,
        vdso: machine.kernel.words[header.vdso]! >>> 0,
      });
      known = cache.load(key, machine.arena);
    },
    save: () => cache.save(key, machine.arena, known, program.realPath),
  };
}
