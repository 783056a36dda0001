/**
 * Runs a program that Go's js/wasm port compiled: `node go-wasm-host.js WASM_EXEC.JS MODULE [ARG…]`. Go's own starter
 * for Node does the same, but those of older versions fail in newer Nodes.
 */
import * as fs from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import * as path from "node:path";
import { pathToFileURL } from "node:url";

/** What `wasm_exec.js` defines. */
interface Go {
  argv: string[];
  env: Record<string, string | undefined>;
  exit: (status: number) => void;
  readonly exited: boolean;
  readonly importObject: WebAssembly.Imports;
  run: (instance: WebAssembly.Instance) => Promise<void>;
}

const [support, module, ...args] = process.argv.slice(2) as [string, string, ...string[]];
// It looks for these among the globals.
Object.assign(globalThis, { fs, path, require: createRequire(pathToFileURL(support)) });
await import(pathToFileURL(support).href);
const go = new (globalThis as unknown as { Go: new () => Go }).Go();
go.argv = [module, ...args];
// It gives the program no more than 8 KiB of arguments and variables.
go.env = { TMPDIR: tmpdir() };
go.exit = (status) => process.exit(status);
const { instance } = await WebAssembly.instantiate(fs.readFileSync(module), go.importObject);
process.on("exit", (status) => {
  if (status !== 0 || go.exited) return;
  process.stderr.write("all goroutines are asleep\n");
  process.exitCode = 2;
});
await go.run(instance);
