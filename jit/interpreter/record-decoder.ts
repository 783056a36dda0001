/** Decodes guest code into the record memory. The only part of interpretation that loads iced-x86. */
import type { CodeSource } from "../code-source.js";
import { CPU_FS_BASE, CPU_GPR, CPU_XMM, CPU_ZERO } from "../cpu-block.js";
import {
  InstructionDecoder,
  mnemonicByName,
  OP_GPR,
  OP_IMM,
  OP_MEM,
  OP_XMM,
  type Insn,
  type Operand,
} from "../decode.js";
import { ALL_FLAGS, RSP, type FlagSet } from "../registers.js";
import {
  D_COUNT,
  D_FREE,
  D_LAST_LEAF,
  GRANULE_BITS,
  L_GRANULE,
  L_PREVIOUS,
  LEAF_BYTES,
  LEAF_HEADER_BYTES,
  LEAVES,
  R_BASE,
  R_DISP,
  R_FIRST,
  R_HANDLER,
  R_IMMEDIATE,
  R_INDEX,
  R_LENGTH,
  R_PC,
  R_PROBE,
  R_SCALE,
  R_SECOND,
  R_TARGET,
  R_TARGET_PC,
  RECORD_BYTES,
} from "./layout.js";
import { GRANULE, Records } from "./records.js";
import { shapeOf, shapeWithValue } from "./shape-of.js";
import { H_GO_ON, H_LEAVE, H_PROBE, H_TRANSLATED, H_UNKNOWN, isLast, type Shape } from "./shape.js";

/** Records of straight code that are made at a time. */
const RUN_RECORDS = 64;
/** Leaves that code of so many instructions, of up to 15 bytes, may begin in. */
const MOST_LEAVES = 9;
/** For a run with a probe at each instruction, the record that ends it, and the leaves it may need. */
const RUN_BYTES = (2 * RUN_RECORDS + 2) * RECORD_BYTES + MOST_LEAVES * (LEAF_HEADER_BYTES + LEAF_BYTES);
/** Instructions decoded, after which no more are that were not asked for: a run of a program so large takes seconds. */
const AHEAD_MOST = 1 << 16;

const POP = mnemonicByName("Pop");
const LEA = mnemonicByName("Lea");
const MOV = mnemonicByName("Mov");

/** Decodes guest code into records. */
export class RecordDecoder extends Records {
  private readonly decoder = new InstructionDecoder();
  private readonly shapes: ReadonlyMap<number, Shape>;
  private readonly source: CodeSource;
  private readonly isTranslated: (pc: number) => boolean;
  /** Where the direct jumps and branches go that were decoded last. */
  private readonly jumps: number[] = [];

  /** @param isTranslated whether there is a region for a guest address */
  constructor(
    memory: WebAssembly.Memory,
    shapes: ReadonlyMap<number, Shape>,
    source: CodeSource,
    isTranslated: (pc: number) => boolean,
  ) {
    super(memory);
    this.shapes = shapes;
    this.source = source;
    this.isTranslated = isTranslated;
  }

  /** The record at `pc`, made now with those of the straight code after it; 0 if no code is there, or no room. */
  decode(pc: number): number {
    this.lock();
    try {
      const found = this.find(pc);
      if (found) return found;
      if (!this.hasRoom(RUN_BYTES)) return 0;
      const record = this.run(pc);
      this.decodeAhead(pc);
      return record;
    } finally {
      this.unlock();
    }
  }

  /**
   * Decodes what else of the function at `pc` is reached by direct jumps. Which of its ways a thread takes differs from run to
   * run: to load the decoder for a few instructions would be a third of the time of a short one.
   */
  private decodeAhead(pc: number): void {
    const { jumps } = this;
    const info = this.source.functionAt(pc);
    while (jumps.length > 0) {
      const target = jumps.pop()!;
      if (!info || target < info.start || target >= info.end || this.find(target)) continue;
      if (this.count < AHEAD_MOST && this.hasRoom(RUN_BYTES)) this.run(target);
    }
  }

  private run(start: number): number {
    if (this.isTranslated(start)) {
      const record = this.allocate(RECORD_BYTES);
      this.fill(record, H_TRANSLATED, start, 0);
      this.publish(start, record);
      return record;
    }
    const { insns, shapes } = this.straightCode(start);
    if (insns.length === 0) return 0;
    insns.forEach(({ target }, i) => {
      if (target >= 0 && shapes[i]?.ends !== "call") this.jumps.push(target);
    });
    const probes = insns.map(({ pc }) => this.source.probeAt(pc));
    const probed = probes.reduce((count, probe) => count + (probe < 0 ? 0 : 1), 0);
    const first = this.allocate((insns.length + probed + 1) * RECORD_BYTES);
    let record = first;
    const live = this.flagsAfter(insns, shapes, probes);
    // Where control comes to each instruction.
    const entries = insns.map((insn, i) => {
      const entry = record;
      if (probes[i]! >= 0) {
        this.fill(record, H_PROBE, insn.pc, 0);
        this.words[(record + R_PROBE) / 4] = probes[i]!;
        record += RECORD_BYTES;
      }
      this.write(record, insn, shapes[i], live[i]!);
      record += RECORD_BYTES;
      return entry;
    });
    const last = insns[insns.length - 1]!;
    const shape = shapes[insns.length - 1];
    if (shape && !isLast(shape)) {
      this.fill(record, switchesStack(last) ? H_LEAVE : H_GO_ON, last.next, 0);
      this.words[(record + R_TARGET_PC) / 4] = last.next;
      // Not backwards: that would be a safepoint.
      this.words[(record + R_PC) / 4] = switchesStack(last) ? last.next : last.pc;
    }
    // From the back, so that whoever finds a record finds those after it.
    for (let i = insns.length - 1; i >= 0; i--) {
      this.publish(insns[i]!.pc, entries[i]!);
      if (this.isTranslated(insns[i]!.pc)) this.mark(insns[i]!.pc);
    }
    this.words[D_COUNT / 4]! += insns.length;
    return first;
  }

  /** What control runs through from `start`, branches and calls included, to where that ends or has records. */
  private straightCode(start: number): { insns: Insn[]; shapes: (Shape | undefined)[] } {
    const info = this.source.functionAt(start);
    const length = Math.min(info ? info.end - start : Infinity, 15 * RUN_RECORDS);
    const bytes = this.source.read(start, length);
    const insns: Insn[] = [];
    const shapes: (Shape | undefined)[] = [];
    if (bytes.length === 0) return { insns, shapes };
    this.decoder.open(bytes, start);
    this.decoder.decodeFrom(start, (insn) => {
      if (insns.length && (this.find(insn.pc) || insn.mnemonic === 0)) return false;
      insns.push(insn);
      const shape = this.shapeFor(insn);
      shapes.push(shape);
      return shape !== undefined && !isLast(shape) && !switchesStack(insn) && insns.length < RUN_RECORDS;
    });
    this.decoder.close();
    return { insns, shapes };
  }

  private shapeFor(insn: Insn): Shape | undefined {
    const key = shapeOf(insn);
    let shape = key < 0 ? undefined : this.shapes.get(key);
    if (!shape && key >= 0) {
      const immediate = insn.operands.find(({ kind }) => kind === OP_IMM);
      shape = immediate && this.shapes.get(shapeWithValue(key, immediate.immLo));
    }
    if (shape?.length && shape.length !== insn.length) return undefined;
    const { mnemonic, operands } = insn;
    const touches = (register: number) =>
      operands.some(({ kind, reg, base }) => (kind === OP_GPR ? reg : base) === register);
    // The order of its parts matters if RSP is an operand as well.
    if (mnemonic === POP && touches(RSP)) return undefined;
    if (
      operands.some(({ fs }) => fs) &&
      (mnemonic === LEA || operands.filter(({ kind }) => kind === OP_MEM).length > 1)
    ) {
      return undefined;
    }
    return shape;
  }

  /** Flags that may be read after each instruction. */
  private flagsAfter(
    insns: readonly Insn[],
    shapes: readonly (Shape | undefined)[],
    probes: readonly number[],
  ): FlagSet[] {
    const isCompiled = (pc: number) =>
      this.source.convention !== "none" && this.source.functionAt(pc)?.origin === "compiler";
    const compiled = isCompiled(insns[0]!.pc);
    const after = new Array<FlagSet>(shapes.length);
    let live = ALL_FLAGS;
    for (let i = shapes.length - 1; i >= 0; i--) {
      const shape = shapes[i];
      after[i] = live;
      // Where control goes elsewhere any flag may be read. But compiled code returns none, and keeps them over no call
      // but of hand-written code that writes none.
      const { target } = insns[i]!;
      const passesNone = shape?.ends === "return" || (shape?.ends === "call" && (target < 0 || isCompiled(target)));
      if (compiled && passesNone) live = 0;
      else if (!shape || shape.ends) live = ALL_FLAGS;
      live = (live & ~(shape?.flagsKilled ?? 0)) | (shape?.flagsRead ?? 0);
      // Who is asked there may look at all.
      if (probes[i]! >= 0) live = ALL_FLAGS;
    }
    return after;
  }

  private write(record: number, insn: Insn, shape: Shape | undefined, live: number): void {
    const handler = !shape ? H_UNKNOWN : live & shape.flagsWritten ? shape.handler : shape.withoutFlags;
    this.fill(record, handler, insn.pc, insn.length);
    if (!shape) return;
    const { view } = this;
    insn.operands.forEach((operand, i) => {
      switch (operand.kind) {
        case OP_GPR:
          if (i < 2) view.setUint16(record + (i === 0 ? R_FIRST : R_SECOND), CPU_GPR + 8 * operand.reg, true);
          break;
        case OP_XMM:
          if (i < 2) view.setUint16(record + (i === 0 ? R_FIRST : R_SECOND), CPU_XMM + 16 * operand.reg, true);
          break;
        case OP_MEM:
          this.writeAddress(record, operand);
          break;
        case OP_IMM: {
          const low = shape.bitNumber ? operand.immLo & (insn.operands[0]!.size * 8 - 1) : operand.immLo;
          view.setInt32(record + R_IMMEDIATE, low, true);
          view.setInt32(record + R_IMMEDIATE + 4, operand.immHi, true);
          break;
        }
        default:
      }
    });
    if (insn.target >= 0) {
      view.setInt32(record + R_TARGET_PC, insn.target, true);
      view.setInt32(record + R_TARGET, 0, true);
    }
  }

  private writeAddress(record: number, { base, index, scale, disp, fs }: Operand): void {
    const { view } = this;
    const place = (register: number) => (register < 0 ? CPU_ZERO : CPU_GPR + 8 * register);
    // With FS there is no base or no index: the segment's base takes the free place.
    view.setUint16(record + R_BASE, fs && base < 0 ? CPU_FS_BASE : place(base), true);
    view.setUint16(record + R_INDEX, fs && base >= 0 ? CPU_FS_BASE : place(index), true);
    view.setInt32(record + R_DISP, disp, true);
    // An SIB byte without an index may have a scale all the same.
    view.setUint8(record + R_SCALE, index < 0 ? 0 : Math.log2(scale));
  }

  private fill(record: number, handler: number, pc: number, length: number): void {
    const at = record / 4;
    this.words.fill(0, at, at + RECORD_BYTES / 4);
    this.words[at + R_HANDLER / 4] = handler;
    this.words[at + R_PC / 4] = pc;
    this.view.setUint8(record + R_LENGTH, length);
  }

  private publish(pc: number, record: number): void {
    let leaf = this.words[pc >>> GRANULE_BITS]!;
    if (leaf === 0) {
      leaf = this.allocate(LEAF_HEADER_BYTES + LEAF_BYTES) + LEAF_HEADER_BYTES - LEAVES;
      this.words[(LEAVES + leaf + L_GRANULE) / 4] = pc >>> GRANULE_BITS;
      this.words[(LEAVES + leaf + L_PREVIOUS) / 4] = this.words[D_LAST_LEAF / 4]!;
      this.words[D_LAST_LEAF / 4] = leaf;
      Atomics.store(this.words, pc >>> GRANULE_BITS, leaf);
    }
    Atomics.store(this.words, (LEAVES + leaf) / 4 + (pc & (GRANULE - 1)), record);
  }

  private allocate(bytes: number): number {
    const at = this.words[D_FREE / 4]!;
    this.words[D_FREE / 4] = at + bytes;
    return at;
  }
}

/** True if the instruction loads RSP with something other than a sum with RSP. */
const switchesStack = ({ mnemonic, operands }: Insn): boolean =>
  mnemonic === MOV && operands[0]!.kind === OP_GPR && operands[0]!.reg === RSP;
