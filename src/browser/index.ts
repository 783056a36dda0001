/** gojit as a library, in a cross-origin isolated page or in a Worker of it. */
import { type RunOptions, runOn, type RunResult } from "../run.js";
import { browserPlatform } from "./platform.js";

export type { MemoryTree } from "../../runtime-shims/host/memory-files.js";
export type { WasiDirectory } from "../../runtime-shims/host/wasi-fs.js";
export { GojitError, type GojitErrorCode } from "../errors.js";
export { MachineError } from "../machine/machine.js";
export type { RunOptions, RunResult } from "../run.js";

/**
 * Runs a program to its end, with files in memory and its streams in the caller's hands.
 * @throws GojitError if the program or the engine is unfit; MachineError if gojit itself fails
 */
export function run(options: RunOptions): Promise<RunResult> {
  return runOn(browserPlatform, navigator.hardwareConcurrency, options);
}
