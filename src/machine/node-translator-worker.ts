/** Entry point of the translator's Worker on Node. */
import { workerData } from "node:worker_threads";
import type { WorkerInit } from "./parts.js";
import { serveTranslation } from "./translator-thread.js";

// Not during module evaluation: Binaryen makes that asynchronous, and V8 aborts the whole process when a Worker is
// terminated in an asynchronous module that never finishes.
setImmediate(() => serveTranslation((workerData as WorkerInit).parts, () => performance.now()));
