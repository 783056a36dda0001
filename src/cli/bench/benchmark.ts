/** What a benchmark is. Suites are tables of these; the harness knows nothing else of them. */

/** In the order in which they run and stand in reports. */
export const suiteNames = ["switch", "compute", "memory", "parallel", "kernel", "start", "real"] as const;
export type SuiteName = (typeof suiteNames)[number];

/** How each runner starts a benchmark's program. */
export interface BenchmarkCommand {
  /** Host path of a linux/amd64 executable. */
  readonly program: string;
  readonly args: readonly string[];
  /** The same program compiled by Go's js/wasm port, if there is one. */
  readonly wasm?: GoWasm;
  /** A file that the program writes: its content counts as its result, beside stdout. */
  readonly output?: string;
}

/** A program for GOOS=js GOARCH=wasm; it gets the same arguments. */
export interface GoWasm {
  /** Host path of the module. */
  readonly module: string;
  /** Host path of the `wasm_exec.js` of the Go version that compiled it. */
  readonly support: string;
}

/** Where a benchmark's files are. */
export interface BenchmarkInputs {
  /** A directory that is empty at the start and is removed at the end. */
  readonly scratch: string;
  /** The Go version whose toolchain's programs are measured, as in `1.27`. */
  readonly go: string;
}

/** What is measured, and in which unit. */
export type Timing =
  /** The guest measures itself: lines `NAME GOMAXPROCS NS-PER-OPERATION CHECK`; ns per operation. */
  | { readonly kind: "operation" }
  /** The same with GOMAXPROCS 1 and 2 in turn; how many times faster 2 is. */
  | { readonly kind: "speedup" }
  /**
   * Two processes, without any clock in the guest: what the second takes longer than the first, in ns per operation
   * more. `args` are put before the command's own; `operations` are those that only the second makes.
   */
  | { readonly kind: "difference"; readonly args: readonly [string, string]; readonly operations: number }
  /** The whole process, from start to exit; ms. `cache` is the state of gojit's code cache before it. */
  | { readonly kind: "process"; readonly cache: "empty" | "warm" };

/** What the project wants, and what it accepts at worst. */
export interface Goal {
  readonly of:
    /** gojit's ratio to native: at most. */
    | "ratio"
    /** How many times faster two processors are: at least. */
    | "speedup"
    /** Milliseconds that gojit takes longer than Node itself takes to start: at most. */
    | "over node";
  /** Null: there is only a limit. */
  readonly goal: number | null;
  readonly limit: number;
}

export interface Benchmark {
  readonly suite: SuiteName;
  readonly name: string;
  /** Go version of the guest; null for real programs. */
  readonly go: string | null;
  /** One line for reports: what one operation is. */
  readonly what: string;
  readonly timing: Timing;
  readonly goal?: Goal;
  /** True where gojit has to be faster than Go's js/wasm port. */
  readonly aheadOfJsWasm?: boolean;
  /** True where Node's own start is measured as well. */
  readonly besideNode?: boolean;
  /** Makes what the program needs. Returns the command, or why it cannot run here, as a clause. */
  readonly prepare: (inputs: BenchmarkInputs) => BenchmarkCommand | string;
}

export type Unit = "ns/op" | "ms" | "times";

/** Unit of a benchmark's values. */
export function unitOf({ timing }: Benchmark): Unit {
  if (timing.kind === "process") return "ms";
  return timing.kind === "speedup" ? "times" : "ns/op";
}
