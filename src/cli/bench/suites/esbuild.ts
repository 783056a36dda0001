import { cpSync, existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { BenchmarkCommand } from "../benchmark.js";
import { cacheDirectory, fetchExecutable, fetchPackage } from "../fetch-package.js";

const VERSION = "0.28.2";
const THREE = "three@0.180.0";
/** Each is 4 MB of JavaScript in 710 files. */
const COPIES = 3;

/** esbuild, native and as its authors compile it with Go's js/wasm port. Returns why it is not there, if it is not. */
export function esbuild(args: readonly string[], output?: string): BenchmarkCommand | string {
  try {
    const wasm = fetchPackage(`esbuild-wasm@${VERSION}`);
    return {
      program: fetchExecutable(`@esbuild/linux-x64@${VERSION}`, "bin/esbuild"),
      args,
      wasm: { module: path.join(wasm, "esbuild.wasm"), support: path.join(wasm, "wasm_exec.js") },
      ...(output !== undefined && { output }),
    };
  } catch (error) {
    return (error as Error).message;
  }
}

/** Several copies of three.js and a file that imports them. @throws Error with npm's words when it cannot be fetched */
export function javascriptTree(): string {
  const tree = path.join(cacheDirectory, `tree-${THREE}-${COPIES}`);
  const entry = path.join(tree, "entry.js");
  if (existsSync(entry)) return entry;
  const source = fetchPackage(THREE);
  const names = Array.from({ length: COPIES }, (_, at) => `copy${at}`);
  for (const name of names) cpSync(path.join(source, "src"), path.join(tree, name), { recursive: true });
  writeFileSync(entry, names.map((name) => `export * as ${name} from "./${name}/Three.WebGPU.js";\n`).join(""));
  return entry;
}
