import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { gojitCommand } from "../guests/run.js";
import { cacheDirectory } from "./fetch.js";
import type { RealCase } from "./real-case.js";
import { filesBelow, runCommand, type Ending } from "./run.js";

/** What comparing the two runs of something gave. */
export interface Comparison {
  readonly native?: Ending;
  readonly gojit: Ending;
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
  const directory = path.join(cacheDirectory, "work");
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
  const gojit = await once(underGojit(words, options));
  rmSync(directory, { recursive: true, force: true });
  if (!native) return { gojit: gojit.ending, differences: notRefused(gojit.ending, real.refusal!) };
  const differences = [
    ...endingDifferences(native.ending, gojit.ending, real.normalize),
    ...fileDifferences(native.files, gojit.files),
  ];
  return { native: native.ending, gojit: gojit.ending, differences };
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
