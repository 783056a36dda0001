/** CPUID and RDTSC. What CPUID announces follows from the entries' `cpuid` fields, see `FEATURES`. */
import { RAX, RBX, RCX, RDX } from "../registers.js";
import { i32, type Expr } from "../wasm.js";
import type { CpuidBit } from "./entry.js";
import type { Lifter } from "./lifter.js";

/** Feature bits that can be announced: register (of leaf 1) and bit, Intel SDM volume 2, CPUID. */
const FEATURE_BITS: Record<Exclude<CpuidBit, "base">, readonly ["ecx" | "edx", number]> = {
  sse: ["edx", 25],
  sse2: ["edx", 26],
  sse3: ["ecx", 0],
  ssse3: ["ecx", 9],
  cx16: ["ecx", 13],
  "sse4.1": ["ecx", 19],
  "sse4.2": ["ecx", 20],
  popcnt: ["ecx", 23],
};
/** FPU, TSC, CX8, CMOV, CLFSH, MMX, FXSR: what every x86-64 processor has (MMX and x87 are announced but not lifted). */
const BASE_EDX = (1 << 0) | (1 << 4) | (1 << 8) | (1 << 15) | (1 << 23) | (1 << 24);

/**
 * Announced features: each is here because all of its instructions have entries (a test compares). The baseline alone
 * would keep Go on its portable paths; POPCNT and SSE4.1 (ROUNDSD) map to single Wasm operations. FISTTP, the one x87
 * instruction of SSE3, is not lifted, as no other x87 instruction is.
 */
export const FEATURES: readonly Exclude<CpuidBit, "base">[] = ["sse", "sse2", "sse3", "ssse3", "sse4.1", "popcnt"];

/** Registers for a leaf: eax, ebx, ecx, edx. Unlisted leaves answer zero, as leaves above the maximum do on AMD. */
function leaves(): ReadonlyMap<number, readonly [number, number, number, number]> {
  let ecx = 0;
  let edx = BASE_EDX;
  for (const feature of FEATURES) {
    const [register, bit] = FEATURE_BITS[feature];
    if (register === "ecx") ecx |= 1 << bit;
    else edx |= 1 << bit;
  }
  const text = (s: string): number =>
    s.charCodeAt(0) | (s.charCodeAt(1) << 8) | (s.charCodeAt(2) << 16) | (s.charCodeAt(3) << 24);
  const brand = "gojit virtual x86-64 processor".padEnd(48, "\0");
  const brandLeaf = (at: number): readonly [number, number, number, number] => [
    text(brand.slice(at)),
    text(brand.slice(at + 4)),
    text(brand.slice(at + 8)),
    text(brand.slice(at + 12)),
  ];
  return new Map<number, readonly [number, number, number, number]>([
    [0, [1, text("Genu"), text("ntel"), text("ineI")]],
    // Family 6, model 15, stepping 0; CLFLUSH line of 64 bytes.
    [1, [0x6f0, 8 << 8, ecx, edx]],
    [0x80000000, [0x80000004, 0, 0, 0]],
    // SYSCALL, NX, long mode.
    [0x80000001, [0, 0, 1, (1 << 11) | (1 << 20) | (1 << 29)]],
    [0x80000002, brandLeaf(0)],
    [0x80000003, brandLeaf(16)],
    [0x80000004, brandLeaf(32)],
  ]);
}

export function liftCpuid(l: Lifter): void {
  const { w } = l;
  const table = leaves();
  const leaf = l.value(i32, l.gpr32(RAX));
  [RAX, RBX, RCX, RDX].forEach((register, column) => {
    let value: Expr = w.i32.const(0);
    for (const [number, answer] of table) {
      if (answer[column] === 0) continue;
      value = w.select(w.i32.eq(l.get(leaf), w.i32.const(number)), w.i32.const(answer[column]!), value);
    }
    l.setGpr32(register, value);
  });
}
