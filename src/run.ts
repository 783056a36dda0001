/** Running a program for an embedder, in Node and in a page alike: files in memory, streams as bytes. */
import { feedBytes } from "../runtime-shims/host/feed-stdin.js";
import { MemoryFiles, type StandardOutput } from "../runtime-shims/host/memory-files.js";
import { JoinedFiles, type JoinedRoot } from "../runtime-shims/host/joined-files.js";
import { closeFiles, createFilesChannel, serveFiles } from "../runtime-shims/host/remote-files.js";
import type { HostFiles } from "../runtime-shims/host/types.js";
import { WasiFiles, type WasiDirectory } from "../runtime-shims/host/wasi-fs.js";
import type { Mount } from "../runtime-shims/mounts.js";
import { checkEngine } from "./engine-features.js";
import { GojitError } from "./errors.js";
import { DEFAULT_HOT } from "./machine/hot.js";
import { Machine, type MachineOptions, type SupervisorPlatform } from "./machine/machine.js";
import { endingSignal, KILLED, shellStatus, TIMED_OUT } from "./machine/endings.js";
import { guestPages, OPEN_FILES } from "./machine/parts.js";
import type { RemoteSetup } from "./machine/remote-setup.js";
import { openProgram, type Program } from "./program.js";
import { checkRunOptions, type OutputSink, type RunOptions, type RunResult } from "./run-options.js";

/** The guest has a user of its own: none of the host's means anything in memory. */
const PID = 1000;
const UID = 1000;
const GID = 1000;

/** The host's Workers, clocks and files. */
export interface RunPlatform {
  readonly supervisor: (setup: RemoteSetup) => SupervisorPlatform | Promise<SupervisorPlatform>;
  /** The default of `cpus`. */
  readonly cpus: number;
  /** Directories of the host, as the roots 0, 1, …. @throws GojitError (bad-option, file-not-found) */
  readonly openHostDirectories: (paths: readonly string[]) => HostFiles;
  /** The bytes of a program that is a file or URL. @throws GojitError (file-not-found, file-unreadable) */
  readonly readProgram: (from: string | URL) => Promise<Uint8Array>;
}

/** A program that is mapped, but has not started. */
export interface Launched {
  readonly program: Program;
  readonly machine: Machine;
  /** Nanoseconds of the clock that its Workers have. */
  readonly nowNs: () => number;
  /** Runs it to its end. @throws MachineError if gojit itself fails; whatever `stdout` or `stderr` throws */
  finish(): Promise<RunResult>;
  /** Ends the program from outside, as SIGKILL does, or with another wait(2) status. */
  abandon(waitStatus?: number): void;
}

/** What watches a run: see `MachineOptions`. */
export type Watched = Pick<MachineOptions, "probes" | "trace" | "debug">;

const UNWATCHED: Watched = { probes: [], trace: null, debug: false };

/**
 * Runs a program to its end.
 * @throws GojitError if the options, the program or the engine are unfit; MachineError if gojit itself fails; whatever
 *   `stdout` or `stderr` throws
 */
export async function runOn(platform: RunPlatform, options: RunOptions): Promise<RunResult> {
  const { finish } = await launch(platform, options, () => UNWATCHED);
  return finish();
}

/**
 * Maps a program and makes what it sees of the world.
 * @param watch told the program and the Wasm pages of its memory
 * @throws GojitError if the options, the program or the engine are unfit
 */
export async function launch(
  platform: RunPlatform,
  options: RunOptions,
  watch: (program: Program, memoryPages: number) => Watched | Promise<Watched>,
): Promise<Launched> {
  checkEngine();
  checkRunOptions(options);
  const from = options.program;
  const program = openProgram(from instanceof Uint8Array ? from : await platform.readProgram(from));
  const { path = "/program", currentDirectory = "/", stdin = new Uint8Array(), abort } = options;
  const streams = [new Collector(), new Collector(options.stdout), new Collector(options.stderr)];
  let callerFailed: { readonly error: unknown } | undefined;
  const failed = (error: unknown): void => {
    callerFailed ??= { error };
    abandon();
  };
  const output = {
    write(handle: number, bytes: Uint8Array): number {
      streams[handle]!.add(bytes, failed);
      return bytes.length;
    },
  };
  // A root beside that of the tree makes the directory.
  const files = new MemoryFiles(options.files ?? {}, ["", "tmp", currentDirectory.slice(1)], output, UID, GID);
  const { host, mounts } = openDirectories(platform, options, files, output);
  const memoryPages = guestPages(options.memoryBytes);
  const channel = createFilesChannel();
  const supervisor = await platform.supervisor({ channel, mounts, executable: path, currentDirectory });
  const machine = await createMachine(
    {
      image: program.image,
      go: program.go,
      argv: [path, ...(options.args ?? [])],
      env: Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`),
      path,
      cpus: options.cpus ?? platform.cpus,
      memoryPages,
      pid: PID,
      uid: UID,
      gid: GID,
      openFiles: OPEN_FILES,
      hot: DEFAULT_HOT,
      countsInstructions: false,
      strace: false,
      stats: false,
      ...(await watch(program, memoryPages)),
    },
    supervisor,
  );
  const abandon = (waitStatus = KILLED): void => machine.abandon(waitStatus);
  const aborted = (): void => abandon();
  const stopStdin = feedBytes(machine.kernel, stdin instanceof Uint8Array ? [stdin] : stdin);
  void serveFiles(channel, host);
  const finish = async (): Promise<RunResult> => {
    const timer = options.timeoutMs === undefined ? undefined : setTimeout(() => abandon(TIMED_OUT), options.timeoutMs);
    try {
      if (abort?.aborted) abandon();
      abort?.addEventListener("abort", aborted);
      const { waitStatus } = await machine.run();
      await Promise.all(streams.map((stream) => stream.drained));
      if (callerFailed) throw callerFailed.error;
      return {
        status: shellStatus(waitStatus),
        signal: endingSignal(waitStatus),
        stdout: streams[1]!.bytes(),
        stderr: streams[2]!.bytes(),
        readFile: (name) => files.content(name),
      };
    } finally {
      clearTimeout(timer);
      abort?.removeEventListener("abort", aborted);
      machine.close();
      stopStdin();
      closeFiles(channel);
      for (const stream of streams) stream.release();
    }
  };
  return { program, machine, nowNs: supervisor.clock.monotonicNs, finish, abandon };
}

/** The files in memory, and the directories beside them. @throws GojitError (bad-option, file-not-found) */
function openDirectories(
  platform: RunPlatform,
  options: RunOptions,
  files: MemoryFiles,
  output: StandardOutput,
): { host: HostFiles; mounts: Mount[] } {
  const roots: JoinedRoot[] = [{ host: 0, root: 0 }];
  const mounts: Mount[] = [{ guest: "/", readOnly: false }];
  const wasi: WasiDirectory[] = [];
  const paths: string[] = [];
  for (const [guest, directory] of Object.entries(options.directories ?? {})) {
    const isHosts = "hostPath" in directory;
    roots.push(
      isHosts ? { host: 2, root: paths.push(directory.hostPath) - 1 } : { host: 1, root: wasi.push(directory) - 1 },
    );
    mounts.push({ guest, readOnly: isHosts && directory.readOnly === true });
  }
  const hosts: HostFiles[] = [files, new WasiFiles({ roots: wasi, output, uid: UID, gid: GID })];
  if (paths.length > 0) hosts.push(platform.openHostDirectories(paths));
  return { host: new JoinedFiles(hosts, roots), mounts };
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
  readonly #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;
  readonly #chunks: Uint8Array[] = [];
  /** When a stream has taken all that it was given. */
  drained: Promise<void> = Promise.resolve();

  constructor(sink?: OutputSink) {
    if (typeof sink === "function") this.#sink = sink;
    else this.#writer = sink?.getWriter();
  }

  /** @param failed gets what the sink throws */
  add(bytes: Uint8Array, failed: (error: unknown) => void): void {
    const writer = this.#writer;
    if (writer) {
      this.drained = writer.write(bytes).catch(failed);
      return;
    }
    if (!this.#sink) return void this.#chunks.push(bytes);
    try {
      this.#sink(bytes);
    } catch (error) {
      failed(error);
    }
  }

  /** Lets go of the stream. */
  release(): void {
    this.#writer?.releaseLock();
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
