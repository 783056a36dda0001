import { closeSync, openSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { prepareNodeFiles } from "../../runtime-shims/host/node-files.js";
import { feedStdin } from "../../runtime-shims/host/node-stdin.js";
import { feedTerminal, followTerminalSize, terminalDescriptor } from "../../runtime-shims/host/node-terminal-input.js";
import { header } from "../../runtime-shims/kernel-memory.js";
import { raiseProcessSignal, SI_KERNEL, SI_USER } from "../../runtime-shims/signals.js";
import type { KnownCode } from "../cache/node-code-cache.js";
import { checkEngine } from "../engine-features.js";
import { DEFAULT_HOT } from "../machine/hot.js";
import { shellStatus, TIMED_OUT } from "../machine/endings.js";
import { Machine, type MachineOptions } from "../machine/machine.js";
import { nodePlatform, takeDefault } from "../machine/node-platform.js";
import { guestPages, OPEN_FILES } from "../machine/parts.js";
import { openOutput, writer } from "../node-output.js";
import type { ParsedCommand } from "./commands.js";
import type { ReportTarget } from "./options.js";
import { programCache, type ProgramCache } from "./program-cache.js";
import { createPrivateTmp, hostPermissionSource } from "./host-permissions.js";
import { loadProgram, type LoadedProgram } from "./load-program.js";
import { checkGrants, decidePermissions, guestPathOf } from "./permissions.js";

/**
 * Host signals that a guest can receive; their numbers are Linux's. Not among them are those that the guest's own
 * calls raise in gojit as well (SIGPIPE, SIGXFSZ), those of an access to the terminal from the background, which would
 * be tried again for ever if it did not stop the process, and those that the engine needs.
 */
const FORWARDED = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGTSTP: 20,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGVTALRM: 26,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
};

/** Those that a terminal sends. */
const FROM_TERMINAL = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTSTP", "SIGWINCH"];

/** What watches a run. */
export interface Observer extends Pick<MachineOptions, "probes" | "trace" | "debug"> {
  /** Before the program starts. */
  begin(machine: Machine): void;
  /** After it has ended, with a status as wait(2) has it. */
  end(waitStatus: number): void;
}

/**
 * `gojit run`: the guest's exit status.
 * @param early a guest's Worker that is starting already
 * @param observe who watches the run
 * @throws GojitError if the program cannot run
 */
export async function runCommand(
  parsed: ParsedCommand,
  early?: Worker,
  observe?: (program: LoadedProgram) => Observer | Promise<Observer>,
): Promise<number> {
  const { options, words } = parsed;
  checkEngine();
  const program = loadProgram(words[0]!);
  const observer = await observe?.(program);
  const source = hostPermissionSource(program.realPath);
  checkGrants(options.directories, source);
  const permissions = decidePermissions(options, source);
  const tmp = permissions.privateTmp ? createPrivateTmp() : undefined;
  try {
    const mounts = [...permissions.mounts];
    if (tmp) mounts.push({ guest: "/tmp", host: tmp.path, readOnly: false });
    const executable = guestPathOf(program.realPath);
    const uid = process.getuid?.() ?? 1000;
    const gid = process.getgid?.() ?? 1000;
    for (const report of [options.strace, options.stats]) if (typeof report === "string") closeSync(openOutput(report));
    const platform = nodePlatform(
      {
        ...prepareNodeFiles({ mounts, executable, currentDirectory: permissions.currentDirectory }),
        straceFile: typeof options.strace === "string" ? options.strace : null,
      },
      early,
    );
    const machine = new Machine(
      {
        image: program.image,
        go: program.go,
        argv: words,
        env: permissions.environment,
        path: executable,
        cpus: options.cpus ?? availableParallelism(),
        memoryPages: guestPages(options.memoryBytes),
        pid: process.pid,
        uid,
        gid,
        openFiles: OPEN_FILES,
        hot: options.count ? 0 : (options.hot ?? DEFAULT_HOT),
        countsInstructions: options.count ?? false,
        probes: observer?.probes ?? [],
        trace: observer?.trace ?? null,
        debug: observer?.debug ?? false,
        strace: options.strace !== undefined,
        stats: options.stats !== undefined,
      },
      platform,
    );
    machine.kernel.words[header.umask] = process.umask();
    const raise = (signo: number, code: typeof SI_USER | typeof SI_KERNEL): void =>
      void raiseProcessSignal(machine.kernel, signo, code, machine);
    feedStdin(machine.kernel);
    const terminal = terminalDescriptor();
    let restoreTerminal = (): void => {};
    if (terminal !== undefined) {
      restoreTerminal = feedTerminal(machine.kernel, terminal, (signo) => raise(signo, SI_KERNEL));
      followTerminalSize(machine.kernel, terminal);
    }
    for (const [name, number] of Object.entries(FORWARDED)) {
      process.on(name as NodeJS.Signals, () =>
        // Node does not say who sent a signal.
        raise(number, terminal !== undefined && FROM_TERMINAL.includes(name) ? SI_KERNEL : SI_USER),
      );
    }
    const timer =
      options.timeoutMs === undefined ? undefined : setTimeout(() => machine.abandon(TIMED_OUT), options.timeoutMs);
    observer?.begin(machine);
    let cache: ProgramCache | undefined;
    let known: KnownCode = { modules: 0, instructions: 0 };
    const { waitStatus } = await machine.run(async () => {
      // While the first Worker starts.
      cache = options.count || observer?.debug ? undefined : programCache(program, machine, options);
      if (cache) known = cache.load();
      // An observer asks for more of it.
      if (!observer) program.release();
    });
    clearTimeout(timer);
    cache?.save();
    // All at once: at the process's exit Node ends them one after the other.
    machine.close();
    observer?.end(waitStatus);
    if (options.stats !== undefined) await writeStats(options.stats, machine, known);
    if (waitStatus === FORWARDED.SIGINT && terminal !== undefined && !observer && process.platform !== "win32") {
      // A shell goes on with its script after Ctrl-C unless it sees that the signal ended the command.
      restoreTerminal();
      tmp?.remove();
      takeDefault("SIGINT");
    }
    return shellStatus(waitStatus);
  } finally {
    tmp?.remove();
  }
}

async function writeStats(target: ReportTarget, machine: Machine, known: KnownCode): Promise<void> {
  const [{ describeStats }, { syscallTable }] = await Promise.all([
    import("../machine/stats.js"),
    import("../../runtime-shims/syscalls/index.js"),
  ]);
  const executed = machine.parts.countsInstructions ? machine.executedInstructions : null;
  const stats = describeStats(machine.parts.stats!, syscallTable, machine.records.count, executed, known);
  // Node gives kibibytes on every host.
  const peakMemoryBytes = process.resourceUsage().maxRSS * 1024;
  const text = `${JSON.stringify({ ...stats, peakMemoryBytes }, null, 2)}\n`;
  writer(() => (target === true ? 2 : openSync(target, "w")), "what --stats tells")(text);
}
