/** gojit as a library, on Node: runs Linux x86-64 Go programs inside this JavaScript engine. */
import { availableParallelism } from "node:os";
import { nodeRemotePlatform } from "./machine/node-platform.js";
import { runOn } from "./run.js";
import type { RunOptions, RunResult } from "./run-options.js";

export type { MemoryTree } from "../runtime-shims/host/memory-files.js";
export type { WasiDirectory } from "../runtime-shims/host/wasi-fs.js";
export { GojitError, type GojitErrorCode } from "./errors.js";
export { MachineError } from "./machine/machine.js";
export type { RunOptions, RunResult } from "./run-options.js";

/**
 * Runs a program to its end, with files in memory and its streams in the caller's hands.
 * @throws GojitError if the options, the program or the engine are unfit; MachineError if gojit itself fails; whatever
 *   `stdout` or `stderr` throws
 */
export function run(options: RunOptions): Promise<RunResult> {
  return runOn(nodeRemotePlatform, availableParallelism(), options);
}
