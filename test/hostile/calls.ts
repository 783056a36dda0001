import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attachFiles } from "../../runtime-shims/files.js";
import { MemoryFiles } from "../../runtime-shims/host/memory-files.js";
import { NodeFiles } from "../../runtime-shims/host/node-fs.js";
import type { FileStat, HostFiles } from "../../runtime-shims/host/types.js";
import { ENDED } from "../../runtime-shims/outcome.js";
import { syscall } from "../../runtime-shims/personality.js";
import { formatCall } from "../../runtime-shims/strace.js";
import { filesCalls } from "../../runtime-shims/syscalls/files.js";
import { syscallTable } from "../../runtime-shims/syscalls/index.js";
import type { SyscallRow } from "../../runtime-shims/syscalls/table.js";
import { attention, row } from "../../runtime-shims/threads.js";
import type { Random } from "../instructions/random.js";
import { type Guest, newGuest, setCall } from "../kernel-fixture.js";

/** The guest's writable page that holds paths, one every PATH_ROOM bytes, and what lies behind them. */
const PATHS = 0x500000;
const PATH_ROOM = 64;
const BUFFER = 0x502000;
const GUEST_BYTES = 16 << 20;
/** A longer copy from a sparse file would only take time. */
const LONGEST_COPY = 1 << 20;
/** Longest time that one call may take, on a busy machine. */
const LIMIT_MS = 5000;
const COPIES: Readonly<Record<string, number>> = { sendfile: 3, copy_file_range: 4, splice: 4 };
const CALLS_OF_ONE_GUEST = 400;

/** Values at the edges of what calls check, descriptors, and addresses in the guest. */
const VALUES = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 16, 24, 32, 40, 63, 64, 65, 100, 1000, 1024, 4095, 4096, 8192, 0xffff, 0x10000],
  ...[
    0x100, 0x200, 0x400, 0x1000, 0x4000, 0x40, 0x42, 0x241, 0x442, 0x10000, 0x20000, 0x200000, 0x410000, 0o755, 0o644,
  ],
  ...[PATHS - 1, PATHS, BUFFER, BUFFER + 8, BUFFER + 4088, 0x503ff8, 0x503fff, 0x504000, 0x400000, 0x401000],
  ...[0x7fff_ffff, 0x8000_0000, 0xffff_f000, 0xffff_ffff, 0x1_0000_0000, 0x7fff_ffff_f000, 2 ** 53, 2 ** 62, 2 ** 63],
  ...[-1, -2, -8, -100, -4096, -(2 ** 31), -(2 ** 63)],
];

const NAMES = [
  "a",
  "b",
  "d",
  "d/x",
  "d/../a",
  "link",
  "loop",
  "..",
  ".",
  "/",
  "d/",
  "",
  "../outside",
  "/proc/self/fd/3",
];
const SPECIAL = [
  "/proc/self/fd",
  "/proc/self/exe",
  "/proc/self/maps",
  "/dev/null",
  "/dev/zero",
  "/dev/full",
  "/dev/tty",
];
const ELSEWHERE = [
  "../../../../etc",
  "/etc/passwd",
  "/home/d/../../etc",
  "d/../../outside/secret",
  "/inner",
  "/inner/x",
];

/** Random calls that end the process or a thread would only make a new guest; the others of that kind are left in. */
const LEFT_OUT = new Set(["exit", "exit_group"]);

const ROWS: readonly SyscallRow[] = syscallTable
  .filter((entry) => entry !== undefined)
  .filter(({ name }) => !LEFT_OUT.has(name));

const writePaths = (random: Random, guest: Guest, outside: string): void => {
  const { memory } = guest.process;
  const all = [...NAMES, ...NAMES, ...SPECIAL, ...ELSEWHERE, outside, `${outside}/secret`];
  for (let slot = 0; slot < 128; slot++) {
    const path = new TextEncoder().encode(random.pick(all));
    memory.store(PATHS + PATH_ROOM * slot, path.subarray(0, PATH_ROOM - 1));
    memory.setUint8(PATHS + PATH_ROOM * slot + Math.min(path.length, PATH_ROOM - 1), 0);
  }
  for (let at = 0; at < 512; at += 8) {
    const value = random.chance(70) ? random.pick(VALUES) : random.word();
    memory.setUint32(BUFFER + at, value >>> 0);
    memory.setUint32(BUFFER + at + 4, random.chance(80) ? 0 : random.word());
  }
};

const newHostileGuest = (random: Random, host: HostFiles, outside: string): Guest => {
  const guest = newGuest(GUEST_BYTES);
  attachFiles(guest.process, {
    host,
    mounts: [
      { guest: "/home", readOnly: false },
      { guest: "/inner", readOnly: false },
    ],
    executable: "/home/a",
    currentDirectory: "/home",
  });
  writePaths(random, guest, outside);
  return guest;
};

const argumentsOf = (random: Random, entry: SyscallRow): number[] => {
  const args = entry.args.map((kind) => {
    const draw = random.below(10);
    // A pointer is mostly a path or a buffer; a number mostly small.
    if (kind.decode === "ulong" && draw < 5) return PATHS + PATH_ROOM * random.below(128);
    if (draw < 8) return random.pick(VALUES);
    return random.chance(50) ? random.below(16) : random.word();
  });
  const count = COPIES[entry.name];
  if (count !== undefined && !(args[count]! >= 0 && args[count]! < LONGEST_COPY))
    args[count] = random.below(LONGEST_COPY);
  return args;
};

const callOnce = (guest: Guest, entry: SyscallRow, args: readonly number[]): boolean => {
  const { thread, kernel } = guest;
  setCall(thread, entry.nr, ...args);
  // A call that would wait finds the process ending, and does not.
  Atomics.or(kernel.words, thread.row + row.attention, attention.exit);
  const start = performance.now();
  const outcome = syscall(thread);
  const took = performance.now() - start;
  if (took > LIMIT_MS) throw new Error(`took ${took} ms`);
  Atomics.and(kernel.words, thread.row + row.attention, ~attention.exit);
  const result = Number(BigInt.asIntN(64, thread.cpu.gpr[0]!));
  if (outcome === 0 && result < -4095) throw new Error(`answered ${result}`);
  formatCall(thread, entry, args.slice(0, entry.args.length), 0);
  return outcome !== ENDED || guest.log.exits.length === 0;
};

/**
 * Makes `count` system calls with wild arguments on `host`, from the whole table or from the file calls only.
 * @throws what was not a result, with the call
 */
const fuzzOn = (random: Random, host: HostFiles, outside: string, count: number): void => {
  let guest = newHostileGuest(random, host, outside);
  let age = 0;
  for (let number = 0; number < count; number++) {
    const entry = random.pick(random.chance(60) ? filesCalls : ROWS);
    const args = argumentsOf(random, entry);
    let alive = false;
    try {
      alive = callOnce(guest, entry, args);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? "") : String(error);
      throw new Error(`call ${number}: ${entry.name}(${args.join(", ")}): ${text}`, { cause: error });
    }
    if (number % 50 === 0) writePaths(random, guest, outside);
    if (!alive || ++age > CALLS_OF_ONE_GUEST) {
      for (let fd = 0; fd < 4096; fd++) guest.process.files!.close(fd);
      guest = newHostileGuest(random, host, outside);
      age = 0;
    }
  }
};

/** Files in memory. */
export const fuzzMemoryCalls = (random: Random, count: number): void => {
  const output = { write: (_handle: number, bytes: Uint8Array) => bytes.length };
  fuzzOn(random, new MemoryFiles({ home: { inner: {} } }, ["home", "home/inner"], output, 0, 0), "/outside", count);
};

/** Files of the host without the streams of this process. */
class Confined extends NodeFiles {
  override stat(handle: number, out: FileStat): number {
    return handle <= 2 ? -9 : super.stat(handle, out);
  }
}

/** What is in a directory that was not granted: names, modes, times, contents. */
const snapshot = (directory: string): string =>
  readdirSync(directory)
    .map((name) => {
      const stat = statSync(join(directory, name));
      return `${name} ${stat.mode} ${stat.uid} ${stat.mtimeMs} ${stat.nlink} ${stat.isFile() ? readFileSync(join(directory, name), "utf8") : ""}`;
    })
    .concat(`${statSync(directory).mode} ${statSync(directory).mtimeMs}`)
    .join("\n");

/** Files of the host, in a directory that is made for it, beside one that must stay as it is. */
export const fuzzNodeCalls = (random: Random, count: number): void => {
  const top = realpathSync(mkdtempSync(join(tmpdir(), "gojit-hostile-")));
  try {
    const outside = join(top, "outside");
    mkdirSync(outside);
    mkdirSync(join(top, "granted/inner"), { recursive: true });
    writeFileSync(join(outside, "secret"), "secret");
    const before = snapshot(outside);
    fuzzOn(random, new Confined([join(top, "granted"), join(top, "granted/inner")]), outside, count);
    const after = snapshot(outside);
    if (after !== before) throw new Error(`outside was ${before} and is ${after}`);
    const others = readdirSync(top).sort().join(" ");
    if (others !== "granted outside") throw new Error(`there are ${others}`);
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
};
