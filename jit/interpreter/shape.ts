/**
 * Shapes: which instructions share a handler. A handler takes registers, addresses and immediates from the record; what
 * else tells instructions apart is their shape. shape-of.ts tells the shape of an instruction.
 */
import type { BlockEnd } from "../lift/entry.js";
import type { FlagSet } from "../registers.js";

/** Custom section of the engine module with the shapes that the interpreter knows. */
export const SHAPES_SECTION = "gojit.shapes";

/** What interpretation must know of a shape. */
export interface Shape {
  /** Table index of the handler that computes all flags. */
  readonly handler: number;
  /** That of the one that computes none; the same if the instruction writes none. */
  readonly withoutFlags: number;
  readonly flagsRead: FlagSet;
  readonly flagsWritten: FlagSet;
  readonly flagsKilled: FlagSet;
  readonly ends: BlockEnd | undefined;
  /** True if the immediate is a bit number, which counts modulo the operand's width. */
  readonly bitNumber: boolean;
  /** Length of the only encoding that it stands for; 0 if it stands for all. */
  readonly length: number;
}

const ENDS: readonly (BlockEnd | undefined)[] = [undefined, "branch", "jump", "call", "return", "syscall", "stop"];
const WORDS = 7;

/** Shapes as the engine module carries them: see `decodeShapes`. */
export function encodeShapes(shapes: ReadonlyMap<number, Shape>): Uint8Array {
  const words = new Int32Array(shapes.size * WORDS);
  let at = 0;
  for (const [key, shape] of shapes) {
    words[at++] = key;
    words[at++] = shape.handler;
    words[at++] = shape.withoutFlags;
    words[at++] = shape.flagsRead | (shape.flagsWritten << 8) | (shape.flagsKilled << 16);
    words[at++] = ENDS.indexOf(shape.ends);
    words[at++] = shape.bitNumber ? 1 : 0;
    words[at++] = shape.length;
  }
  return new Uint8Array(words.buffer);
}

export function decodeShapes(bytes: ArrayBuffer): Map<number, Shape> {
  const words = new Int32Array(bytes);
  const shapes = new Map<number, Shape>();
  for (let at = 0; at < words.length; at += WORDS) {
    const flags = words[at + 3]!;
    shapes.set(words[at]!, {
      handler: words[at + 1]!,
      withoutFlags: words[at + 2]!,
      flagsRead: flags & 0xff,
      flagsWritten: (flags >> 8) & 0xff,
      flagsKilled: flags >> 16,
      ends: ENDS[words[at + 4]!],
      bitNumber: words[at + 5] !== 0,
      length: words[at + 6]!,
    });
  }
  return shapes;
}

/** True if control never reaches the next instruction in line. */
export const isLast = ({ ends }: Shape): boolean => ends === "jump" || ends === "return" || ends === "stop";

// Handlers that belong to no shape, by table index.
/** There is a region for the address. */
export const H_TRANSLATED = 0;
/** No handler can do the instruction: has it translated. */
export const H_UNKNOWN = 1;
/** Straight code goes on elsewhere in the record memory: a jump without an instruction. */
export const H_GO_ON = 2;
/**
 * Leaves, to come again: the code has changed, or the instruction before has changed stacks, and the Wasm frames of the
 * other one must not pile up.
 */
export const H_LEAVE = 3;
/** Calls out; the record of the instruction itself follows. */
export const H_PROBE = 4;
