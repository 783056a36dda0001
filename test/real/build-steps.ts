import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { cacheDirectory } from "../../src/cli/bench/fetch-package.js";
import { goEnvironment } from "../../src/cli/bench/go-toolchain.js";
import type { Toolchain } from "../std/toolchain.js";
import { fixtures } from "./trees.js";

/** A run of one of the toolchain's programs. */
export interface ToolStep {
  readonly kind: "tool";
  readonly tool: string;
  /** Import path of the package that it works on; none for link. */
  readonly package: string;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly words: readonly string[];
}

/** One step of a build: a tool, which can be compared, or a shell command that lays files out for the tools. */
export type BuildStep = ToolStep | { readonly kind: "shell"; readonly cwd: string; readonly script: string };

/** A build of one of the Go fixtures, package by package. */
export interface Build {
  /** Where its files are; `prepareBuild` empties it. */
  readonly work: string;
  readonly steps: readonly BuildStep[];
  /** The executable that the last step links. */
  readonly executable: string;
}

/**
 * What `go build` would do to build `fixture` and all that it imports, as `go build -n -a` says: its output is a shell
 * script with `$WORK` for a directory.
 */
export function prepareBuild(toolchain: Toolchain, fixture: string): Build {
  const { go, goRoot, version } = toolchain;
  const tools = toolsOf(toolchain);
  const source = path.join(cacheDirectory, `build-${version}-${fixture}`, "source");
  const work = path.join(cacheDirectory, `build-${version}-${fixture}`, "work");
  rmSync(path.dirname(work), { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  cpSync(path.join(fixtures, "fixture-go", fixture), source, { recursive: true });
  const env = { ...process.env, ...goEnvironment, GOCACHE: path.join(cacheDirectory, "go-build") };
  const options = { cwd: source, env, encoding: "utf8", maxBuffer: 2 ** 28 } as const;
  const dry = spawnSync(go, ["build", "-n", "-a", "-p=1", "-trimpath", "-buildvcs=false", "."], options);
  if (dry.status !== 0) throw new Error(`go build -n: ${dry.stderr}`);
  const script = dry.stderr.replaceAll("$WORK", work).split("\n");
  const steps: BuildStep[] = [];
  let cwd = source;
  for (let at = 0; at < script.length; at++) {
    const line = script[at]!;
    const tool = line.includes(`${tools}/`) ? /\/(compile|asm|link) (.*)$/.exec(line) : null;
    if (tool) {
      const words = splitWords(tool[2]!);
      const env = Object.fromEntries(
        [...line.slice(0, tool.index).matchAll(/(\w+)='([^']*)'/g)].map((m) => [m[1], m[2]]),
      );
      steps.push({ kind: "tool", tool: tool[1]!, package: packageOf(words), cwd, env, words });
    } else if (line.startsWith("cd ")) {
      cwd = path.resolve(source, line.slice(3));
    } else if (line.includes("<< 'EOF'")) {
      // JSON is printed without a line feed at its end.
      const end = script.findIndex((text, index) => index > at && text.endsWith("EOF"));
      const last = script[end]!.slice(0, -"EOF".length);
      const content = [...script.slice(at, end), ...(last ? [last] : [])];
      steps.push({ kind: "shell", cwd, script: [...content, "EOF"].join("\n") });
      at = end;
    } else if (/^(mkdir|cp|echo) /.test(line)) {
      steps.push({ kind: "shell", cwd, script: line });
    } else if (/\bpack r /.test(line)) {
      const words = line.slice(line.indexOf("pack r "));
      const command = `GOROOT='${goRoot}' '${go}' tool ${words}`;
      steps.push({ kind: "shell", cwd, script: command });
    }
  }
  const last = steps.findLast((step) => step.kind === "tool");
  if (last?.kind !== "tool" || last.tool !== "link") throw new Error("go build -n links nothing");
  return { work, steps, executable: outputs(last.words)[0]! };
}

/** Directory of compile, asm, link and vet. */
export function toolsOf({ goRoot }: Toolchain): string {
  return path.join(goRoot, "pkg", "tool", "linux_amd64");
}

/** Runs a shell step. @throws with its words when it fails */
export function runShellStep(step: BuildStep & { kind: "shell" }): void {
  const env = { ...process.env, ...goEnvironment };
  const { status, stderr } = spawnSync("bash", ["-c", step.script], { cwd: step.cwd, env, encoding: "utf8" });
  if (status !== 0) throw new Error(`${step.script.split("\n", 1)[0]}: ${stderr}`);
}

function packageOf(words: readonly string[]): string {
  return words.includes("-p") ? words[words.indexOf("-p") + 1]! : "";
}

/** The files that a tool writes. */
export function outputs(words: readonly string[]): string[] {
  return words.filter((_, at) => /^-(o|asmhdr|linkobj)$/.test(words[at - 1] ?? ""));
}

/** What a tool wrote: name → content. */
export function readOutputs(words: readonly string[]): Map<string, string> {
  const written = outputs(words).filter((file) => existsSync(file));
  return new Map(written.map((file) => [path.basename(file), readFileSync(file, "latin1")]));
}

/** Reads what a tool wrote and removes it. */
export function takeOutputs(words: readonly string[]): Map<string, string> {
  const files = readOutputs(words);
  for (const file of outputs(words)) rmSync(file, { force: true });
  return files;
}

/** Words of a shell command that quotes only with double quotes, as `go build -n` prints them. */
function splitWords(text: string): string[] {
  return [...text.replace(/ # internal$/, "").matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, plain]) => quoted?.replace(/\\(.)/g, "$1") ?? plain!,
  );
}
