/** Entry point of the translator's Worker on Node. */
import { workerData } from "node:worker_threads";
import type { WorkerInit } from "./parts.js";

// Binaryen's module is asynchronous. V8 runs the modules that import it when it is ready, and aborts the whole process
// ("Check failed: !is_null()") if the Worker is terminated meanwhile, as it is where a program ends early. So the one
// file that imports it comes first, and all others find it ready.
setImmediate(async () => {
  await import("../../jit/wasm.js");
  const { serveTranslation } = await import("./translator-thread.js");
  serveTranslation((workerData as WorkerInit).parts, () => performance.now());
});
