/**
 * How a run's stderr is compared with the recorded one:
 * - `exact`: byte for byte;
 * - `trace`: an uncaught panic's report with what may differ between runs removed (argument values, stack addresses,
 *   numbers of other goroutines, frame counts; see `normalizeTrace`). Function names, source lines, pc offsets, the
 *   signal's code, address and pc remain;
 * - `reason`: only the lines that say why the program ended.
 */
export type StderrComparison = "exact" | "trace" | "reason";

/** One guest run that is recorded natively and repeated under gojit. */
export interface GuestCase {
  readonly name: string;
  readonly program: "guests" | "hello";
  readonly args: readonly string[];
  readonly stdin?: () => Uint8Array;
  /** Variables given to the guest (`--env NAME=VALUE`). */
  readonly env?: Readonly<Record<string, string>>;
  /** CPU counts to run with; default 1 and 2. */
  readonly cpus?: readonly number[];
  /** Default: `exact`. */
  readonly stderr?: StderrComparison;
}

/** A process that runs several guests, one after the other. */
function together(name: string, ...guests: string[]): GuestCase {
  return { name, program: "guests", args: guests.flatMap((guest) => ["+", guest]) };
}

function alone(name: string, args: string[] = [name], more: Partial<GuestCase> = {}): GuestCase {
  return { name, program: "guests", args, ...more };
}

function crash(name: string, stderr: StderrComparison = "trace", args: string[] = []): GuestCase {
  return alone([`crash-${name}`, ...args].join(" "), [`crash-${name}`, ...args], { stderr });
}

/** Bytes with every value, reproducible from the size alone. */
export function pseudoRandomBytes(sizeBytes: number): Uint8Array {
  let state = 12345;
  return Uint8Array.from({ length: sizeBytes }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state >>> 24;
  });
}

const text = (content: string) => () => new TextEncoder().encode(content);

export const guestCases: readonly GuestCase[] = [
  { name: "hello", program: "hello", args: [] },

  // The process and its surroundings.
  alone("args", ["args", "", "two words", "-x=1", "ünï", "new\nline", '"quoted"', "*", "\\"]),
  alone("env", ["env", "GUEST_A", "GUEST_EMPTY", "GUEST_UNSET"], { env: { GUEST_A: "a=b c", GUEST_EMPTY: "" } }),
  alone("stdin", ["stdin"], { stdin: () => pseudoRandomBytes(300_001) }),
  alone("stdin empty", ["stdin"], { stdin: () => new Uint8Array(0) }),
  alone("stdin-lines", ["stdin-lines"], { stdin: text("first line\n\n  third\tline \r\nno newline at the end") }),
  alone("cat", ["cat"], { stdin: () => pseudoRandomBytes(200_000) }),
  alone("output", ["output", "300000"]),
  alone("exit 7", ["exit", "7"]),
  alone("exit-busy"),
  alone("main-return"),
  alone("kill-self SIGTERM", ["kill-self", "15"]),
  alone("kill-self SIGKILL", ["kill-self", "9"]),
  alone("signals"),
  alone("procinfo"),
  alone("unknown-syscall", ["unknown-syscall"], { stderr: "reason" }), // gojit names the call on stderr, the kernel does not

  // Goroutines, threads and time.
  together("scheduling", "goroutines", "channels", "select"),
  together("synchronisation", "mutex", "cond", "once", "atomics"),
  together("time", "timers", "context"),
  alone("threads"),
  alone("pipes"),
  alone("parallel"),
  alone("preempt"),

  // The runtime: memory, stacks, panics.
  alone("gc"),
  alone("gc-concurrent"),
  alone("deep-stack"),
  together("panics", "panics", "defers", "goexit", "traceback"),
  alone("panic-storm"),
  crash("nil"),
  crash("nil-func"),
  crash("index"),
  crash("divide"),
  crash("error"),
  crash("wrapped"),
  crash("values"),
  crash("goroutine"),
  crash("deadlock"),
  crash("deadlock-mutex"),
  crash("deadlock-many", "reason"),
  crash("goexit-main"),
  crash("unlock"),
  crash("overflow", "trace", ["16000000"]),
  crash("overflow", "reason", ["250000000"]), // the largest stack has 128 MB
  crash("abort", "reason"),
  crash("quit", "reason"),
  crash("segv-sent", "reason"),
  crash("oom", "reason"),

  // Files.
  together("files", "files", "files-dirs", "files-errors", "files-parallel", "devices"),
  alone("files-links"),
  alone("files-modes"),
  alone("files-mmap"),
  alone("files-result"),

  // Instructions and the standard library.
  alone("integers"),
  together("floats", "floats", "float-text"),
  alone("nan-bits"),
  alone("big-function"),
  together("unsafe and reflect", "unsafe", "reflect"),
  together(
    "library",
    "maps",
    "strings",
    "sort",
    "json",
    "fmt",
    "regexp",
    "hashes",
    "compress",
    "bignum",
    "time-format",
  ),
];
