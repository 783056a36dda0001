/** The supervisor's platform on Node: Workers are worker_threads. */
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { nodeClock } from "../../runtime-shims/host/node-clock.js";
import { bundled } from "./node-bundle.js";
import type { SupervisorPlatform } from "./machine.js";
import type { WorkerMessage } from "./parts.js";
import type { RemoteSetup } from "./remote-setup.js";
import { MAX_WORKERS } from "./thread-pool.js";

/** What the Node side of each Worker needs. */
export interface NodeWorkerData {
  readonly mounts: readonly { readonly guest: string; readonly host: string; readonly readOnly: boolean }[];
  /** Guest path of the program. */
  readonly executable: string;
  readonly currentDirectory: string;
  /** Where --strace goes; null is stderr. */
  readonly straceFile: string | null;
}

/** Mirrored calls use the Worker's stack: the deeper it is, the less often deep recursion has to be unwound. */
const STACK_MB = 256;

/** This file is at the same depth as a bundle: the name leads to the file from both. */
const compiled = (name: string): URL => new URL(`../../src/machine/${name}.js`, import.meta.url);

/** Made by `npm run engine`. */
const ENGINE = new URL("../../jit/engine.wasm", import.meta.url);

/** All Worker entry points of this runtime. */
const ENTRIES = {
  guest: bundled("guest", compiled("node-guest-worker")),
  remote: bundled("remote", compiled("node-remote-guest-worker")),
  translator: bundled("translator", compiled("node-translator-worker")),
};

/** The guest's files are the host's, and its standard streams this process's. */
export const nodePlatform = (workerData: NodeWorkerData): SupervisorPlatform => platform(workerData, "guest");

/** The guest's files and standard streams are what the caller serves. */
export const nodeRemotePlatform = (workerData: RemoteSetup): SupervisorPlatform => platform(workerData, "remote");

const platform = (workerData: unknown, guest: "guest" | "remote"): SupervisorPlatform => ({
  clock: nodeClock,
  engine: new WebAssembly.Module(readFileSync(ENGINE)),
  maxWorkers: MAX_WORKERS,
  workerData,
  startWorker(init, onMessage, onBroken) {
    const worker = new Worker(ENTRIES[init.kind === "guest" ? guest : init.kind], {
      workerData: init,
      resourceLimits: { stackSizeMb: init.kind === "guest" ? STACK_MB : 16 },
      execArgv: [],
      // A descriptor belongs to the guest process: any Worker may close it, and none takes it along when it ends.
      trackUnmanagedFds: false,
    });
    worker.on("message", (message: WorkerMessage) => onMessage(message));
    worker.on("error", (error) => onBroken(error instanceof Error ? (error.stack ?? error.message) : String(error)));
    return { terminate: () => void worker.terminate() };
  },
});
