/** The machine state that instruction tests compare. */

/** The only memory a test case may touch: `WINDOW` bytes from here, followed by zeros to the page's end. */
export const DATA = 0x10000000;
export const WINDOW = 1024;
/** Where the instruction stands. */
export const CODE = 0x10010000;
export const FS_BASE = DATA + 0x100;

export interface CpuState {
  readonly gpr: BigUint64Array;
  rflags: number;
  readonly xmm: Uint8Array;
  readonly memory: Uint8Array;
}
export const newState = (): CpuState => ({
  gpr: new BigUint64Array(16),
  rflags: 0x202,
  xmm: new Uint8Array(256),
  memory: new Uint8Array(WINDOW),
});
export const copyState = (from: CpuState): CpuState => ({
  gpr: from.gpr.slice(),
  rflags: from.rflags,
  xmm: from.xmm.slice(),
  memory: from.memory.slice(),
});

/** What running an instruction gave: its state afterwards, or the fault. At a fault the state says nothing. */
export interface Outcome {
  readonly fault: "SIGFPE" | "SIGSEGV" | "SIGILL" | "SIGTRAP" | "SIGBUS" | string | null;
  readonly state: CpuState;
}
