/** Runs cases through the lifter: each instruction a Wasm function of its own, many of them in a module. */
import { CPU_FLAGS, CPU_GPR, CPU_XMM } from "../../jit/cpu-block.js";
import { flagsKilled, flagsRead } from "../../jit/lift/index.js";
import { Lifter } from "../../jit/lift/lifter.js";
import { ALL_FLAGS, CONDITIONS, FLAG_BITS, flagsOfCondition, type FlagSet } from "../../jit/registers.js";
import { regionImports } from "../../jit/runtime-module.js";
import { CPU, i32, i64, v128, WasmBuilder, type Expr } from "../../jit/wasm.js";
import type { Encoding } from "./generate.js";
import { functionName, GuestMachine, GUEST_PAGES } from "./guest-machine.js";
import { CODE, type CpuState, type Outcome } from "./state.js";

/** Results of the 16 conditions, one byte each; a place in the CPU block that nothing else uses. */
const CONDITION_RESULTS = 2048;

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
  lifter.beginFunction([i32, i64], 1);
  lifter.beginBlock(null, 0);
  for (let r = 0; r < 16; r++) lifter.setGpr(r, w.load(CPU, i64, 8, zero(), CPU_GPR + 8 * r));
  for (let r = 0; r < 16; r++) lifter.setXmm(r, w.load(CPU, v128, 16, zero(), CPU_XMM + 16 * r));
  FLAG_BITS.forEach(({ flag }, i) =>
    lifter.emit(w.local.set(lifter.flagLocal(flag), w.load(CPU, i32, 4, zero(), CPU_FLAGS + 4 * i))),
  );
  const liveAfter: FlagSet[] = [];
  let needed = live;
  for (const { entry, insn } of instructions.toReversed()) {
    liveAfter.unshift(needed);
    needed = (needed & ~flagsKilled(entry, insn)) | flagsRead(entry, insn);
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

/** A module of translated instructions. */
export class Translated {
  private readonly machine = new GuestMachine();
  private readonly builder = new WasmBuilder();

  /** Translates `snippets`; throws if one cannot be lifted or the module is not valid. */
  load(snippets: readonly Snippet[]): void {
    const w = this.builder;
    w.begin(regionImports(GUEST_PAGES, false));
    const lifter = new Lifter(w, { guestBase: GuestMachine.base });
    snippets.forEach((snippet, i) => {
      lift(lifter, snippet);
      const body: Expr[] = [];
      lifter.moveStatements(body);
      body.push(w.i32.const(0));
      const name = functionName(i, CODE);
      w.addFunction(name, w.types([i32, i64]), i32, lifter.functionLocals(), w.block(null, body, i32));
      w.exportFunction(name, name);
    });
    const { bytes } = w.emit(false);
    w.dispose();
    try {
      this.machine.load(bytes);
    } catch (error) {
      const index = Number(/"f(\d+)_/.exec(String(error))?.[1] ?? -1);
      const what = snippets[index]?.instructions.map(({ entry, insn }) => [entry.mnemonic, insn.operands]);
      throw new Error(`${JSON.stringify(what)} ${String(error)}`, { cause: error });
    }
  }

  /** Runs snippet `index` from `state`. */
  run(index: number, state: CpuState): TranslatedOutcome {
    const { bytes } = this.machine;
    bytes.fill(0xff, CONDITION_RESULTS, CONDITION_RESULTS + 16);
    const outcome = this.machine.run(index, state);
    return { ...outcome, conditions: new Int8Array(bytes.slice(CONDITION_RESULTS, CONDITION_RESULTS + 16)) };
  }
}
export const ALL_LIVE: FlagSet = ALL_FLAGS;
