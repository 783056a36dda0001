/** The ways to run a program that are compared with each other. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import type { BenchmarkCommand } from "./benchmark.js";
import { projectRoot } from "./root.js";

export const runnerNames = ["native", "qemu", "js-wasm", "gojit", "node"] as const;
export type RunnerName = (typeof runnerNames)[number];

export interface Runner {
  readonly name: RunnerName;
  /** True: what it keeps between runs is filled by a run that does not count. */
  readonly primed?: true;
  /** The version, or null if it cannot be used on this machine. */
  readonly version: () => string | null;
  /**
   * The words to execute, or null where it cannot run this command.
   * @param cache a directory for gojit's translated code
   * @param options further options for `gojit run`
   */
  readonly words: (command: BenchmarkCommand, cache: string, options: readonly string[]) => readonly string[] | null;
}

const node = `Node ${process.version}, V8 ${process.versions.v8}`;

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
      return status === 0 ? stdout.split("\n", 1)[0]!.trim() : null;
    },
    words: ({ program, args }) => ["qemu-x86_64", program, ...args],
  },
  {
    name: "js-wasm",
    version: () => `Go's js/wasm port; ${node}`,
    words: ({ wasm, args }) => {
      if (!wasm) return null;
      // Not in a bundle: it is started as a file of its own.
      const host = path.join(projectRoot, "dist", "src", "cli", "bench", "go-wasm-host.js");
      return [process.execPath, host, wasm.support, wasm.module, ...args];
    },
  },
  {
    name: "gojit",
    primed: true,
    version: () => node,
    words: ({ program, args }, cache, options) => [
      ...[process.execPath, path.join(projectRoot, "dist", "src", "cli", "main.js")],
      ...["run", "--allow-all", "--cache", cache, ...options, program, ...args],
    ],
  },
  {
    // What gojit's own start is measured by.
    name: "node",
    version: () => node,
    words: () => [process.execPath, "--eval", "0"],
  },
];
