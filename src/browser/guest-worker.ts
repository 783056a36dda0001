/** Entry point of the Workers that run guest threads in a page. */
import { webClock } from "../../runtime-shims/host/web-clock.js";
import { KernelMemory } from "../../runtime-shims/kernel-memory.js";
import { serveGuestThreads } from "../machine/guest-thread.js";
import type { WorkerInit } from "../machine/parts.js";
import { attachRemote, type RemoteSetup } from "../machine/remote-setup.js";

// Only the first frames of a trap are looked at. V8's own name, which the standard library's types lack.
(Error as { stackTraceLimit?: number }).stackTraceLimit = 4;

addEventListener(
  "message",
  ({ data: init }: MessageEvent<WorkerInit>) => {
    const files = attachRemote(init.parts.platform as RemoteSetup);
    serveGuestThreads(init, {
      clock: webClock(globalThis, new KernelMemory(init.parts.kernel)),
      now: () => performance.now(),
      post: (message) => postMessage(message),
      report: files.report,
      strace: files.report,
      attachFiles: files.attach,
    });
  },
  { once: true },
);
