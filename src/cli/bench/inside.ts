/** What `gojit run --stats` tells of a benchmark. */

/** The part of its report that is used; src/machine/stats.ts describes it. */
export interface RunStats {
  readonly timeMs: Readonly<Record<string, number>>;
  readonly dispatcherExits: Readonly<Record<string, number>>;
}

/** What one operation costs by gojit's own counters, from two runs of which the second makes `operations` more. */
export function insideCounters(less: RunStats, more: RunStats, operations: number): Record<string, number> {
  const each = (after: number, before: number): number => (after - before) / operations;
  return {
    "ns of running": each(more.timeMs["run"]!, less.timeMs["run"]!) * 1e6,
    "ns of system calls": each(more.timeMs["systemCalls"]!, less.timeMs["systemCalls"]!) * 1e6,
    ...Object.fromEntries(
      Object.entries(more.dispatcherExits).map(([cause, count]) => [
        `dispatcher exits, ${cause}`,
        each(count, less.dispatcherExits[cause] ?? 0),
      ]),
    ),
  };
}

/** The phases of a run in milliseconds, over all threads. */
export function phases({ timeMs }: RunStats): Record<string, number> {
  return Object.fromEntries(Object.entries(timeMs).map(([phase, ms]) => [`ms of ${phase}`, ms]));
}
