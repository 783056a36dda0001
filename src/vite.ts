/** The Vite plugin that a page needs: Workers as modules, the decoder's Wasm file as an asset, the two headers. */
import { decoderAsModule } from "./decoder-as-module.js";

/** What the plugin uses of Vite's plugin interface. */
interface GojitPlugin {
  readonly name: string;
  readonly enforce: "pre";
  config(): object;
  transform(code: string, id: string): { code: string; map: null } | undefined;
}

/** A page is given SharedArrayBuffer only with these. */
const isolation = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

/** Makes gojit work in what Vite builds and serves. Whatever else serves the page has to send the same headers. */
export function gojit(): GojitPlugin {
  return {
    name: "gojit",
    enforce: "pre",
    config: () => ({
      build: { target: "esnext" },
      worker: { format: "es", plugins: () => [decoder()] },
      optimizeDeps: { exclude: ["gojit", "binaryen", "iced-x86"] },
      server: { headers: isolation },
      preview: { headers: isolation },
    }),
    transform: decoder().transform,
  };
}

const FETCHED = {
  imports: 'import wasmUrl from "./iced_x86_bg.wasm?url";',
  bytes: "await (await fetch(wasmUrl)).arrayBuffer()",
};

const decoder = () => ({
  name: "gojit-decoder",
  enforce: "pre" as const,
  transform(code: string, id: string) {
    const module = decoderAsModule(code, id, FETCHED);
    return module === undefined ? undefined : { code: module, map: null };
  },
});
