/** What `gojit run --stats` tells of a benchmark. */

/** The part of its report that is used; src/machine/stats.ts describes it. */
export interface RunStats {
  /** Guest instructions that were run, if they were counted. */
  readonly executedInstructions?: number;
  readonly timeMs: Readonly<Record<string, number>>;
  readonly dispatcherExits: Readonly<Record<string, number>>;
}

/** A run with few operations and one with more. */
export type StatsPair = readonly [less: RunStats, more: RunStats];

/**
 * What one operation costs by gojit's own counters.
 * @param counted two runs whose instructions were counted
 * @param operations how many more the second run of each pair makes
 */
export function insideCounters(
  [less, more]: StatsPair,
  counted: StatsPair,
  operations: number,
): Record<string, number> {
  const each = (after: number, before: number): number => (after - before) / operations;
  return {
    "guest instructions": each(counted[1].executedInstructions!, counted[0].executedInstructions!),
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
