/** Entry point of the Workers that run guest threads on Node. */
import { openSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { nodeClock } from "../../runtime-shims/host/node-clock.js";
import { attachNodeFiles } from "../../runtime-shims/host/node-files.js";
import { nodeCodeFiles } from "../cache/node-code-files.js";
import { complain, writer } from "../node-output.js";
import { serveGuestThreads } from "./guest-thread.js";
import { loadNodeDecoder } from "./node-decoder.js";
import type { NodeWorkerData } from "./node-platform.js";
import { compileRegions } from "./node-tier-up.js";
import type { GuestInit } from "./parts.js";

// Only the first frames of a trap are looked at.
Error.stackTraceLimit = 4;

// A Worker that was started early is told later: see node-worker.ts.
if (workerData) serve(workerData as GuestInit);
else parentPort!.once("message", serve);

function serve(init: GuestInit): never {
  const data = init.parts.platform as NodeWorkerData;
  const file = data.straceFile;
  const strace = writer(() => (file === null ? 2 : openSync(file, "a")), "a thread's system calls");
  serveGuestThreads(init, {
    clock: nodeClock,
    now: () => performance.now(),
    post: (message) => parentPort!.postMessage(message),
    report: complain,
    strace: (line) => strace(`${line}\n`),
    compileRegions,
    codeFiles: nodeCodeFiles,
    loadDecoder: loadNodeDecoder,
    attachFiles: (process) => void attachNodeFiles(process, data),
  });
}
