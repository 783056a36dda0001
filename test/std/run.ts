import { spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { gojitCommand, type Runner } from "../guests/run.js";
import { ResultReader, type Results } from "./results.js";
import type { TestBinary, Toolchain } from "./toolchain.js";

export interface RunOptions {
  readonly runner: Runner;
  readonly toolchain: Toolchain;
  /** A test that shows no sign of life for so long is ended and counts as HANG. */
  readonly timeoutMs: number;
  /** Further options for `gojit run`. */
  readonly gojitOptions: readonly string[];
}

/** Switches off what gojit's CPUID does not announce, so that tests find the same processor natively. */
const sameProcessor = "adx aes avx avx2 bmi1 bmi2 erms fma pclmulqdq sse42"
  .split(" ")
  .map((feature) => `cpu.${feature}=off`)
  .join(",");

/** How one process ended. */
interface End {
  /** It was made to end, because nothing happened for too long. */
  readonly stalled: boolean;
  /** Exit status, 128+n when signal n ended it. */
  readonly status: number;
}

/**
 * Runs tests of a package, in as few processes as it takes: one that dies or hangs takes only the tests down that were
 * running in it.
 * @param tests names of top-level tests
 * @returns results of these tests and their subtests
 */
export async function runTests(binary: TestBinary, tests: readonly string[], options: RunOptions): Promise<Results> {
  const results: Results = new Map();
  let waiting = [...tests];
  while (waiting.length > 0) {
    const reader = new ResultReader();
    const end = await runProcess(binary, waiting, options, reader);
    for (const [name, result] of reader.results) results.set(name, result);
    const left = waiting.length;
    waiting = waiting.filter((name) => !results.has(name));
    if (!end.stalled && reader.running.size + reader.paused.size === 0 && reader.results.size === 0) {
      for (const name of waiting) results.set(name, "MISSING");
      break;
    }
    const suspects = waiting.filter((name) => reader.running.has(name));
    // Each shows by itself whether it is to blame, or what ran before it and beside it.
    if (suspects.length > 0 && left > 1) {
      for (const name of suspects) {
        for (const entry of await runTests(binary, [name], options)) results.set(...entry);
        const how = `${end.stalled ? "stalled" : `ended with status ${end.status}`} among others`;
        console.log(`note: ${binary.name} ${name} (${options.runner}) ${how}; by itself: ${results.get(name)}`);
      }
    } else {
      const blamed = suspects[0] ?? (waiting.length === left ? waiting[0] : undefined);
      if (blamed !== undefined) results.set(blamed, end.stalled ? "HANG" : "CRASH");
    }
    waiting = waiting.filter((name) => !results.has(name));
  }
  return results;
}

/**
 * Names of a package's top-level tests, examples and fuzz tests (these with their seeds), in the order of `-test.list`;
 * none for a package of benchmarks.
 * @throws when the test binary does not run
 */
export async function listTests(binary: TestBinary, options: RunOptions): Promise<string[]> {
  const names: string[] = [];
  const collect = { line: (text: string) => void names.push(text) };
  const { status } = await runCommand([binary.file, "-test.list=."], binary, options, collect);
  if (status !== 0) throw new Error(`it does not list its tests; see ${logFile(binary, "native")}`);
  return names.filter((name) => /^(Test|Example|Fuzz)\S*$/.test(name));
}

async function runProcess(
  binary: TestBinary,
  tests: readonly string[],
  options: RunOptions,
  reader: ResultReader,
): Promise<End> {
  const pattern = `^(${tests.join("|")})$`;
  const words = [binary.file, `-test.run=${pattern}`, "-test.v", "-test.short", "-test.timeout=0"];
  const command = options.runner === "native" ? words : gojitCommand(["-A", ...options.gojitOptions, ...words]);
  return runCommand(command, binary, options, reader);
}

/** The file that keeps what the last runs of a package wrote. */
export function logFile(binary: TestBinary, runner: Runner): string {
  return binary.file.replace(/\.test$/, `.${runner}.log`);
}

/** Runs one process as `go test` does: in the package's directory, with nothing on standard input. */
function runCommand(
  command: readonly string[],
  binary: TestBinary,
  { runner, toolchain, timeoutMs }: RunOptions,
  reader: { line(text: string): void },
): Promise<End> {
  const temporary = mkdtempSync(path.join(tmpdir(), "gojit-std-"));
  const log = createWriteStream(logFile(binary, runner), { flags: "a" });
  const env = {
    ...process.env,
    GOROOT: toolchain.goRoot,
    PATH: `${path.join(toolchain.goRoot, "bin")}:${process.env["PATH"]}`,
    PWD: binary.directory,
    TMPDIR: temporary,
    GODEBUG: sameProcessor,
  };
  return new Promise((resolve, reject) => {
    const child = spawn(command[0]!, command.slice(1), {
      cwd: binary.directory,
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stalled = false;
    // SIGQUIT makes a Go program say what it was doing; SIGKILL is for one that does not listen.
    const stop = (): void => {
      stalled = true;
      child.kill("SIGQUIT");
      timer = setTimeout(() => child.kill("SIGKILL"), 3000);
    };
    let timer = setTimeout(stop, timeoutMs);
    createInterface(child.stdout).on("line", (text) => {
      if (!stalled) {
        clearTimeout(timer);
        timer = setTimeout(stop, timeoutMs);
      }
      reader.line(text);
    });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      log.end();
      rmSync(temporary, { recursive: true, force: true });
      resolve({ stalled, status: code ?? 128 + constants.signals[signal!] });
    });
  });
}
