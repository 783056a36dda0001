/**
 * Bundles: everything that a process or Worker loads at its start, in few files. Node spends more than a millisecond on
 * each module file, in every Worker again. `npm run bundle` makes them from the compiled files; see bundle.config.ts.
 *
 * This file is at the same depth below `dist` as the bundles: it works in both.
 */
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";

const compiled = new URL("../../", import.meta.url);
/**
 * Below `dist`: written by the compiler whenever it writes any file. Not there in a packed gojit: then nothing is
 * compiled anew.
 */
export const COMPILATIONS = ["src.tsbuildinfo", "jit.tsbuildinfo", "runtime-shims.tsbuildinfo"];

let fresh: boolean | undefined;

/** The bundle called `name` that is a module, or `original` if nothing is bundled. */
export function bundledModule(name: string, original: URL): URL {
  const bundle = new URL(`bundle/${name}/index.js`, compiled);
  return isFresh(bundle) ? bundle : original;
}

/** The file of the bundle called `name` that is a script (see node-script.ts), or undefined if nothing is bundled. */
export function bundledScript(name: string): string | undefined {
  const bundle = new URL(`bundle/${name}/index.cjs`, compiled);
  return isFresh(bundle) ? fileURLToPath(bundle) : undefined;
}

/** False if there are no bundles, or something was compiled since they were made. */
function isFresh(bundle: URL): boolean {
  fresh ??= madeMs(bundle) >= Math.max(0, ...COMPILATIONS.map((file) => madeMs(new URL(file, compiled))));
  return fresh;
}

function madeMs(file: URL): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? -1;
}
