/** The benchmarks of `bench/guests/kernels`, by suite. */
import type { Benchmark, BenchmarkCommand, Goal, SuiteName, Timing } from "../benchmark.js";
import { guestCommand } from "../guests.js";

/** One line of a suite. */
interface KernelRow {
  readonly name: string;
  /** What the guest program calls it. */
  readonly kernel: string;
  readonly what: string;
  /** GOMAXPROCS, as the guest's `-procs` takes it; default 1. */
  readonly procs?: string;
  readonly timing?: Timing;
  readonly goal?: Goal;
  /** False where js/wasm cannot: it has one thread, and no system calls. */
  readonly inJsWasm?: boolean;
}

const handOff: Goal = { of: "ratio", goal: 1.5, limit: 2.5 };
const callHeavy: Goal = { of: "ratio", goal: 2, limit: 2.5 };
const compute: Goal = { of: "ratio", goal: null, limit: 3 };
/** Where Go uses instructions natively that gojit's CPUID does not announce. */
const withSpecialInstructions: Goal = { of: "ratio", goal: null, limit: 4 };
const twoProcessors: Goal = { of: "speedup", goal: 1.8, limit: 1.6 };

/** Units of the kernel that is looked at from the inside. */
const FEW_UNITS = 20;
const MANY_UNITS = 220;
const YIELDS_PER_UNIT = 20_000;

const switchRows: readonly KernelRow[] = [
  { name: "channel ping-pong", kernel: "chan", what: "one change of goroutine", goal: handOff },
  { name: "buffered channel", kernel: "chan-buffered", what: "one value" },
  { name: "select over 2", kernel: "select-2", what: "one value", goal: handOff },
  { name: "select over 8", kernel: "select-8", what: "one value", goal: handOff },
  { name: "Gosched between 2", kernel: "gosched-2", what: "one yield", goal: handOff },
  { name: "Gosched between 100", kernel: "gosched-100", what: "one yield", goal: handOff },
  { name: "Gosched between 10,000", kernel: "gosched-10000", what: "one yield", goal: handOff },
  { name: "Mutex hand-off", kernel: "mutex", what: "one hand-off", goal: handOff },
  { name: "Cond hand-off", kernel: "cond", what: "one hand-off", goal: handOff },
  { name: "WaitGroup fan-out", kernel: "waitgroup", what: "one goroutine of 100" },
  { name: "spawn and finish", kernel: "spawn", what: "one goroutine" },
  { name: "timer wake-up", kernel: "timer", what: "one timer that is due at once" },
  { name: "Sleep wake-up", kernel: "sleep", what: "one Sleep of a millisecond" },
  { name: "channel ring of 1,000", kernel: "ring", what: "one hop" },
  { name: "thread ping-pong", kernel: "threads", what: "one change of thread", inJsWasm: false },
];

/** Those that two processors take part in. */
const onTwo = [
  "chan",
  "chan-buffered",
  "select-2",
  "gosched-100",
  "mutex",
  "cond",
  "waitgroup",
  "spawn",
  "ring",
  "threads",
];

const insideRow: KernelRow = {
  name: "gogo, from the inside",
  kernel: "gosched-2",
  what: "one switch, by the host's clock",
  timing: {
    kind: "difference",
    args: [`-units=${FEW_UNITS}`, `-units=${MANY_UNITS}`],
    operations: (MANY_UNITS - FEW_UNITS) * YIELDS_PER_UNIT,
  },
};

const computeRows: readonly KernelRow[] = [
  { name: "fib", kernel: "fib", what: "one call", goal: callHeavy },
  { name: "indirect calls", kernel: "calls", what: "one call through an interface or closure", goal: callHeavy },
  { name: "sieve", kernel: "sieve", what: "the primes below 2^18" },
  { name: "matmul", kernel: "matmul", what: "one product of 120 by 120 matrices" },
  { name: "nbody", kernel: "nbody", what: "one step" },
  { name: "spectral-norm", kernel: "spectral-norm", what: "a 100 by 100 matrix" },
  { name: "fannkuch", kernel: "fannkuch", what: "all permutations of 8" },
  { name: "mandelbrot", kernel: "mandelbrot", what: "64 by 64 points" },
  { name: "sha256", kernel: "sha256", what: "64 KiB; SHA instructions natively", goal: withSpecialInstructions },
  { name: "crc32", kernel: "crc32", what: "256 KiB; CLMUL instructions natively", goal: withSpecialInstructions },
  { name: "gzip", kernel: "gzip", what: "32 KiB of text; CLMUL instructions natively", goal: withSpecialInstructions },
  { name: "gunzip", kernel: "gunzip", what: "the same back", goal: withSpecialInstructions },
  { name: "json encode", kernel: "json-encode", what: "100 records" },
  { name: "json decode", kernel: "json-decode", what: "the same back" },
  { name: "sort", kernel: "sort", what: "20,000 numbers" },
  { name: "map insert, int", kernel: "map-insert-int", what: "one of 5,000 keys" },
  { name: "map look-up, int", kernel: "map-lookup-int", what: "one look-up" },
  { name: "map insert, string", kernel: "map-insert-string", what: "one of 5,000 keys" },
  { name: "map look-up, string", kernel: "map-lookup-string", what: "one look-up" },
  { name: "strings", kernel: "strings", what: "fields, join, replace, search in 32 KiB" },
  { name: "regexp", kernel: "regexp", what: "all addresses in 32 KiB" },
  { name: "fmt", kernel: "fmt", what: "one Fprintf of five values" },
  { name: "pi", kernel: "pidigits", what: "150 digits, by big integers" },
  { name: "math: sqrt", kernel: "math-sqrt", what: "one call" },
  { name: "math: sin", kernel: "math-sin", what: "one call" },
  { name: "math: exp", kernel: "math-exp", what: "one call; FMA instructions natively" },
];

const memoryRows: readonly KernelRow[] = [
  { name: "binary trees", kernel: "binary-trees", what: "a tree of depth 13" },
  { name: "allocate 16 B", kernel: "alloc-16B", what: "one allocation" },
  { name: "allocate 128 B", kernel: "alloc-128B", what: "one allocation" },
  { name: "allocate 1 KiB", kernel: "alloc-1KiB", what: "one allocation" },
  { name: "allocate 64 KiB", kernel: "alloc-64KiB", what: "one allocation" },
  { name: "allocate with pointers", kernel: "alloc-pointers", what: "one allocation" },
  { name: "GC throughput", kernel: "gc-throughput", what: "one collection with 131,071 objects" },
  { name: "GC pause", kernel: "gc-pause", what: "both pauses of one collection" },
  { name: "memmove 64 B", kernel: "memmove-64B", what: "one copy" },
  { name: "memmove 4 KiB", kernel: "memmove-4KiB", what: "one copy" },
  { name: "memmove 1 MiB", kernel: "memmove-1MiB", what: "one copy" },
  { name: "memclr 64 B", kernel: "memclr-64B", what: "one block" },
  { name: "memclr 4 KiB", kernel: "memclr-4KiB", what: "one block" },
  { name: "memclr 1 MiB", kernel: "memclr-1MiB", what: "one block" },
  { name: "stack growth", kernel: "stack-growth", what: "one new stack grown past 64 KiB" },
];

const parallelRows: readonly KernelRow[] = [
  { name: "mandelbrot", kernel: "parallel-mandelbrot", what: "16 goroutines" },
  { name: "matmul", kernel: "parallel-matmul", what: "16 goroutines" },
  { name: "sort", kernel: "parallel-sort", what: "16 goroutines" },
  { name: "json decode", kernel: "parallel-json", what: "16 goroutines" },
  { name: "binary trees", kernel: "parallel-trees", what: "16 goroutines" },
];

const kernelRows: readonly KernelRow[] = [
  { name: "getpid", kernel: "getpid", what: "one call" },
  { name: "clock_gettime", kernel: "clock-gettime", what: "one system call", inJsWasm: false },
  { name: "time.Now", kernel: "time-now", what: "one call, natively by the vDSO" },
  { name: "read 4 KiB", kernel: "read-4KiB", what: "one pread" },
  { name: "write 4 KiB", kernel: "write-4KiB", what: "one pwrite" },
  { name: "read 1 MiB", kernel: "read-1MiB", what: "one pread" },
  { name: "write 1 MiB", kernel: "write-1MiB", what: "one pwrite" },
  { name: "stat", kernel: "stat", what: "one call" },
  { name: "pipe ping-pong", kernel: "pipe", what: "one byte there or back", inJsWasm: false },
  { name: "futex hand-off", kernel: "futex", what: "one hand-off", inJsWasm: false },
];

/** The kernels' benchmarks of one Go version. */
export function kernelBenchmarks(go: string): Benchmark[] {
  const rows: readonly [SuiteName, readonly KernelRow[]][] = [
    ["switch", [...switchRows, ...switchRows.flatMap(onTwoProcessors), insideRow]],
    ["compute", computeRows.map((row) => ({ goal: compute, ...row }))],
    ["memory", memoryRows],
    ["parallel", parallelRows.map(speedup)],
    ["kernel", kernelRows],
  ];
  return rows.flatMap(([suite, list]) => list.map((row) => benchmark(suite, row, go)));
}

/** The same without a goal: those are for one processor. */
function onTwoProcessors({ goal: _goal, ...row }: KernelRow): KernelRow[] {
  return onTwo.includes(row.kernel) ? [{ ...row, name: `${row.name}, 2 procs`, procs: "2", inJsWasm: false }] : [];
}

const speedup = (row: KernelRow): KernelRow => ({
  ...row,
  procs: "1,2",
  timing: { kind: "speedup" },
  goal: twoProcessors,
  inJsWasm: false,
});

function benchmark(suite: SuiteName, row: KernelRow, go: string): Benchmark {
  const { name, kernel, what, procs = "1", timing = { kind: "operation" }, goal, inJsWasm = true } = row;
  return {
    suite,
    name,
    go,
    what,
    timing,
    ...(goal && { goal }),
    ...(suite === "compute" && { aheadOfJsWasm: true }),
    prepare: (): BenchmarkCommand => {
      const { wasm, ...command } = guestCommand(go, "kernels", [`-procs=${procs}`, kernel]);
      return { ...command, ...(inJsWasm && wasm && { wasm }) };
    },
  };
}
