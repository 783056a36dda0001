/** SSE3 (without FISTTP, which is x87): duplicating moves, horizontal and alternating arithmetic. LDDQU is in sse-move.ts. */
import { OP_XMM } from "../decode.js";
import type { Expr, WasmBuilder } from "../wasm.js";
import type { InstructionEntry } from "./entry.js";
import { DOUBLE, SINGLE, type Format } from "./float.js";
import { binary, binaryValues, laneMask, samples, unary, zero } from "./sse-forms.js";

/** Result lane i is the sum or difference of lanes 2i and 2i+1, counted through destination and source. */
function horizontal(mnemonic: string, opcode: string, format: Format, op: "add" | "sub"): InstructionEntry {
  const even = laneMask(format.bytes, format.lanes === 4 ? [0, 2, 4, 6] : [0, 2]);
  const odd = laneMask(format.bytes, format.lanes === 4 ? [1, 3, 5, 7] : [1, 3]);
  return {
    ...binary(mnemonic, "sse3", opcode, (_, a) => a),
    lift: binaryValues(({ w }, a, b) =>
      w[format.vector][op](w.i8x16.shuffle(a(), b(), even), w.i8x16.shuffle(a(), b(), odd)),
    ),
  };
}

/** ADDSUBPx: even lanes are subtracted, odd ones added. */
function alternating(mnemonic: string, opcode: string, format: Format): InstructionEntry {
  const { bytes, lanes } = format;
  const pick = Array.from({ length: lanes }, (_, i) => (i & 1 ? lanes + i : i));
  return {
    ...binary(mnemonic, "sse3", opcode, (_, a) => a),
    lift: binaryValues(({ w }, a, b) =>
      w.i8x16.shuffle(w[format.vector].sub(a(), b()), w[format.vector].add(a(), b()), laneMask(bytes, pick)),
    ),
  };
}

const duplicate =
  (lanes: readonly number[], bytes: number) =>
  (w: WasmBuilder, source: Expr): Expr =>
    w.i8x16.shuffle(source, zero(w), laneMask(bytes, lanes));

export const sse3: readonly InstructionEntry[] = [
  horizontal("Haddps", "f20f7c", SINGLE, "add"),
  horizontal("Haddpd", "660f7c", DOUBLE, "add"),
  horizontal("Hsubps", "f20f7d", SINGLE, "sub"),
  horizontal("Hsubpd", "660f7d", DOUBLE, "sub"),
  alternating("Addsubps", "f20fd0", SINGLE),
  alternating("Addsubpd", "660fd0", DOUBLE),
  unary("Movsldup", "sse3", "f30f12", duplicate([0, 0, 2, 2], 4)),
  unary("Movshdup", "sse3", "f30f16", duplicate([1, 1, 3, 3], 4)),
  {
    mnemonic: "Movddup",
    operands: ["w", "r"],
    cpuid: "sse3",
    samples: samples("f20f12"),
    lift: (lifter, { operands: [target, source] }) => {
      const low = source!.kind === OP_XMM ? lifter.lowXmm(source!.reg) : lifter.loadF64Zero(source!);
      lifter.setXmm(target!.reg, duplicate([0, 0], 8)(lifter.w, low));
    },
  },
];
