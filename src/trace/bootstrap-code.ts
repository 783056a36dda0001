/**
 * What `runtime.rt0_go` does, from its instructions: it is hand-written, the same in all releases but for a few lines, and names
 * `runtime.g0` and `runtime.m0` by their addresses, which a stripped program tells nowhere else.
 */
import { InstructionDecoder, mnemonicName, OP_GPR, OP_IMM, OP_MEM, type Insn } from "../../jit/decode.js";
import type { CodeSource } from "../../jit/code-source.js";
import { RAX, RDI, RSP } from "../../jit/registers.js";
import type { FunctionTable } from "../go/function-table.js";

/** The value that rt0_go stores through TLS to try it. */
const TLS_TEST = 0x123;

/** Guest addresses; absent where the code has another form than any known one. */
export interface BootstrapCode {
  readonly g0?: number;
  readonly m0?: number;
  /** `m0.tls`. */
  readonly m0Tls?: number;
  /** Offset of `m` in g as the code has it. */
  readonly gM?: number;
  /** `runtime.ncpu` and `runtime.physHugePageSize`. */
  readonly ncpu?: number;
  readonly hugePage?: number;
  /** Instructions, each the first one after: */
  readonly points: {
    /** SP has been aligned. */
    readonly aligned?: number;
    /** g0 has got its stack's bounds. */
    readonly g0Stack?: number;
    /** CPUID has told vendor, and version. */
    readonly vendor?: number;
    readonly version?: number;
    /** RAX has `_cgo_init`. */
    readonly cgoInit?: number;
    /** `settls` has returned. */
    readonly tlsSet?: number;
    /** RAX has what was stored through TLS. */
    readonly tlsTest?: number;
    /** g0 and m0 have been bound. */
    readonly bound?: number;
    /** `runtime.main` has set the largest stack size and `mainStarted`. */
    readonly mainStarted?: number;
  };
}

export type BootstrapPoint = keyof BootstrapCode["points"];

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Reads `rt0_go`, and the beginning of `runtime.main`. */
export function readBootstrapCode(source: CodeSource, functions: FunctionTable): BootstrapCode {
  const out: Writable<BootstrapCode> = { points: {} };
  const points = out.points as Writable<BootstrapCode["points"]>;
  let cpuids = 0;
  let last: Insn | undefined;
  let loaded: number | undefined;
  for (const insn of instructions(source, functions, "runtime.rt0_go")) {
    const name = mnemonicName(insn.mnemonic);
    const [to, from] = insn.operands;
    if (name === "And" && to?.kind === OP_GPR && to.reg === RSP) points.aligned ??= insn.next;
    const address = addressLoaded(insn);
    if (address !== undefined) {
      if (out.g0 === undefined && to!.reg === RDI) out.g0 = address;
      loaded = to!.reg === RAX ? address : loaded;
    }
    if (name === "Mov" && to?.kind === OP_MEM && from?.kind === OP_GPR) {
      if (to.base === RDI && to.disp === 8 && from.reg === RSP) points.g0Stack ??= insn.next;
      if (from.reg === RAX && to.base >= 0 && points.tlsTest !== undefined && points.bound === undefined)
        out.gM = to.disp;
    }
    if (name === "Cpuid" && cpuids++ < 2) points[cpuids === 1 ? "vendor" : "version"] = insn.next;
    if (name === "Test" && to?.reg === RAX && last && isLoad(last) && cpuids > 0) points.cgoInit ??= insn.pc;
    if (name === "Call" && insn.target >= 0 && nameAt(functions, insn.target) === "runtime.settls")
      points.tlsSet ??= insn.next;
    if (name === "Cmp" && from?.kind === OP_IMM && from.immLo === TLS_TEST) {
      points.tlsTest = insn.pc;
      if (last && isLoad(last)) out.m0Tls = last.operands[1]!.disp;
    }
    if (name === "Cld" && points.tlsTest !== undefined && points.bound === undefined) {
      points.bound = insn.pc;
      if (loaded !== undefined) out.m0 = loaded;
    }
    last = insn;
  }
  for (const { mnemonic, operands } of instructions(source, functions, "runtime.osinit")) {
    const [to, from] = operands;
    if (mnemonicName(mnemonic) !== "Mov" || to?.kind !== OP_MEM || to.base >= 0 || from?.kind !== OP_GPR) continue;
    if (from.size === 4) out.ncpu ??= to.disp;
    else if (from.size === 8) out.hugePage ??= to.disp;
  }
  // On 64 bits a stack may have 1 GB; mainStarted is set by the store after that.
  let stores = -1;
  for (const insn of instructions(source, functions, "runtime.main")) {
    const [to, from] = insn.operands;
    const stored = mnemonicName(insn.mnemonic) === "Mov" && to?.kind === OP_MEM && to.base < 0 && from?.kind === OP_IMM;
    if (stored && from.immLo === 1e9) stores = 0;
    if (stored && stores >= 0 && ++stores === 2) {
      points.mainStarted = insn.next;
      break;
    }
  }
  return out;
}

/** The instructions of a function, in order of address; none if the program has no such function. */
export function* instructions(source: CodeSource, functions: FunctionTable, name: string): Generator<Insn> {
  const index = functions.indexOf(name);
  if (index < 0) return;
  const start = functions.start[index]!;
  const bytes = source.read(start, functions.end[index]! - start);
  const decoder = new InstructionDecoder();
  decoder.open(bytes, start);
  const found: Insn[] = [];
  decoder.decodeFrom(start, (insn) => insn.mnemonic !== 0 && found.push(insn) > 0);
  decoder.close();
  yield* found;
}

const isLoad = ({ mnemonic, operands: [to, from] }: Insn): boolean =>
  mnemonicName(mnemonic) === "Mov" && to?.kind === OP_GPR && from?.kind === OP_MEM && from.base < 0 && !from.fs;

/** The address that an instruction puts into a register, as LEA or, from some linkers, as an immediate. */
function addressLoaded({ mnemonic, operands: [to, from] }: Insn): number | undefined {
  if (to?.kind !== OP_GPR || to.size !== 8 || !from) return undefined;
  const name = mnemonicName(mnemonic);
  if (name === "Lea" && from.base < 0 && from.index < 0) return from.disp;
  return name === "Mov" && from.kind === OP_IMM && from.immHi === 0 && from.immLo >= 0x400000 ? from.immLo : undefined;
}

const nameAt = (functions: FunctionTable, pc: number): string => {
  const index = functions.find(pc);
  return index >= 0 && functions.start[index] === pc ? functions.name(index) : "";
};
