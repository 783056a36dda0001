/** Packed floating-point operations: arithmetic, logic, comparison and shuffles. */
import type { Expr, WasmBuilder } from "../wasm.js";
import type { CpuidBit, InstructionEntry } from "./entry.js";
import { binary, idiom } from "./sse-forms.js";

/** The bitwise instructions exist three times: PS, PD and the integer names (in sse-integer.ts). */
function logic(
  name: string,
  opcode: string,
  compute: (w: WasmBuilder, a: Expr, b: Expr) => Expr,
  make: (
    mnemonic: string,
    cpuid: CpuidBit,
    opcode: string,
    compute: (w: WasmBuilder, a: Expr, b: Expr) => Expr,
  ) => InstructionEntry,
): InstructionEntry[] {
  return [make(`${name}ps`, "sse", opcode, compute), make(`${name}pd`, "sse2", `66${opcode}`, compute)];
}

export const ssePackedFloat: readonly InstructionEntry[] = [
  ...logic("And", "0f54", (w, a, b) => w.v128.and(a, b), binary),
  ...logic("Andn", "0f55", (w, a, b) => w.v128.andnot(b, a), binary),
  ...logic("Or", "0f56", (w, a, b) => w.v128.or(a, b), binary),
  ...logic(
    "Xor",
    "0f57",
    (w, a, b) => w.v128.xor(a, b),
    (m, c, o, f) => idiom(m, c, o, 0, f),
  ),
];
