/** What an embedder asks for and gets; see run.ts. */
import type { MemoryTree } from "../runtime-shims/host/memory-files.js";
import type { WasiDirectory } from "../runtime-shims/host/wasi-fs.js";
import type { Group } from "./trace/groups.js";
import { GojitError } from "./errors.js";

/** Where output goes: a function, or a stream, which is left open. The program does not wait for it. */
export type OutputSink = ((bytes: Uint8Array) => void) | WritableStream<Uint8Array>;

/** A directory of the host's, with everything below it. */
export interface HostDirectory {
  readonly hostPath: string;
  /** Default false. */
  readonly readOnly?: boolean;
}

/** What to run, and all that it sees of the world. */
export interface RunOptions {
  /** A static linux/amd64 Go executable: its bytes, or its file or URL. */
  readonly program: Uint8Array | string | URL;
  /** Arguments after the program's name. */
  readonly args?: readonly string[];
  /** Absolute guest path that the program takes for its own, and its name in os.Args; default `/program`. */
  readonly path?: string;
  /** Environment variables; default none. */
  readonly env?: Readonly<Record<string, string>>;
  /** The file system to begin with: names below `/` to texts, bytes, links and directories. /tmp is made if need be. */
  readonly files?: MemoryTree;
  /**
   * Directories by the absolute guest path where they are seen: of a `wasi:filesystem` 0.2 implementation, or, on Node, the
   * host's own. They are used from the realm that called.
   */
  readonly directories?: Readonly<Record<string, WasiDirectory | HostDirectory>>;
  /** Absolute guest path of the working directory, made if need be; default `/`. */
  readonly currentDirectory?: string;
  /** Standard input; default empty. Read only as the program asks for it. A ReadableStream is an AsyncIterable. */
  readonly stdin?: Uint8Array | AsyncIterable<Uint8Array>;
  /** Gets what the program writes to standard output, as it writes it. Without it the result has everything. */
  readonly stdout?: OutputSink;
  /** The same for standard error, where gojit's own messages go too. */
  readonly stderr?: OutputSink;
  /** What runtime.NumCPU reports; default: as many as the host tells. */
  readonly cpus?: number;
  /** Size of the guest's address space in bytes, at most and by default 4 GiB; reserved, not used, at the start. */
  readonly memoryBytes?: number;
  /** Ends the program after so many milliseconds, with status 124; default: never. */
  readonly timeoutMs?: number;
  /** Ends the program as SIGKILL does. */
  readonly abort?: AbortSignal;
}

/** What to start under control. */
export interface StartOptions extends RunOptions {
  /** Which events `GuestProcess.events` gives: "bootstrap", "sched", "gc" and "sys"; default none. */
  readonly trace?: readonly Group[];
}

/** How a program ended. */
export interface RunResult {
  /** The exit status as a shell gives it: 128+n if signal n ended the program. */
  readonly status: number;
  /** The number of the signal that ended the program, or 0. */
  readonly signal: number;
  /** Everything written to standard output; empty if `RunOptions.stdout` got it. */
  readonly stdout: Uint8Array;
  /** Everything written to standard error; empty if `RunOptions.stderr` got it. */
  readonly stderr: Uint8Array;
  /** A file in memory that the program left; undefined if there is none at that absolute guest path. */
  readFile(path: string): Uint8Array | undefined;
}

const MAX_CPUS = 64;
const MIN_MEMORY_BYTES = 1 << 24;

/** Checks what the types cannot. @throws GojitError (bad-option) */
export function checkRunOptions(options: RunOptions): void {
  const {
    args = [],
    path = "/",
    env = {},
    directories = {},
    currentDirectory = "/",
    cpus,
    memoryBytes,
    timeoutMs,
  } = options;
  checkPath("path", path);
  checkPath("currentDirectory", currentDirectory);
  for (const guest of Object.keys(directories)) checkPath("directories", guest);
  for (const text of [...args, ...Object.values(env)]) {
    if (text.includes("\0")) throw refusal("args and env", `${JSON.stringify(text)} contains a zero byte`);
  }
  for (const name of Object.keys(env)) {
    if (!/^[^=\0]+$/.test(name)) throw refusal("env", `${JSON.stringify(name)} is no name of a variable`);
  }
  if (cpus !== undefined && !(Number.isInteger(cpus) && cpus >= 1 && cpus <= MAX_CPUS))
    throw refusal("cpus", `${cpus} is not an integer from 1 to ${MAX_CPUS}`);
  if (memoryBytes !== undefined && !(memoryBytes >= MIN_MEMORY_BYTES))
    throw refusal("memoryBytes", `${memoryBytes} is less than 16 MiB, and no program starts with that`);
  if (timeoutMs !== undefined && !(timeoutMs > 0 && timeoutMs < 2 ** 31))
    throw refusal("timeoutMs", `${timeoutMs} is not a number of milliseconds above 0 and below 2^31`);
}

function checkPath(option: string, path: string): void {
  if (/^\/$|^(\/(?!\.{1,2}(\/|$))[^/\0]+)+$/.test(path)) return;
  throw refusal(option, `${JSON.stringify(path)} is no absolute path in its shortest form, such as /home/me`);
}

const refusal = (option: string, what: string): GojitError => new GojitError("bad-option", `${option}: ${what}.`);
