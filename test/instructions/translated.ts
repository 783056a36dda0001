/** Runs cases through the lifter: each instruction a Wasm function of its own, many of them in a module. */
/// <reference path="../../jit/webassembly.d.ts" />
import { CPU_FLAGS, CPU_FS_BASE, CPU_GPR, CPU_PAGES, CPU_TRAP_VECTOR, CPU_XMM } from "../../jit/cpu-block.js";
import { addHelper } from "../../jit/lift/helpers.js";
import { flagsRead, flagsWritten } from "../../jit/lift/index.js";
import { Lifter, VECTOR_BP, VECTOR_DE, VECTOR_GP, VECTOR_UD } from "../../jit/lift/lifter.js";
import { ALL_FLAGS, CONDITIONS, FLAG_BITS, flagsOfCondition, type FlagSet } from "../../jit/registers.js";
import { CPU, GUEST, i32, i64, none, v128, WasmBuilder, type Expr } from "../../jit/wasm.js";
import type { Encoding } from "./generate.js";
import { CODE, copyState, DATA, FS_BASE, WINDOW, type CpuState, type Outcome } from "./state.js";

const GUEST_BASE = 0x10000;
const GUEST_PAGES = (CODE - GUEST_BASE + 0x10000) / 65536;
/** Results of the 16 conditions, one byte each; a place in the CPU block that nothing else uses. */
const CONDITION_RESULTS = 2048;

const IMPORTS = `
  (import "m" "guest" (memory $${GUEST} ${GUEST_PAGES} ${GUEST_PAGES} shared))
  (import "m" "cpu" (memory $${CPU} ${CPU_PAGES} ${CPU_PAGES} shared))`;

/** Instructions that follow each other, and the flags that are asked for after the last. */
export interface Snippet {
  readonly instructions: readonly Pick<Encoding, "insn" | "entry">[];
  readonly live: FlagSet;
}
export interface TranslatedOutcome extends Outcome {
  /** Result of each condition that depends on live flags only; -1 for others. */
  readonly conditions: Int8Array;
}

function lift(lifter: Lifter, { instructions, live }: Snippet): void {
  const { w } = lifter;
  const zero = () => w.i32.const(0);
  lifter.beginFunction();
  lifter.beginBlock(null);
  for (let r = 0; r < 16; r++) lifter.setGpr(r, w.load(CPU, i64, 8, zero(), CPU_GPR + 8 * r));
  for (let r = 0; r < 16; r++) lifter.setXmm(r, w.load(CPU, v128, 16, zero(), CPU_XMM + 16 * r));
  FLAG_BITS.forEach(({ flag }, i) =>
    lifter.emit(w.local.set(lifter.flagLocal(flag), w.load(CPU, i32, 4, zero(), CPU_FLAGS + 4 * i))),
  );
  const liveAfter: FlagSet[] = [];
  let needed = live;
  for (const { entry, insn } of instructions.toReversed()) {
    liveAfter.unshift(needed);
    needed = (needed & ~flagsWritten(entry, insn)) | flagsRead(entry, insn);
  }
  instructions.forEach(({ entry, insn }, i) => {
    lifter.insn = insn;
    lifter.flagsLive = liveAfter[i]!;
    entry.lift(lifter, insn);
    lifter.endInstruction();
  });
  CONDITIONS.forEach((condition, i) => {
    if ((flagsOfCondition(condition) & ~live) !== 0) return;
    const value = w.i32.ne(lifter.condition(condition), w.i32.const(0));
    lifter.emit(w.store(CPU, i32, 1, zero(), value, CONDITION_RESULTS + i));
  });
  lifter.materializeFlags(live);
  FLAG_BITS.forEach(({ flag }, i) => {
    if (!(live & flag)) return;
    lifter.emit(w.store(CPU, i32, 4, zero(), w.local.get(lifter.flagLocal(flag), i32), CPU_FLAGS + 4 * i));
  });
  for (let r = 0; r < 16; r++) lifter.emit(w.store(CPU, i64, 8, zero(), lifter.gpr(r), CPU_GPR + 8 * r));
  for (let r = 0; r < 16; r++) lifter.emit(w.store(CPU, v128, 16, zero(), lifter.xmm(r), CPU_XMM + 16 * r));
}

const VECTOR_FAULTS: Record<number, string> = {
  [VECTOR_DE]: "SIGFPE",
  [VECTOR_BP]: "SIGTRAP",
  [VECTOR_UD]: "SIGILL",
  [VECTOR_GP]: "SIGSEGV",
};

/** A module of translated instructions with memories of its own. */
export class Translated {
  private readonly guest = new WebAssembly.Memory({ initial: GUEST_PAGES, maximum: GUEST_PAGES, shared: true });
  private readonly cpu = new WebAssembly.Memory({ initial: CPU_PAGES, maximum: CPU_PAGES, shared: true });
  private readonly window = new Uint8Array(this.guest.buffer, DATA - GUEST_BASE, WINDOW);
  private readonly bytes = new Uint8Array(this.cpu.buffer);
  private readonly view = new DataView(this.cpu.buffer);
  private readonly gpr = new BigUint64Array(this.cpu.buffer, CPU_GPR, 16);
  private readonly builder = new WasmBuilder();
  private functions: ((pc: number, rsp: bigint) => void)[] = [];

  /** Translates `snippets`; throws if one cannot be lifted or the module is not valid. */
  load(snippets: readonly Snippet[]): void {
    const w = this.builder;
    w.begin(IMPORTS);
    const lifter = new Lifter(w, { guestBase: GUEST_BASE });
    snippets.forEach((snippet, i) => {
      lift(lifter, snippet);
      const statements: Expr[] = [];
      lifter.moveStatements(statements);
      const body = w.block(null, statements);
      w.addFunction(`f${i}`, w.types([i32, i64]), none, lifter.functionLocals(), body);
      w.exportFunction(`f${i}`, `f${i}`);
    });
    for (const helper of lifter.helpersUsed) addHelper(w, helper);
    const { bytes } = w.emit(false);
    let module: WebAssembly.Module;
    try {
      module = new WebAssembly.Module(bytes);
    } catch (error) {
      const index = Number(/"f(\d+)"/.exec(String(error))?.[1] ?? -1);
      const what = JSON.stringify(
        snippets[index]?.instructions.map(({ entry, insn }) => [entry.mnemonic, insn.operands]),
      );
      throw new Error(`${what} ${String(error)}`, { cause: error });
    }
    w.dispose();
    const { exports } = new WebAssembly.Instance(module, { m: { guest: this.guest, cpu: this.cpu } });
    this.functions = snippets.map((_, i) => exports[`f${i}`] as (pc: number, rsp: bigint) => void);
  }

  /** Runs snippet `index` from `state`. */
  run(index: number, state: CpuState): TranslatedOutcome {
    const { view } = this;
    this.window.set(state.memory);
    this.gpr.set(state.gpr);
    this.bytes.set(state.xmm, CPU_XMM);
    FLAG_BITS.forEach(({ rflagsBit }, i) => view.setUint32(CPU_FLAGS + 4 * i, (state.rflags >> rflagsBit) & 1, true));
    view.setBigUint64(CPU_FS_BASE, BigInt(FS_BASE), true);
    view.setInt32(CPU_TRAP_VECTOR, 0, true);
    this.bytes.fill(0xff, CONDITION_RESULTS, CONDITION_RESULTS + 16);
    let fault: string | null = null;
    try {
      this.functions[index]!(CODE, state.gpr[4]!);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      const vector = view.getInt32(CPU_TRAP_VECTOR, true) - 1;
      if (vector >= 0) fault = VECTOR_FAULTS[vector] ?? `vector ${vector}`;
      else if (/divide/.test(error.message)) fault = "SIGFPE";
      else if (/out of bounds/.test(error.message)) fault = "SIGSEGV";
      else fault = error.message;
    }
    const after = copyState(state);
    after.gpr.set(this.gpr);
    after.xmm.set(this.bytes.subarray(CPU_XMM, CPU_XMM + 256));
    after.memory.set(this.window);
    FLAG_BITS.forEach(({ rflagsBit }, i) => {
      const bit = view.getUint32(CPU_FLAGS + 4 * i, true);
      after.rflags = (after.rflags & ~(1 << rflagsBit)) | (bit << rflagsBit);
    });
    const conditions = new Int8Array(16);
    for (let i = 0; i < 16; i++) conditions[i] = this.bytes[CONDITION_RESULTS + i]!;
    return { fault, state: after, conditions };
  }
}
export const ALL_LIVE: FlagSet = ALL_FLAGS;
