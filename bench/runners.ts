/** The ways to run a linux/amd64 executable that are compared with each other. */
import { spawn, spawnSync } from "node:child_process";
import path from "node:path";
import { projectRoot } from "../test/guests/unpack.js";
import type { GuestCommand } from "./benchmark.js";

export type RunnerName = "native" | "qemu" | "gojit";

export interface Runner {
  readonly name: RunnerName;
  /** The version, or null if it cannot be used on this machine. */
  readonly version: () => string | null;
  /** The words to execute; `cache` is a directory for translated code. */
  readonly words: (command: GuestCommand, cache: string) => readonly string[];
}

const firstLine = (text: string): string => text.split("\n", 1)[0]!.trim();

export const runners: readonly Runner[] = [
  {
    name: "native",
    version: () => (process.platform === "linux" && process.arch === "x64" ? "this machine" : null),
    words: ({ program, args }) => [program, ...args],
  },
  {
    name: "qemu",
    version: () => {
      const { status, stdout } = spawnSync("qemu-x86_64", ["--version"], { encoding: "utf8" });
      return status === 0 ? firstLine(stdout) : null;
    },
    words: ({ program, args }) => ["qemu-x86_64", program, ...args],
  },
  {
    name: "gojit",
    version: () => `node ${process.version}, V8 ${process.versions.v8}`,
    words: ({ program, args }, cache) => [
      process.execPath,
      path.join(projectRoot, "dist", "src", "cli", "main.js"),
      "run",
      "--allow-all",
      "--cache",
      cache,
      program,
      ...args,
    ],
  },
];

/** How a run ended. */
export interface RunResult {
  readonly wallMs: number;
  readonly stdout: string;
  /** What went wrong, or null. */
  readonly failure: string | null;
}

/** Runs `words` once, with GOMAXPROCS unset; ends it after `timeoutMs`. */
export function runOnce(words: readonly string[], timeoutMs: number): Promise<RunResult> {
  const { GOMAXPROCS: _, ...env } = process.env;
  return new Promise((resolve) => {
    const started = performance.now();
    const child = spawn(words[0]!, words.slice(1), { env, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data: Buffer) => (stdout += data.toString("latin1")));
    child.stderr.on("data", (data: Buffer) => (stderr += data.toString("latin1")));
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    const end = (failure: string | null) => {
      clearTimeout(timer);
      resolve({ wallMs: performance.now() - started, stdout, failure });
    };
    child.on("error", (error) => end(error.message));
    child.on("close", (status, signal) => {
      if (status === 0) end(null);
      else end(`${signal === null ? `status ${status}` : signal}: ${firstLine(stderr)}`);
    });
  });
}
