import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { gojitCommand } from "../guests/run.js";
import { readOutputs, runShellStep, takeOutputs, toolsOf, type Build, type ToolStep } from "./build-steps.js";
import { cacheDirectory } from "../../src/cli/bench/fetch-package.js";
import type { RealCase } from "./real-case.js";
import { filesBelow, runCommand, type Ending } from "./run.js";
import type { Toolchain } from "../std/toolchain.js";

/** What comparing the two runs of something gave. */
export interface Comparison {
  readonly native?: Ending;
  readonly gojit: Ending;
  /** What gojit itself said on stderr: that something was asked for that it does not do. */
  readonly notes: readonly string[];
  /** One line or more for each difference; none: they are the same. */
  readonly differences: readonly string[];
}

export interface CompareOptions {
  readonly timeoutMs: number;
  /** Further options for `gojit run`. */
  readonly gojitOptions: readonly string[];
}

/** The words that run `words` under gojit as if natively, with a code cache for these programs alone. */
export function underGojit(words: readonly string[], { gojitOptions }: CompareOptions): string[] {
  return gojitCommand(["-A", "--cache", path.join(cacheDirectory, "code"), ...gojitOptions, ...words]);
}

/** Runs a case natively and then under gojit, each time in the same directory, prepared anew. */
export async function compareCase(executable: string, real: RealCase, options: CompareOptions): Promise<Comparison> {
  const directory = path.join(cacheDirectory, `work-${process.pid}`);
  const words = [executable, ...real.args];
  const once = async (command: readonly string[]): Promise<{ ending: Ending; files: Map<string, string> }> => {
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    real.prepare(directory);
    const { stdin, talk } = real;
    const ending = await runCommand({
      words: command,
      cwd: directory,
      timeoutMs: options.timeoutMs,
      ...(stdin !== undefined && { stdin }),
      ...(talk && { talk }),
    });
    return { ending, files: filesBelow(directory) };
  };
  const native = real.refusal ? undefined : await once(words);
  const noted = await once(underGojit(words, options));
  const { ending, notes } = withoutNotes(noted.ending);
  const gojit = { ending, files: noted.files };
  rmSync(directory, { recursive: true, force: true });
  if (ending.timedOut) return { gojit: ending, notes, differences: ["it did not end in time under gojit"] };
  if (!native) return { gojit: ending, notes, differences: notRefused(ending, real.refusal!) };
  const differences = [
    ...endingDifferences(native.ending, gojit.ending, real.normalize),
    ...fileDifferences(native.files, gojit.files),
  ];
  return { native: native.ending, gojit: gojit.ending, notes, differences };
}

/** Takes gojit's own lines out of stderr (docs/quirks-kernel.md): the program did not write them. */
function withoutNotes(ending: Ending): { ending: Ending; notes: string[] } {
  const note = /^gojit: .*\n/gm;
  return { ending: { ...ending, stderr: ending.stderr.replace(note, "") }, notes: ending.stderr.match(note) ?? [] };
}

/** How the steps of a build compared that one tool made. */
export interface ToolTotal {
  steps: number;
  nativeMs: number;
  gojitMs: number;
  nativePeakBytes: number;
  gojitPeakBytes: number;
  differences: string[];
}

/**
 * Runs the steps of a build natively, and those that `compared` chooses under gojit too, on the same files; native's
 * result is what the next steps find.
 * @returns what each tool came to; the outputs of all steps are there then
 */
export async function compareBuild(
  toolchain: Toolchain,
  build: Build,
  compared: (step: ToolStep) => boolean,
  options: CompareOptions,
): Promise<Map<string, ToolTotal>> {
  const totals = new Map<string, ToolTotal>();
  for (const step of build.steps) {
    if (step.kind === "shell") {
      runShellStep(step);
      continue;
    }
    const words = [path.join(toolsOf(toolchain), step.tool), ...step.words];
    const { cwd, env } = step;
    if (!compared(step)) {
      await runCommand({ words, cwd, env, timeoutMs: options.timeoutMs });
      continue;
    }
    const gojit = await runCommand({ words: underGojit(words, options), cwd, env, timeoutMs: options.timeoutMs });
    const gojitFiles = takeOutputs(step.words);
    const native = await runCommand({ words, cwd, env, timeoutMs: options.timeoutMs });
    const nativeFiles = readOutputs(step.words);
    const differences = [...endingDifferences(native, gojit), ...fileDifferences(nativeFiles, gojitFiles)];
    if (native.status !== 0) differences.push(`status ${native.status} natively: ${excerpt(native.stderr, 0)}`);
    const total = totals.get(step.tool) ?? noSteps();
    totals.set(step.tool, total);
    total.steps++;
    total.nativeMs += native.wallMs;
    total.gojitMs += gojit.wallMs;
    total.nativePeakBytes = Math.max(total.nativePeakBytes, native.peakBytes);
    total.gojitPeakBytes = Math.max(total.gojitPeakBytes, gojit.peakBytes);
    if (differences.length > 0) total.differences.push(`${step.tool} ${step.package}:`, ...differences);
  }
  return totals;
}

function noSteps(): ToolTotal {
  return { steps: 0, nativeMs: 0, gojitMs: 0, nativePeakBytes: 0, gojitPeakBytes: 0, differences: [] };
}

function notRefused(gojit: Ending, refusal: RegExp): string[] {
  if (gojit.status === 1 && refusal.test(gojit.stderr)) return [];
  return [`no refusal ${refusal}: status ${gojit.status}, stderr ${excerpt(gojit.stderr, 0)}`];
}

/** Differences in status, stdout and stderr. */
export function endingDifferences(native: Ending, gojit: Ending, normalize = (text: string) => text): string[] {
  const differences: string[] = [];
  if (gojit.timedOut || native.timedOut) differences.push("it did not end in time");
  if (native.status !== gojit.status) differences.push(`status: native ${native.status}, gojit ${gojit.status}`);
  for (const stream of ["stdout", "stderr"] as const) {
    differences.push(...textDifference(stream, normalize(native[stream]), normalize(gojit[stream])));
  }
  return differences;
}

/** Differences of two trees, as `filesBelow` gives them. */
export function fileDifferences(native: Map<string, string>, gojit: Map<string, string>): string[] {
  const names = [...new Set([...native.keys(), ...gojit.keys()])].sort();
  return names.flatMap((name) => {
    const [before, after] = [native.get(name), gojit.get(name)];
    if (after === undefined) return [`${name}: only native wrote it`];
    if (before === undefined) return [`${name}: only gojit wrote it`];
    return textDifference(name, before, after);
  });
}

function textDifference(what: string, native: string, gojit: string): string[] {
  if (native === gojit) return [];
  let at = 0;
  while (at < native.length && native[at] === gojit[at]) at++;
  return [
    `${what} differs at byte ${at} of ${native.length} and ${gojit.length}:`,
    `    native ${excerpt(native, at)}`,
    `    gojit  ${excerpt(gojit, at)}`,
  ];
}

function excerpt(text: string, at: number): string {
  return JSON.stringify(text.slice(Math.max(at - 80, 0), at + 240));
}
