/**
 * Hostile input: damaged executables through openProgram and, for some, through `gojit run`; wild system calls.
 * `npm run fuzz:hostile -- FILES [SEED]` opens FILES damaged copies of each program, makes as many calls on each host,
 * and runs one file in 500. Ends with status 1 at the first thing that is no clear end.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Random } from "../instructions/random.js";
import { guestVersions, projectRoot, unpack } from "../guests/unpack.js";
import { fuzzMemoryCalls, fuzzNodeCalls } from "./calls.js";
import { damagedCopy, fuzzElf } from "./elf.js";

const count = Number(process.argv[2] ?? 1000);
const seed = Number(process.argv[3] ?? 1);
const RUNS_EVERY = 500;
const LIMIT_MS = 60_000;
/** A stack of our own or of the engine, which no input may bring out. */
const INTERNAL = /\n\s+at .*\.(js|ts):\d+|internal error|FATAL ERROR|gojit itself/i;

const runFile = (bytes: Uint8Array, what: string): void => {
  const directory = mkdtempSync(path.join(tmpdir(), "gojit-hostile-"));
  try {
    const file = path.join(directory, "program");
    writeFileSync(file, bytes, { mode: 0o755 });
    const cli = path.join(projectRoot, "dist/src/cli/main.js");
    const result = spawnSync(
      process.execPath,
      [cli, "run", "--cache", path.join(directory, "cache"), "--timeout", "5s", file],
      { encoding: "latin1", timeout: LIMIT_MS, maxBuffer: 1 << 28, cwd: directory },
    );
    const clear = result.error === undefined && !INTERNAL.test(`\n${result.stderr}`);
    if (!clear) {
      const kept = path.join(tmpdir(), `gojit-hostile-${process.pid}-${seed}`);
      writeFileSync(kept, bytes);
      const said = String(result.stderr).slice(0, 2000); // Nothing where gojit could not be started.
      throw new Error(`${what}: ${String(result.error)} ${result.signal} ${said} (${kept})`);
    }
    process.stdout.write(`${what}: ${result.status ?? result.signal} ${result.stderr.split("\n")[0]?.slice(0, 100)}\n`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};

const random = new Random(seed);
for (const version of guestVersions()) {
  const original = new Uint8Array(readFileSync(unpack(version, "hello")));
  const ends = fuzzElf(random, original, count);
  process.stdout.write(`go${version}: ${[...ends].map(([end, times]) => `${end} ${times}`).join(", ")}\n`);
}
for (let number = 0; number < count / RUNS_EVERY; number++) {
  const version = random.pick(guestVersions());
  const original = new Uint8Array(readFileSync(unpack(version, "hello")));
  runFile(damagedCopy(random, original, number % 2 === 1), `run ${number}, go${version}`);
}
// Last: the memories of their guests are given back late, and a process that has many cannot start others.
fuzzMemoryCalls(random, count);
fuzzNodeCalls(random, count);
process.stdout.write(`${2 * count} system calls: each answered\n`);
