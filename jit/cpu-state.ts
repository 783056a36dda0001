/** A thread's registers as the machine's other parts read and write them, over the CPU block. */
import {
  CPU_EXECUTED,
  CPU_FLAGS,
  CPU_FS_BASE,
  CPU_GPR,
  CPU_MXCSR,
  CPU_POLL,
  CPU_RIP,
  CPU_SAMPLE,
  CPU_XMM,
  DEFAULT_MXCSR,
} from "./cpu-block.js";
import { FLAG_BITS } from "./registers.js";

/** Bit 1 of RFLAGS is always set, and so are interrupts in user mode. */
const FIXED_RFLAGS = 0x202;

/** Makes the thread whose CPU block this is come to its dispatcher. */
export function setPollWord(cpuMemory: WebAssembly.Memory): void {
  Atomics.store(new Int32Array(cpuMemory.buffer, CPU_POLL, 1), 0, 1);
}

/** Guest instructions that the thread whose CPU block this is has come to in code that counts them. */
export const executedInstructions = (cpuMemory: WebAssembly.Memory): number =>
  Number(new BigInt64Array(cpuMemory.buffer, CPU_EXECUTED, 1)[0]);

export class CpuState {
  /** General registers in x86 encoding order. */
  readonly gpr: BigUint64Array;
  /** The same as 32-bit halves: low half of register r at 2r, high half at 2r+1. */
  readonly gpr32: Uint32Array;
  /** XMM0 to XMM15, 16 bytes each. */
  readonly xmm: Uint8Array;
  /** Index 0 is the poll word. */
  readonly pending: Int32Array;
  /** Index 0 asks which region the thread is in. */
  readonly sample: Int32Array;
  private readonly words: Uint32Array;

  constructor(buffer: SharedArrayBuffer) {
    this.gpr = new BigUint64Array(buffer, CPU_GPR, 16);
    this.gpr32 = new Uint32Array(buffer, CPU_GPR, 32);
    this.xmm = new Uint8Array(buffer, CPU_XMM, 256);
    this.pending = new Int32Array(buffer, CPU_POLL, 1);
    this.sample = new Int32Array(buffer, CPU_SAMPLE, 1);
    this.words = new Uint32Array(buffer);
  }

  get rip(): number {
    return this.words[CPU_RIP / 4]!;
  }
  set rip(address: number) {
    this.words[CPU_RIP / 4] = address;
  }
  get fsBase(): number {
    return this.words[CPU_FS_BASE / 4]! + this.words[CPU_FS_BASE / 4 + 1]! * 0x1_0000_0000;
  }
  set fsBase(address: number) {
    this.words[CPU_FS_BASE / 4] = address;
    this.words[CPU_FS_BASE / 4 + 1] = Math.floor(address / 0x1_0000_0000);
  }
  /** RFLAGS, put together from the flags' words. */
  get rflags(): number {
    let value = FIXED_RFLAGS;
    FLAG_BITS.forEach(({ rflagsBit }, index) => {
      if (this.words[CPU_FLAGS / 4 + index]) value |= 1 << rflagsBit;
    });
    return value;
  }
  set rflags(value: number) {
    FLAG_BITS.forEach(({ rflagsBit }, index) => {
      this.words[CPU_FLAGS / 4 + index] = (value >>> rflagsBit) & 1;
    });
  }
  get mxcsr(): number {
    return (this.words[CPU_MXCSR / 4]! ^ DEFAULT_MXCSR) >>> 0;
  }
  set mxcsr(value: number) {
    this.words[CPU_MXCSR / 4] = value ^ DEFAULT_MXCSR;
  }
}
