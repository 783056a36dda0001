import { createHash } from "node:crypto";
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

/** An `Outcome` as kept in `expected/*.json`: text as it is, other and large content by size and hash. */
export interface RecordedOutcome {
  status: number;
  stdout: Content;
  stderr: string;
  files?: Record<string, Content>;
}

type Content = string | { sizeBytes: number; sha256: string };

function content(bytes: Uint8Array): Content {
  if (bytes.length <= 100_000) {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      // not text
    }
  }
  return { sizeBytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
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
 * Removes from a Go crash report what differs between two runs of the same program: the runtime's own stack, all
 * goroutines but the first one reported, argument values, stack and goroutine addresses, goroutine numbers other
 * than 1, and how many frames were left out.
 */
export function normalizeTrace(report: string): string {
  const kept: string[] = [];
  let goroutines = 0;
  let keep = true;
  for (const line of report.split("\n")) {
    if (line === "runtime stack:") keep = false;
    if (line.startsWith("goroutine ")) keep = ++goroutines === 1;
    if (keep) kept.push(normalizeTraceLine(line));
  }
  return kept.join("\n");
}

function normalizeTraceLine(line: string): string {
  return line
    .replace(/^goroutine (\d+) .*?(?=\[)/, (_, number) => `goroutine ${number === "1" ? "1" : "N"} `)
    .replace(/^(created by .*) in goroutine \d+$/, "$1")
    .replace(/^(runtime: sp=).*/, "$1...")
    .replace(/ fp=0x[0-9a-f]+ sp=0x[0-9a-f]+/, "")
    .replace(/^(\S.*?\.[^.\s]+)\([^()]*\)$/, "$1(...)")
    .replace(/^panic\(.*\)$/, "panic(...)")
    .replace(/^(\s*panic: \(.*\) )0x[0-9a-f]+/, "$1...")
    .replace(/\d+ frames elided/, "N frames elided");
}

function reasonLines(report: string): string {
  return report
    .split("\n")
    .filter((line) => /^\s*panic: |^fatal error: |^SIG[A-Z]+: |^\[signal /.test(line))
    .join("\n");
}
