/** Memories, imports and state transfer for running emitted Wasm functions one by one. */
/// <reference path="../../jit/webassembly.d.ts" />
import { CPU_FLAGS, CPU_FS_BASE, CPU_GPR, CPU_PAGES, CPU_TRAP_VECTOR, CPU_XMM } from "../../jit/cpu-block.js";
import { VECTOR_BP, VECTOR_DE, VECTOR_GP, VECTOR_UD } from "../../jit/lift/lifter.js";
import { FLAG_BITS } from "../../jit/registers.js";
import { CPU, GUEST } from "../../jit/wasm.js";
import { CODE, copyState, DATA, FS_BASE, WINDOW, type CpuState, type Outcome } from "./state.js";

const BASE = 0x10000;
/** Size of the guest memory: data, code and the runner's context, each in 64 KiB of its own. */
export const GUEST_PAGES = (CODE - BASE + 0x20000) / 65536;

/** Name of the exported function for `pc` in program `index`. */
export const functionName = (index: number, pc: number): string => `f${index}_${pc}`;

const VECTOR_FAULTS: Record<number, string> = {
  [VECTOR_DE]: "SIGFPE",
  [VECTOR_BP]: "SIGTRAP",
  [VECTOR_UD]: "SIGILL",
  [VECTOR_GP]: "SIGSEGV",
};

export class GuestMachine {
  /** Guest address of Wasm address 0. */
  static readonly base = BASE;
  private readonly guest = new WebAssembly.Memory({ initial: GUEST_PAGES, maximum: GUEST_PAGES, shared: true });
  private readonly cpu = new WebAssembly.Memory({ initial: CPU_PAGES, maximum: CPU_PAGES, shared: true });
  private readonly window = new Uint8Array(this.guest.buffer, DATA - BASE, WINDOW);
  /** The CPU block. */
  readonly bytes = new Uint8Array(this.cpu.buffer);
  private readonly view = new DataView(this.cpu.buffer);
  private readonly gpr = new BigUint64Array(this.cpu.buffer, CPU_GPR, 16);
  private exports: Record<string, unknown> = {};
  readonly table = new WebAssembly.Table({ element: "anyfunc", initial: 2 });
  /** What emitted modules import. */
  readonly imports = {
    m: { [GUEST]: this.guest, [CPU]: this.cpu, t: this.table },
    f: { resolve: () => 0, syscall: () => 0, rdtsc: () => {}, headroom: () => {} },
  };

  /** Instantiates a module that exports functions of type (i32 PC, i64 RSP) → next PC, or (next PC, RSP) as regions have it. @throws if it is not valid */
  load(module: Uint8Array): void {
    this.exports = new WebAssembly.Instance(new WebAssembly.Module(module), this.imports).exports;
  }

  /** Runs program `index` from `state`, until it goes to an address that has no function. */
  run(index: number, state: CpuState): Outcome {
    return this.runFrom(state, () => {
      for (let pc = CODE; ;) {
        const run = this.exports[functionName(index, pc)] as
          ((pc: number, rsp: bigint) => number | readonly [number, bigint]) | undefined;
        if (!run) return;
        const result = run(pc, this.gpr[4]!);
        pc = typeof result === "number" ? result : result[0];
      }
    });
  }

  /** Runs `code` with `state` in the CPU block and the guest's memory. */
  runFrom(state: CpuState, code: () => void): Outcome {
    const { view } = this;
    this.window.set(state.memory);
    this.gpr.set(state.gpr);
    this.bytes.set(state.xmm, CPU_XMM);
    FLAG_BITS.forEach(({ rflagsBit }, i) => view.setUint32(CPU_FLAGS + 4 * i, (state.rflags >> rflagsBit) & 1, true));
    view.setBigUint64(CPU_FS_BASE, BigInt(FS_BASE), true);
    view.setInt32(CPU_TRAP_VECTOR, 0, true);
    let fault: string | null = null;
    try {
      code();
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      const vector = view.getInt32(CPU_TRAP_VECTOR, true) - 1;
      if (vector >= 0) fault = VECTOR_FAULTS[vector] ?? `vector ${vector}`;
      else if (/divide/.test(error.message)) fault = "SIGFPE";
      else if (/out of bounds/.test(error.message)) fault = "SIGSEGV";
      else fault = error.message;
    }
    const after = copyState(state);
    after.gpr.set(this.gpr);
    after.xmm.set(this.bytes.subarray(CPU_XMM, CPU_XMM + 256));
    after.memory.set(this.window);
    FLAG_BITS.forEach(({ rflagsBit }, i) => {
      const bit = view.getUint32(CPU_FLAGS + 4 * i, true);
      after.rflags = (after.rflags & ~(1 << rflagsBit)) | (bit << rflagsBit);
    });
    return { fault, state: after };
  }
}
