/** gojit as a library, on Node: runs Linux x86-64 Go programs inside this JavaScript engine. */
import { realpathSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { NodeFiles } from "../runtime-shims/host/node-fs.js";
import type { GuestProcess } from "./debug/guest-process.js";
import { fetchProgram, unreadable } from "./fetch-program.js";
import { nodeRemotePlatform } from "./machine/node-platform.js";
import { runOn, type RunPlatform } from "./run.js";
import type { RunOptions, RunResult, StartOptions } from "./run-options.js";

export * from "./api.js";

const platform: RunPlatform = {
  supervisor: nodeRemotePlatform,
  cpus: availableParallelism(),
  openHostDirectories: (paths) =>
    new NodeFiles(
      paths.map((path) => {
        try {
          return realpathSync(path);
        } catch (error) {
          throw unreadable(path, error as Error);
        }
      }),
    ),
  async readProgram(from) {
    const url = from instanceof URL ? from : undefined;
    if (url && url.protocol !== "file:") return fetchProgram(url);
    try {
      return await readFile(url ? fileURLToPath(url) : from);
    } catch (error) {
      throw unreadable(from, error as Error);
    }
  },
};

/**
 * Runs a program to its end, with files in memory and its streams in the caller's hands.
 * @throws GojitError if the options, the program or the engine are unfit; MachineError if gojit itself fails; whatever
 *   `stdout` or `stderr` throws
 */
export function run(options: RunOptions): Promise<RunResult> {
  return runOn(platform, options);
}

/**
 * Starts a program that is to be stopped, looked at and changed: it stands still before its first instruction. It runs
 * slower than with `run`, since all registers must be right wherever it may stop.
 * @throws GojitError if the options, the program or the engine are unfit
 */
export async function start(options: StartOptions): Promise<GuestProcess> {
  // With it comes the decoder, which `run` leaves to its Workers.
  const { startOn } = await import("./start.js");
  return startOn(platform, options);
}
