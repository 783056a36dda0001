/** Gives instructions another memory operand. */
import iced from "iced-x86";
import { CODE } from "./state.js";

const { Decoder, DecoderOptions, Encoder, OpKind, Register } = iced;

/** Where a memory operand is: `base + index * scale + displacement`, with register numbers or -1. */
export interface Place {
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  readonly displacement: number;
  /** Counted from the FS base. */
  readonly fs: boolean;
}

/** Encodes one instruction anew with its memory operand at `place`; undefined if no ModRM byte says where it is. */
export function withMemoryAt(code: Uint8Array, place: Place): Uint8Array | undefined {
  const decoder = new Decoder(64, code, DecoderOptions.None);
  decoder.ip = BigInt(CODE);
  const instruction = decoder.decode();
  const encoder = new Encoder(64);
  try {
    const operands = Array.from({ length: instruction.opCount }, (_, i) => instruction.opKind(i));
    if (!operands.includes(OpKind.Memory)) return undefined;
    instruction.memoryBase = registerOf(place.base);
    instruction.memoryIndex = registerOf(place.index);
    instruction.memoryIndexScale = place.scale;
    instruction.memoryDisplacement = BigInt.asUintN(64, BigInt(place.displacement));
    const isSmall = place.displacement >= -128 && place.displacement <= 127;
    instruction.memoryDisplSize = place.base >= 0 && isSmall ? 1 : 8;
    instruction.segmentPrefix = place.fs ? Register.FS : Register.None;
    encoder.encode(instruction, BigInt(CODE));
    return encoder.takeBuffer();
  } catch {
    return undefined; // AH and its like cannot stand beside the registers from R8 on
  } finally {
    for (const object of [encoder, instruction, decoder]) object.free();
  }
}

function registerOf(number: number): number {
  return number < 0 ? Register.None : Register.RAX + number;
}
