import { readFileSync } from "node:fs";

/** Largest resident set of a process so far, in bytes (`VmHWM`, proc_pid_status(5)); 0 when it is gone or not Linux's. */
export function peakOf(pid: number | undefined): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
