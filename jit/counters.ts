/** Counters of one run, in shared memory: all threads add to them, and they outlive the threads. Only for --stats. */

/** One row for each counter; times are in microseconds. */
const rows = [
  ["regions", "regions translated"],
  ["improved", "of them those that were translated before, with less effort"],
  ["instructions", "guest instructions in them"],
  ["modules", "modules translated"],
  ["bytes", "bytes of Wasm in them"],
  ["decodeUs", "the translator's time for finding regions and decoding"],
  ["liftUs", "its time for lifting and building the Wasm"],
  ["emitUs", "its time for encoding the Wasm"],
  ["linkedModules", "modules compiled and instantiated, once for each thread that needs one"],
  ["compileUs", "time for that in all threads, the engine's lazy compilation of single functions excluded"],
  ["translationWaits", "requests to the translator"],
  ["translationWaitUs", "time that threads waited for it, its start included"],
  ["systemCallUs", "time in system calls, blocked or not, in all threads"],
  ["runUs", "time of all threads between system calls, compileUs and translationWaitUs included"],
  ["miss", "returns to the dispatcher for an address that the lookup cache does not have"],
  ["poll", "returns because the poll word was set: signals, preemption"],
  ["trap", "Wasm traps: guest faults"],
  ["overflow", "overflows of the Worker's stack by deep recursion"],
] as const;

export type CounterName = (typeof rows)[number][0];

const INDEX = new Map<CounterName, number>(rows.map(([name], index) => [name, index]));

export class Counters {
  private readonly words: BigInt64Array;

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(rows.length * 8);
  }
  constructor(buffer: SharedArrayBuffer) {
    this.words = new BigInt64Array(buffer);
  }

  /** Adds a number, whose fraction is dropped. */
  add(name: CounterName, amount: number): void {
    Atomics.add(this.words, INDEX.get(name)!, BigInt(Math.trunc(amount)));
  }
  /** For counters that only one thread keeps. */
  set(name: CounterName, value: number): void {
    Atomics.store(this.words, INDEX.get(name)!, BigInt(Math.trunc(value)));
  }
  get(name: CounterName): number {
    return Number(Atomics.load(this.words, INDEX.get(name)!));
  }
}
