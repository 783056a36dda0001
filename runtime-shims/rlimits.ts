import { FD_CAPACITY } from "./files-layout.js";
import { type KernelMemory, sections } from "./kernel-memory.js";

/** Resource limits by number, as {soft, hard}; Infinity is RLIM_INFINITY. Only NOFILE has an effect. */
export const RLIMITS = 16;
export const RLIMIT_STACK = 3;
export const RLIMIT_NOFILE = 7;

const base = sections.rlimits / 8;

export interface Rlimit {
  soft: number;
  hard: number;
}

export const getRlimit = (kernel: KernelMemory, resource: number): Rlimit => ({
  soft: kernel.doubles[base + 2 * resource],
  hard: kernel.doubles[base + 2 * resource + 1],
});

export const setRlimit = (kernel: KernelMemory, resource: number, { soft, hard }: Rlimit): void => {
  kernel.doubles[base + 2 * resource] = soft;
  kernel.doubles[base + 2 * resource + 1] = hard;
};

/** The limits a process starts with: CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS … RTTIME. */
export const initRlimits = (kernel: KernelMemory, stackBytes: number, openFiles: number, threads: number): void => {
  for (let resource = 0; resource < RLIMITS; resource++)
    setRlimit(kernel, resource, { soft: Infinity, hard: Infinity });
  setRlimit(kernel, RLIMIT_STACK, { soft: stackBytes, hard: Infinity });
  setRlimit(kernel, 4, { soft: 0, hard: Infinity });
  setRlimit(kernel, 6, { soft: threads, hard: threads });
  setRlimit(kernel, RLIMIT_NOFILE, { soft: openFiles, hard: FD_CAPACITY });
  setRlimit(kernel, 8, { soft: 8 << 20, hard: 8 << 20 });
  setRlimit(kernel, 12, { soft: 819200, hard: 819200 });
  setRlimit(kernel, 13, { soft: 0, hard: 0 });
  setRlimit(kernel, 14, { soft: 0, hard: 0 });
};
