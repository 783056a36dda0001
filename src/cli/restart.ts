/**
 * A large program's run begins anew, with what only a process's start can set; the process stays the same (execve(2)).
 *
 * V8's compiler takes up to 50 MB for a moment in each of Node's four threads for it, and glibc keeps what each of them
 * has freed. As many threads as there are processors beside the guest's, and fewer of glibc's arenas, take 50 to 70 MB less, and
 * less time. It costs another start of Node: a program whose code is small does without.
 */
import { statSync } from "node:fs";
import { availableParallelism } from "node:os";

/** Of the executable. Go's smallest that prints with package fmt has 1.5 MB. */
const LARGE_BYTES = 2_500_000;
/** As many as Node has otherwise. */
const MOST_COMPILERS = 4;
const POOL = "--v8-pool-size";
const ARENAS = "MALLOC_ARENA_MAX";
/** Set in a run that began anew: the names of variables that are not the user's, separated by commas. */
const RESTARTED = "GOJIT_RESTARTED";

/** Does not return if the run begins anew. To be called before anything that others could see. */
export function restartIfLarge(program: string): void {
  const { env, execve } = process;
  if (env[RESTARTED] !== undefined) {
    for (const name of env[RESTARTED].split(",")) delete env[name];
    delete env[RESTARTED];
    return;
  }
  // Elsewhere there is no execve, or no glibc.
  if (process.platform !== "linux" || !execve || process.execArgv.some((flag) => flag.startsWith(POOL))) return;
  if ((statSync(program, { throwIfNoEntry: false })?.size ?? 0) < LARGE_BYTES) return;
  const compilers = Math.min(MOST_COMPILERS, Math.max(1, availableParallelism() - 1));
  const words = [process.execPath, ...process.execArgv, `${POOL}=${compilers}`, ...process.argv.slice(1)];
  const arenas = env[ARENAS] === undefined ? { [ARENAS]: "2", [RESTARTED]: ARENAS } : { [RESTARTED]: "" };
  execve.call(process, process.execPath, words, { ...env, ...arenas });
}
