/** One thing that happened: what all forms of output are made from, and what `--json` writes. docs/tracing.md tells its fields. */
import type { Group } from "./groups.js";
import type { Values } from "./row.js";

export interface TraceEvent {
  /** Microseconds since the first event. */
  readonly timeUs: number;
  /** Thread id. */
  readonly thread: number;
  /** Number of the M (-1: the thread has none yet), of its P (-1: none), and of the goroutine that the event is about (0: none, as on g0). */
  readonly m: number;
  readonly p: number;
  readonly goroutine: number;
  readonly group: Group;
  readonly event: string;
  /** Guest address, and the function that it is in; -1 and "" for system calls. */
  readonly pc: number;
  readonly function: string;
  readonly values: Values;
  readonly text: string;
}

/** Gets events in the order of time. */
export interface TraceSink {
  add(event: TraceEvent): void;
  end(): void;
}
