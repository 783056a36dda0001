/**
 * What Binaryen's JavaScript keeps to itself: its memory, and faster `invoke_` functions. To be imported before it.
 *
 * Binaryen calls each C++ function that may throw through an import `invoke_…(index, …)`, JavaScript that calls entry
 * `index` of its function table and catches. Its writer does so some 60 times for one guest instruction, which is half
 * of its time. Here these imports are Wasm functions that do nothing but the call. What is thrown then ends the whole
 * operation, as it would otherwise: nothing that we ask of Binaryen throws and catches. Only the stack pointer of C++
 * stays where it was: `guarded` puts it back.
 *
 * The imports need the table before Binaryen's instance has made it, so its binary is changed: the table becomes an
 * import, and the stack pointer (by LLVM's convention global 0) an export.
 */
import { ByteReader } from "./byte-reader.js";
import { unsigned } from "./leb128.js";

/** Sections of the binary format. */
const TYPE = 1;
const IMPORT = 2;
const FUNCTION = 3;
const TABLE = 4;
const GLOBAL = 6;
const EXPORT = 7;
const CODE = 10;

const I32 = 0x7f;
const FUNC = 0x60;
const FUNCREF = 0x70;
const TABLE_NAME = "invoked";
const STACK_POINTER = "stack pointer";

/** How Emscripten writes an `invoke_` function: save the stack pointer, call a table entry in `try`. */
const INVOKE = /^function \w*\([^)]*\)\s*\{\s*(?:var|let|const) \w+\s*=\s*\w+\(\);?\s*try\s*\{/;

interface Section {
  readonly id: number;
  readonly content: Uint8Array;
}

// Set before Binaryen's module has been evaluated.
let memory: WebAssembly.Memory;
let stackPointer: { value: number };
let view: Uint8Array = new Uint8Array(0);
let wordView: Uint32Array = new Uint32Array(0);

/** Binaryen's memory as it is now: it moves when it grows. */
export function binaryenBytes(): Uint8Array {
  if (view.buffer !== memory.buffer) view = new Uint8Array(memory.buffer);
  return view;
}
export function binaryenWords(): Uint32Array {
  if (wordView.buffer !== memory.buffer) wordView = new Uint32Array(memory.buffer);
  return wordView;
}

/** Runs `operation`; where that throws, Binaryen can be used again. */
export function guarded<T>(operation: () => T): T {
  const before = stackPointer.value;
  try {
    return operation();
  } catch (error) {
    stackPointer.value = before;
    throw error;
  }
}

const text = (value: string): number[] => [value.length, ...Array.from(value, (char) => char.charCodeAt(0))];
const vector = (items: readonly (readonly number[])[]): number[] => [...unsigned(items.length), ...items.flat()];
const sized = (content: readonly number[]): number[] => [...unsigned(content.length), ...content];

function sectionsOf(binary: Uint8Array): Section[] {
  const reader = new ByteReader(binary, 8);
  const sections: Section[] = [];
  while (!reader.done) sections.push({ id: reader.byte(), content: reader.take(reader.leb()) });
  return sections;
}

function moduleOf(sections: readonly { readonly id: number; readonly content: ArrayLike<number> }[]): Uint8Array {
  const parts: ArrayLike<number>[] = [[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]];
  for (const { id, content } of sections) parts.push([id, ...unsigned(content.length)], content);
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A section's vector with one item more, if any. */
function appended(content: Uint8Array, item: readonly number[] | null): Uint8Array {
  if (!item) return content;
  const reader = new ByteReader(content);
  const count = reader.leb();
  return Uint8Array.from([...unsigned(count + 1), ...reader.rest(), ...item]);
}

interface Signature {
  readonly params: readonly number[];
  readonly results: readonly number[];
}

/** The functions that a module imports, by name; it has types of functions and imports of functions only. */
function importedFunctions(types: ByteReader, imports: ByteReader): Map<string, Signature> {
  const signatures: Signature[] = [];
  for (let count = types.leb(); count > 0; count--) {
    types.byte();
    const params = [...types.take(types.leb())];
    signatures.push({ params, results: [...types.take(types.leb())] });
  }
  const functions = new Map<string, Signature>();
  for (let count = imports.leb(); count > 0; count--) {
    imports.name();
    const name = imports.name();
    imports.byte();
    functions.set(name, signatures[imports.leb()]!);
  }
  return functions;
}

/** A module that imports the table and exports one function `(index, …)` for each of `invokes`. */
function trampolines(invokes: readonly (readonly [string, Signature])[], table: readonly number[]): Uint8Array {
  const type = (params: readonly number[], results: readonly number[]) => [
    FUNC,
    ...vector(params.map((one) => [one])),
    ...vector(results.map((one) => [one])),
  ];
  const types = invokes.flatMap(([, { params, results }]) => [type(params, results), type(params.slice(1), results)]);
  const bodies = invokes.map(([, { params }], i) => {
    const gets = params.slice(1).flatMap((_, arg) => [0x20, ...unsigned(arg + 1)]);
    return sized([0, ...gets, 0x20, 0, 0x11, ...unsigned(2 * i + 1), 0, 0x0b]);
  });
  return moduleOf([
    { id: TYPE, content: vector(types) },
    { id: IMPORT, content: vector([[...text("t"), ...text(TABLE_NAME), 1, ...table]]) },
    { id: FUNCTION, content: vector(invokes.map((_, i) => unsigned(2 * i))) },
    { id: EXPORT, content: vector(invokes.map(([name], i) => [...text(name), 0, ...unsigned(i)])) },
    { id: CODE, content: vector(bodies) },
  ]);
}

/** The names of the imports that are `invoke_` functions; none if the imports are not Binaryen's. */
const invokeNames = (imports: WebAssembly.Imports): string[] =>
  Object.values(imports).flatMap((functions) =>
    Object.keys(functions).filter((name) => INVOKE.test(String(functions[name]))),
  );

/** Binaryen's binary and imports, changed as said above. */
function prepared(binary: Uint8Array, imports: WebAssembly.Imports): [Uint8Array, WebAssembly.Imports] {
  const sections = sectionsOf(binary);
  const content = (id: number) => new ByteReader(sections.find((section) => section.id === id)!.content);
  const tables = content(TABLE);
  const globals = content(GLOBAL);
  const tableCount = tables.leb();
  const tableType = [...tables.rest()];
  const table = tables.byte() === FUNCREF && tables.byte() === 1;
  const size = { initial: tables.leb(), maximum: tables.leb() };
  const pointer = globals.leb() > 0 && globals.byte() === I32 && globals.byte() === 1;
  if (tableCount !== 1 || !table || !pointer) throw new Error("binaryen's binary has another form than gojit knows");

  const invoked = new WebAssembly.Table({ element: "anyfunc", ...size });
  const signatures = importedFunctions(content(TYPE), content(IMPORT));
  const names = invokeNames(imports);
  const module = new WebAssembly.Module(
    trampolines(
      names.map((name) => [name, signatures.get(name)!]),
      tableType,
    ),
  );
  const direct = new WebAssembly.Instance(module, { t: { [TABLE_NAME]: invoked } }).exports;
  const changed = sections.filter(({ id }) => id !== TABLE);
  const tableImport = [...text("t"), ...text(TABLE_NAME), 1, ...tableType];
  const pointerExport = [...text(STACK_POINTER), 3, 0];
  const added = (id: number) => (id === IMPORT ? tableImport : id === EXPORT ? pointerExport : null);
  const withDirect = Object.entries(imports).map(([from, functions]) => {
    const replaced = Object.entries(functions).map(([name, value]) => [name, direct[name] ?? value] as const);
    return [from, Object.fromEntries(replaced)] as const;
  });
  return [
    moduleOf(changed.map(({ id, content: old }) => ({ id, content: appended(old, added(id)) }))),
    { ...Object.fromEntries(withDirect), t: { [TABLE_NAME]: invoked } },
  ];
}

const instantiate = WebAssembly.instantiate;
WebAssembly.instantiate = async (binary, imports) => {
  if (invokeNames(imports).length === 0) return instantiate(binary, imports);
  WebAssembly.instantiate = instantiate;
  const [changed, withDirect] = prepared(binary, imports);
  const result = await instantiate(changed, withDirect);
  // 10 MB each, of which the engine has its own copy; Binaryen would keep its for ever.
  for (const { buffer } of [binary, changed]) if (buffer instanceof ArrayBuffer) buffer.transfer(0);
  const { exports } = result.instance;
  memory = Object.values(exports).find((value) => value instanceof WebAssembly.Memory)!;
  stackPointer = exports[STACK_POINTER] as { value: number };
  return result;
};
