/**
 * The engine's own module, which every thread starts from: the dispatcher loop, the interpreter, and the functions that
 * stand in table slots which have no translated region. It is made when gojit is built.
 */
import { CPU_GPR, CPU_LOOKUP, CPU_PAGES, CPU_POLL, CPU_RIP, LOOKUP_ENTRIES } from "./cpu-block.js";
import { HEADROOM_FRAMES, TABLE } from "./emit-region.js";
import { addInterpreter, HANDLER_SLOTS, HANDLERS } from "./interpreter/handlers.js";
import { RECORD_PAGES } from "./interpreter/layout.js";
import { RECORDS } from "./interpreter/record-lifter.js";
import { encodeShapes, SHAPES_SECTION } from "./interpreter/shape.js";
import { KNOWN_BODIES, type BodyName } from "./known/bodies.js";
import { LOOKUP_FUNCTION } from "./lookup.js";
import { RSP } from "./registers.js";
import { CPU, GUEST, i32, i64, none, v128, type Expr, type Type, type WasmBuilder } from "./wasm.js";

/** Imports shared by all emitted modules, in text format: the two memories, the table and the machine's functions. */
export const moduleImports = (guestPages: number): string => `
  (import "m" "${GUEST}" (memory $${GUEST} 0 ${guestPages} shared))
  (import "m" "${CPU}" (memory $${CPU} ${CPU_PAGES} ${CPU_PAGES} shared))
  (import "m" "${TABLE}" (table $${TABLE} 2 funcref))
  (import "f" "resolve" (func $resolve (param i32) (result i32)))
  (import "f" "syscall" (func $syscall (result i32)))
  (import "f" "rdtsc" (func $rdtsc))`;

const PROBE_IMPORT = `(import "f" "probe" (func $probe (param i32) (result i32)))`;

/**
 * What modules of regions import beyond `moduleImports`.
 * @param probed whether there is a probe in one of the regions
 * @param bodies of the known functions among the regions
 */
export const regionImports = (guestPages: number, probed: boolean, bodies: Iterable<BodyName> = []): string =>
  `${moduleImports(guestPages)}
  (import "f" "headroom" (func $headroom (param i32)))
  ${probed ? PROBE_IMPORT : ""}
  ${Array.from(bodies, bodyImport).join("")}`;

const bodyImport = (name: BodyName): string =>
  `(import "f" "${name}" (func $${name} (param i64 i64 i64 i64) (result i64 i64)))`;

/** Address in the CPU block of the lookup entry that `pc` (local 0) maps to. The same as `lookupIndex` of lookup.ts. */
function lookupEntry(w: WasmBuilder): Expr {
  const pc = () => w.local.get(0, i32);
  const index = w.i32.and(w.i32.xor(pc(), w.i32.shr_u(pc(), w.i32.const(9))), w.i32.const(LOOKUP_ENTRIES - 1));
  return w.i32.shl(index, w.i32.const(3));
}

/** Slot word of a lookup entry without its mark. */
const slotOf = (w: WasmBuilder, word: Expr): Expr => w.i32.and(word, w.i32.const(~LOOKUP_FUNCTION));

/** `lookup(pc) → slot`: for computed calls; asks the machine on a miss. The address is in CPU_RIP as well. */
export function addLookup(w: WasmBuilder): void {
  const entry = 1;
  w.addFunction(
    "lookup",
    w.types([i32]),
    i32,
    [i32],
    w.block(
      null,
      [
        w.local.set(entry, lookupEntry(w)),
        w.if(
          w.i32.eq(w.load(CPU, i32, 4, w.local.get(entry, i32), CPU_LOOKUP), w.local.get(0, i32)),
          w.block(null, [
            w.local.set(entry, slotOf(w, w.load(CPU, i32, 4, w.local.get(entry, i32), CPU_LOOKUP + 4))),
            // 0: it was interpreted, and may have been translated since.
            w.if(w.local.get(entry, i32), w.return(w.local.get(entry, i32))),
          ]),
        ),
        checkHeadroom(w),
        w.call("resolve", [w.local.get(0, i32)], i32),
      ],
      i32,
    ),
  );
}

/**
 * `lookupFunction(pc) → slot` for computed jumps: 0 unless a function begins at `pc`. Such a jump is a tail call;
 * one to anywhere else is a resumption, and goes through the dispatcher. The address is in CPU_RIP as well.
 */
export function addLookupFunction(w: WasmBuilder): void {
  const entry = 1;
  const key = () => w.load(CPU, i32, 4, w.local.get(entry, i32), CPU_LOOKUP);
  const word = () => w.load(CPU, i32, 4, w.local.get(entry, i32), CPU_LOOKUP + 4);
  const isPc = () => w.i32.eq(key(), w.local.get(0, i32));
  w.addFunction(
    "lookupFunction",
    w.types([i32]),
    i32,
    [i32],
    w.block(
      null,
      [
        w.local.set(entry, lookupEntry(w)),
        w.if(
          w.i32.eqz(isPc()),
          w.block(null, [checkHeadroom(w), w.drop(w.call("resolve", [w.local.get(0, i32)], i32))]),
        ),
        // The machine has filled the entry, unless nothing can run there.
        w.select(w.i32.and(isPc(), w.i32.lt_s(word(), w.i32.const(0))), slotOf(w, word()), w.i32.const(0)),
      ],
      i32,
    ),
  );
}

const FRAME_OPERANDS = 256;

const checkHeadroom = (w: WasmBuilder): Expr => w.call("headroom", [w.i32.const(HEADROOM_FRAMES)], none);

/**
 * `headroom(n)` does nothing, but overflows the host's stack if less than n times 4 KiB of it are left:
 * JavaScript called after it will not run out of stack half-way through an effect. It takes up that much in frames of a
 * function that needs many values at once, on a path that is never taken: one such frame would be slow to compile.
 */
function addHeadroom(w: WasmBuilder): void {
  const level = () => w.local.get(0, i32);
  // From different places, so that no two are the same value; for a call that the engine cannot see through.
  const loads = Array.from({ length: FRAME_OPERANDS }, (_, i) => w.load(CPU, v128, 16, w.i32.const(0), 16 * i));
  const operands = w.types(new Array<Type>(FRAME_OPERANDS).fill(v128));
  w.addFunction(
    "frame",
    w.types([i32]),
    none,
    [],
    w.block(null, [
      w.if(w.i32.eqz(level()), w.return()),
      w.if(w.i32.lt_s(level(), w.i32.const(0)), w.callIndirect(TABLE, w.i32.const(0), loads, operands, none)),
      w.call("frame", [w.i32.sub(level(), w.i32.const(1))], none),
    ]),
  );
  w.addFunction("headroom", w.types([i32]), none, [], w.call("frame", [level()], none));
}

/** What the engine's own module imports beyond `moduleImports`: the record memory, and what interpretation asks for. */
const engineImports = (guestPages: number): string => `${moduleImports(guestPages)}
  (import "m" "${RECORDS}" (memory $${RECORDS} ${RECORD_PAGES} ${RECORD_PAGES} shared))
  (import "f" "decode" (func $decode (param i32) (result i32)))
  (import "f" "hot" (func $hot (param i32)))
  (import "f" "translate" (func $translate (param i32) (result i32)))
  ${PROBE_IMPORT}
  (table $${HANDLERS} ${HANDLER_SLOTS} ${HANDLER_SLOTS} funcref)`;

/**
 * Builds the engine's module, the same for all programs. Exports:
 * - `run(pc) → pc`: the dispatcher; returns when `pc` is not in the lookup cache or the poll word is set;
 * - `stub(pc, rsp) → (pc, rsp)`: stands for a region that is not translated, and interprets it;
 * - `wait(pc, rsp) → (pc, rsp)`: the same, but has it translated first;
 * - `bounce(pc, rsp) → (pc, rsp)`: gives `pc` back, so that all mirrored frames unwind to the dispatcher;
 * - `headroom(n)`: see `addHeadroom`;
 * - the bodies of known functions, by name: see `KnownBody`.
 */
export function buildEngine(w: WasmBuilder, guestBase: number, guestPages: number): Uint8Array {
  w.begin(engineImports(guestPages));
  const params = w.types([i32, i64]);
  addHeadroom(w);
  addLookup(w);
  const { handlers, shapes } = addInterpreter(w, guestBase);
  w.addElements(HANDLERS, 0, handlers);
  w.addCustomSection(SHAPES_SECTION, encodeShapes(shapes));
  const pc = () => w.local.get(0, i32);
  // What regions have: see emit-region.ts.
  const results = params;
  w.addFunction("bounce", params, results, [], w.tuple([pc(), w.local.get(1, i64)]));
  const begin = () => [w.store(CPU, i32, 4, w.i32.const(0), pc(), CPU_RIP), checkHeadroom(w)];
  w.addFunction("stub", params, results, [], w.block(null, [...begin(), w.returnCall("enter", [pc()], results)]));
  const slot = w.call("translate", [pc()], i32);
  w.addFunction(
    "wait",
    params,
    results,
    [],
    w.block(null, [...begin(), w.returnCallIndirect(TABLE, slot, [pc(), w.local.get(1, i64)], params, results)]),
  );
  const entry = 1;
  const result = 2;
  w.addFunction(
    "run",
    w.types([i32]),
    i32,
    [i32, results],
    w.block(
      null,
      [
        w.loop(
          "next",
          w.block(null, [
            w.local.set(entry, lookupEntry(w)),
            w.if(w.i32.ne(w.load(CPU, i32, 4, w.local.get(entry, i32), CPU_LOOKUP), pc()), w.return(pc())),
            w.local.set(
              result,
              w.callIndirect(
                TABLE,
                slotOf(w, w.load(CPU, i32, 4, w.local.get(entry, i32), CPU_LOOKUP + 4)),
                [pc(), w.load(CPU, i64, 8, w.i32.const(0), CPU_GPR + 8 * RSP)],
                params,
                results,
              ),
            ),
            w.local.set(0, w.tupleExtract(w.local.get(result, results), 0)),
            w.br("next", w.i32.eqz(w.load(CPU, i32, 4, w.i32.const(0), CPU_POLL))),
          ]),
        ),
        pc(),
      ],
      i32,
    ),
  );
  for (const body of Object.values(KNOWN_BODIES)) body.add(w, body.name, guestBase);
  const exported = ["run", "stub", "wait", "bounce", "headroom", ...Object.keys(KNOWN_BODIES)];
  for (const name of exported) w.exportFunction(name, name);
  const { bytes } = w.emit(false);
  w.dispose();
  return bytes;
}
