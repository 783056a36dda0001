import { setImmediate as eventLoopTurn } from "node:timers/promises";
import { CodeArena, FIRST_MODULE } from "../../jit/code-arena.js";
import { Probes } from "../../jit/probes.js";
import { Records } from "../../jit/interpreter/records.js";
import type { Translator } from "../../jit/translator.js";
import { nodeClock } from "../../runtime-shims/host/node-clock.js";
import { KernelMemory } from "../../runtime-shims/kernel-memory.js";
import type { CodeCache } from "../cache/node-code-cache.js";
import { nodeCodeFiles } from "../cache/node-code-files.js";
import { GojitError } from "../errors.js";
import type { FunctionTable } from "../go/function-table.js";
import { mapProgram, sharedMemory } from "../machine/map-program.js";
import { MAX_GUEST_PAGES } from "../machine/parts.js";
import { createTranslator } from "../machine/translator-thread.js";
import type { ParsedCommand } from "./commands.js";
import { loadProgram } from "./load-program.js";
import type { Options } from "./options.js";
import { openCache, programCache } from "./program-cache.js";

/** `cache warm` stops when there is so much code: loading more would cost every run too much. */
const WARM_LIMIT_BYTES = 256 * 2 ** 20;
const PROGRESS_MS = 200;

/** `gojit cache ls|clear|warm`. @throws GojitError */
export function cacheCommand({ words, options }: ParsedCommand): Promise<number> | number {
  const [what, program] = words;
  const cache = openCache(options);
  if (!cache) throw new GojitError("bad-option", "there is no cache directory here; name one with --cache DIR.");
  if (what === "warm") {
    if (program === undefined) throw new GojitError("bad-usage", "gojit cache warm needs a program: its path.");
    return warm(program, options);
  }
  if (program !== undefined) throw new GojitError("bad-usage", `gojit cache ${what} takes no "${program}".`);
  if (what === "ls") return list(cache, options);
  if (what === "clear") return clear(cache);
  throw new GojitError("bad-usage", `gojit cache cannot "${what}"; it can ls, clear and warm PROGRAM.`);
}

function list(cache: CodeCache, options: Options): number {
  const entries = cache.list();
  if (options.json) {
    const rows = entries.map(({ usedMs, ...entry }) => ({ ...entry, used: new Date(usedMs).toISOString() }));
    process.stdout.write(`${JSON.stringify({ directory: cache.directory, packs: rows }, null, 2)}\n`);
    return 0;
  }
  const now = Date.now();
  const lines = entries.map(
    ({ program, bytes, modules, usedMs }) =>
      `${megabytes(bytes).padStart(9)} ${String(modules).padStart(7)}  ${age(now - usedMs).padEnd(8)}  ${program}\n`,
  );
  if (lines.length > 0) lines.unshift("     size modules  used      program\n");
  const total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  lines.push(`${counted(entries.length, "program")}, ${megabytes(total)} in ${cache.directory}\n`);
  process.stdout.write(lines.join(""));
  return 0;
}

function clear(cache: CodeCache): number {
  const count = cache.clear();
  process.stdout.write(`${counted(count, "file")} removed from ${cache.directory}\n`);
  return 0;
}

/** Translates every function of a program that no run has needed yet. 0, also if a limit or Ctrl-C ended it early. */
async function warm(path: string, options: Options): Promise<number> {
  const program = loadProgram(path);
  const kernel = KernelMemory.create();
  const guestMemory = sharedMemory(MAX_GUEST_PAGES);
  const arena = new CodeArena(CodeArena.allocate(), nodeCodeFiles);
  const records = Records.allocate(1);
  const { image, go } = program;
  mapProgram(kernel, guestMemory, nodeClock, {
    image,
    argv: [path],
    env: [],
    path,
    cpus: 1,
    memoryPages: MAX_GUEST_PAGES,
    pid: 1,
    uid: 0,
    gid: 0,
    openFiles: 0,
  });
  const convention = go.abi;
  const probes = new Probes(Probes.allocate());
  const cache = programCache(program, { kernel, convention, probes, arena, records: new Records(records) }, options)!;
  cache.load();
  const last = image.segments[image.segments.length - 1]!;
  const translator = createTranslator(
    {
      kernel: kernel.buffer,
      guestMemory,
      functions: go.functions.data,
      convention,
      piecesAddress: go.piecesAddress,
      probes: probes.buffer,
      arena: arena.buffer,
      records,
      interprets: false,
      countsInstructions: false,
      programEnd: last.vaddr + last.memSize,
    },
    () => performance.now(),
  );
  const started = performance.now();
  const visited = await translateFunctions(translator, arena, go.functions, options.timeoutMs ?? Infinity);
  cache.save();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const { functions } = go;
  process.stdout.write(
    `${path}: ${visited} of ${functions.count} functions, ${arena.moduleCount - FIRST_MODULE} modules, ` +
      `${megabytes(arena.codeBytes)}; ${translator.counts.instructions} instructions translated in ${seconds} s\n`,
  );
  return 0;
}

/** Returns how many functions it came to. */
async function translateFunctions(
  translator: Translator,
  arena: CodeArena,
  functions: FunctionTable,
  limitMs: number,
): Promise<number> {
  const end = performance.now() + limitMs;
  let interrupted = false;
  const interrupt = (): void => void (interrupted = true);
  process.once("SIGINT", interrupt);
  const progress = process.stderr.isTTY ? (text: string) => void process.stderr.write(`\r${text}\x1b[K`) : undefined;
  let shown = -Infinity;
  let index = 0;
  const next = (): number => (index < functions.count ? functions.start[index++]! : 0);
  while (index < functions.count) {
    const now = performance.now();
    if (interrupted || now > end || arena.codeBytes > WARM_LIMIT_BYTES) break;
    translator.translate(next(), next);
    if (now - shown < PROGRESS_MS) continue;
    shown = now;
    progress?.(`${index} of ${functions.count} functions, ${megabytes(arena.codeBytes)}`);
    // Lets signals in.
    await eventLoopTurn();
  }
  progress?.("");
  process.off("SIGINT", interrupt);
  return index;
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MB`;
}

function age(ms: number): string {
  const steps: readonly (readonly [number, string])[] = [
    [86_400_000, "d"],
    [3_600_000, "h"],
    [60_000, "min"],
  ];
  for (const [unit, name] of steps) if (ms >= unit) return `${Math.floor(ms / unit)} ${name} ago`;
  return "just now";
}
