/** The supervisor's platform in a page, or in a Worker of it. The only file that names the Workers' scripts. */
import { webClock } from "../../runtime-shims/host/web-clock.js";
import type { SupervisorPlatform } from "../machine/machine.js";
import type { WorkerInit, WorkerMessage } from "../machine/parts.js";
import type { RemoteSetup } from "../machine/remote-setup.js";

/**
 * Each has a CPU block, and V8 reserves 8 GiB of addresses for every memory, of the 1 TiB that a page's process has:
 * about 120 can be had. A page may run two programs, and the memories of a third may not have been collected.
 */
const MAX_WORKERS = 36;

// Bundlers find a Worker's script only in this form of the expression.
const createWorker: Readonly<Record<WorkerInit["kind"], () => Worker>> = {
  guest: () => new Worker(new URL("./guest-worker.js", import.meta.url), { type: "module" }),
  translator: () => new Worker(new URL("./translator-worker.js", import.meta.url), { type: "module" }),
};

export const browserPlatform = async (workerData: RemoteSetup): Promise<SupervisorPlatform> => ({
  clock: webClock(globalThis),
  engine: await WebAssembly.compileStreaming(fetch(new URL("../../jit/engine.wasm", import.meta.url))),
  maxWorkers: MAX_WORKERS,
  workerData,
  startWorker(init, onMessage, onBroken) {
    const worker = createWorker[init.kind]();
    worker.addEventListener("message", (event: MessageEvent<WorkerMessage>) => onMessage(event.data));
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      onBroken(event.message || `the script of the ${init.kind} Worker cannot be loaded`);
    });
    worker.addEventListener("messageerror", () => onBroken(`a message to the ${init.kind} Worker was lost`));
    worker.postMessage(init);
    return { terminate: () => worker.terminate() };
  },
});
