/** The decoder, loaded on Node when it is first needed. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { RecordDecoder } from "../../jit/interpreter/record-decoder.js";
import { bundledModule } from "./node-bundle.js";

// A module without `await` at its top can be required: a thread that runs a guest never gets to its event loop.
export const loadNodeDecoder = (): typeof RecordDecoder => {
  const original = new URL("../../jit/interpreter/record-decoder.js", import.meta.url);
  const loaded = createRequire(import.meta.url)(fileURLToPath(bundledModule("decoder", original))) as {
    RecordDecoder: typeof RecordDecoder;
  };
  return loaded.RecordDecoder;
};
