import type { StderrComparison } from "./cases.js";

/** What a run left behind. */
export interface Outcome {
  /** Exit status, 128+n when signal n ended the process. */
  status: number;
  stdout: Uint8Array;
  stderr: string;
  /** Files below the working directory: path → content. */
  files: Record<string, Uint8Array>;
}

/** An `Outcome` as kept in `expected/*.json`: bytes that are not UTF-8 text are base64. */
export interface RecordedOutcome {
  status: number;
  stdout: Content;
  stderr: string;
  files?: Record<string, Content>;
}

type Content = string | { base64: string };

function content(bytes: Uint8Array): Content {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { base64: Buffer.from(bytes).toString("base64") };
  }
}

/** The comparable form of an outcome; two runs agree when theirs are deeply equal. */
export function record(outcome: Outcome, comparison: StderrComparison = "exact"): RecordedOutcome {
  const { status, stdout, files } = outcome;
  const names = Object.keys(files).sort();
  return {
    status,
    stdout: content(stdout),
    stderr: normalizeStderr(outcome.stderr, comparison),
    ...(names.length > 0 && { files: Object.fromEntries(names.map((name) => [name, content(files[name]!)])) }),
  };
}

function normalizeStderr(stderr: string, comparison: StderrComparison): string {
  if (comparison === "exact") return stderr;
  return comparison === "trace" ? normalizeTrace(stderr) : reasonLines(stderr);
}

/**
 * Removes from a Go crash report what differs between two runs of the same program: the runtime's own stack, argument
 * values, stack addresses, the numbers of goroutines other than 1, and how many frames were left out.
 */
export function normalizeTrace(report: string): string {
  const kept: string[] = [];
  let inRuntimeStack = false;
  for (const line of report.split("\n")) {
    if (line === "runtime stack:") inRuntimeStack = true;
    if (line.startsWith("goroutine ")) inRuntimeStack = false;
    if (inRuntimeStack) continue;
    kept.push(
      line
        .replace(/^(?:goroutine (?!1 )\d+|goroutine 1 .*?(?=\[))/, (text) => (text.startsWith("goroutine 1 ") ? "goroutine 1 " : "goroutine N"))
        .replace(/ in goroutine \d+$/, "")
        .replace(/^(runtime: sp=).*/, "$1...")
        .replace(/^(\S.*?\.[^.\s]+)\([^()]*\)$/, "$1(...)")
        .replace(/\d+ frames elided/, "N frames elided"),
    );
  }
  return kept.join("\n");
}

function reasonLines(report: string): string {
  return report
    .split("\n")
    .filter((line) => /^\s*panic: |^fatal error: |^SIG[A-Z]+: |^\[signal /.test(line))
    .join("\n");
}
