/** The decoder, loaded on Node when it is first needed. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { RecordDecoder } from "../../jit/interpreter/record-decoder.js";
import { bundledScript } from "./node-bundle.js";
import { runScript } from "./node-script.js";

// Nothing that is awaited: a thread that runs a guest never gets to its event loop.
export const loadNodeDecoder = (): typeof RecordDecoder => {
  const script = bundledScript("decoder");
  const original = new URL("../../jit/interpreter/record-decoder.js", import.meta.url);
  const loaded = script ? runScript(script) : createRequire(import.meta.url)(fileURLToPath(original));
  return (loaded as { RecordDecoder: typeof RecordDecoder }).RecordDecoder;
};
