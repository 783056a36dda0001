/** The supervisor's platform on Node: Workers are worker_threads. */
import { Worker } from "node:worker_threads";
import { nodeClock } from "../../runtime-shims/host/node-clock.js";
import { bundled } from "./node-bundle.js";
import type { SupervisorPlatform } from "./machine.js";
import type { WorkerMessage } from "./parts.js";

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

/** All Worker entry points of this runtime. */
const ENTRIES = {
  guest: bundled("guest", new URL("../../src/machine/node-guest-worker.js", import.meta.url)),
  translator: bundled("translator", new URL("../../src/machine/node-translator-worker.js", import.meta.url)),
};

export const nodePlatform = (workerData: NodeWorkerData): SupervisorPlatform => ({
  clock: nodeClock,
  workerData,
  startWorker(init, onMessage, onBroken) {
    const worker = new Worker(ENTRIES[init.kind], {
      workerData: init,
      resourceLimits: { stackSizeMb: init.kind === "guest" ? STACK_MB : 16 },
      execArgv: [],
    });
    worker.on("message", (message: WorkerMessage) => onMessage(message));
    worker.on("error", (error) => onBroken(error instanceof Error ? (error.stack ?? error.message) : String(error)));
    return { terminate: () => void worker.terminate() };
  },
});
