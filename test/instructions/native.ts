/** Runs cases on the real processor by native/runner.c. Needs gcc and an x86-64 Linux machine. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newState, WINDOW, type CpuState, type Outcome } from "./state.js";

const STATE_BYTES = 16 * 8 + 16 + 256 + WINDOW;
const CASE_BYTES = 256 + STATE_BYTES;
const RESULT_BYTES = 16 + STATE_BYTES;
const SIGNALS: Record<number, string> = { 4: "SIGILL", 5: "SIGTRAP", 7: "SIGBUS", 8: "SIGFPE", 11: "SIGSEGV" };

/** Compiles the runner; the path of the executable, which goes when this process ends. */
export function buildRunner(source: string): string {
  const directory = mkdtempSync(join(tmpdir(), "gojit-runner-"));
  process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
  const target = join(directory, "runner");
  execFileSync("gcc", ["-O1", "-static", "-fno-stack-protector", "-o", target, source]);
  return target;
}

/** What the processor that runs them calls itself. */
export const processorName = (): string =>
  /^model name\s*:\s*(.*)$/m.exec(readFileSync("/proc/cpuinfo", "latin1"))?.[1] ?? "unknown";

export interface NativeCase {
  /** At most 248 bytes. */
  readonly code: Uint8Array;
  readonly state: CpuState;
}

/** One outcome for each case. */
export function runNative(runner: string, cases: readonly NativeCase[]): Outcome[] {
  const input = Buffer.alloc(cases.length * CASE_BYTES);
  cases.forEach(({ code, state }, i) => {
    let at = i * CASE_BYTES;
    input[at] = code.length;
    input.set(code, at + 8);
    at += 256;
    for (let r = 0; r < 16; r++) input.writeBigUInt64LE(state.gpr[r]!, at + 8 * r);
    input.writeBigUInt64LE(BigInt(state.rflags), at + 128);
    input.set(state.xmm, at + 144);
    input.set(state.memory, at + 400);
  });
  const { stdout, status } = spawnSync(runner, { input, maxBuffer: cases.length * RESULT_BYTES + 4096 });
  if (status !== 0 || stdout.length !== cases.length * RESULT_BYTES)
    throw new Error(`the native runner ended with status ${status} after ${stdout.length / RESULT_BYTES} cases`);
  return cases.map((_, i) => {
    let at = i * RESULT_BYTES;
    const signal = Number(stdout.readBigUInt64LE(at));
    at += 16;
    const state = newState();
    for (let r = 0; r < 16; r++) state.gpr[r] = stdout.readBigUInt64LE(at + 8 * r);
    state.rflags = Number(stdout.readBigUInt64LE(at + 128));
    state.xmm.set(stdout.subarray(at + 144, at + 400));
    state.memory.set(stdout.subarray(at + 400, at + 400 + WINDOW));
    return { fault: signal === 0 ? null : (SIGNALS[signal] ?? `signal ${signal}`), state };
  });
}
