/** What a benchmark is. Suites are tables of these; the harness knows nothing else of them. */

/** A program to run, and where. */
export interface GuestCommand {
  /** Host path of a linux/amd64 executable. */
  readonly program: string;
  readonly args: readonly string[];
}

/** Paths that a benchmark may need beside the guests of this repository; from the command line. */
export interface BenchmarkInputs {
  /** A linux/amd64 esbuild executable. */
  readonly esbuild?: string;
  /** The file that esbuild bundles. */
  readonly esbuildEntry: string;
  /** A directory that is empty at the start and is removed at the end. */
  readonly scratch: string;
}

/** What is timed, and in which unit. */
export type Timing =
  /** The guest measures itself: it prints one line `NAME OPERATIONS NS CHECK` a repetition; ns per operation. */
  | { readonly kind: "operation"; readonly repetitions: number; readonly warmUp: number }
  /** The whole process, from start to exit; milliseconds. `cache` is the state of gojit's code cache before it. */
  | { readonly kind: "process"; readonly cache: "empty" | "warm" };

export interface Benchmark {
  readonly suite: string;
  readonly name: string;
  /** Go version of the guest, if it is one of this repository's. */
  readonly go?: string;
  /** One line for reports: what one operation is. */
  readonly what: string;
  readonly timing: Timing;
  /** Highest ratio to native that the project accepts, if it has set one. */
  readonly goal?: number;
  /** The command, or why it cannot run here. */
  readonly command: (inputs: BenchmarkInputs) => GuestCommand | string;
}

/** Unit of a benchmark's samples. */
export const unitOf = ({ timing }: Benchmark): "ns/op" | "ms" => (timing.kind === "operation" ? "ns/op" : "ms");
