/** x86-64 decoding: the only importer of iced-x86. Turns its instructions into plain records. */
import * as iced from "iced-x86";
import {
  Decoder,
  DecoderOptions,
  Formatter,
  FormatterSyntax,
  Instruction,
  Mnemonic,
  OpKind,
  Register,
  MemorySizeExt,
  RegisterExt,
} from "iced-x86";

export const OP_GPR = 0;
export const OP_XMM = 1;
export const OP_MEM = 2;
export const OP_IMM = 3;
/** A register class that no entry lifts (segment, control, x87, MMX, YMM...). */
export const OP_OTHER = 4;

/** One operand; every field is present in every kind, so that all operands have one shape. */
export interface Operand {
  readonly kind: typeof OP_GPR | typeof OP_XMM | typeof OP_MEM | typeof OP_IMM | typeof OP_OTHER;
  /** Size in bytes: 1, 2, 4, 8, 16; for memory without a size of its own (LEA) 0. Immediates have the size they are extended to. */
  readonly size: number;
  /** Register number 0-15 (OP_GPR, OP_XMM). */
  readonly reg: number;
  /** True for AH, CH, DH, BH: bits 8-15 of register 0-3. */
  readonly high: boolean;
  /** Base and index register 0-15 or -1; RIP-relative operands have neither and an absolute displacement. */
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  /** Signed displacement, or the absolute address. */
  readonly disp: number;
  /** True with an FS override. */
  readonly fs: boolean;
  /** True where the effective address is truncated to 32 bits (67h prefix). */
  readonly addr32: boolean;
  /** Immediate as two signed 32-bit halves, sign-extended to 64 bits. */
  readonly immLo: number;
  readonly immHi: number;
}

/** A decoded instruction. Addresses are guest addresses below 2^32. */
export interface Insn {
  readonly pc: number;
  readonly length: number;
  /** pc + length. */
  readonly next: number;
  /** iced's Mnemonic; `mnemonicName` tells its name. 0 if the bytes are no instruction. */
  readonly mnemonic: number;
  /** iced's Code: the encoding form. */
  readonly code: number;
  readonly operands: readonly Operand[];
  /** Target of a direct near branch or call, else -1. */
  readonly target: number;
  readonly rep: boolean;
  readonly repne: boolean;
  readonly lock: boolean;
}

const mnemonicNames: string[] = [];
for (const [key, value] of Object.entries(Mnemonic)) if (typeof value === "number") mnemonicNames[value] = key;
export const mnemonicName = (mnemonic: number): string => mnemonicNames[mnemonic] ?? `Mnemonic${mnemonic}`;
export const mnemonicByName = (name: string): number => {
  const value = (Mnemonic as unknown as Record<string, number>)[name];
  if (value === undefined) throw new Error(`iced-x86 knows no mnemonic ${name}`);
  return value;
};

interface RegisterShape {
  kind: Operand["kind"];
  size: number;
  reg: number;
  high: boolean;
}
const registerShapes: RegisterShape[] = [];
for (const value of Object.values(Register)) {
  if (typeof value !== "number") continue;
  const size = RegisterExt.size(value);
  const number = RegisterExt.number(value);
  if (RegisterExt.isGPR(value)) {
    const high = value >= Register.AH && value <= Register.BH;
    // iced counts byte registers in one row: AL to BL, AH to BH, SPL to R15L.
    const reg = size === 1 && number >= 4 ? number - 4 : number;
    registerShapes[value] = { kind: OP_GPR, size, reg, high };
  } else if (RegisterExt.isXMM(value) && number < 16) {
    registerShapes[value] = { kind: OP_XMM, size, reg: number, high: false };
  } else registerShapes[value] = { kind: OP_OTHER, size, reg: number, high: false };
}

// The kinds asked for most: the package's enumerations are objects.
const OP_KIND_REGISTER: number = OpKind.Register;
const OP_KIND_BRANCH: number = OpKind.NearBranch64;
const OP_KIND_MEMORY: number = OpKind.Memory;

/** Operands are not changed: one for each register serves all instructions. */
const registerOperands: Operand[] = [];

/** What all instructions of one encoding form have in common, by iced's Code. */
interface Form {
  readonly mnemonic: number;
  readonly operands: number;
  /** Of its memory operand. */
  readonly memoryBytes: number;
}
const forms: Form[] = [];

const operand = (shape: Partial<Operand> & Pick<Operand, "kind" | "size">): Operand => ({
  kind: shape.kind,
  size: shape.size,
  reg: shape.reg ?? 0,
  high: shape.high ?? false,
  base: shape.base ?? -1,
  index: shape.index ?? -1,
  scale: shape.scale ?? 1,
  disp: shape.disp ?? 0,
  fs: shape.fs ?? false,
  addr32: shape.addr32 ?? false,
  immLo: shape.immLo ?? 0,
  immHi: shape.immHi ?? 0,
});

/** By iced's OpKind: the size an immediate is extended to, and how many of its bits are in the instruction. */
const immediates: { readonly size: number; readonly bits: number }[] = [];
for (const [kind, size, bits] of [
  [OpKind.Immediate8, 1, 8],
  [OpKind.Immediate8_2nd, 1, 8],
  [OpKind.Immediate16, 2, 16],
  [OpKind.Immediate32, 4, 32],
  [OpKind.Immediate64, 8, 64],
  [OpKind.Immediate8to16, 2, 8],
  [OpKind.Immediate8to32, 4, 8],
  [OpKind.Immediate8to64, 8, 8],
  [OpKind.Immediate32to64, 8, 32],
] as const) {
  immediates[kind] = { size, bits };
}

const NONE: readonly Operand[] = [];

/**
 * Where iced keeps an instruction's fields, in bytes from its object: the getters are one call into Wasm each, and
 * conversion needs 15 of them. The package's version is pinned, and the tests run every form.
 */
const AT_DISPLACEMENT = 16;
const AT_KINDS = 24;
const AT_SEGMENT = 28;
const AT_PREFIXES = 31;
const AT_IMMEDIATE = 32;
const AT_REGISTERS = 36;
const AT_CODE = 40;
const AT_SCALE = 42;
const AT_BASE = 43;
const AT_INDEX = 44;
const AT_LENGTH = 46;
const PREFIX_REP = 0x20;
const PREFIX_REPNE = 0x40;
const PREFIX_LOCK = 0x80;
/** Of ES, CS, SS, DS, FS, GS, counted from 1, in the upper bits. */
const SEGMENT_SHIFT = 5;
const SEGMENT_FS = 5;
const SEGMENT_GS = 6;

const wasm = (iced as unknown as { readonly __wasm: { readonly memory: WebAssembly.Memory } })["__wasm"];
const { memory } = wasm;

/** Decodes instructions of one window of code: `open`, any number of `decode`, `close`. */
export class InstructionDecoder {
  private readonly instruction = new Instruction();
  private fields = new DataView(memory.buffer);
  private decoder: Decoder | null = null;
  private start = 0;
  private size = 0;
  /** Where Iced's decoder stands. */
  private at = 0;

  /** Makes `bytes`, whose first byte stands at guest address `pc`, the window (they are copied). */
  open(bytes: Uint8Array, pc: number): void {
    this.close();
    this.decoder = new Decoder(64, bytes, DecoderOptions.None);
    this.start = pc;
    this.size = bytes.length;
    this.at = -1;
  }
  /** True if an instruction can begin at `pc` in the window. */
  covers(pc: number): boolean {
    return pc >= this.start && pc < this.start + this.size;
  }
  /** The instruction at `pc`, which the window covers. */
  decode(pc: number): Insn {
    const decoder = this.decoder!;
    if (pc !== this.at) {
      decoder.position = pc - this.start;
      decoder.ip = BigInt(pc);
    }
    decoder.decodeOut(this.instruction);
    const insn = this.convert(pc);
    this.at = insn.next;
    return insn;
  }
  /** Decodes from `pc` until `visit` returns false or the window ends. */
  decodeFrom(pc: number, visit: (insn: Insn) => boolean): void {
    while (this.covers(pc)) {
      const insn = this.decode(pc);
      if (!visit(insn)) return;
      pc = insn.next;
    }
  }
  close(): void {
    this.decoder?.free();
    this.decoder = null;
  }

  private convert(pc: number): Insn {
    // Iced's memory moves when it grows.
    if (this.fields.buffer !== memory.buffer) this.fields = new DataView(memory.buffer);
    const { fields } = this;
    const { __wbg_ptr: at } = this.instruction as unknown as { readonly __wbg_ptr: number };
    const length = fields.getUint8(at + AT_LENGTH);
    const code = fields.getUint16(at + AT_CODE, true);
    const form = this.form(code);
    const prefixes = fields.getUint8(at + AT_PREFIXES);
    let target = -1;
    let operands: Operand[] | typeof NONE = NONE;
    for (let i = 0; i < form.operands; i++) {
      const kind = fields.getUint8(at + AT_KINDS + i);
      if (kind === OP_KIND_BRANCH) target = fields.getUint32(at + AT_DISPLACEMENT, true);
      else if (operands === NONE) operands = [this.operand(at, i, kind, form)];
      else (operands as Operand[]).push(this.operand(at, i, kind, form));
    }
    return {
      pc,
      length,
      next: pc + length,
      mnemonic: form.mnemonic,
      code,
      operands,
      target,
      rep: (prefixes & PREFIX_REP) !== 0,
      repne: (prefixes & PREFIX_REPNE) !== 0,
      lock: (prefixes & PREFIX_LOCK) !== 0,
    };
  }

  private form(code: number): Form {
    const from = this.instruction;
    return (forms[code] ??= {
      mnemonic: from.mnemonic,
      operands: from.opCount,
      memoryBytes: MemorySizeExt.size(from.memorySize),
    });
  }

  private operand(at: number, index: number, kind: number, form: Form): Operand {
    const { fields } = this;
    if (kind === OP_KIND_REGISTER) {
      const register = fields.getUint8(at + AT_REGISTERS + index);
      return (registerOperands[register] ??= operand(registerShapes[register]!));
    }
    if (kind !== OP_KIND_MEMORY) {
      const immediate = immediates[kind];
      return immediate ? this.immediate(at, kind, immediate) : this.stringOperand(at, kind, form.memoryBytes);
    }
    const segment = fields.getUint8(at + AT_SEGMENT) >> SEGMENT_SHIFT;
    if (segment === SEGMENT_GS) return operand({ kind: OP_OTHER, size: form.memoryBytes });
    const base = registerShapes[fields.getUint8(at + AT_BASE)]!;
    const indexed = registerShapes[fields.getUint8(at + AT_INDEX)]!;
    const low = fields.getUint32(at + AT_DISPLACEMENT, true);
    const high = fields.getInt32(at + AT_DISPLACEMENT + 4, true);
    return {
      kind: OP_MEM,
      size: form.memoryBytes,
      reg: 0,
      high: false,
      base: base.kind === OP_GPR ? base.reg : -1,
      index: indexed.kind === OP_GPR ? indexed.reg : -1,
      scale: 1 << fields.getUint8(at + AT_SCALE),
      disp: high * 0x1_0000_0000 + low,
      fs: segment === SEGMENT_FS,
      addr32: base.size === 4 || indexed.size === 4,
      immLo: 0,
      immHi: 0,
    };
  }

  private immediate(at: number, kind: number, { size, bits }: { size: number; bits: number }): Operand {
    const { fields } = this;
    const low = fields.getInt32(at + (kind === OpKind.Immediate8_2nd ? AT_DISPLACEMENT : AT_IMMEDIATE), true);
    const immLo = bits < 32 ? (low << (32 - bits)) >> (32 - bits) : low;
    const immHi = bits === 64 ? fields.getInt32(at + AT_DISPLACEMENT, true) : immLo >> 31;
    return operand({ kind: OP_IMM, size, immLo, immHi });
  }

  /** String instructions: [RSI], [RDI] (or their 32-bit forms under 67h); other kinds are not lifted. */
  private stringOperand(at: number, kind: number, size: number): Operand {
    const segment = this.fields.getUint8(at + AT_SEGMENT) >> SEGMENT_SHIFT;
    if (segment === SEGMENT_GS) return operand({ kind: OP_OTHER, size });
    const source = kind === OpKind.MemorySegRSI || kind === OpKind.MemorySegESI;
    const addr32 = kind === OpKind.MemorySegESI || kind === OpKind.MemoryESEDI || kind === OpKind.MemorySegEDI;
    return operand({ kind: OP_MEM, size, base: source ? 6 : 7, fs: segment === SEGMENT_FS && source, addr32 });
  }
}

/** The instructions in `bytes`, whose first byte stands at `pc`, in Intel syntax, for people. */
export function disassemble(bytes: Uint8Array, pc: number): { readonly pc: number; readonly text: string }[] {
  const decoder = new Decoder(64, bytes, DecoderOptions.None);
  decoder.ip = BigInt(pc);
  const formatter = new Formatter(FormatterSyntax.Intel);
  formatter.hexPrefix = "0x";
  formatter.hexSuffix = "";
  formatter.uppercaseHex = false;
  formatter.branchLeadingZeros = false;
  const instruction = new Instruction();
  const out: { pc: number; text: string }[] = [];
  while (decoder.canDecode) {
    decoder.decodeOut(instruction);
    out.push({ pc: Number(instruction.ip), text: formatter.format(instruction) });
  }
  instruction.free();
  formatter.free();
  decoder.free();
  return out;
}
