/** Entry point of the Workers that run guest threads on Node. */
import { writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { nodeClock } from "../../runtime-shims/host/node-clock.js";
import { serveGuestThreads } from "./guest-thread.js";
import type { WorkerInit } from "./parts.js";

// Only the first frames of a trap are looked at.
Error.stackTraceLimit = 4;

serveGuestThreads(workerData as WorkerInit, {
  clock: nodeClock,
  now: () => performance.now(),
  post: (message) => parentPort!.postMessage(message),
  report: (line) => void writeSync(2, `${line}\n`),
  strace: (line) => void writeSync(2, `${line}\n`),
  attachFiles: () => undefined,
});
