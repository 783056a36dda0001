/** What --stats reports: counters in shared memory, and the system calls by number. */
import { Counters } from "../../jit/counters.js";
import type { CounterName } from "../../jit/counters.js";
import type { TranslationCounts } from "../../jit/translator.js";
import type { SyscallTable } from "../../runtime-shims/syscalls/table.js";

/** System call numbers from here on count as one. */
const NUMBERS = 512;

export interface StatsBuffers {
  readonly counters: SharedArrayBuffer;
  readonly systemCalls: SharedArrayBuffer;
}

export const allocateStats = (): StatsBuffers => ({
  counters: Counters.allocate(),
  systemCalls: new SharedArrayBuffer(4 * NUMBERS),
});

/** Publishes the translator's own totals. */
export function reportTranslation(counters: Counters, counts: TranslationCounts): void {
  counters.set("regions", counts.regions);
  counters.set("improved", counts.improved);
  counters.set("instructions", counts.instructions);
  counters.set("modules", counts.modules);
  counters.set("bytes", counts.bytes);
  counters.set("decodeUs", counts.findMs * 1000);
  counters.set("liftUs", counts.liftMs * 1000);
  counters.set("emitUs", counts.emitMs * 1000);
}

/** Watches one thread's way in and out of system calls. `nowMs` gives milliseconds. */
export class ThreadStats {
  readonly counters: Counters;
  private readonly calls: Int32Array;
  private readonly nowMs: () => number;
  private since = 0;

  constructor(buffers: StatsBuffers, nowMs: () => number) {
    this.counters = new Counters(buffers.counters);
    this.calls = new Int32Array(buffers.systemCalls);
    this.nowMs = nowMs;
  }

  begin(): void {
    this.since = this.nowMs();
  }
  /** Runs a system call. */
  call<T>(number: number, run: () => T): T {
    this.turn("runUs");
    Atomics.add(this.calls, Math.min(number, NUMBERS - 1), 1);
    return this.resume(run);
  }
  /** Runs the rest of one. */
  resume<T>(run: () => T): T {
    const result = run();
    this.turn("systemCallUs");
    return result;
  }
  end(): void {
    this.turn("runUs");
  }

  private turn(spent: CounterName): void {
    const now = this.nowMs();
    this.counters.add(spent, (now - this.since) * 1000);
    this.since = now;
  }
}

/**
 * The report as --stats writes it.
 * @param decoded instructions that are decoded for interpretation
 * @param executed instructions that were run, if they were counted
 * @param cached those, and modules, that came from the code cache
 */
export function describeStats(
  buffers: StatsBuffers,
  table: SyscallTable,
  decoded: number,
  executed: number | null,
  cached: { readonly modules: number; readonly instructions: number },
): object {
  const counters = new Counters(buffers.counters);
  const count = (name: CounterName) => counters.get(name);
  const ms = (name: CounterName) => counters.get(name) / 1000;
  const calls = Array.from(new Int32Array(buffers.systemCalls), (times, number) => ({ times, number }))
    .filter(({ times }) => times > 0)
    .sort((a, b) => b.times - a.times)
    .map(({ times, number }) => [table[number]?.name ?? `number ${number}`, times] as const);
  const waits = count("translationWaitUs") + count("compileUs");
  return {
    regions: count("regions"),
    improvedRegions: count("improved"),
    instructions: count("instructions"),
    bytes: count("bytes"),
    modules: count("modules"),
    decodedInstructions: decoded - cached.instructions,
    cachedInstructions: cached.instructions,
    cachedModules: cached.modules,
    linkedModules: count("linkedModules"),
    translationWaits: count("translationWaits"),
    ...(executed !== null && { executedInstructions: executed }),
    timeMs: {
      decode: ms("decodeUs"),
      lift: ms("liftUs"),
      emit: ms("emitUs"),
      compile: ms("compileUs"),
      waitForTranslator: ms("translationWaitUs"),
      run: Math.max(0, count("runUs") - waits) / 1000,
      systemCalls: ms("systemCallUs"),
    },
    dispatcherExits: { miss: count("miss"), poll: count("poll"), trap: count("trap"), overflow: count("overflow") },
    systemCalls: Object.fromEntries(calls),
  };
}
