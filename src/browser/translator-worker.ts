/** Entry point of the translator's Worker in a page. */
import { loadBinaryen } from "../../jit/load-binaryen.js";
import type { WorkerInit, WorkerMessage } from "../machine/parts.js";

addEventListener(
  "message",
  ({ data: init }: MessageEvent<WorkerInit>) => {
    // Loaded from here: its modules await theirs, and messages that came meanwhile would be lost.
    loadBinaryen()
      .then(() => import("../machine/translator-thread.js"))
      .then(({ serveTranslation }) => serveTranslation(init.parts, () => performance.now()))
      .catch((error: unknown) => {
        const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
        postMessage({ type: "broken", what: `the translator failed: ${what}` } satisfies WorkerMessage);
      });
  },
  { once: true },
);
