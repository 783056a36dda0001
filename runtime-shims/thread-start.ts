import type { Cpu } from "./cpu.js";
import type { ThreadStart } from "./hooks.js";
import type { Process } from "./process.js";
import { row, Thread } from "./threads.js";

/** Loads a starting thread's registers into its processor, on the Worker that is to run it. */
export const beginThread = (process: Process, start: ThreadStart, cpu: Cpu): Thread => {
  cpu.gpr.set(start.gpr);
  cpu.xmm.set(start.xmm);
  cpu.rip = start.rip;
  cpu.rflags = start.rflags;
  cpu.fsBase = start.fsBase;
  const thread = new Thread(process, cpu, start.slot, start.tid);
  thread.clearChildTid = start.clearChildTid;
  process.kernel.words[thread.row + row.hostThread] = process.clock.hostThread();
  // Signals may have come before the Worker did.
  const waiting = Atomics.load(process.kernel.words, thread.row + row.attention) !== 0;
  Atomics.store(cpu.pending, 0, waiting ? 1 : 0);
  return thread;
};
