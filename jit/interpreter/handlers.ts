/**
 * The interpreter: one Wasm function for each shape of instruction, made from the entries that translation uses. A
 * handler does its instruction on the CPU block and goes on in the next record's handler by a tail call.
 *
 * Handlers are `(i32 record, i32 depth) → (i32 next address, i64 RSP)`. `depth` counts the calls that were interpreted
 * since control came in: a return with none left goes to whoever called the interpreter, as a region returns. Guest
 * frames need no Wasm frames here; a translated function is called as a region calls it.
 */
import { CPU_GPR, CPU_POLL, CPU_RIP } from "../cpu-block.js";
import { InstructionDecoder, mnemonicName, OP_IMM, type Insn } from "../decode.js";
import { TABLE } from "../emit-region.js";
import type { InstructionEntry } from "../lift/entry.js";
import { ENTRIES, entryFor, flagsKilled, flagsRead, flagsWritten } from "../lift/index.js";
import { ALL_FLAGS, RSP, type FlagSet } from "../registers.js";
import { CPU, i32, i64, none, type Expr, type Type, type WasmBuilder } from "../wasm.js";
import {
  D_HOT,
  GRANULE_BITS,
  LEAVES,
  R_ALSO_LEAD,
  R_ALSO_LIKELY,
  R_FALLEN,
  R_HANDLER,
  R_IMMEDIATE,
  R_LEAD,
  R_LENGTH,
  R_LIKELY,
  R_PC,
  R_PROBE,
  R_TAKEN,
  R_TARGET,
  R_TARGET_PC,
  R_TIMES,
  RECORD_BYTES,
} from "./layout.js";
import {
  DEPTH_PARAM,
  HANDLER_PARAMS,
  hasBitNumber,
  NeedsValue,
  RECORD_PARAM,
  RecordLifter,
  RECORDS,
  templateOf,
} from "./record-lifter.js";
import { shapeOf, shapeWithValue } from "./shape-of.js";
import { H_GO_ON, H_LEAVE, H_PROBE, H_TRANSLATED, H_UNKNOWN, type Shape } from "./shape.js";

/** Table of handlers. */
export const HANDLERS = "h";
/** Its size. */
export const HANDLER_SLOTS = 8192;

const firstValues = (count: number): number[] => Array.from({ length: count }, (_, value) => value);
/** Immediates of shifts of vectors, and of other vector instructions, for which there are handlers. */
const SHIFT_COUNTS = firstValues(33);
const LIKELY_VALUES = [...firstValues(13), 0x1b, 0x39, 0x44, 0x4e, 0x93, 0xb1, 0xe4, 0xee, 0xff];

/** A return moves RSP upwards by less than this: further away is another stack. */
const FARTHEST_RETURN_BYTES = 1 << 16;

export interface Interpreter {
  /** Names of the handlers, by index in their table. */
  readonly handlers: readonly string[];
  readonly shapes: ReadonlyMap<number, Shape>;
}

/**
 * Adds the interpreter to a module. Its function `interpret(pc, depth)`, with the type of a handler, goes on at a guest
 * address; `enter(pc)` is what untranslated code is called by.
 */
export function addInterpreter(w: WasmBuilder, guestBase: number): Interpreter {
  return new InterpreterBuilder(w, guestBase).build();
}

const bytesOf = (hex: string): number[] => (hex.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16));

class InterpreterBuilder {
  private readonly w: WasmBuilder;
  private readonly l: RecordLifter;
  private readonly params: Type;
  private readonly results: Type;
  private readonly handlers: string[] = [];
  private readonly shapes = new Map<number, Shape>();
  private readonly seen = new Set<number>();

  constructor(w: WasmBuilder, guestBase: number) {
    this.w = w;
    this.l = new RecordLifter(w, { guestBase });
    this.params = w.types(HANDLER_PARAMS);
    this.results = w.types([i32, i64]);
  }

  build(): Interpreter {
    this.addCommon();
    this.handlers[H_TRANSLATED] = this.translated("op_translated", "lookup");
    this.handlers[H_UNKNOWN] = this.translated("op_unknown", "translate");
    this.handlers[H_GO_ON] = this.special("op_go_on", () => [this.take()]);
    this.handlers[H_LEAVE] = this.special("op_leave", () => [this.leave(this.pc())]);
    this.handlers[H_PROBE] = this.special("op_probe", () => this.probe());
    const decoder = new InstructionDecoder();
    for (const entry of ENTRIES) {
      for (const sample of entry.samples) {
        // At any address; NOPs follow, so that the window does not end within the instruction.
        decoder.open(Uint8Array.from([...bytesOf(sample), ...new Array<number>(15).fill(0x90)]), 0x400000);
        decoder.decodeFrom(0x400000, (insn) => {
          if (entryFor(insn) === entry) this.addShape(entry, insn);
          return false;
        });
        decoder.close();
      }
    }
    return { handlers: this.handlers, shapes: this.shapes };
  }

  // --- what handlers share ---

  private addCommon(): void {
    const { w } = this;
    const first = () => w.local.get(0, i32);
    const second = () => w.local.get(1, i32);
    const one = w.types([i32]);
    const handlerOf = (record: Expr) => w.load(RECORDS, i32, 4, record, R_HANDLER);
    const polled = () => w.load(CPU, i32, 4, w.i32.const(0), CPU_POLL);

    // record(pc) → record: decodes if need be; 0 if no code is there.
    const leaf = w.load(RECORDS, i32, 4, w.i32.shl(w.i32.shr_u(first(), w.i32.const(GRANULE_BITS)), w.i32.const(2)));
    const inLeaf = w.i32.shl(w.i32.and(first(), w.i32.const((1 << GRANULE_BITS) - 1)), w.i32.const(2));
    w.addFunction(
      "record",
      one,
      i32,
      [i32],
      w.block(
        null,
        [
          w.local.set(1, w.load(RECORDS, i32, 4, w.i32.add(leaf, inLeaf), LEAVES)),
          w.if(second(), w.return(second())),
          w.call("decode", [first()], i32),
        ],
        i32,
      ),
    );

    // target(record) → the record that its direct jump or call goes to; 0 if no code is there.
    w.addFunction(
      "target",
      one,
      i32,
      [i32],
      w.block(
        null,
        [
          w.local.set(1, w.load(RECORDS, i32, 4, first(), R_TARGET)),
          w.if(second(), w.return(second())),
          w.local.set(1, w.call("record", [w.load(RECORDS, i32, 4, first(), R_TARGET_PC)], i32)),
          w.store(RECORDS, i32, 4, first(), second(), R_TARGET),
          second(),
        ],
        i32,
      ),
    );

    // count(record): control has come to it; says so when that makes it hot.
    w.addFunction(
      "count",
      one,
      none,
      [i32],
      w.block(null, [
        w.local.set(1, w.i32.add(w.load(RECORDS, i32, 2, first(), R_TIMES), w.i32.const(1))),
        w.store(RECORDS, i32, 2, first(), second(), R_TIMES),
        w.if(
          w.i32.eqz(w.i32.and(second(), w.load(RECORDS, i32, 4, w.i32.const(0), D_HOT))),
          w.call("hot", [w.load(RECORDS, i32, 4, first(), R_PC)], none),
        ),
      ]),
    );

    // vote(record, target): the computed call has gone to `target`. J. Misra and D. Gries' frequent elements, for two.
    const candidates = [
      { at: R_LIKELY, lead: R_LEAD },
      { at: R_ALSO_LIKELY, lead: R_ALSO_LEAD },
    ];
    const leadAt = (at: number) => w.load(RECORDS, i32, 1, first(), at);
    const changeLead = (at: number, by: number) =>
      w.store(RECORDS, i32, 1, first(), w.i32.add(leadAt(at), w.i32.const(by)), at);
    const isCandidate = (at: number) => w.i32.eq(w.load(RECORDS, i32, 4, first(), at), second());
    w.addFunction(
      "vote",
      w.types([i32, i32]),
      none,
      [],
      w.block(null, [
        ...candidates.map(({ at, lead }) => {
          const more = w.if(w.i32.ne(leadAt(lead), w.i32.const(255)), changeLead(lead, 1));
          return w.if(isCandidate(at), w.block(null, [more, w.return()]));
        }),
        ...candidates.map(({ at, lead }) => {
          const replace = [w.store(RECORDS, i32, 4, first(), second(), at), changeLead(lead, 1), w.return()];
          return w.if(w.i32.eqz(leadAt(lead)), w.block(null, replace));
        }),
        ...candidates.map(({ lead }) => changeLead(lead, -1)),
      ]),
    );

    // interpret(pc, depth), enter(pc).
    const go = (record: () => Expr, depth: Expr) =>
      w.returnCallIndirect(HANDLERS, handlerOf(record()), [record(), depth], this.params, this.results);
    const leave = (pc: Expr) => w.return(w.tuple([pc, this.rsp()]));
    const third = () => w.local.get(2, i32);
    w.addFunction(
      "interpret",
      this.params,
      this.results,
      [i32],
      w.block(null, [
        w.local.set(2, w.call("record", [first()], i32)),
        w.if(w.i32.eqz(third()), leave(first())),
        go(third, second()),
      ]),
    );
    w.addFunction(
      "enter",
      one,
      this.results,
      [i32],
      w.block(null, [
        w.local.set(1, w.call("record", [first()], i32)),
        w.if(w.i32.eqz(second()), leave(first())),
        w.call("count", [second()], none),
        go(second, w.i32.const(0)),
      ]),
    );

    // taken(record, depth): goes on at the target of a direct jump. Backwards it is a safepoint.
    const backward = w.i32.le_u(w.load(RECORDS, i32, 4, first(), R_TARGET_PC), w.load(RECORDS, i32, 4, first(), R_PC));
    w.addFunction(
      "taken",
      this.params,
      this.results,
      [i32],
      w.block(null, [
        w.local.set(2, w.call("target", [first()], i32)),
        w.if(w.i32.eqz(third()), leave(w.load(RECORDS, i32, 4, first(), R_TARGET_PC))),
        w.if(
          backward,
          w.block(null, [
            w.if(polled(), leave(w.load(RECORDS, i32, 4, third(), R_PC))),
            w.call("count", [third()], none),
          ]),
        ),
        go(third, second()),
      ]),
    );
  }

  // --- handlers ---

  /** Adds handlers for the shape of `insn`; where its immediate decides what is lifted, for those that are likely. */
  private addShape(entry: InstructionEntry, insn: Insn): void {
    const key = shapeOf(insn);
    if (key < 0 || this.seen.has(key)) return;
    this.seen.add(key);
    const name = `op_${insn.code}_${key & 63}`;
    if (this.addHandlers(key, name, entry, () => templateOf(insn))) return;
    if (!insn.operands.some(({ kind, size }) => kind === OP_IMM && size === 1)) return;
    for (const value of /^Ps[lr]/.test(entry.mnemonic) ? SHIFT_COUNTS : LIKELY_VALUES) {
      this.addHandlers(shapeWithValue(key, value), `${name}_${value}`, entry, () => templateOf(insn, value));
    }
  }

  /** False if the entry must know the immediate. */
  private addHandlers(key: number, name: string, entry: InstructionEntry, template: () => Insn): boolean {
    try {
      const insn = template();
      const written = flagsWritten(entry, insn);
      const add = (handler: string) => this.handlers.push(handler) - 1;
      const handler = add(entry.ends ? this.ending(name, entry, insn) : this.plain(name, entry, insn, written));
      const withoutFlags = written && !entry.ends ? add(this.plain(`${name}_n`, entry, insn, 0)) : handler;
      this.shapes.set(key, {
        handler,
        withoutFlags,
        flagsRead: flagsRead(entry, insn),
        flagsWritten: written,
        // With its count in a register's place a shift may keep the flags.
        flagsKilled: flagsKilled(entry, insn),
        ends: entry.ends,
        bitNumber: hasBitNumber(insn),
        length: entry.form && insn.operands.length === 0 ? insn.length : 0,
      });
      return true;
    } catch (error) {
      if (!(error instanceof NeedsValue)) throw error;
      return false;
    }
  }

  /** An instruction that control runs through. */
  private plain(name: string, entry: InstructionEntry, insn: Insn, live: FlagSet): string {
    this.begin(live);
    const out = this.lift(entry, insn);
    this.l.materializeFlags(live);
    this.l.moveStatements(out);
    return this.finish(name, [...out, this.next()]);
  }

  private ending(name: string, entry: InstructionEntry, insn: Insn): string {
    const { w, l } = this;
    this.begin(0);
    switch (entry.ends!) {
      case "branch":
        return this.finish(name, [
          ...this.lift(entry, insn),
          w.if(l.branchCondition!, w.block(null, [this.increment(R_TAKEN), this.take()])),
          this.increment(R_FALLEN),
          this.next(),
        ]);
      case "jump": {
        const out = this.lift(entry, insn);
        return this.finish(name, [
          ...out,
          insn.target >= 0 ? this.take() : this.interpret(l.get(l.target!), this.depth()),
        ]);
      }
      case "call":
        return this.finish(name, this.call(insn));
      case "return":
        return this.finish(name, this.return(insn));
      case "syscall":
        return this.finish(name, [...this.systemCall(insn), this.next()]);
      case "stop":
        return this.finish(name, [...this.lift(entry, insn), w.unreachable()]);
    }
  }

  /** The instruction's own statements; where one can fault, CPU_RIP has its address. */
  private lift(entry: InstructionEntry, insn: Insn): Expr[] {
    const { l } = this;
    l.insn = insn;
    entry.lift(l, insn);
    const out = l.marks.length ? [this.storeRip(this.pc())] : [];
    l.moveStatements(out);
    return out;
  }

  /** Counts in a field of 32 bits. Threads that count at once may lose some: it is only a profile. */
  private increment(field: number): Expr {
    const { w, l } = this;
    return w.store(RECORDS, i32, 4, l.record(), w.i32.add(l.field(field, 4), w.i32.const(1)), field);
  }

  /** A call: goes on in its target, or calls that if it is translated. */
  private call(insn: Insn): Expr[] {
    const { w, l } = this;
    l.emit(this.storeRip(this.pc()));
    const target = l.fresh(i32);
    if (insn.target >= 0) l.assign(target, l.field(R_TARGET_PC, 4));
    else {
      l.assign(target, w.i32.wrap(l.read(insn.operands[0]!)));
      l.emit(w.call("vote", [l.record(), l.get(target)], none));
    }
    const top = l.value(i64, w.i64.sub(l.gpr(RSP), w.i64.const(8)));
    l.storeAt(l.stackAddress(top), 8, w.i64.extend_i32_u(this.nextPc()));
    l.setGpr(RSP, l.get(top));
    l.emit(this.storeRip(l.get(target)));
    const record = l.value(
      i32,
      insn.target >= 0 ? w.call("target", [l.record()], i32) : w.call("record", [l.get(target)], i32),
    );
    l.emit(w.if(w.i32.eqz(l.get(record)), this.leave(l.get(target))));
    const handler = l.value(i32, w.load(RECORDS, i32, 4, l.get(record), R_HANDLER));
    const deeper = w.i32.add(this.depth(), w.i32.const(1));
    l.emit(
      w.if(
        w.i32.ne(l.get(handler), w.i32.const(H_TRANSLATED)),
        w.block(null, [
          w.call("count", [l.get(record)], none),
          w.returnCallIndirect(HANDLERS, l.get(handler), [l.get(record), deeper], this.params, this.results),
        ]),
      ),
    );
    const slot = w.call("lookup", [l.get(target)], i32);
    const results = l.value(
      this.results,
      w.callIndirect(TABLE, slot, [l.get(target), l.get(top)], this.results, this.results),
    );
    const to = l.value(i32, w.tupleExtract(l.get(results), 0));
    // From anywhere else the mirrored frames are of no use: see docs/calls.md.
    l.emit(w.if(w.i32.ne(l.get(to), this.nextPc()), this.leave(l.get(to))));
    l.emit(this.next());
    return this.statements();
  }

  private return(insn: Insn): Expr[] {
    const { w, l } = this;
    l.emit(this.storeRip(this.pc()));
    const top = l.value(i64, l.gpr(RSP));
    const to = l.value(i32, w.i32.wrap(l.loadAt(l.stackAddress(top), 8, false)));
    const dropped = insn.operands.length ? w.load(RECORDS, i64, 2, l.record(), R_IMMEDIATE) : w.i64.const(0);
    l.setGpr(RSP, w.i64.add(w.i64.add(l.get(top), w.i64.const(8)), dropped));
    l.emit(w.if(w.i32.eqz(this.depth()), this.leave(l.get(to))));
    l.emit(this.interpret(l.get(to), w.i32.sub(this.depth(), w.i32.const(1))));
    return this.statements();
  }

  private systemCall(insn: Insn): Expr[] {
    const { w, l } = this;
    if (mnemonicName(insn.mnemonic) === "Rdtsc") return [w.call("rdtsc", [], none)];
    l.emit(this.storeRip(this.nextPc()));
    const result = l.value(i32, w.call("syscall", [], i32));
    l.emit(w.if(l.get(result), this.leave(l.get(result))));
    return this.statements();
  }

  /** Goes on in translated code at the record's address; `slotFrom` gives its slot. */
  private translated(name: string, slotFrom: "lookup" | "translate"): string {
    const { w, l } = this;
    this.begin(0);
    l.emit(this.storeRip(this.pc()));
    const slot = l.value(i32, w.call(slotFrom, [this.pc()], i32));
    const before = l.value(i64, l.gpr(RSP));
    const args = () => [this.pc(), l.get(before)];
    l.emit(w.if(w.i32.eqz(this.depth()), w.returnCallIndirect(TABLE, l.get(slot), args(), this.results, this.results)));
    const results = l.value(this.results, w.callIndirect(TABLE, l.get(slot), args(), this.results, this.results));
    const to = l.value(i32, w.tupleExtract(l.get(results), 0));
    const moved = l.value(i64, w.i64.sub(w.tupleExtract(l.get(results), 1), l.get(before)));
    // Asked to poll, nothing there, or on another stack.
    const astray = w.i32.or(
      w.i32.or(w.load(CPU, i32, 4, w.i32.const(0), CPU_POLL), w.i32.eq(l.get(to), this.pc())),
      w.i64.ge_u(l.get(moved), w.i64.const(FARTHEST_RETURN_BYTES)),
    );
    l.emit(w.if(astray, this.leave(l.get(to))));
    // A return of the function, whose call was interpreted; or a jump inside it.
    const returned = w.i64.ne(l.get(moved), w.i64.const(0));
    l.emit(this.interpret(l.get(to), w.i32.sub(this.depth(), returned)));
    return this.finish(name, this.statements());
  }

  private special(name: string, body: () => readonly Expr[]): string {
    this.l.beginHandler();
    return this.finish(name, body());
  }

  private probe(): Expr[] {
    const { w, l } = this;
    l.emit(this.storeRip(this.pc()));
    const to = l.value(i32, w.call("probe", [l.field(R_PROBE, 4)], i32));
    l.emit(w.if(l.get(to), this.leave(l.get(to))));
    l.emit(this.next());
    return this.statements();
  }

  // --- parts of handlers ---

  private begin(live: FlagSet): void {
    this.l.beginHandler();
    this.l.flagsLive = live & ALL_FLAGS;
  }
  private finish(name: string, statements: readonly Expr[]): string {
    const { w, l } = this;
    w.addFunction(name, this.params, this.results, l.functionLocals(), w.block(null, [...statements, w.unreachable()]));
    return name;
  }
  private statements(): Expr[] {
    const out: Expr[] = [];
    this.l.moveStatements(out);
    return out;
  }
  private depth(): Expr {
    return this.w.local.get(DEPTH_PARAM, i32);
  }
  private pc(): Expr {
    return this.l.field(R_PC, 4);
  }
  private nextPc(): Expr {
    return this.w.i32.add(this.pc(), this.l.field(R_LENGTH, 1));
  }
  private rsp(): Expr {
    return this.w.load(CPU, i64, 8, this.w.i32.const(0), CPU_GPR + 8 * RSP);
  }
  private storeRip(pc: Expr): Expr {
    return this.w.store(CPU, i32, 4, this.w.i32.const(0), pc, CPU_RIP);
  }
  /** Gives control back, to be carried on at `pc`. */
  private leave(pc: Expr): Expr {
    return this.w.return(this.w.tuple([pc, this.rsp()]));
  }
  private interpret(pc: Expr, depth: Expr): Expr {
    return this.w.returnCall("interpret", [pc, depth], this.results);
  }
  private take(): Expr {
    const { w } = this;
    return w.returnCall("taken", [w.local.get(RECORD_PARAM, i32), this.depth()], this.results);
  }
  /** Goes on with the next record. */
  private next(): Expr {
    const { w, l } = this;
    const handler = w.load(RECORDS, i32, 4, l.record(), RECORD_BYTES + R_HANDLER);
    const record = w.i32.add(l.record(), w.i32.const(RECORD_BYTES));
    return w.returnCallIndirect(HANDLERS, handler, [record, this.depth()], this.params, this.results);
  }
}
