/** Instructions without an effect on the guest's state, and memory fences. */
import type { InstructionEntry } from "./entry.js";

const nothing: InstructionEntry["lift"] = () => {};
const fence: InstructionEntry["lift"] = (lifter) => lifter.emit(lifter.w.atomicFence());

const inert = (
  mnemonic: string,
  operands: InstructionEntry["operands"],
  samples: readonly string[],
): InstructionEntry => ({
  mnemonic,
  operands,
  cpuid: "base",
  lift: nothing,
  samples,
});
const fenceEntry = (mnemonic: string, sample: string): InstructionEntry => ({
  mnemonic,
  operands: [],
  cpuid: "base",
  lift: fence,
  samples: [sample],
});

export const MISC: readonly InstructionEntry[] = [
  inert("Nop", (insn) => insn.operands.map(() => "-" as const), [
    "90",
    "6690",
    "0f1f00",
    "0f1f4000",
    "0f1f440000",
    "660f1f440000",
    "0f1f8000000000",
    "660f1f840000000000",
    "0f1fc0",
  ]),
  // With REX.B the processor exchanges registers, and iced says PAUSE.
  { ...inert("Pause", [], ["f390"]), form: (insn) => insn.length === 2 },
  inert("Endbr64", [], ["f30f1efa"]),
  inert("Prefetchnta", ["-"], ["0f1803"]),
  inert("Prefetcht0", ["-"], ["0f180b"]),
  inert("Prefetcht1", ["-"], ["0f1813"]),
  inert("Prefetcht2", ["-"], ["0f181b"]),
  inert("Prefetchw", ["-"], ["0f0d0b"]),
  inert("Prefetch", ["-"], ["0f0d03"]),
  // Without shadow stacks these do nothing.
  inert("Rdsspd", ["-"], ["f30f1ec8"]),
  inert("Rdsspq", ["-"], ["f3480f1ec8"]),
  fenceEntry("Mfence", "0faef0"),
  fenceEntry("Lfence", "0faee8"),
  fenceEntry("Sfence", "0faef8"),
];
