/** Writes the engine's own module beside the compiled files: `npm run engine`. */
import { writeFileSync } from "node:fs";
import { buildEngine } from "../jit/runtime-module.js";
import { WasmBuilder } from "../jit/wasm.js";
import { GUEST_BASE } from "../runtime-shims/guest-memory.js";
import { MAX_GUEST_PAGES } from "./machine/parts.js";

writeFileSync(
  new URL("../jit/engine.wasm", import.meta.url),
  buildEngine(new WasmBuilder(), GUEST_BASE, MAX_GUEST_PAGES),
);
