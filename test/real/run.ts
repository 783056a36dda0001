import { spawn } from "node:child_process";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { constants } from "node:os";
import path from "node:path";
import { peakOf } from "../../src/cli/bench/peak-memory.js";
import type { LiveRun } from "./real-case.js";

/** What to start and where. */
export interface Command {
  readonly words: readonly string[];
  readonly cwd: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly stdin?: string;
  readonly talk?: (run: LiveRun) => Promise<void>;
  readonly timeoutMs: number;
}

/** How a process ended, and what it took. */
export interface Ending {
  /** Exit status, 128+n when signal n ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly wallMs: number;
  /** Largest resident set that was seen (`VmHWM`, proc_pid_status(5)), read every few milliseconds. */
  readonly peakBytes: number;
  /** It did not end in time and was killed. */
  readonly timedOut: boolean;
}

const SAMPLE_MS = 5;

/** Runs a process to its end. stdout and stderr are kept byte by byte, as Latin-1. */
export function runCommand(command: Command): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(command.words[0]!, command.words.slice(1), {
      cwd: command.cwd,
      env: { ...process.env, ...command.env, PWD: command.cwd },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const seen = { stdout: "", stderr: "" };
    let timedOut = false;
    let ended = false;
    let peakBytes = 0;
    let wake: (() => void)[] = [];
    const changed = (): void => {
      const waiting = wake;
      wake = [];
      for (const go of waiting) go();
    };
    for (const stream of ["stdout", "stderr"] as const) {
      child[stream].on("data", (chunk: Buffer) => {
        seen[stream] += chunk.toString("latin1");
        changed();
      });
    }
    const sampler = setInterval(() => (peakBytes = Math.max(peakBytes, peakOf(child.pid))), SAMPLE_MS);
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, command.timeoutMs);
    const done = (): void => {
      clearInterval(sampler);
      clearTimeout(timer);
      ended = true;
      changed();
    };
    child.stdin.on("error", () => {}); // it may end without reading all of it
    child.on("error", (error) => {
      done();
      reject(error);
    });
    child.on("close", (code, signal) => {
      done();
      const status = code ?? 128 + constants.signals[signal!];
      resolve({ status, ...seen, wallMs: performance.now() - started, peakBytes, timedOut });
    });
    if (!command.talk) {
      child.stdin.end(command.stdin ?? "");
      return;
    }
    const live: LiveRun = {
      directory: command.cwd,
      write: (bytes) => void child.stdin.write(bytes, "latin1"),
      closeStdin: () => void child.stdin.end(),
      kill: (signal) => void child.kill(signal),
      until: async (stream, pattern, count) => {
        while ([...seen[stream].matchAll(new RegExp(pattern, "g"))].length < count) {
          if (ended) throw new Error(`it ended before ${pattern} came ${count} times`);
          await new Promise<void>((go) => wake.push(go));
        }
      },
    };
    command.talk(live).catch((error: unknown) => {
      seen.stderr += `\n[test:real: ${String(error)}]\n`;
      child.stdin.end();
    });
  });
}

/** All that is below a directory: path → mode and content, so that two trees are the same when these maps are. */
export function filesBelow(directory: string, prefix = ""): Map<string, string> {
  const files = new Map<string, string>();
  for (const name of readdirSync(directory)) {
    const file = path.join(directory, name);
    const stat = lstatSync(file);
    const mode = stat.mode.toString(8);
    if (stat.isSymbolicLink()) files.set(prefix + name, `${mode} ${readlinkSync(file)}`);
    else if (!stat.isDirectory()) files.set(prefix + name, `${mode} ${readFileSync(file, "latin1")}`);
    else {
      files.set(`${prefix}${name}/`, mode);
      for (const [inner, content] of filesBelow(file, `${prefix}${name}/`)) files.set(inner, content);
    }
  }
  return files;
}
