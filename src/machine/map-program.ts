/** A new process's memory: the program, its stack and the vDSO. */
import { createProcess, ExecError } from "../../runtime-shims/exec.js";
import type { HostClock, ThreadStart } from "../../runtime-shims/hooks.js";
import type { KernelMemory } from "../../runtime-shims/kernel-memory.js";
import type { ElfImage } from "../elf/image.js";
import { GojitError } from "../errors.js";

/** What a process is made from. */
export interface ProcessOptions {
  readonly image: ElfImage;
  readonly argv: readonly string[];
  /** NAME=value. */
  readonly env: readonly string[];
  /** Guest path of the program. */
  readonly path: string;
  readonly cpus: number;
  /** Size of the guest's address space in Wasm pages of 64 KiB. */
  readonly memoryPages: number;
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Limit of open files. */
  readonly openFiles: number;
}

/** Fills fresh memories; returns how the first thread starts. @throws GojitError (does-not-fit) */
export function mapProgram(
  kernel: KernelMemory,
  guestMemory: WebAssembly.Memory,
  clock: HostClock,
  options: ProcessOptions,
): ThreadStart {
  const { image } = options;
  return fitting(() =>
    createProcess(kernel, guestMemory.buffer as SharedArrayBuffer, clock, {
      ...options,
      image: {
        segments: image.segments.map((segment) => ({
          vaddr: segment.vaddr,
          bytes: image.bytes.subarray(segment.fileOffset, segment.fileOffset + segment.fileSize),
          fileOffset: segment.fileOffset,
          memSize: segment.memSize,
          flags: segment.flags,
        })),
        entry: image.entry,
        programHeaders: image.programHeadersAddress,
        programHeaderCount: image.programHeaderCount,
      },
      hwcap: 0,
    }),
  );
}

/** A memory of fixed size that Workers share. @throws GojitError (no-memory) */
export function sharedMemory(pages: number): WebAssembly.Memory {
  try {
    // A memory that is made with its size makes V8 collect garbage, one that grows does not.
    const memory = new WebAssembly.Memory({ initial: 1, maximum: pages, shared: true });
    memory.grow(pages - 1);
    return memory;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new GojitError(
      "no-memory",
      "there is no address space left for the program's memory; end other programs, or give this one less memory.",
    );
  }
}

/** Refuses a program, or arguments, that the guest's memory cannot hold. @throws GojitError (does-not-fit) */
function fitting<T>(create: () => T): T {
  try {
    return create();
  } catch (error) {
    throw error instanceof ExecError ? new GojitError("does-not-fit", `${error.message}.`) : error;
  }
}
