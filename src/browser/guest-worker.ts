/** Entry point of the Workers that run guest threads in a page. */
import { webClock } from "../../runtime-shims/host/web-clock.js";
import { KernelMemory } from "../../runtime-shims/kernel-memory.js";
import type { GuestInit, WorkerMessage } from "../machine/parts.js";
import { attachRemote, type RemoteSetup } from "../machine/remote-setup.js";

// Only the first frames of a trap are looked at. V8's own name, which the standard library's types lack.
(Error as { stackTraceLimit?: number }).stackTraceLimit = 4;

addEventListener("message", ({ data }: MessageEvent<GuestInit>) => void serve(data), { once: true });

/** Loads the decoder first: a thread that runs a guest never gets to its event loop. */
async function serve(init: GuestInit): Promise<void> {
  try {
    // Loaded from here: the decoder's modules await, and messages that came meanwhile would be lost.
    const [{ serveGuestThreads }, { RecordDecoder }] = await Promise.all([
      import("../machine/guest-thread.js"),
      import("../../jit/interpreter/record-decoder.js"),
    ]);
    const files = attachRemote(init.parts.platform as RemoteSetup);
    serveGuestThreads(init, {
      clock: webClock(globalThis, new KernelMemory(init.parts.kernel)),
      now: () => performance.now(),
      post: (message) => postMessage(message),
      report: files.report,
      strace: files.report,
      attachFiles: files.attach,
      compileRegions: (wasm) => new WebAssembly.Module(wasm),
      loadDecoder: () => RecordDecoder,
    });
  } catch (error) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    postMessage({ type: "broken", what } satisfies WorkerMessage);
  }
}
