import { expect, test } from "vitest";
import { ByteReader, functionBodies } from "../jit/byte-reader.js";
import { lagOfColumn, visitMappings } from "../jit/source-map.js";
import { i32, none, WasmBuilder, type Expr } from "../jit/wasm.js";

const IF = 0x04;
const BR_IF = 0x0d;
const UNREACHABLE = 0x00;

/** The content of a module's section `name`. */
function customSection(module: Uint8Array<ArrayBuffer>, name: string): ByteReader {
  const [content] = WebAssembly.Module.customSections(new WebAssembly.Module(module), name);
  return new ByteReader(new Uint8Array(content!));
}

test("hints stand in the module's section, and marks are where the code has moved", () => {
  const w = new WasmBuilder();
  w.begin('(import "m" "f" (func $imported))');
  w.openMarks();
  const condition = (): Expr => w.local.get(0, i32);
  const names = ["plain", "hinted", "both"];
  for (const name of names) {
    const trap = w.unreachable();
    const branch = w.br("B", condition());
    const unlikely = w.if(condition(), w.block(null, [trap]));
    const body = w.block(null, [w.block("B", [branch, unlikely])]);
    const functionRef = w.addFunction(name, i32, none, [], body);
    w.mark(functionRef, trap, 7, -24);
    if (name === "plain") continue;
    w.hint(functionRef, unlikely, false, 5);
    if (name === "both") w.hint(functionRef, branch, true, 5);
  }
  const { bytes, sourceMap } = w.emit(true);
  w.dispose();

  const module = new Uint8Array(bytes);
  const { bodies } = functionBodies(module);
  const hints = customSection(module, "metadata.code.branch_hint");
  const found: [number, number, number][] = [];
  for (let functions = hints.leb(); functions > 0; functions--) {
    const index = hints.leb() - 1;
    for (let count = hints.leb(); count > 0; count--) {
      const opcode = module[bodies[index]!.start + hints.leb()]!;
      expect(hints.leb()).toBe(1);
      found.push([index, opcode, hints.byte()]);
    }
  }
  expect(hints.done).toBe(true);
  expect(found).toEqual([
    [1, IF, 0],
    [2, BR_IF, 1],
    [2, IF, 0],
  ]);
  const marked: number[] = [];
  visitMappings(sourceMap!, (offset, line, column) => {
    if (line >= 0 && lagOfColumn(column) === -24) marked.push(line, module[offset]!);
    return false;
  });
  expect(marked).toEqual(names.flatMap(() => [7, UNREACHABLE]));
});

test("a module without hints stays as it is", () => {
  const w = new WasmBuilder();
  w.begin("");
  w.openMarks();
  const trap = w.unreachable();
  w.mark(w.addFunction("f", none, none, [], trap), trap, 3, 0);
  const { bytes } = w.emit(true);
  w.dispose();
  const names = WebAssembly.Module.customSections(
    new WebAssembly.Module(new Uint8Array(bytes)),
    "metadata.code.branch_hint",
  );
  expect(names).toEqual([]);
});
