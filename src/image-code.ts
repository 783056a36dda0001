/** The code of an executable that is not running, as the translator sees it: straight from the file. */
import type { CallingConvention, CodeSource, FunctionInfo, HandedOver } from "../jit/code-source.js";
import { SegmentFlags } from "./elf/image.js";
import { CallReads } from "./call-reads.js";
import type { Program } from "./program.js";

export class ImageCode implements CodeSource {
  readonly convention: CallingConvention;
  private readonly program: Program;
  private readonly callReads: CallReads;

  constructor(program: Program) {
    this.program = program;
    this.convention = program.go.abi;
    const { functions, piecesAddress } = program.go;
    this.callReads = new CallReads(functions, piecesAddress, (address) => this.constantWord(address));
  }

  read(pc: number, length: number): Uint8Array {
    const { image } = this.program;
    const segment = image.segmentAt(pc);
    if (!segment || !(segment.flags & SegmentFlags.X)) return new Uint8Array(0);
    const at = pc - segment.vaddr;
    const available = Math.max(0, Math.min(length, segment.fileSize - at));
    // A copy: the decoder takes no shared memory.
    return image.bytes.slice(segment.fileOffset + at, segment.fileOffset + at + available);
  }

  functionAt(pc: number): FunctionInfo | null {
    const { functions } = this.program.go;
    const index = functions.find(pc);
    if (index < 0) return null;
    return {
      start: functions.start[index]!,
      end: functions.end[index]!,
      origin: functions.isAsm(index) ? "asm" : "compiler",
    };
  }

  constantWord(address: number): bigint | null {
    const { image } = this.program;
    const segment = image.segmentAt(address);
    if (!segment || segment.flags & SegmentFlags.W) return null;
    const at = image.fileOffsetOf(address, 8);
    if (at === undefined) return null;
    return new DataView(image.bytes.buffer, image.bytes.byteOffset).getBigUint64(at, true);
  }

  registersRead(target: number, next: number): HandedOver | null {
    return this.callReads.registersRead(target, next);
  }

  probeAt(): number {
    return -1;
  }
}
