/** x86-64 decoding: the only importer of iced-x86. Turns its instructions into plain records. */
import iced from "iced-x86";

const {
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
} = iced;

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
const memorySizes: number[] = [];
const memorySizeOf = (value: number): number => (memorySizes[value] ??= MemorySizeExt.size(value));

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

/** Size an immediate operand is extended to, by iced's OpKind. */
const immediateSizes = new Map<number, number>([
  [OpKind.Immediate8, 1],
  [OpKind.Immediate8_2nd, 1],
  [OpKind.Immediate16, 2],
  [OpKind.Immediate32, 4],
  [OpKind.Immediate64, 8],
  [OpKind.Immediate8to16, 2],
  [OpKind.Immediate8to32, 4],
  [OpKind.Immediate8to64, 8],
  [OpKind.Immediate32to64, 8],
]);

const NONE: readonly Operand[] = [];

/** Decodes instructions of one window of code: `open`, any number of `decodeFrom`, `close`. */
export class InstructionDecoder {
  private readonly instruction = new Instruction();
  private decoder: InstanceType<typeof Decoder> | null = null;
  private start = 0;
  private size = 0;

  /** Makes `bytes`, whose first byte stands at guest address `pc`, the window (they are copied). */
  open(bytes: Uint8Array, pc: number): void {
    this.close();
    this.decoder = new Decoder(64, bytes, DecoderOptions.None);
    this.start = pc;
    this.size = bytes.length;
  }
  /** True if an instruction can begin at `pc` in the window. */
  covers(pc: number): boolean {
    return pc >= this.start && pc < this.start + this.size;
  }
  /** Decodes from `pc` until `visit` returns false or the window ends. */
  decodeFrom(pc: number, visit: (insn: Insn) => boolean): void {
    const decoder = this.decoder!;
    decoder.position = pc - this.start;
    decoder.ip = BigInt(pc);
    let at = pc;
    while (decoder.canDecode) {
      decoder.decodeOut(this.instruction);
      const insn = this.convert(at);
      at = insn.next;
      if (!visit(insn)) return;
    }
  }
  close(): void {
    this.decoder?.free();
    this.decoder = null;
  }

  private convert(pc: number): Insn {
    const from = this.instruction;
    const length = from.length;
    const count = from.opCount;
    let target = -1;
    let operands: Operand[] | typeof NONE = NONE;
    for (let i = 0; i < count; i++) {
      const kind = from.opKind(i);
      if (kind === OpKind.NearBranch64) {
        target = Number(from.nearBranchTarget & 0xffffffffn);
        continue;
      }
      if (operands === NONE) operands = [];
      (operands as Operand[]).push(this.operand(i, kind));
    }
    return {
      pc,
      length,
      next: pc + length,
      mnemonic: from.mnemonic,
      code: from.code,
      operands,
      target,
      rep: from.hasRepPrefix,
      repne: from.hasRepnePrefix,
      lock: from.hasLockPrefix,
    };
  }

  private operand(index: number, kind: number): Operand {
    const from = this.instruction;
    if (kind === OpKind.Register) {
      const shape = registerShapes[from.opRegister(index)]!;
      return operand(shape);
    }
    const immediateSize = immediateSizes.get(kind);
    if (immediateSize !== undefined) {
      const value = BigInt.asIntN(immediateSize * 8, from.immediate(index));
      return operand({
        kind: OP_IMM,
        size: immediateSize,
        immLo: Number(BigInt.asIntN(32, value)),
        immHi: Number(BigInt.asIntN(32, value >> 32n)),
      });
    }
    const size = memorySizeOf(from.memorySize);
    const segment = from.segmentPrefix;
    if (segment === Register.GS) return operand({ kind: OP_OTHER, size });
    const fs = segment === Register.FS;
    if (kind !== OpKind.Memory) {
      // String instructions: [RSI], [RDI] (or their 32-bit forms under 67h).
      const source = kind === OpKind.MemorySegRSI || kind === OpKind.MemorySegESI;
      const addr32 = kind === OpKind.MemorySegESI || kind === OpKind.MemoryESEDI || kind === OpKind.MemorySegEDI;
      return operand({ kind: OP_MEM, size, base: source ? 6 : 7, fs: fs && source, addr32 });
    }
    const baseRegister = from.memoryBase;
    const indexRegister = from.memoryIndex;
    const ipRelative = baseRegister === Register.RIP || baseRegister === Register.EIP;
    const base = ipRelative || baseRegister === Register.None ? -1 : registerShapes[baseRegister]!.reg;
    const indexNumber = indexRegister === Register.None ? -1 : registerShapes[indexRegister]!.reg;
    const addr32 =
      (baseRegister !== Register.None && RegisterExt.size(baseRegister) === 4) ||
      (indexRegister !== Register.None && RegisterExt.size(indexRegister) === 4);
    return operand({
      kind: OP_MEM,
      size,
      base,
      index: indexNumber,
      scale: from.memoryIndexScale,
      disp: Number(BigInt.asIntN(64, from.memoryDisplacement)),
      fs,
      addr32,
    });
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
