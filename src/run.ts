/** Running a program for an embedder, in Node and in a page alike: files in memory, streams as bytes. */
import { feedBytes } from "../runtime-shims/host/feed-stdin.js";
import { MemoryFiles } from "../runtime-shims/host/memory-files.js";
import { JoinedFiles } from "../runtime-shims/host/joined-files.js";
import { closeFiles, createFilesChannel, serveFiles } from "../runtime-shims/host/remote-files.js";
import { WasiFiles } from "../runtime-shims/host/wasi-fs.js";
import { checkEngine } from "./engine-features.js";
import { GojitError } from "./errors.js";
import { DEFAULT_HOT } from "./machine/hot.js";
import { Machine, type SupervisorPlatform } from "./machine/machine.js";
import { MAX_GUEST_PAGES } from "./machine/parts.js";
import type { RemoteSetup } from "./machine/remote-setup.js";
import { openProgram } from "./program.js";
import { checkRunOptions, type RunOptions, type RunResult } from "./run-options.js";

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
 * @throws GojitError if the options, the program or the engine are unfit; MachineError if gojit itself fails; whatever
 *   `stdout` or `stderr` throws
 */
export async function runOn(
  platform: (setup: RemoteSetup) => SupervisorPlatform | Promise<SupervisorPlatform>,
  hostCpus: number,
  options: RunOptions,
): Promise<RunResult> {
  checkEngine();
  checkRunOptions(options);
  const { image, go } = openProgram(options.program);
  const { path = "/program", currentDirectory = "/", stdin = new Uint8Array(), abort } = options;
  const streams = [new Collector(), new Collector(options.stdout), new Collector(options.stderr)];
  let callerFailed: { readonly error: unknown } | undefined;
  const output = {
    write(handle: number, bytes: Uint8Array): number {
      try {
        streams[handle]!.add(bytes);
      } catch (error) {
        callerFailed ??= { error };
        abandon();
      }
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
  const mounts = ["/", ...directories.map(([guest]) => guest)].map((guest) => ({ guest, readOnly: false }));
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
      hot: DEFAULT_HOT,
      countsInstructions: false,
      probes: [],
      trace: null,
      strace: false,
      stats: false,
    },
    await platform({ channel, mounts, executable: path, currentDirectory }),
  );
  const abandon = (): void => machine.abandon(SIGKILL);
  const stopStdin = feedBytes(machine.kernel, stdin instanceof Uint8Array ? [stdin] : stdin);
  void serveFiles(channel, host);
  try {
    if (abort?.aborted) abandon();
    abort?.addEventListener("abort", abandon);
    const { waitStatus } = await machine.run();
    if (callerFailed) throw callerFailed.error;
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
      if (!(error instanceof GojitError) || error.code !== "no-memory" || waitedMs >= RELEASE_MS) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
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
