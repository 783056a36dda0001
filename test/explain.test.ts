import { expect, test } from "vitest";
import { bodyOf, countOperations, foldLines, functionsOf, parseWasmText } from "../jit/wasm-text.js";
import { nearNames } from "../src/cli/near-names.js";
import { openProgram } from "../src/program.js";
import { ImageCode } from "../src/image-code.js";
import { readFileSync } from "node:fs";
import { explainRegion } from "../jit/explain-region.js";
import { unpack } from "./guests/unpack.js";

const TEXT = `(module
 (func $f (param $0 i32) (result i32)
  (local $1 i64)
  ;;@ g:8:0
  (i64.store $c offset=32 align=1
   (i32.const 0)
   (local.get $1)
  )
  (if
   (i32.eqz (local.get $0))
   (then
    ;;@ g:9:0
    (return (i32.const 1))
   )
  )
  (i32.const 2)
 )
)`;

test("Wasm text is read, counted and folded", () => {
  const body = bodyOf(functionsOf(parseWasmText(TEXT)).get("f")!);
  expect(Object.fromEntries(countOperations(body))).toEqual({
    "i64.store $c": 1,
    "i32.const": 3,
    "local.get": 2,
    if: 1,
    "i32.eqz": 1,
    return: 1,
  });
  expect(foldLines(body, 80)).toEqual([
    { text: "(i64.store $c offset=32 (i32.const 0) (local.get $1))", mark: 7 },
    { text: "(if (i32.eqz (local.get $0)) (then (return (i32.const 1))))", mark: -1 },
    { text: "(i32.const 2)", mark: -1 },
  ]);
});

test("a body keeps what it does with locals", () => {
  const text = "(module (func $f (param $0 i32) (local $1 i64) (local.set $1 (i64.const 1)) (return (local.get $0))))";
  const body = bodyOf(functionsOf(parseWasmText(text)).get("f")!);
  expect(body.map(({ head }) => head)).toEqual(["local.set $1", "return"]);
});

test("near names", () => {
  const names = ["main.main", "main.fib", "runtime.main", "main.fit", "os.Exit"];
  expect(nearNames("main.fob", names, 5)).toEqual(["main.fib", "main.fit"]);
  expect(nearNames("Main", names, 2)).toEqual(["main.fib", "main.fit"]);
  expect(nearNames("nothing.like.it", names, 5)).toEqual([]);
});

test("a region is explained from the file", () => {
  const program = openProgram(new Uint8Array(readFileSync(unpack("1.27", "guests"))));
  const { functions } = program.go;
  const entry = functions.start[functions.indexOf("main.fib")]!;
  const options = { guestBase: 0x10000, guestPages: 65535, regionInstructions: 3000, width: 100 };
  const explained = explainRegion(new ImageCode(program), entry, options)!;
  expect(explained.region.entry).toBe(entry);
  expect(explained.bytes).toBeGreaterThan(100);
  expect(explained.operations.get("i64.load $g")).toBeGreaterThan(0);
  const marked = new Set(explained.lines.map(({ pc }) => pc));
  const calls = explained.region.blocks.filter(({ end }) => end.kind === "call");
  // Of runtime.morestack at least; calls of itself may be inlined.
  expect(calls.length).toBeGreaterThan(0);
  for (const block of calls) expect(marked).toContain(block.items[block.items.length - 1]!.insn.pc);
  expect(explainRegion(new ImageCode(program), 0x10000, options)).toBeNull();
});
