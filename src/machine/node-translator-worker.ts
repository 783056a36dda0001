/** Entry point of the translator's Worker on Node. */
import { workerData } from "node:worker_threads";
import type { WorkerInit } from "./parts.js";
import { serveTranslation } from "./translator-thread.js";

serveTranslation((workerData as WorkerInit).parts, () => performance.now());
