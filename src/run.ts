/** Running a program for an embedder, in Node and in a page alike: files in memory, streams as bytes. */
import { feedBytes } from "../runtime-shims/host/feed-stdin.js";
import { MemoryFiles, type MemoryTree } from "../runtime-shims/host/memory-files.js";
import { JoinedFiles } from "../runtime-shims/host/joined-files.js";
import { closeFiles, createFilesChannel, serveFiles } from "../runtime-shims/host/remote-files.js";
import { type WasiDirectory, WasiFiles } from "../runtime-shims/host/wasi-fs.js";
import { checkEngine } from "./engine-features.js";
import { GojitError } from "./errors.js";
import { Machine, type SupervisorPlatform } from "./machine/machine.js";
import { MAX_GUEST_PAGES } from "./machine/parts.js";
import type { RemoteSetup } from "./machine/remote-setup.js";
import { openProgram } from "./program.js";

/** What to run, and all that it sees of the world. */
export interface RunOptions {
  /** The bytes of a static linux/amd64 Go executable. */
  readonly program: Uint8Array;
  /** Arguments after the program's name. */
  readonly args?: readonly string[];
  /** Absolute guest path that the program takes for its own, and its name in os.Args; default `/program`. */
  readonly path?: string;
  /** Environment variables; default none. */
  readonly env?: Readonly<Record<string, string>>;
  /** The file system to begin with: names below `/` to texts, bytes, links and directories. /tmp is made if need be. */
  readonly files?: MemoryTree;
  /**
   * Directories of a `wasi:filesystem` 0.2 implementation, by the absolute guest path where they are seen. They are used
   * from the realm that called `run`.
   */
  readonly directories?: Readonly<Record<string, WasiDirectory>>;
  /** Absolute guest path of the working directory, made if need be; default `/`. */
  readonly currentDirectory?: string;
  /** Standard input; default empty. Read only as the program asks for it. */
  readonly stdin?: Uint8Array | AsyncIterable<Uint8Array>;
  /** Gets what the program writes to standard output, as it writes it. Without it the result has everything. */
  readonly stdout?: (bytes: Uint8Array) => void;
  /** The same for standard error, where gojit's own messages go too. */
  readonly stderr?: (bytes: Uint8Array) => void;
  /** What runtime.NumCPU reports; default: as many as the host tells. */
  readonly cpus?: number;
  /** Size of the guest's address space in bytes, at most and by default 4 GiB; reserved, not used, at the start. */
  readonly memoryBytes?: number;
  /** Ends the program as SIGKILL does. */
  readonly abort?: AbortSignal;
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

const WASM_PAGE_BYTES = 65536;
const OPEN_FILES = 1024;
const SIGKILL = 9;
/** The guest has a user of its own: none of the host's means anything in memory. */
const PID = 1000;
const UID = 1000;
const GID = 1000;

/**
 * Runs a program to its end.
 * @param platform the host's Workers and clocks
 * @param hostCpus the default of `cpus`
 * @throws GojitError if the program or the engine is unfit; MachineError if gojit itself fails
 */
export async function runOn(
  platform: (setup: RemoteSetup) => SupervisorPlatform,
  hostCpus: number,
  options: RunOptions,
): Promise<RunResult> {
  checkEngine();
  const { image, go } = openProgram(options.program);
  const path = absolute("path", options.path ?? "/program");
  const currentDirectory = absolute("currentDirectory", options.currentDirectory ?? "/");
  const streams = [new Collector(), new Collector(options.stdout), new Collector(options.stderr)];
  const output = {
    write(handle: number, bytes: Uint8Array): number {
      streams[handle]!.add(bytes);
      return bytes.length;
    },
  };
  // A root beside that of the tree makes the directory.
  const files = new MemoryFiles(options.files ?? {}, ["", "tmp", currentDirectory.slice(1)], output, UID, GID);
  const directories = Object.entries(options.directories ?? {});
  const wasiFiles = new WasiFiles({ roots: directories.map(([, directory]) => directory), output, uid: UID, gid: GID });
  const host = new JoinedFiles(
    [files, wasiFiles],
    [{ host: 0, root: 0 }, ...directories.map((_, root) => ({ host: 1, root }))],
  );
  const mounts = ["/", ...directories.map(([guest]) => absolute("directories", guest))].map((guest) => ({
    guest,
    readOnly: false,
  }));
  const channel = createFilesChannel();
  const machine = await createMachine(
    {
      image,
      go,
      argv: [path, ...(options.args ?? [])],
      env: Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`),
      path,
      cpus: options.cpus ?? hostCpus,
      memoryPages: Math.min(MAX_GUEST_PAGES, Math.floor((options.memoryBytes ?? Infinity) / WASM_PAGE_BYTES)),
      pid: PID,
      uid: UID,
      gid: GID,
      openFiles: OPEN_FILES,
      strace: false,
      stats: false,
    },
    platform({ channel, mounts, executable: path, currentDirectory }),
  );
  const abandon = (): void => machine.abandon(SIGKILL);
  const { stdin = new Uint8Array(), abort } = options;
  const stopStdin = feedBytes(machine.kernel, stdin instanceof Uint8Array ? [stdin] : stdin);
  void serveFiles(channel, host);
  try {
    if (abort?.aborted) abandon();
    abort?.addEventListener("abort", abandon);
    const { waitStatus } = await machine.run();
    const signal = waitStatus & 0x7f;
    return {
      status: signal ? 128 + signal : waitStatus >> 8,
      signal,
      stdout: streams[1]!.bytes(),
      stderr: streams[2]!.bytes(),
      readFile: (name) => files.content(name),
    };
  } finally {
    abort?.removeEventListener("abort", abandon);
    machine.close();
    stopStdin();
    closeFiles(channel);
  }
}

/** How long a page takes to end the Workers of an earlier run, which hold its memory. */
const RELEASE_MS = 4000;
const RETRY_MS = 200;

async function createMachine(...parameters: ConstructorParameters<typeof Machine>): Promise<Machine> {
  for (let waitedMs = 0; ; waitedMs += RETRY_MS) {
    try {
      return new Machine(...parameters);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      if (waitedMs >= RELEASE_MS) throw new GojitError("missing-engine-feature", NO_SPACE);
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

const NO_SPACE =
  "this JavaScript engine has no address space left for the program's memory; " +
  "let other programs end first, or give a smaller memoryBytes.";

function absolute(option: string, path: string): string {
  if (/^\/$|^(\/(?!\.{1,2}(\/|$))[^/\0]+)+$/.test(path)) return path;
  throw new GojitError(
    "bad-option",
    `${option}: "${path}" is no absolute path in its shortest form, such as /home/me.`,
  );
}

/** What is written to a stream: handed on, or kept. */
class Collector {
  readonly #sink: ((bytes: Uint8Array) => void) | undefined;
  readonly #chunks: Uint8Array[] = [];

  constructor(sink?: (bytes: Uint8Array) => void) {
    this.#sink = sink;
  }

  add(bytes: Uint8Array): void {
    if (this.#sink) this.#sink(bytes);
    else this.#chunks.push(bytes);
  }

  bytes(): Uint8Array {
    const all = new Uint8Array(this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }
}
