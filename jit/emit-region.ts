/**
 * Region → one Wasm function `(i32 entry PC, i64 RSP) → (i32 next PC, i64 RSP)`. RSP is a result beside its copy in the
 * CPU block because the caller's next instructions need it for addresses, and a load would make them wait.
 *
 * Control flow becomes structured by the dominator tree (N. Ramsey, "Beyond Relooper", 2022): a loop header opens a
 * `loop`, a merge point is placed after a `block` in its dominator, every other block is emitted where it is jumped to.
 *
 * Contract at each border (entry, call, return, exit): all registers that someone may need are in the CPU block, RSP
 * among them always. Inside, its copy may lag: what can trap is marked with the distance (jit/stack-pointer.ts).
 *
 * The host's stack may be exhausted at any Wasm call. So there are none but at borders, where the thread can go on from
 * the CPU block: at the callee's entry if that is a region of this module (the trap names it), else at CPU_RIP.
 */
import type { CodeSource } from "./code-source.js";
import { CPU_EXECUTED, CPU_FLAGS, CPU_GPR, CPU_POLL, CPU_RIP, CPU_SAMPLE, CPU_XMM } from "./cpu-block.js";
import { mnemonicByName, mnemonicName, OP_MEM, type Insn } from "./decode.js";
import { analyseFlow, rareBlocks, type Flow } from "./flow.js";
import { VECTOR_UD, VECTOR_UNIMPLEMENTED, type FlagDefinition, type Lifter } from "./lift/lifter.js";
import {
  analyseLiveness,
  leavesAndReturns,
  neededAtExit,
  neededOverEdge,
  type Liveness,
  type Needed,
} from "./liveness.js";
import { headStart, startsAhead } from "./known/head-start.js";
import { MARK_BIAS } from "./region-name.js";
import {
  ALL_FLAGS,
  ALL_REGISTERS,
  FLAG_BITS,
  gprBit,
  RSP,
  xmmBit,
  type FlagSet,
  type RegisterSet,
} from "./registers.js";
import { switchesStack, type Block, type Edge, type Item, type Region } from "./region.js";
import { analyseStackLag, LAG_AFTER_CALL, lagAfter, type StackLag } from "./stack-pointer.js";
import { findStackSlots, type StackSlots } from "./stack-slots.js";
import { analyseUpperHalves } from "./upper-halves.js";
import { CPU, i32, i64, none, v128, type Expr, type FunctionRef, type Type, type WasmBuilder } from "./wasm.js";

/** Name of the function table in emitted modules. */
export const TABLE = "t";

/** Frames of `headroom`, 4 KiB each, that the machine's own code may use below translated code. */
export const HEADROOM_FRAMES = 16;
/** The same for reading the clock, and for probes: JavaScript of a few short functions, and frequent. */
const SHORT_HEADROOM_FRAMES = 4;

/** How code outside the region is reached. */
export interface Linkage {
  /** Name of the function for `pc` if it is in the module being built. */
  readonly localName: (pc: number) => string | null;
  /** Table slot of the function for `pc`. */
  readonly slot: (pc: number) => number;
}

const FLAG_OFFSET = new Map(FLAG_BITS.map(({ flag }, index) => [flag, CPU_FLAGS + 4 * index]));
const rspBit = gprBit(RSP);
/** The parameter that has RSP. */
const RSP_PARAM = 1;

const MAY_FAULT = new Set(["Div", "Idiv", "Leave"].map(mnemonicByName));
const LEA = mnemonicByName("Lea");

/** True if lifting emits something that can trap, other than an access to the stack relative to RSP. */
function mayFault({ insn, entry }: Item): boolean {
  if (entry.ends === "stop" || MAY_FAULT.has(insn.mnemonic)) return true;
  if (insn.mnemonic === LEA) return false;
  for (const operand of insn.operands) if (operand.kind === OP_MEM && operand.base !== RSP) return true;
  return false;
}

export class RegionEmitter {
  private readonly w: WasmBuilder;
  private readonly l: Lifter;
  private readonly source: CodeSource;
  private readonly counts: boolean;
  private readonly params: Type;
  /** Functions of runtime-module.ts that the module being built calls; to be cleared for the next one. */
  readonly helpers = new Set<"lookup" | "lookupFunction">();

  private region!: Region;
  private sampled = false;
  private flow!: Flow;
  private liveness!: Liveness;
  private linkage!: Linkage;
  /** At the start of each block. */
  private stackLagIn!: readonly StackLag[];
  /** XMM registers whose halves are apart at the start of each block. */
  private apartIn!: Int32Array;
  private stackSlots!: StackSlots | null;
  /** Blocks that control hardly ever comes to. */
  private isRare!: readonly boolean[];
  private pendingFlags: (ReadonlyMap<FlagSet, FlagDefinition> | null)[] = [];

  /** @param counts whether the code counts the guest instructions that it comes to */
  constructor(w: WasmBuilder, lifter: Lifter, source: CodeSource, counts = false) {
    this.w = w;
    this.counts = counts;
    this.l = lifter;
    this.source = source;
    this.params = w.types([i32, i64]);
  }

  /**
   * Adds `region` to the module being built as function `name`.
   * @param sampled whether the code answers who asks which region the thread is in: where it begins, and in its loops
   */
  emit(region: Region, name: string, linkage: Linkage, sampled = false): FunctionRef {
    const { w, l } = this;
    this.region = region;
    this.sampled = sampled;
    this.linkage = linkage;
    this.flow = analyseFlow(region);
    this.liveness = analyseLiveness(this.source, region, this.flow);
    this.apartIn = analyseUpperHalves(region, this.flow);
    this.stackSlots = findStackSlots(region, this.flow);
    this.pendingFlags = new Array<null>(region.blocks.length).fill(null);
    this.isRare = rareBlocks(region);
    this.stackLagIn = analyseStackLag(region, this.flow, mayFault, this.isRare);
    l.beginFunction([i32, i64], RSP_PARAM);
    l.insn = { ...NO_INSN, pc: region.entry };
    const statements = [...this.answerIfAsked(), ...this.headStart(), ...this.loadsFor(0)];
    this.tree(0, statements);
    statements.push(w.unreachable());
    const body = w.block(null, statements);
    const functionRef = w.addFunction(name, this.params, this.params, l.functionLocals(), body);
    for (const { expr, pc, stackLag } of l.marks) w.mark(functionRef, expr, pc - region.entry + MARK_BIAS, stackLag);
    for (const { branch, likely, pc } of l.hints) {
      w.hint(functionRef, branch, likely, pc - region.entry + MARK_BIAS);
    }
    return functionRef;
  }

  /** What a known function's body does before the first block. None is counted: its instructions do not run. */
  private headStart(): Expr[] {
    const { w, l, region } = this;
    if (!region.known || this.counts) return [];
    return headStart(w, l, region.known, region.entry);
  }

  // --- structure ---

  /** Appends block `index` and everything it dominates to `out`. Never falls through. */
  private tree(index: number, out: Expr[]): void {
    const merges = this.flow.children[index]!.filter((child) => this.flow.isMerge[child]);
    if (!this.flow.isLoop[index]) return this.within(index, merges, out);
    const body: Expr[] = [];
    this.within(index, merges, body);
    out.push(this.w.loop(`L${index}`, this.w.block(null, body)));
  }
  /** Block `index`, followed by the merge points it dominates, ascending; the last one is outermost. */
  private within(index: number, merges: readonly number[], out: Expr[]): void {
    let inner: Expr[] = [];
    this.block(index, merges.length ? inner : out);
    merges.forEach((merge, i) => {
      const block = this.w.block(`B${merge}`, inner);
      inner = i === merges.length - 1 ? out : [];
      inner.push(block);
      this.tree(merge, inner);
    });
  }

  private block(index: number, out: Expr[]): void {
    const { l, liveness } = this;
    const block = this.region.blocks[index]!;
    l.beginBlock(this.pendingFlags[index]!, this.apartIn[index]!);
    let lag = this.stackLagIn[index]!;
    if (block.probe >= 0) {
      this.probe(index, block);
      lag = 0;
    }
    const flagsAfter = liveness.flagsAfter[index]!;
    const slots = this.stackSlots?.[index];
    const { items } = block;
    if (this.counts) l.emit(this.countInstructions(items.length));
    const { kind } = block.end;
    const straight = kind === "fall" || kind === "illegal" ? items.length : items.length - 1;
    for (let i = 0; i < items.length; i++) {
      const item = items[i]!;
      l.insn = item.insn;
      l.flagsLive = flagsAfter[i]!;
      l.stackSlot = slots?.get(i) ?? null;
      if (lag === "unknown" && mayFault(item)) {
        l.emit(this.storeRsp());
        lag = 0;
      }
      l.stackLag = lag === "unknown" ? 0 : lag;
      lag = lagAfter(lag, item);
      item.entry.lift(l, item.insn);
      if (i < straight) l.endInstruction();
    }
    l.stackSlot = null;
    this.terminator(index, block, lag, out);
    l.endInstruction();
  }

  private countInstructions(count: number): Expr {
    const { w } = this;
    const before = w.load(CPU, i64, 8, w.i32.const(0), CPU_EXECUTED);
    return w.store(CPU, i64, 8, w.i32.const(0), w.i64.add(before, w.i64.const(BigInt(count))), CPU_EXECUTED);
  }

  /** Calls out before the first instruction of block `index`, and leaves the region if the machine has acted. */
  private probe(index: number, { probe, pc }: Block): void {
    const { w, l } = this;
    const dirty = this.liveness.dirtyIn[index]!;
    const dirtyFlags = this.liveness.dirtyFlagsIn[index]!;
    const state = { index, dirty, dirtyFlags, lag: this.stackLagIn[index]!, apart: this.apartIn[index]! };
    this.leave(state, { registers: ALL_REGISTERS, flags: ALL_FLAGS });
    l.emit(this.storeRip(w.i32.const(pc)));
    l.emit(w.call("headroom", [w.i32.const(SHORT_HEADROOM_FRAMES)], none));
    const next = l.value(i32, w.call("probe", [w.i32.const(probe)], i32));
    l.emit(w.if(l.get(next), w.return(w.tuple([l.get(next), this.loadGpr(RSP)]))));
  }

  // --- terminators ---

  private terminator(index: number, block: Block, lag: StackLag, out: Expr[]): void {
    const { w, l } = this;
    const { end } = block;
    const { dirtyIn, dirtyFlagsIn, writes, flagWrites } = this.liveness;
    const dirty = dirtyIn[index]! | writes[index]!;
    const writtenFlags = leavesAndReturns(block) ? 0 : flagWrites[index]!;
    const dirtyFlags = dirtyFlagsIn[index]! | l.pendingFlagSet() | writtenFlags;
    const apart = this.handOverXmm(index);
    const state: ExitState = { index, dirty, dirtyFlags, lag, apart };
    switch (end.kind) {
      case "fall":
      case "jump":
        this.handOverFlags(index, [end.to]);
        l.moveStatements(out);
        return this.goto(state, end.to, out);
      case "enter":
        this.handOverFlags(index, [end.to]);
        l.moveStatements(out);
        out.push(...this.forget(end.dead, end.to));
        return this.goto({ ...state, dirty: dirty & ~end.dead }, end.to, out);
      case "branch": {
        const condition = l.branchCondition!;
        this.handOverFlags(index, [end.taken, end.fall]);
        l.moveStatements(out);
        const label = this.plainBranch(state, end.taken);
        if (label) {
          out.push(l.hinted(w.br(label, condition), this.likeliness(end.taken, end.fall)));
          return this.goto(state, end.fall, out);
        }
        const other = this.plainBranch(state, end.fall);
        if (other) {
          out.push(l.hinted(w.br(other, w.i32.eqz(condition)), this.likeliness(end.fall, end.taken)));
          return this.goto(state, end.taken, out);
        }
        // An exit first: it reads the flags' definitions, which other blocks replace.
        const [first, then, last] =
          "exit" in end.fall ? [w.i32.eqz(condition), end.fall, end.taken] : [condition, end.taken, end.fall];
        const arm: Expr[] = [];
        this.goto(state, then, arm);
        out.push(l.hinted(w.if(first, w.block(null, arm)), this.likeliness(then, last)));
        return this.goto(state, last, out);
      }
      case "table":
        return this.tableJump(state, end.index, end.targets, out);
      case "indirect":
        this.leave(state, neededAtExit(this.source, this.region, block));
        if (!switchesStack(block)) {
          // A tail call if a function begins there. After a change of stacks the mirrored frames belong to another
          // goroutine: then always unwind to the dispatcher.
          l.emit(this.storeRip(l.get(l.target!)));
          this.helpers.add("lookupFunction");
          const slot = l.value(i32, w.call("lookupFunction", [l.get(l.target!)], i32));
          const args = [l.get(l.target!), l.gpr(RSP)];
          l.emit(w.if(l.get(slot), w.returnCallIndirect(TABLE, l.get(slot), args, this.params, this.params)));
        }
        l.emit(this.returnTo(l.get(l.target!)));
        return l.moveStatements(out);
      case "return":
        this.leave(state, neededAtExit(this.source, this.region, block));
        l.emit(this.returnTo(l.get(l.target!)));
        return l.moveStatements(out);
      case "resume": {
        this.handOverFlags(index, [end.next]);
        const target = l.target!;
        const elsewhere = l.nested(() => {
          this.leave(state, neededAtExit(this.source, this.region, block));
          l.emit(this.returnTo(l.get(target)));
        });
        l.emit(l.hinted(w.if(w.i32.ne(l.get(target), w.i32.const(end.expected)), elsewhere), false));
        l.moveStatements(out);
        out.push(...this.forget(end.dead, end.next));
        return this.goto({ ...state, dirty: dirty & ~end.dead }, end.next, out);
      }
      case "call":
        return this.call(state, block, end.target, lastInsn(block).next, end.next, out);
      case "guard": {
        const { likely, computed, known, next } = end;
        this.handOverFlags(
          index,
          likely.map(({ to }) => to),
        );
        l.moveStatements(out);
        const elsewhere: Expr[] = [];
        this.call(state, block, computed ? -1 : likely[0]!.target, lastInsn(block).next, next, elsewhere);
        const compare = (at: number, other: readonly Expr[], to: Expr[]): void => {
          const conditions = [
            ...(computed ? [w.i32.ne(l.get(l.target!), w.i32.const(likely[at]!.target))] : []),
            ...(known ? [startsAhead(w, l, known)] : []),
          ];
          to.push(l.hinted(w.if(conditions.reduce(w.i32.or), w.block(null, other)), at === 0 ? false : undefined));
          this.goto(state, likely[at]!.to, to);
        };
        // The innermost first.
        let other = elsewhere;
        for (let at = likely.length - 1; at > 0; at--) {
          const arm: Expr[] = [];
          compare(at, other, arm);
          other = arm;
        }
        return compare(0, other, out);
      }
      case "detour":
        return this.call(state, block, end.to.exit, end.expected, end.next, out);
      case "syscall":
        return this.systemCall(state, lastInsn(block), end.next, out);
      case "stop":
        return l.moveStatements(out);
      case "illegal": {
        this.leave(state, { registers: ALL_REGISTERS, flags: ALL_FLAGS });
        l.insn = { ...NO_INSN, pc: end.pc };
        l.stackLag = 0;
        l.raise(end.what === "no instruction" ? VECTOR_UD : VECTOR_UNIMPLEMENTED);
        return l.moveStatements(out);
      }
    }
  }

  /** Emits statements that bring the needed registers and flags into the CPU block. */
  private leave(state: ExitState, needed: Needed): void {
    const { l } = this;
    if (state.lag !== 0) l.emit(this.storeRsp());
    for (const statement of this.registerStores(state, needed.registers)) l.emit(statement);
    const flags = this.flagStores(state.dirtyFlags & needed.flags, (flag) => l.flag(flag));
    for (const statement of flags) l.emit(statement);
  }

  /** Calls the code at `target`, -1 if it is computed; goes on at `next` if that returns to `returnTo`. */
  private call(state: ExitState, block: Block, target: number, returnTo: number, next: Edge, out: Expr[]): void {
    const { w, l } = this;
    this.leave(state, neededAtExit(this.source, this.region, block));
    const rsp = l.gpr(RSP);
    let call: Expr;
    if (target >= 0) {
      const local = this.linkage.localName(target);
      const args = [w.i32.const(target), rsp];
      if (!local) l.emit(this.storeRip(w.i32.const(target)));
      call = local
        ? w.call(local, args, this.params)
        : w.callIndirect(TABLE, w.i32.const(this.linkage.slot(target)), args, this.params, this.params);
    } else {
      l.emit(this.storeRip(l.get(l.target!)));
      this.helpers.add("lookup");
      const slot = w.call("lookup", [l.get(l.target!)], i32);
      call = w.callIndirect(TABLE, slot, [l.get(l.target!), rsp], this.params, this.params);
    }
    const results = l.value(this.params, call);
    l.setGpr(RSP, w.tupleExtract(l.get(results), 1));
    const elsewhere = w.i32.ne(w.tupleExtract(l.get(results), 0), w.i32.const(returnTo));
    l.emit(l.hinted(w.if(elsewhere, w.return(l.get(results))), false));
    this.comeBack(state, next, out);
  }

  private systemCall(state: ExitState, insn: Insn, next: Edge, out: Expr[]): void {
    const { w, l } = this;
    this.leave(state, { registers: ALL_REGISTERS, flags: ALL_FLAGS });
    l.emit(this.storeRip(w.i32.const(insn.pc)));
    const readsClock = mnemonicName(insn.mnemonic) === "Rdtsc";
    const frames = readsClock ? SHORT_HEADROOM_FRAMES : HEADROOM_FRAMES;
    l.emit(w.call("headroom", [w.i32.const(frames)], none));
    if (readsClock) l.emit(w.call("rdtsc", [], none));
    else {
      l.emit(this.storeRip(w.i32.const(insn.next)));
      const result = l.fresh(i32);
      l.assign(result, w.call("syscall", [], i32));
      l.setGpr(RSP, this.loadGpr(RSP));
      l.emit(w.if(l.get(result), this.returnTo(l.get(result))));
    }
    this.comeBack(state, next, out);
  }

  /** After a callee has returned to `next`: everything is in the CPU block, RSP in its local as well. */
  private comeBack(state: ExitState, next: Edge, out: Expr[]): void {
    const { l } = this;
    const clean: ExitState = { index: state.index, dirty: 0, dirtyFlags: 0, lag: LAG_AFTER_CALL, apart: 0 };
    l.moveStatements(out);
    if ("block" in next) out.push(...this.loadsFor(next.block));
    this.goto(clean, next, out);
  }

  private tableJump(state: ExitState, indexRegister: number, targets: readonly Edge[], out: Expr[]): void {
    const { w, l } = this;
    const distinct: Edge[] = [];
    const labels: string[] = [];
    const labelOf = new Map<string, string>();
    for (const edge of targets) {
      const key = JSON.stringify(edge);
      if (!labelOf.has(key)) {
        labelOf.set(key, `T${state.index}_${distinct.length}`);
        distinct.push(edge);
      }
      labels.push(labelOf.get(key)!);
    }
    this.handOverFlags(state.index, distinct);
    const other = `T${state.index}_`;
    const wide = l.gpr(indexRegister);
    const clamped = w.select(
      w.i64.lt_u(wide, w.i64.const(targets.length)),
      l.gpr32(indexRegister),
      w.i32.const(targets.length),
    );
    // Innermost: the switch; around it one block per distinct target, then the way out for any other index.
    let nest: Expr[] = [w.switch(labels, other, clamped)];
    l.moveStatements(out);
    this.leave(state, { registers: ALL_REGISTERS, flags: ALL_FLAGS });
    l.emit(this.returnTo(l.get(l.target!)));
    nest = [w.block(other, nest)];
    l.moveStatements(nest);
    // Exits first, as after a branch.
    const exits = distinct.map((edge): Expr[] => {
      const arm: Expr[] = [];
      if ("exit" in edge) this.goto(state, edge, arm);
      return arm;
    });
    distinct.forEach((edge, i) => {
      nest = [w.block(`T${state.index}_${i}`, nest), ...exits[i]!];
      if ("block" in edge) this.goto(state, edge, nest);
    });
    out.push(...nest);
  }

  /**
   * Flags that successors read: a block with this one as its only predecessor gets the pending definitions, others
   * find the flags in their locals. An exit computes what it stores, out of the way of the other edge.
   */
  private handOverFlags(index: number, edges: readonly Edge[]): void {
    const { l } = this;
    let materialize = 0;
    for (const edge of edges) {
      if (!("block" in edge)) continue;
      const to = edge.block;
      const only = to !== 0 && this.flow.predecessors[to]!.length === 1 && !this.flow.isLoop[to] && to > index;
      if (only) this.pendingFlags[to] = l.pendingFlags();
      else materialize |= this.liveness.flagsIn[to]!;
    }
    l.materializeFlags(materialize);
  }

  /** Brings XMM registers to where block `index`'s successors expect them; returns those whose halves are apart. */
  private handOverXmm(index: number): RegisterSet {
    let some = 0;
    let all = ALL_REGISTERS;
    // After a call registers are loaded as the next block expects them.
    const inPlace = !leavesAndReturns(this.region.blocks[index]!);
    for (const to of inPlace ? this.flow.successors[index]! : []) {
      some |= this.apartIn[to]! & this.liveness.registersIn[to]!;
      all &= this.apartIn[to]!;
    }
    return this.l.handOverXmm(some, all);
  }

  // --- edges ---

  /** The label to branch to where that alone carries control over `edge`. */
  private plainBranch(state: ExitState, edge: Edge): string | null {
    if (!("block" in edge) || edge.block <= state.index || !this.flow.isMerge[edge.block]) return null;
    return this.otherLag(state, edge.block) === null ? `B${edge.block}` : null;
  }

  /** By how much RSP's copy must lag where block `to` begins; null if it does, or need not. */
  private otherLag({ lag }: ExitState, to: number): number | null {
    const wanted = this.stackLagIn[to]!;
    return wanted === "unknown" || wanted === lag ? null : wanted;
  }

  /** Appends statements that carry control over `edge`; the flags have been handed over. */
  private goto(state: ExitState, edge: Edge, out: Expr[]): void {
    const { w, l } = this;
    if ("exit" in edge) {
      const needed = neededOverEdge(this.source, this.region, edge);
      if (state.lag !== 0) out.push(this.storeRsp());
      out.push(...this.registerStores(state, needed.registers));
      const flags = this.flagStores(state.dirtyFlags & needed.flags, (flag) => l.flag(flag));
      // What a flag takes beside its expression.
      l.moveStatements(out);
      out.push(...flags);
      if (edge.exit <= this.region.blocks[state.index]!.pc) {
        out.push(l.hinted(w.if(this.pollWord(), this.returnTo(w.i32.const(edge.exit))), false));
      }
      const args = [w.i32.const(edge.exit), l.gpr(RSP)];
      const local = this.linkage.localName(edge.exit);
      if (!local) out.push(this.storeRip(w.i32.const(edge.exit)));
      out.push(
        local
          ? w.returnCall(local, args, this.params)
          : w.returnCallIndirect(TABLE, w.i32.const(this.linkage.slot(edge.exit)), args, this.params, this.params),
      );
      return;
    }
    const to = edge.block;
    const lag = this.otherLag(state, to);
    if (lag !== null) out.push(this.storeRsp(lag));
    if (to <= state.index) {
      // A safepoint: signals are taken here, with every live register in the CPU block.
      const stores = [
        ...(this.stackLagIn[to] === 0 ? [] : [this.storeRsp()]),
        ...this.registerStores({ dirty: state.dirty, apart: this.apartIn[to]! }, this.liveness.registersIn[to]!),
        ...this.flagStores(state.dirtyFlags & this.liveness.flagsIn[to]!, (flag) =>
          w.local.get(l.flagLocal(flag), i32),
        ),
      ];
      const { pc } = this.region.blocks[to]!;
      const leave = w.if(this.pollWord(), w.block(null, [...stores, this.returnTo(w.i32.const(pc))]));
      const poll = this.sampled ? w.if(this.pollOrSample(), w.block(null, [this.answer(), leave])) : leave;
      out.push(l.hinted(poll, false));
      out.push(w.br(`L${to}`));
    } else if (this.flow.isMerge[to]) out.push(w.br(`B${to}`));
    else this.tree(to, out);
  }

  /** Whether control is likely to go over `edge` where it could go over `other`. */
  private likeliness(edge: Edge, other: Edge): boolean | undefined {
    const rare = "exit" in edge || this.isRare[edge.block]!;
    const otherRare = "exit" in other || this.isRare[other.block]!;
    return rare === otherRare ? undefined : otherRare;
  }

  /** Gives control back, to be carried on at `pc` (i32). */
  private returnTo(pc: Expr): Expr {
    return this.w.return(this.w.tuple([pc, this.l.gpr(RSP)]));
  }

  private pollWord(): Expr {
    return this.w.load(CPU, i32, 4, this.w.i32.const(0), CPU_POLL);
  }

  /** Not 0 if the poll word or that of samples is set. */
  private pollOrSample(): Expr {
    const { w } = this;
    return w.i64.ne(w.load(CPU, i64, 8, w.i32.const(0), CPU_POLL), w.i64.const(0));
  }
  /** Says that the thread is in this region: one store answers, and takes the question back. */
  private answer(): Expr {
    const { w, region } = this;
    return w.store(CPU, i64, 8, w.i32.const(0), w.i64.const(BigInt(region.entry) << 32n), CPU_SAMPLE);
  }
  private answerIfAsked(): Expr[] {
    const { w, l } = this;
    if (!this.sampled) return [];
    const asked = w.load(CPU, i32, 4, w.i32.const(0), CPU_SAMPLE);
    return [l.hinted(w.if(asked, this.answer()), false)];
  }

  // --- registers to and from the CPU block ---

  /** Before what may find the host's stack exhausted outside a region: the thread goes on there. */
  private storeRip(pc: Expr): Expr {
    return this.w.store(CPU, i32, 4, this.w.i32.const(0), pc, CPU_RIP);
  }
  /** Makes RSP's copy what has it lag by so much. */
  private storeRsp(lag = 0): Expr {
    const { w, l } = this;
    const copy = lag === 0 ? l.gpr(RSP) : w.i64.sub(l.gpr(RSP), w.i64.const(BigInt(lag)));
    return w.store(CPU, i64, 8, w.i32.const(0), copy, CPU_GPR + 8 * RSP);
  }
  private loadGpr(register: number): Expr {
    return this.w.load(CPU, i64, 8, this.w.i32.const(0), CPU_GPR + 8 * register);
  }
  private registerStores({ dirty, apart }: Pick<ExitState, "dirty" | "apart">, needed: RegisterSet): Expr[] {
    const { w, l } = this;
    const out: Expr[] = [];
    const registers = dirty & needed & ~rspBit;
    if (registers === 0) return out;
    for (let r = 0; r < 16; r++) {
      if (registers & gprBit(r)) out.push(w.store(CPU, i64, 8, w.i32.const(0), l.gpr(r), CPU_GPR + 8 * r));
      if (registers & xmmBit(r)) {
        out.push(w.store(CPU, v128, 16, w.i32.const(0), l.xmmOf(r, apart), CPU_XMM + 16 * r));
      }
    }
    return out;
  }
  private flagStores(flags: FlagSet, valueOf: (flag: FlagSet) => Expr): Expr[] {
    const { w } = this;
    const out: Expr[] = [];
    if (flags === 0) return out;
    for (const { flag } of FLAG_BITS) {
      if (!(flags & flag)) continue;
      out.push(w.store(CPU, i32, 4, w.i32.const(0), valueOf(flag), FLAG_OFFSET.get(flag)!));
    }
    return out;
  }
  /**
   * Ends the lives of registers whose contents are dead where control goes over `edge`: other ways through what follows
   * may write them, and what stores them in the end reads their locals on all ways. V8 would keep what they held before.
   */
  private forget(dead: RegisterSet, edge: Edge): Expr[] {
    if (!("block" in edge)) return [];
    const { w, l } = this;
    const out: Expr[] = [];
    const registers = dead & this.liveness.registersIn[edge.block]! & ~rspBit;
    for (let r = 0; r < 16; r++) {
      if (registers & gprBit(r)) out.push(w.local.set(l.gprLocal(r), w.i64.const(0n)));
      if (registers & xmmBit(r)) {
        out.push(w.local.set(l.xmmLocal(r), l.zeroVector()));
        if (this.apartIn[edge.block]! & xmmBit(r)) out.push(l.splitXmm(r));
      }
    }
    return out;
  }
  /** Loads what block `index` expects in locals. */
  private loadsFor(index: number): Expr[] {
    const { w, l } = this;
    const out: Expr[] = [];
    const registers = this.liveness.registersIn[index]! & ~rspBit;
    const flags = this.liveness.flagsIn[index]!;
    for (let r = 0; r < 16; r++) {
      if (registers & gprBit(r)) {
        out.push(w.local.set(l.gprLocal(r), this.loadGpr(r)));
      }
      if (registers & xmmBit(r)) {
        out.push(w.local.set(l.xmmLocal(r), w.load(CPU, v128, 16, w.i32.const(0), CPU_XMM + 16 * r)));
        if (this.apartIn[index]! & xmmBit(r)) out.push(l.splitXmm(r));
      }
    }
    if (flags === 0) return out;
    for (const { flag } of FLAG_BITS) {
      if (flags & flag) {
        out.push(w.local.set(l.flagLocal(flag), w.load(CPU, i32, 4, w.i32.const(0), FLAG_OFFSET.get(flag)!)));
      }
    }
    return out;
  }
}

const lastInsn = (block: Block): Insn => block.items[block.items.length - 1]!.insn;

/** What a terminator knows of the registers when control leaves block `index`. */
interface ExitState {
  readonly index: number;
  readonly dirty: RegisterSet;
  readonly dirtyFlags: FlagSet;
  readonly lag: StackLag;
  /** XMM registers whose halves are apart. */
  readonly apart: RegisterSet;
}

const NO_INSN: Insn = {
  pc: 0,
  length: 0,
  next: 0,
  mnemonic: 0,
  code: 0,
  operands: [],
  target: -1,
  rep: false,
  repne: false,
  lock: false,
};
