/** gojit as a library, in a cross-origin isolated page or in a Worker of it. */
import type { GuestProcess } from "../debug/guest-process.js";
import { GojitError } from "../errors.js";
import { fetchProgram } from "../fetch-program.js";
import { runOn, type RunPlatform } from "../run.js";
import type { RunOptions, RunResult, StartOptions } from "../run-options.js";
import { browserPlatform } from "./platform.js";

export * from "../api.js";

const platform: RunPlatform = {
  supervisor: browserPlatform,
  cpus: navigator.hardwareConcurrency,
  openHostDirectories() {
    throw new GojitError("bad-option", "directories: a page has no directories of its own.");
  },
  readProgram: fetchProgram,
};

/** See `run` in ../index.ts. */
export function run(options: RunOptions): Promise<RunResult> {
  return runOn(platform, options);
}

/** See `start` in ../index.ts. */
export async function start(options: StartOptions): Promise<GuestProcess> {
  // With it comes the decoder, which `run` leaves to its Workers.
  const { startOn } = await import("../start.js");
  return startOn(platform, options);
}
