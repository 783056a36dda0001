import { readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

/**
 * Binaryen carries its Wasm binary of 10 MB as a text in its source, and parsing that takes most of the time to load
 * it. The bundle has the binary in a file of its own.
 */
const binaryenBesideItsSource: Plugin = {
  name: "binaryen-beside-its-source",
  transform(source, id) {
    if (!id.endsWith("/binaryen/index.js")) return null;
    const call = /\b\w+\((?=`\\0asm)/.exec(source);
    if (!call) return this.error("binaryen's source has another form than this plugin knows");
    const start = call.index + call[0].length;
    let end = start + 1;
    while (source[end] !== "`") end += source[end] === "\\" ? 2 : 1;
    const text = new Function(`return ${source.slice(start, end + 1)}`)() as string;
    const binary = Uint8Array.from(text, (char) => char.charCodeAt(0) & (~char.charCodeAt(0) >> 8));
    if (!WebAssembly.validate(binary)) return this.error("binaryen's Wasm binary is encoded in another way");
    this.emitFile({ type: "asset", fileName: "chunks/binaryen.wasm", source: binary });
    const license = readFileSync(new URL("LICENSE", `file://${id}`));
    this.emitFile({ type: "asset", fileName: "chunks/binaryen.LICENSE", source: license });
    const read = `(await import("node:fs")).readFileSync(new URL("../chunks/binaryen.wasm", import.meta.url))`;
    return source.slice(0, call.index) + read + source.slice(end + 2);
  },
};

/**
 * Entries of `dist/bundle`, by mode; src/machine/node-bundle.ts says what they are for. A guest's Worker is one file:
 * it starts several times in each run.
 */
const entries: Record<string, Record<string, string>> = {
  guest: { guest: "dist/src/machine/node-guest-worker.js" },
  remote: { remote: "dist/src/machine/node-remote-guest-worker.js" },
  decoder: { decoder: "dist/jit/interpreter/record-decoder.js" },
  cli: { cli: "dist/src/cli/command-line.js" },
  translator: { translator: "dist/src/machine/node-translator-worker.js" },
};

export default defineConfig(({ mode }) => ({
  plugins: [binaryenBesideItsSource],
  ssr: { noExternal: ["binaryen"] },
  build: {
    ssr: true,
    emitAssets: true,
    // Every Worker parses its bundle anew: that takes half as long.
    minify: true,
    target: "node24",
    outDir: "dist/bundle",
    // A program may be running.
    emptyOutDir: false,
    rollupOptions: {
      input: entries[mode]!,
      output: {
        entryFileNames: "[name]/index.js",
        chunkFileNames: "chunks/[name].js",
        // Commands other than `run` are loaded when they are asked for.
        codeSplitting: mode === "cli",
      },
    },
  },
  logLevel: "error",
}));
