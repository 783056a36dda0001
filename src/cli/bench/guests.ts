import { readdirSync } from "node:fs";
import path from "node:path";
import type { BenchmarkCommand } from "./benchmark.js";
import { projectRoot } from "./root.js";
import { unpackProgram } from "./unpack.js";

const binaries = path.join(projectRoot, "bench", "guests", "bin");

/** Go versions that the benchmarks' own programs are built with, newest first, as in `1.27`. */
export function benchmarkGoVersions(): string[] {
  return readdirSync(binaries)
    .flatMap((name) => /^go(1\.\d+)$/.exec(name)?.[1] ?? [])
    .sort((a, b) => Number(b.split(".")[1]) - Number(a.split(".")[1]));
}

/** The command of one of the benchmarks' own programs, whose sources are in `bench/guests`. */
export function guestCommand(go: string, name: "kernels" | "hello", args: readonly string[]): BenchmarkCommand {
  const packed = (target: string): string => path.join(binaries, `go${go}`, `${name}.${target}.br`);
  return {
    program: unpackProgram(packed("elf"), `${name}-go${go}`),
    args,
    wasm: {
      module: unpackProgram(packed("wasm"), `${name}-go${go}-wasm`),
      support: path.join(binaries, `go${go}`, "wasm_exec.js"),
    },
  };
}
