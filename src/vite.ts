/** The Vite plugin that a page needs: Workers as modules, the decoder's Wasm file as an asset, the two headers. */

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

const DECODER = /[\\/]iced-x86[\\/]iced_x86\.js(\?|$)/;

/** Makes gojit work in what Vite builds and serves. Whatever else serves the page has to send the same headers. */
export function gojit(): GojitPlugin {
  return {
    name: "gojit",
    enforce: "pre",
    config: () => ({
      build: { target: "esnext" },
      worker: { format: "es", plugins: () => [decoderAsModule()] },
      optimizeDeps: { exclude: ["gojit", "binaryen", "iced-x86"] },
      server: { headers: isolation },
      preview: { headers: isolation },
    }),
    transform: decoderAsModule().transform,
  };
}

/** The npm package of iced-x86 is for Node: CommonJS that reads its Wasm file with node:fs. */
const decoderAsModule = () => ({
  name: "gojit-decoder",
  enforce: "pre" as const,
  transform(code: string, id: string) {
    if (!DECODER.test(id)) return undefined;
    const body = code
      .replace("require(`util`)", "globalThis")
      .replace(/const path = require\('path'\).*;\s*const bytes = require\('fs'\).*;/, "");
    if (/^(?!\s*\*).*\brequire\(/m.test(body))
      throw new Error("gojit: this version of iced-x86 is not the one that gojit knows");
    const head =
      'import wasmUrl from "./iced_x86_bg.wasm?url";\n' +
      "const bytes = await (await fetch(wasmUrl)).arrayBuffer();\n" +
      "const module = { exports: {} };\n";
    return { code: `${head}${body}\nexport default module.exports;\n`, map: null };
  },
});
