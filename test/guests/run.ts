import { spawn } from "node:child_process";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import path from "node:path";
import type { GuestCase } from "./cases.js";
import type { Outcome } from "./outcome.js";
import { projectRoot, unpack } from "./unpack.js";

/** `gojit`: through the command line in `dist`; `native`: the executable itself, on linux/x64 only. */
export type Runner = "gojit" | "native";

/** The runner that `GOJIT_RUNNER` asks for; `native` checks the harness and the recordings themselves. */
export const defaultRunner: Runner = process.env["GOJIT_RUNNER"] === "native" ? "native" : "gojit";

export const nativeRunsHere = process.platform === "linux" && process.arch === "x64";

export interface RunOptions {
  readonly version: string;
  readonly cpus: number;
  readonly runner?: Runner;
  /** Further options for `gojit run`. */
  readonly options?: readonly string[];
  /** After this many milliseconds the run is killed and the promise rejected. */
  readonly timeoutMs?: number;
}

/**
 * Runs one guest case in a fresh working directory, which is removed afterwards.
 * @throws when the run does not end in time; the message has what it wrote so far
 */
export async function runCase(guest: GuestCase, run: RunOptions): Promise<Outcome> {
  const workDir = mkdtempSync(path.join(tmpdir(), "gojit-guest-work-"));
  try {
    const { status, stdout, stderr } = await start(guest, run, workDir);
    return { status, stdout, stderr, files: filesBelow(workDir, workDir) };
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }
}

function commandLine(guest: GuestCase, run: RunOptions): { command: string[]; env: NodeJS.ProcessEnv } {
  const executable = unpack(run.version, guest.program);
  const guestEnv = Object.entries(guest.env ?? {});
  if ((run.runner ?? defaultRunner) === "native") {
    // math.Exp gives other last bits where the CPU has FMA, which gojit does not report.
    const env = { GODEBUG: "cpu.fma=off", GOMAXPROCS: String(run.cpus), ...guest.env };
    return { command: [executable, ...guest.args], env };
  }
  const guestOptions = [
    "--cpus",
    String(run.cpus),
    ...guestEnv.flatMap(([name, value]) => ["--env", `${name}=${value}`]),
  ];
  const options = [...guestOptions, ...(run.options ?? [])];
  return { command: gojitCommand([...options, executable, ...guest.args]), env: process.env };
}

/** The command line of `gojit run` as built into `dist`, started with this Node. */
export function gojitCommand(args: readonly string[]): string[] {
  return [process.execPath, path.join(projectRoot, "dist", "src", "cli", "main.js"), "run", ...args];
}

function start(guest: GuestCase, run: RunOptions, cwd: string): Promise<Omit<Outcome, "files">> {
  const { command, env } = commandLine(guest, run);
  const timeoutMs = run.timeoutMs ?? 60_000;
  return new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), {
      cwd,
      env: { ...env, PWD: cwd },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, timeoutMs);
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk));
    child.stdin.on("error", () => {}); // the guest may end without reading all of it
    child.stdin.end(guest.stdin?.() ?? new Uint8Array(0));
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const status = code ?? 128 + constants.signals[signal!];
      const result = { status, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
      if (!timedOut) return resolve(result);
      const seen = `stdout ends ${JSON.stringify(result.stdout.toString().slice(-300))}, stderr ends ${JSON.stringify(result.stderr.slice(-1000))}`;
      reject(
        new Error(`${guest.name}, Go ${run.version}, ${run.cpus} cpus: still running after ${timeoutMs} ms; ${seen}`),
      );
    });
  });
}

function filesBelow(dir: string, top: string): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = {};
  for (const name of readdirSync(dir)) {
    const file = path.join(dir, name);
    if (lstatSync(file).isDirectory()) Object.assign(files, filesBelow(file, top));
    else if (name !== "core") files[path.relative(top, file)] = readFileSync(file);
  }
  return files;
}
