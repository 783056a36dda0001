/** The machine that is measured on, and what else it does meanwhile. */
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";

export interface MachineFacts {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly kernel: string;
}

export function describeMachine(): MachineFacts {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    kernel: `${process.platform} ${release()}`,
  };
}

/** Load average of the last minute. */
export const load = (): number => loadavg()[0]!;

/**
 * Watches, on Linux, how much of the processors' time goes to others than this process and its children that have
 * ended (proc_stat(5), proc_pid_stat(5)).
 */
export class OthersWatch {
  private readonly before = readTicks();

  /** The others' share of all processors' time since this was made, 0 to 1; null where that is unknown. */
  share(): number | null {
    const now = readTicks();
    if (!this.before || !now || now.all <= this.before.all) return null;
    const others = now.busy - this.before.busy - (now.own - this.before.own);
    return Math.min(1, Math.max(0, others / (now.all - this.before.all)));
  }
}

/** Clock ticks of all processors since the system's start. */
interface Ticks {
  readonly all: number;
  readonly busy: number;
  /** Of this process and of its children that have ended. */
  readonly own: number;
}

function readTicks(): Ticks | null {
  try {
    return ticksFrom(readFileSync("/proc/stat", "latin1"), readFileSync("/proc/self/stat", "latin1"));
  } catch {
    return null;
  }
}

/** Ticks as the texts of `/proc/stat` and `/proc/self/stat` tell them. */
export function ticksFrom(system: string, self: string): Ticks {
  const fields = system.split("\n", 1)[0]!.trim().split(/\s+/).slice(1, 9).map(Number);
  const all = fields.reduce((sum, ticks) => sum + ticks, 0);
  // idle and iowait
  const busy = all - fields[3]! - fields[4]!;
  // The name before the last ")" may hold anything; utime is field 14.
  const own = self.slice(self.lastIndexOf(")") + 2).split(" ");
  return { all, busy, own: [11, 12, 13, 14].reduce((sum, at) => sum + Number(own[at]), 0) };
}
