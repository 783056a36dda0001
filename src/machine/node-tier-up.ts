/**
 * When V8 compiles a function again, with its optimising compiler.
 *
 * A Wasm function begins with code of the baseline compiler and a budget, from which each return and each jump backwards takes
 * its distance in bytes of machine code. With V8's own 13 MB a region of 12 KB is compiled after some 500 calls; that takes 30 ms
 * of a processor, and such calls took a millisecond. What a compilation costs grows with the function's size, and so does
 * what a call takes from the budget, however little of the function it runs: a budget that lets a function earn its
 * compilation first grows with the square. V8 gives it to a module's functions when it makes the module.
 */
import { setFlagsFromString } from "node:v8";

/** V8's own, `--wasm-tiering-budget` (src/flags/flag-definitions.h). */
const DEFAULT_BUDGET = 13_000_000;
const LARGEST_BUDGET = 2_000_000_000;
const BUDGET_OF_1_KB = 3_000_000;
/** Of the interpreter's handlers, which soon run often: they are small, and some 90 of them matter. */
const ENGINE_BUDGET = 4_000_000;

/** A budget for functions of `bytes` bytes of Wasm on average. */
export const tierUpBudget = (bytes: number): number =>
  Math.min(LARGEST_BUDGET, Math.max(DEFAULT_BUDGET, Math.round((bytes / 1000) ** 2 * BUDGET_OF_1_KB)));

/** Makes a module of translated code. */
export const compileRegions = (wasm: Uint8Array<ArrayBuffer>, functions: number): WebAssembly.Module =>
  compileWithin(tierUpBudget(wasm.length / functions), wasm);

/** Makes the engine's module. */
export const compileEngine = (wasm: Uint8Array<ArrayBuffer>): WebAssembly.Module => compileWithin(ENGINE_BUDGET, wasm);

/** The flag is the process's: other modules that are made at the same moment may get this budget, or this one theirs. */
function compileWithin(budget: number, wasm: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  setFlagsFromString(`--wasm-tiering-budget=${budget}`);
  try {
    return new WebAssembly.Module(wasm);
  } finally {
    setFlagsFromString(`--wasm-tiering-budget=${DEFAULT_BUDGET}`);
  }
}
