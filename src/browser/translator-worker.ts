/** Entry point of the translator's Worker in a page. */
import type { WorkerInit, WorkerMessage } from "../machine/parts.js";

addEventListener(
  "message",
  ({ data: init }: MessageEvent<WorkerInit>) => {
    // Loaded from here: its modules await theirs, and messages that came meanwhile would be lost.
    void import("../machine/translator-thread.js").then(
      ({ serveTranslation }) => serveTranslation(init.parts, () => performance.now()),
      (error: unknown) =>
        postMessage({
          type: "broken",
          what: `the translator cannot be loaded: ${String(error)}`,
        } satisfies WorkerMessage),
    );
  },
  { once: true },
);
