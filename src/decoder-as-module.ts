/** The npm package of iced-x86 is for Node: CommonJS that reads its Wasm file from beside itself. */

const DECODER = /[\\/]iced-x86[\\/]iced_x86\.js(\?|$)/;

/** How a module reads `iced_x86_bg.wasm`. */
interface BinarySource {
  /** Imports that `bytes` needs. */
  readonly imports: string;
  /** An expression: its content. No variable keeps it, so that only the engine does. */
  readonly bytes: string;
}

/**
 * The package's source as an ECMAScript module, whose exports a bundler can leave out; undefined if `id` is another file.
 * @throws if the package has changed so that this does not do
 */
export function decoderAsModule(code: string, id: string, { imports, bytes }: BinarySource): string | undefined {
  if (!DECODER.test(id)) return undefined;
  const body = code
    .replace("require(`util`)", "globalThis")
    .replace(
      /const path = require\('path'\).*;\s*const bytes = require\('fs'\).*;\s*(const wasmModule = .*\()bytes\)/,
      (_, before: string) => `${before}${bytes})`,
    )
    // What the binary imports.
    .replace("imports['__wbindgen_placeholder__'] = module.exports;", "imports.__wbindgen_placeholder__ = {};")
    .replace(/^module\.exports\.(?=__wb)/gm, "imports.__wbindgen_placeholder__.")
    .replace(/^module\.exports\.(\w+) = \1;$/gm, "export { $1 };")
    .replace(/^module\.exports\.(\w+) = (?=Object\.freeze)/gm, "export const $1 = /* @__PURE__ */ ")
    .replace(/^module\.exports\.(\w+) = /gm, "export const $1 = ");
  if (/^(?!\s*\*).*\b(require\(|module\.)/m.test(body))
    throw new Error("gojit: this version of iced-x86 is not the one that gojit knows");
  return `${imports}\n${body}`;
}
