import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { defineConfig, type Plugin } from "vite";
import { decoderAsModule } from "./dist/src/decoder-as-module.js";
import { compileScript } from "./dist/src/machine/node-script.js";

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

/** In a module of its own from the translator's other code, and not asynchronous: see `loadBinaryen`. */
const binaryenWithoutAwait: Plugin = {
  name: "binaryen-without-await",
  transform(source, id) {
    if (!id.endsWith("/binaryen/index.js")) return null;
    const end = /var ([\w$]+)=await ([\w$]+)\(\),([\w$]+)=\1;export\{\3 as default\};\s*$/.exec(source);
    if (!end) return this.error("binaryen's source ends in another way than this plugin knows");
    const [, , load, name] = end;
    return `${source.slice(0, end.index)}
      let ${name};
      const ready = ${load}().then((loaded) => void (${name} = loaded));
      export { ${name} as default, ready };`;
  },
};

/**
 * The decoder's source is 0.9 MB, nearly all of it comments, that V8 would keep in every thread that decodes: twice, and
 * as two bytes a character.
 */
const decoderBesideItsSource: Plugin = {
  name: "decoder-beside-its-source",
  transform(source, id) {
    const code = decoderAsModule(source, id, {
      imports: 'import { readFileSync } from "node:fs";',
      bytes: 'readFileSync(new URL("../chunks/decoder.wasm", import.meta.url))',
    });
    if (code === undefined) return null;
    const file = (name: string) => readFileSync(path.join(path.dirname(id), name));
    this.emitFile({ type: "asset", fileName: "chunks/decoder.wasm", source: file("iced_x86_bg.wasm") });
    this.emitFile({ type: "asset", fileName: "chunks/decoder.LICENSE", source: file("LICENSE.txt") });
    return { code, map: null };
  },
};

/** Keeps V8's code of a script beside it: see `runScript`. */
const codeBesideScript: Plugin = {
  name: "code-beside-script",
  writeBundle({ dir }, files) {
    for (const name of Object.keys(files)) {
      if (!name.endsWith(".cjs")) continue;
      const script = path.join(dir!, name);
      writeFileSync(`${script}.code`, compileScript(script).createCachedData());
    }
  },
};

/** The compiler writes the command's file without permission to run it, and npm grants that only when it first links it. */
const executableCommand: Plugin = {
  name: "executable-command",
  closeBundle: () => chmodSync("dist/src/cli/main.js", 0o755),
};

interface Bundle {
  /** What it begins with. */
  readonly entry: string;
  /** True for what each run loads: a single script, with V8's code beside it. The others are modules, with chunks. */
  readonly script: boolean;
}

/** The folders of `dist/bundle`, by mode; src/machine/node-bundle.ts says what they are for. */
const bundles: Record<string, Bundle> = {
  guest: { entry: "dist/src/machine/node-guest-worker.js", script: true },
  remote: { entry: "dist/src/machine/node-remote-guest-worker.js", script: true },
  run: { entry: "dist/src/cli/command-line.js", script: true },
  decoder: { entry: "dist/jit/interpreter/record-decoder.js", script: true },
  cli: { entry: "dist/src/cli/command-line.js", script: false },
  translator: { entry: "dist/src/machine/node-translator-worker.js", script: false },
};

/** Commands that `run`'s bundle does not have. */
const otherCommands = /^\.\/(inspect|explain|cache|bench\/command|doctor|trace|debug)\.js$/;

export default defineConfig(({ mode }) => {
  // Tools that only look at this file name no bundle.
  const { entry, script } = bundles[mode] ?? bundles["cli"]!;
  return {
    plugins: [
      binaryenBesideItsSource,
      ...(mode === "translator" ? [binaryenWithoutAwait] : []),
      decoderBesideItsSource,
      codeBesideScript,
      ...(mode === "run" ? [executableCommand] : []),
    ],
    ssr: { noExternal: ["binaryen", "iced-x86"] },
    build: {
      ssr: true,
      emitAssets: true,
      // Half the time to parse.
      minify: true,
      target: "node24",
      outDir: "dist/bundle",
      // A program may be running.
      emptyOutDir: false,
      rollupOptions: {
        input: { [mode]: entry },
        external: script ? [otherCommands] : [],
        output: script
          ? { format: "cjs", entryFileNames: "[name]/index.cjs", codeSplitting: false }
          : {
              entryFileNames: "[name]/index.js",
              chunkFileNames: `${mode === "translator" ? mode : "chunks"}/[name].js`,
            },
      },
    },
    logLevel: "error",
  };
});
