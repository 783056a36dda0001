/**
 * Finds the regions that take the time, while the program runs: asks every Worker now and then which region it is in. Code of the
 * first translation answers where it begins and in its loops (`RegionEmitter`), which costs it a load and a branch there, if there
 * are calls in it; other code does not, for nothing would follow from it.
 */
import { CPU_SAMPLE, CPU_SAMPLED } from "../../jit/cpu-block.js";

/** How long after a question the answer is looked for. A thread in a system call gives none. */
const SAMPLE_MS = 4;
/** The same while nobody answers: all threads wait, or are in code that does not. */
const QUIET_MS = 64;

export class Sampler {
  private readonly cpuMemories: readonly WebAssembly.Memory[];
  private readonly answered: (entry: number, times: number) => void;
  private readonly counts = new Map<number, number>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param cpuMemories CPU blocks of Workers; they may become more, and some may be missing
   * @param answered gets each answer: a region's entry, and how often it has been given by now
   */
  constructor(cpuMemories: readonly WebAssembly.Memory[], answered: (entry: number, times: number) => void) {
    this.cpuMemories = cpuMemories;
    this.answered = answered;
  }

  start(afterMs = SAMPLE_MS): void {
    this.timer = setTimeout(() => {
      this.start(this.ask() ? SAMPLE_MS : Math.min(2 * afterMs, QUIET_MS));
    }, afterMs);
  }
  stop(): void {
    clearTimeout(this.timer);
  }

  /** Takes the answers of all threads, and asks again. False if there was none. */
  ask(): boolean {
    let some = false;
    for (const memory of this.cpuMemories) {
      if (!memory) continue;
      const words = new Int32Array(memory.buffer);
      if (Atomics.load(words, CPU_SAMPLE / 4) !== 0) continue;
      const entry = words[CPU_SAMPLED / 4]! >>> 0;
      words[CPU_SAMPLED / 4] = 0;
      Atomics.store(words, CPU_SAMPLE / 4, 1);
      if (entry === 0) continue;
      some = true;
      const times = (this.counts.get(entry) ?? 0) + 1;
      this.counts.set(entry, times);
      this.answered(entry, times);
    }
    return some;
  }
}
