/** What the supervisor hands to every Worker of a machine; everything in it can be cloned or is shared memory. */
import type { CallingConvention } from "../../jit/code-source.js";
import type { FunctionTableData } from "../go/function-table.js";
import type { TracePlan } from "../trace/recorder.js";
import type { StatsBuffers } from "./stats.js";

/** Shared by all Workers of one machine. */
export interface MachineParts {
  readonly guestMemory: WebAssembly.Memory;
  /**
   * CPU blocks of the first Workers, by their numbers. Those of the others are known to themselves and to the
   * supervisor: memories are slow to make and to hand over, and few programs have so many threads.
   */
  readonly cpuMemories: readonly WebAssembly.Memory[];
  /** The engine's own module: see `buildEngine`. */
  readonly engine: WebAssembly.Module;
  /** Memory of decoded instructions: see `Records`. */
  readonly records: WebAssembly.Memory;
  /** False if everything is translated before it runs. */
  readonly interprets: boolean;
  /** True if translated code counts the guest instructions that it comes to. */
  readonly countsInstructions: boolean;
  readonly kernel: SharedArrayBuffer;
  readonly arena: SharedArrayBuffer;
  readonly channel: SharedArrayBuffer;
  readonly pool: SharedArrayBuffer;
  /** Buffer of `Probes`. */
  readonly probes: SharedArrayBuffer;
  readonly convention: CallingConvention;
  /** See `GoMetadata`. */
  readonly piecesAddress: number | null;
  /** Null if the program has no Go function table. */
  readonly functions: FunctionTableData | null;
  /** Guest addresses below this are the program's own; code elsewhere is not cached. */
  readonly programEnd: number;
  readonly strace: boolean;
  /** Null without --stats. */
  readonly stats: StatsBuffers | null;
  /** Null unless the run is traced. */
  readonly trace: TracePlan | null;
  /** Buffer of `DebugControl`, or null unless a debugger may hold threads. */
  readonly debug: SharedArrayBuffer | null;
  /** Whether a thread that waits may leave its Worker to another: observers know threads by their Workers. */
  readonly lendsWorkers: boolean;
  /** What the platform's own side of the Worker needs, e.g. the mounts. */
  readonly platform: unknown;
}

export type WorkerInit =
  | { readonly kind: "translator"; readonly parts: MachineParts }
  | {
      readonly kind: "guest";
      readonly parts: MachineParts;
      /** Number of the Worker. */
      readonly worker: number;
      /** Its CPU block. */
      readonly cpuMemory: WebAssembly.Memory;
      /** Memory of its `EventRing` if the run is traced. */
      readonly events: WebAssembly.Memory | null;
    };
/** What a Worker that runs guest threads gets. */
export type GuestInit = Extract<WorkerInit, { kind: "guest" }>;

/** What Workers tell the supervisor. */
export type WorkerMessage =
  /** The process has ended, with a status as wait(2) gives it. */
  | { readonly type: "exit"; readonly waitStatus: number }
  /** A Worker has started. */
  | { readonly type: "ready" }
  /** A thread queues for a Worker, and none could be called. */
  | { readonly type: "queued" }
  /** The thread in `slot` is to look at its signals; the sender does not know its CPU block. */
  | { readonly type: "kick"; readonly slot: number }
  /** A thread waits for the translator. */
  | { readonly type: "translator" }
  | { readonly type: "timers" }
  /** Worker `worker` is held: see debug/control.ts. */
  | { readonly type: "held"; readonly worker: number }
  /** A thread waits until the process was stopped and goes on; `header.stops` counts that. */
  | { readonly type: "stop"; readonly signo: number }
  /** Something is wrong in gojit itself. */
  | { readonly type: "broken"; readonly what: string };

/** Wasm pages of the guest memory that modules declare as the maximum. */
export const MAX_GUEST_PAGES = 65535;
const WASM_PAGE_BYTES = 65536;
/** How many descriptors a guest may have: Go raises the soft limit to the hard one. */
export const OPEN_FILES = 1024;

/** Wasm pages of a guest's memory of at most so many bytes. */
export const guestPages = (bytes = Infinity): number => Math.min(MAX_GUEST_PAGES, Math.floor(bytes / WASM_PAGE_BYTES));
