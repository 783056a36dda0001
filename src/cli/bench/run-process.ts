import { spawn } from "node:child_process";
import { peakOf } from "./peak-memory.js";

/** How a process ended. */
export interface ProcessResult {
  readonly wallMs: number;
  readonly stdout: string;
  /** Largest resident set that was seen, if it was watched. */
  readonly peakBytes: number;
  /** What went wrong, or null. */
  readonly failure: string | null;
}

export interface ProcessOptions {
  readonly cwd: string;
  readonly timeoutMs: number;
  /** Looks at its memory every few milliseconds. */
  readonly watchMemory: boolean;
}

const SAMPLE_MS = 10;

/** Runs `words` once, with GOMAXPROCS unset; kills it after `timeoutMs`. */
export function runProcess(words: readonly string[], options: ProcessOptions): Promise<ProcessResult> {
  const { GOMAXPROCS: _, ...env } = process.env;
  return new Promise((resolve) => {
    const started = performance.now();
    const child = spawn(words[0]!, words.slice(1), {
      cwd: options.cwd,
      env: { ...env, PWD: options.cwd },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    let peakBytes = 0;
    let timedOut = false;
    child.stdout.on("data", (data: Buffer) => (stdout += data.toString("latin1")));
    child.stderr.on("data", (data: Buffer) => (stderr += data.toString("latin1")));
    const look = (): void => void (peakBytes = Math.max(peakBytes, peakOf(child.pid)));
    const sampler = options.watchMemory ? setInterval(look, SAMPLE_MS) : undefined;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, options.timeoutMs);
    const end = (failure: string | null): void => {
      clearTimeout(timer);
      clearInterval(sampler);
      resolve({ wallMs: performance.now() - started, stdout, peakBytes, failure });
    };
    child.on("error", (error) => end(error.message));
    child.on("close", (status, signal) => {
      if (status === 0) end(null);
      else if (timedOut) end(`not done after ${options.timeoutMs / 1000} s`);
      else end(`${signal ?? `status ${status}`}: ${stderr.trim().split("\n", 1)[0]}`);
    });
  });
}
