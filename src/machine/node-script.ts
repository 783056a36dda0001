/** Scripts: CommonJS files whose code V8 has compiled before, at build time. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { Script } from "node:vm";

/** What a CommonJS file may use, as Node's own loader gives it. */
const PARAMETERS = ["exports", "require", "module", "__filename", "__dirname"];

/** A script's function of `PARAMETERS`. `code` is of the same script, by whatever V8; one that does not fit is ignored. */
export function compileScript(file: string, code?: Buffer): Script {
  const source = readFileSync(file, "utf8");
  // One line: positions in traces stay right.
  const wrapped = `(function (${PARAMETERS.join(", ")}) { ${source}\n})`;
  return new Script(wrapped, { filename: file, ...(code ? { cachedData: code } : {}) });
}

/** Runs a script; what it exports. The code is in a file beside it: compiling takes V8 five times as long as loading that. */
export function runScript(file: string): unknown {
  const script = compileScript(file, readFileSync(`${file}.code`));
  const module = { exports: {} };
  (script.runInThisContext() as (...parameters: unknown[]) => void)(
    module.exports,
    createRequire(file),
    module,
    file,
    path.dirname(file),
  );
  return module.exports;
}
