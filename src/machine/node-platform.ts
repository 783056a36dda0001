/** The supervisor's platform on Node: Workers are worker_threads. */
import { readFileSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import { nodeClock } from "../../runtime-shims/host/node-clock.js";
import { nodeCodeFiles } from "../cache/node-code-files.js";
import type { SupervisorPlatform } from "./machine.js";
import { compileEngine } from "./node-tier-up.js";
import { startNodeWorker, type GuestKind } from "./node-worker.js";
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

/** Made by `npm run engine`. */
const ENGINE = new URL("../../jit/engine.wasm", import.meta.url);

/**
 * The guest's files are the host's, and its standard streams this process's.
 * @param early a guest's Worker that is starting already, without `init`
 */
export const nodePlatform = (workerData: NodeWorkerData, early?: Worker): SupervisorPlatform =>
  platform(workerData, "guest", early);

/** The guest's files and standard streams are what the caller serves. */
export const nodeRemotePlatform = (workerData: RemoteSetup): SupervisorPlatform => platform(workerData, "remote");

/** Linux's numbers of the signals that stop a process. */
const STOP_SIGNALS: Readonly<Record<number, NodeJS.Signals>> = {
  19: "SIGSTOP",
  20: "SIGTSTP",
  21: "SIGTTIN",
  22: "SIGTTOU",
};

/** Lets a signal do to this process what it does to one that has not asked for it. */
export const takeDefault = (name: NodeJS.Signals): void => {
  const listeners = process.listeners(name);
  process.removeAllListeners(name);
  process.kill(process.pid, name);
  for (const listener of listeners) process.on(name, listener);
};

const platform = (workerData: unknown, guest: GuestKind, early?: Worker): SupervisorPlatform => ({
  clock: nodeClock,
  engine: compileEngine(readFileSync(ENGINE)),
  maxWorkers: MAX_WORKERS,
  codeFiles: nodeCodeFiles,
  workerData,
  startWorker(init, onMessage, onBroken) {
    let worker = init.kind === "guest" ? early : undefined;
    if (worker) {
      early = undefined;
      worker.postMessage(init);
    } else worker = startNodeWorker(init.kind === "guest" ? guest : init.kind, init);
    worker.on("message", (message: WorkerMessage) => onMessage(message));
    worker.on("error", (error) => onBroken(error instanceof Error ? (error.stack ?? error.message) : String(error)));
    return { terminate: () => void worker.terminate() };
  },
  ...(process.platform === "win32" ? {} : { stop: (signo: number) => takeDefault(STOP_SIGNALS[signo]!) }),
});
