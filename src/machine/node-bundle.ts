/**
 * Bundles: everything that a process or Worker loads at its start, in few files. Node spends more than a millisecond on
 * each module file, in every Worker again. `npm run bundle` makes them from the compiled files; see bundle.config.ts.
 *
 * This file is at the same depth below `dist` as the bundles: it works in both.
 */
import { statSync } from "node:fs";

const compiled = new URL("../../", import.meta.url);
/** Written by the compiler whenever it writes any file. Not there in a packed gojit: then nothing is compiled anew. */
const compilations = ["src.tsbuildinfo", "jit.tsbuildinfo", "runtime-shims.tsbuildinfo"];

let fresh: boolean | undefined;

/** The bundle called `name`, or `original` if there is none or something was compiled since it was made. */
export function bundled(name: string, original: URL): URL {
  const bundle = new URL(`bundle/${name}/index.js`, compiled);
  fresh ??= madeMs(bundle) >= Math.max(0, ...compilations.map((file) => madeMs(new URL(file, compiled))));
  return fresh ? bundle : original;
}

function madeMs(file: URL): number {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? -1;
}
