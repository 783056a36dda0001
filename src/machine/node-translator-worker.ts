/** Entry point of the translator's Worker on Node. */
import { workerData } from "node:worker_threads";
import { loadBinaryen } from "../../jit/load-binaryen.js";
import type { WorkerInit } from "./parts.js";

setImmediate(async () => {
  await loadBinaryen();
  const { serveTranslation } = await import("./translator-thread.js");
  serveTranslation((workerData as WorkerInit).parts, () => performance.now());
});
