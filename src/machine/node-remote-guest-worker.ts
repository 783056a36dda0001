/** Entry point of the Workers that run guest threads on Node when the caller of `run` serves files and streams. */
import { parentPort, workerData } from "node:worker_threads";
import { nodeClock } from "../../runtime-shims/host/node-clock.js";
import { serveGuestThreads } from "./guest-thread.js";
import { loadNodeDecoder } from "./node-decoder.js";
import { compileRegions } from "./node-tier-up.js";
import type { GuestInit } from "./parts.js";
import { attachRemote, type RemoteSetup } from "./remote-setup.js";

// Only the first frames of a trap are looked at.
Error.stackTraceLimit = 4;

const init = workerData as GuestInit;
const files = attachRemote(init.parts.platform as RemoteSetup);

serveGuestThreads(init, {
  clock: nodeClock,
  now: () => performance.now(),
  post: (message) => parentPort!.postMessage(message),
  report: files.report,
  strace: files.report,
  compileRegions,
  loadDecoder: loadNodeDecoder,
  attachFiles: files.attach,
});
