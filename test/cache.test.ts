import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { CodeArena, FIRST_MODULE, type PublishedRegion } from "../jit/code-arena.js";
import { Records } from "../jit/interpreter/records.js";
import { defaultCacheDirectory } from "../src/cache/node-cache-directory.js";
import { CodeCache, type KnownCode } from "../src/cache/node-code-cache.js";
import { nodeCodeFiles } from "../src/cache/node-code-files.js";
import { codeKey } from "../src/cache/node-code-key.js";
import { readPackDescription, type KeptCode } from "../src/cache/node-pack-file.js";
import { parseImage } from "../src/elf/image.js";
import { buildElf } from "./elf-builder.js";
import { gojitCommand } from "./guests/run.js";
import { projectRoot, unpack } from "./guests/unpack.js";

const scratch = mkdtempSync(path.join(tmpdir(), "gojit-cache-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

let directories = 0;
const freshDirectory = (): string => path.join(scratch, String(directories++));
const keyOf = (text: string): Uint8Array => new Uint8Array(32).fill(0).map((_, i) => text.charCodeAt(i % text.length));

/** A cache that fails the test when it has something to report, unless the test asks. */
function openCache(directory: string, problems: string[] = [], limitBytes?: number): CodeCache {
  return new CodeCache(directory, (problem) => problems.push(problem), limitBytes);
}

/** What a pack keeps, with nothing in it. */
function emptyCode(): KeptCode {
  return { arena: new CodeArena(CodeArena.allocate(), nodeCodeFiles), records: new Records(Records.allocate(64)) };
}

/** Known code: so many modules. */
const known = (modules: number): KnownCode => ({ modules, instructions: 0 });
const anywhere = (): boolean => true;

/** Publishes a module of `size` bytes with one region for each address. */
function addModule(
  arena: CodeArena,
  size: number,
  pcs: readonly number[],
  { dynamic = false, improved = false } = {},
): number {
  const regions: PublishedRegion[] = pcs.map((pc) => ({ pc, start: pc, end: pc + 16 }));
  for (const { pc } of regions) arena.reserve(pc);
  const bytes = new Uint8Array(size).map((_, i) => (i * 7 + size) & 0xff);
  const map = new TextEncoder().encode(`map of ${size}`);
  return arena.publish({ bytes, map, regions, dynamic, improved }, arena.epoch);
}

function filledCode(): KeptCode {
  const code = emptyCode();
  const { arena } = code;
  addModule(arena, 100, [0x400800]);
  addModule(arena, 33, [0x401000, 0x402000]);
  arena.reserve(0x403000);
  addModule(arena, 50, [0x404000]);
  return code;
}

function packsIn(directory: string): string[] {
  return readdirSync(directory).map((name) => path.join(directory, name));
}

/** A cache with the pack of `filledCode` under the key "a", which is damaged. */
function damagedCache(damage: (bytes: Uint8Array) => unknown) {
  const directory = freshDirectory();
  const problems: string[] = [];
  const cache = openCache(directory, problems);
  cache.save(keyOf("a"), filledCode(), known(0), "p", anywhere);
  const [file] = packsIn(directory) as [string];
  const bytes = new Uint8Array(readFileSync(file));
  damage(bytes);
  writeFileSync(file, bytes);
  return { directory, problems, cache };
}

describe("code arena", () => {
  it("comes back from a pack as it was", () => {
    const directory = freshDirectory();
    const code = filledCode();
    const { arena } = code;
    openCache(directory).save(keyOf("a"), code, known(0), "/bin/prog", anywhere);
    const loaded = emptyCode();
    const again = loaded.arena;
    expect(openCache(directory).load(keyOf("a"), loaded)).toEqual(known(3));
    expect(again.slotCount).toBe(arena.slotCount);
    for (const pc of [0x401000, 0x402000, 0x403000, 0x404000]) {
      expect(again.slotOf(pc)).toBe(arena.slotOf(pc));
      expect(again.moduleOf(again.slotOf(pc))).toBe(arena.moduleOf(arena.slotOf(pc)));
    }
    for (let module = FIRST_MODULE; module < FIRST_MODULE + 3; module++) {
      expect(again.moduleBytes(module)!.slice()).toEqual(arena.moduleBytes(module));
      expect(again.moduleMap(module)!.slice()).toEqual(arena.moduleMap(module));
      expect(again.regionsOf(module)).toEqual(arena.regionsOf(module));
    }
    expect(addModule(again, 20, [0x405000])).toBe(FIRST_MODULE + 3);
    expect(again.moduleBytes(2)!.slice()).toEqual(arena.moduleBytes(2));
  });

  it("goes into another pack, what came from the first and what is new", () => {
    const directory = freshDirectory();
    openCache(directory).save(keyOf("a"), filledCode(), known(0), "p", anywhere);
    const second = emptyCode();
    const { modules } = openCache(directory).load(keyOf("a"), second);
    const large = addModule(second.arena, 3 << 20, [0x405000]);
    second.arena.invalidate(0x401000, 1);
    openCache(directory).save(keyOf("a"), second, known(modules), "p", anywhere);
    const third = emptyCode();
    expect(openCache(directory).load(keyOf("a"), third)).toEqual(known(4));
    expect(third.arena.slotOf(0x401000)).toBe(second.arena.slotOf(0x401000));
    expect(third.arena.isTranslated(0x401000)).toBe(false);
    for (const module of [FIRST_MODULE, FIRST_MODULE + 2, large]) {
      expect(Buffer.compare(third.arena.moduleBytes(module)!, second.arena.moduleBytes(module)!)).toBe(0);
      expect(third.arena.moduleMap(module)!.slice()).toEqual(second.arena.moduleMap(module));
    }
  });

  it("keeps better code and, for what else is in them, former modules", () => {
    const directory = freshDirectory();
    const code = filledCode();
    const first = code.arena.moduleOf(code.arena.slotOf(0x400800));
    const second = code.arena.moduleOf(code.arena.slotOf(0x401000));
    for (const pc of [0x400800, 0x401000]) addModule(code.arena, 90, [pc], { improved: true });
    openCache(directory).save(keyOf("a"), code, known(0), "p", anywhere);
    const loaded = emptyCode();
    const { arena } = loaded;
    openCache(directory).load(keyOf("a"), loaded);
    expect([0x400800, 0x401000, 0x402000].map((pc) => arena.isImprovable(pc))).toEqual([true, false, true]);
    expect(arena.improvedSlots(first)).toEqual([]);
    expect(arena.improvedSlots(second)).toEqual([arena.slotOf(0x401000)]);
    expect(arena.moduleBytes(arena.moduleOf(arena.slotOf(0x400800)))!.length).toBe(90);
    arena.invalidate(0x401000, 1);
    expect([0x401000, 0x402000, 0x404000].map((pc) => arena.isTranslated(pc))).toEqual([false, false, true]);
  });

  it("leaves out what is dynamic, invalidated, or made from code that was changed once", () => {
    const directory = freshDirectory();
    const code = filledCode();
    const { arena } = code;
    addModule(arena, 60, [0x9000_0000], { dynamic: true });
    arena.invalidate(0x402000, 1);
    addModule(arena, 70, [0x402000]);
    const last = addModule(arena, 80, [0x406000]);
    openCache(directory).save(keyOf("a"), code, known(0), "p", anywhere);
    const loaded = emptyCode();
    const again = loaded.arena;
    openCache(directory).load(keyOf("a"), loaded);
    const translated = (pc: number) => again.moduleOf(again.slotOf(pc));
    expect([0x401000, 0x402000, 0x9000_0000].map(translated)).toEqual([-1, -1, -1]);
    expect(translated(0x404000)).toBe(FIRST_MODULE + 2);
    expect(translated(0x406000)).toBe(last);
    expect(again.moduleBytes(last)!.slice()).toEqual(arena.moduleBytes(last));
    expect(openCache(directory).list()).toMatchObject([{ program: "p", modules: 3 }]);
  });
});

describe("code cache", () => {
  it("writes only when there is something new, and never replaces more by less", () => {
    const directory = freshDirectory();
    const cache = openCache(directory);
    const code = filledCode();
    cache.save(keyOf("a"), code, known(3), "p", anywhere);
    expect(existsSync(directory)).toBe(false);
    addModule(code.arena, 10, [0x9000_0000], { dynamic: true });
    cache.save(keyOf("a"), code, known(3), "p", anywhere);
    expect(existsSync(directory)).toBe(false);
    // A few instructions are no reason to write all again.
    Object.defineProperty(code.records, "count", { value: 1001 });
    cache.save(keyOf("a"), code, { modules: 4, instructions: 1000 }, "p", anywhere);
    expect(existsSync(directory)).toBe(false);
    cache.save(keyOf("a"), code, known(1), "p", anywhere);
    const small = emptyCode();
    addModule(small.arena, 10, [0x401000]);
    cache.save(keyOf("a"), small, known(0), "p", anywhere);
    expect(cache.load(keyOf("a"), emptyCode())).toEqual(known(4));
  });

  it.each([
    ["a flipped bit in the tables", (bytes: Uint8Array) => (bytes[140]! ^= 1)],
    ["a flipped bit in the sizes", (bytes: Uint8Array) => (bytes[48]! ^= 1)],
    ["absurd sizes", (bytes: Uint8Array) => bytes.fill(0xff, 48, 64)],
    ["another key", (bytes: Uint8Array) => (bytes[9]! ^= 1)],
    ["no magic number", (bytes: Uint8Array) => (bytes[0] = 0)],
  ])("notices and replaces a pack with %s", (_, damage) => {
    const { directory, problems, cache } = damagedCache(damage);
    const code = emptyCode();
    const { arena } = code;
    expect(cache.load(keyOf("a"), code)).toEqual(known(0));
    expect(problems).toEqual([expect.stringMatching(/was damaged/)]);
    expect(arena.slotOf(0x401000)).toBe(0);
    expect(packsIn(directory)).toEqual([]);
    // The arena is as good as new.
    addModule(arena, 100, [0x400800]);
    addModule(arena, 44, [0x404000]);
    cache.save(keyOf("a"), code, known(0), "p", anywhere);
    expect(cache.load(keyOf("a"), emptyCode())).toEqual(known(2));
  });

  it("notices a module that is damaged when it is asked for, and makes the pack again without it", () => {
    const { problems, cache } = damagedCache((bytes) => (bytes[bytes.length - 9]! ^= 4));
    const code = emptyCode();
    const { arena } = code;
    const loaded = cache.load(keyOf("a"), code);
    expect(loaded).toEqual(known(3));
    const [good, bad] = [0x400800, 0x404000].map((pc) => arena.moduleOf(arena.slotOf(pc))) as [number, number];
    const { epoch } = arena;
    expect(arena.moduleBytes(good)).not.toBeNull();
    expect(arena.moduleBytes(bad)).toBeNull();
    expect(arena.moduleMap(bad)).toBeNull();
    arena.forget(bad);
    expect(arena.isTranslated(0x404000)).toBe(false);
    expect(arena.isTranslated(0x401000)).toBe(true);
    expect(arena.epoch).not.toBe(epoch);
    cache.save(keyOf("a"), code, loaded, "p", anywhere);
    expect(problems).toEqual([expect.stringMatching(/was damaged/)]);
    const again = emptyCode();
    expect(cache.load(keyOf("a"), again)).toEqual(known(3));
    expect(again.arena.isTranslated(0x404000)).toBe(false);
    expect(again.arena.isTranslated(0x400800)).toBe(true);
    expect(cache.list()).toMatchObject([{ modules: 2 }]);
  });

  it("keeps no code of a file that cannot be read any more", () => {
    const directory = freshDirectory();
    const problems: string[] = [];
    const cache = openCache(directory, problems);
    cache.save(keyOf("a"), filledCode(), known(0), "p", anywhere);
    const code = emptyCode();
    const loaded = cache.load(keyOf("a"), code);
    truncateSync(packsIn(directory)[0]!, 200);
    addModule(code.arena, 10, [0x407000]);
    cache.save(keyOf("a"), code, loaded, "p", anywhere);
    expect(problems).toEqual([expect.stringMatching(/was damaged/)]);
    expect(packsIn(directory)).toEqual([]);
  });

  it("notices a pack that was cut off anywhere", () => {
    const directory = freshDirectory();
    const cache = openCache(directory);
    cache.save(keyOf("a"), filledCode(), known(0), "p", anywhere);
    const [file] = packsIn(directory) as [string];
    const whole = readFileSync(file);
    for (const length of [0, 1, 63, 64, 70, 200, whole.length - 1]) {
      writeFileSync(file, whole);
      truncateSync(file, length);
      expect(cache.load(keyOf("a"), emptyCode())).toEqual(known(0));
    }
    writeFileSync(file, Buffer.concat([whole, Buffer.from([0])]));
    expect(cache.load(keyOf("a"), emptyCode())).toEqual(known(0));
  });

  it("goes on without a directory that cannot be used, and says so once", () => {
    const blocked = path.join(scratch, "file");
    writeFileSync(blocked, "");
    const problems: string[] = [];
    const cache = openCache(path.join(blocked, "below"), problems);
    expect(cache.load(keyOf("a"), emptyCode())).toEqual(known(0));
    cache.save(keyOf("a"), filledCode(), known(0), "p", anywhere);
    cache.save(keyOf("b"), filledCode(), known(0), "p", anywhere);
    expect(problems).toEqual([expect.stringMatching(/ENOTDIR.*runs without it$/)]);
  });

  it("removes the packs that were used longest ago, and what killed runs left", () => {
    const directory = freshDirectory();
    mkdirSync(directory);
    const large = openCache(directory);
    const names = ["a", "b", "c"];
    names.forEach((name, index) => {
      large.save(keyOf(name), filledCode(), known(0), name, anywhere);
      const file = large.list().find((entry) => entry.program === name)!.file;
      utimesSync(file, 1000 + index, 1000 + index);
    });
    // Using one makes it young.
    large.load(keyOf("a"), emptyCode());
    const { size } = statSync(packsIn(directory)[0]!);
    const abandoned = path.join(directory, "x.1.part");
    const underWay = path.join(directory, "y.2.part");
    writeFileSync(abandoned, "half");
    utimesSync(abandoned, 1000, 1000);
    writeFileSync(underWay, "half");
    openCache(directory, [], 2 * size).save(keyOf("d"), filledCode(), known(0), "d", anywhere);
    // Their order is open: what was written has the kernel's time, which is up to 4 ms behind the clock that `load` reads.
    const left = large.list();
    expect(left.map((entry) => entry.program).toSorted()).toEqual(["a", "d"]);
    utimesSync(left.find((entry) => entry.program === "d")!.file, 1000, 1000);
    expect(large.list().map((entry) => entry.program)).toEqual(["a", "d"]);
    expect(existsSync(abandoned)).toBe(false);
    expect(existsSync(underWay)).toBe(true);
    // One that is too large alone is kept: it is what the user works with.
    openCache(directory, [], 1).save(keyOf("e"), filledCode(), known(0), "e", anywhere);
    expect(large.list().map((entry) => entry.program)).toEqual(["e"]);
    expect(large.clear()).toBe(2);
    expect(packsIn(directory)).toEqual([]);
  });
});

/** Keeps an arena with 4 MB of code under one key for ever; says when it begins. */
const writer = `
  const [root, directory] = process.argv.slice(1);
  const { CodeArena } = await import(root + "/dist/jit/code-arena.js");
  const { Records } = await import(root + "/dist/jit/interpreter/records.js");
  const { CodeCache } = await import(root + "/dist/src/cache/node-code-cache.js");
  const arena = new CodeArena(CodeArena.allocate());
  const publish = (size, pcs) => {
    for (const pc of pcs) arena.reserve(pc);
    const regions = pcs.map((pc) => ({ pc, start: pc, end: pc + 16 }));
    const bytes = new Uint8Array(size).fill(size);
    arena.publish({ bytes, map: new Uint8Array(9), regions, dynamic: false }, arena.epoch);
  };
  for (let i = 0; i < 64; i++) publish(65536, [0x401000 + 64 * i]);
  const code = { arena, records: new Records(Records.allocate(64)) };
  const cache = new CodeCache(directory, (problem) => console.error(problem));
  console.log("ready");
  for (;;) cache.save(new Uint8Array(32).fill(7), code, { modules: 0, instructions: 0 }, "p", () => true);`;

it("survives kill -9 while a pack is written", async () => {
  const directory = freshDirectory();
  for (let round = 0; round < 4; round++) {
    const child = spawn(process.execPath, ["--input-type=module", "-e", writer, projectRoot, directory]);
    await once(child.stdout, "data");
    await delay(20 + 17 * round);
    child.kill("SIGKILL");
    await once(child, "exit");
    const problems: string[] = [];
    const cache = openCache(directory, problems);
    const { modules } = cache.load(new Uint8Array(32).fill(7), emptyCode());
    expect(problems).toEqual([]);
    expect([0, 64]).toContain(modules);
  }
});

describe("key", () => {
  const image = parseImage(buildElf());
  const base = { image, convention: "internal", vdso: 0xffff0000, probes: [] as number[] };
  const hex = (input: Partial<typeof base>, translator = "t") =>
    Buffer.from(codeKey({ ...base, ...input }, translator)).toString("hex");

  it("changes with everything that code is made from", () => {
    const other = buildElf();
    const { fileOffset, fileSize } = image.segments[0]!;
    other[fileOffset + fileSize - 1]! ^= 1;
    const keys = [
      hex({}),
      hex({}, "u"),
      hex({ convention: "abi0" }),
      hex({ vdso: 0xfff0000 }),
      hex({ probes: [0x401000] }),
      hex({ image: parseImage(other) }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    expect(hex({})).toBe(keys[0]);
  });
});

describe("default directory", () => {
  it("is where the platform keeps caches", () => {
    const home = { HOME: "/home/u" };
    expect(defaultCacheDirectory("linux", home)).toBe("/home/u/.cache/gojit");
    expect(defaultCacheDirectory("linux", { ...home, XDG_CACHE_HOME: "/c" })).toBe("/c/gojit");
    expect(defaultCacheDirectory("linux", { ...home, XDG_CACHE_HOME: "relative" })).toBe("/home/u/.cache/gojit");
    expect(defaultCacheDirectory("darwin", home)).toBe("/home/u/Library/Caches/gojit");
    expect(defaultCacheDirectory("win32", { LOCALAPPDATA: "C:\\l" })).toBe("C:\\l\\gojit\\Cache");
  });
});

const hello = unpack("1.27", "hello");
const gojit = async (command: string, ...words: string[]) => {
  const [node, main] = gojitCommand([]);
  const { stdout, stderr } = await promisify(execFile)(node!, [main!, command, ...words]);
  return { stdout, stderr };
};
const run = (...options: string[]) => gojit("run", ...options, hello);

describe("gojit run", () => {
  it("keeps the code of a run for the next, and --stats tells so", async () => {
    const directory = freshDirectory();
    const report = path.join(scratch, "stats.json");
    const read = () => JSON.parse(readFileSync(report, "utf8"));
    const first = await run("--cache", directory, `--stats=${report}`, "--hot", "0");
    expect(first.stdout).toBe("hello, world\n");
    const translated = read();
    expect(translated).toMatchObject({ cachedModules: 0, systemCalls: { write: 1, exit_group: 1 } });
    for (const name of ["regions", "instructions", "bytes", "modules", "linkedModules"])
      expect(translated[name]).toBeGreaterThan(0);
    for (const name of ["decode", "lift", "emit", "compile", "run"]) expect(translated.timeMs[name]).toBeGreaterThan(0);
    expect(translated.dispatcherExits.miss).toBeGreaterThan(0);
    expect(openCache(directory).list()).toMatchObject([{ program: hello }]);
    expect(await run("--cache", directory, `--stats=${report}`, "--hot", "0")).toEqual(first);
    const again = read();
    expect(again.cachedModules).toBeGreaterThan(100);
    expect(again.modules).toBeLessThan(translated.modules / 2);

    const others = freshDirectory();
    expect(await run("--cache", others, `--stats=${report}`)).toEqual(first);
    const interpreted = read();
    expect(interpreted.decodedInstructions).toBeGreaterThan(10_000);
    // No process of Node takes less, and no hello should take more.
    expect(interpreted.peakMemoryBytes).toBeGreaterThan(40e6);
    expect(interpreted.peakMemoryBytes).toBeLessThan(500e6);
    expect(await run("--cache", others, `--stats=${report}`)).toEqual(first);
    const cached = read();
    expect(cached.cachedInstructions).toBeGreaterThan(interpreted.decodedInstructions / 2);
    expect(cached.decodedInstructions).toBeLessThan(interpreted.decodedInstructions / 2);
    // Too little is new for a translator, whether the first run lived long enough for one or not.
    expect(cached.modules).toBe(0);
    await run("--no-cache", "--cache", path.join(directory, "none"));
    expect(existsSync(path.join(directory, "none"))).toBe(false);
  });

  it("works with several runs at once, and with a damaged pack", async () => {
    const directory = freshDirectory();
    const runs = await Promise.all([run("--cache", directory), run("--cache", directory)]);
    expect(runs.map(({ stdout }) => stdout)).toEqual(["hello, world\n", "hello, world\n"]);
    const [file] = packsIn(directory) as [string];
    truncateSync(file, 5000);
    const { stdout, stderr } = await run("--cache", directory);
    expect(stdout).toBe("hello, world\n");
    expect(stderr).toMatch(/^gojit: a file of the code cache in .* was damaged .*$/m);
    expect(statSync(packsIn(directory)[0]!).size).toBeGreaterThan(5000);
  });

  it.each(["0", "64"])("does without damaged modules, with --hot %s", async (hot) => {
    const directory = freshDirectory();
    await run("--cache", directory, "--hot", "0");
    const again = () => run("--cache", directory, "--hot", hot);
    const [file] = packsIn(directory) as [string];
    const bytes = readFileSync(file);
    const { codeBytes } = readPackDescription(file).prefix.size;
    expect(codeBytes).toBeGreaterThan(100_000);
    for (let at = bytes.length - codeBytes; at < bytes.length; at += 1000) bytes[at]! ^= 0x55;
    writeFileSync(file, bytes);
    const { stdout, stderr } = await again();
    expect(stdout).toBe("hello, world\n");
    expect(stderr).toMatch(/^gojit: a file of the code cache in .* was damaged .*$/m);
    expect(await again()).toEqual({ stdout: "hello, world\n", stderr: "" });
  });
});

describe("gojit cache", () => {
  it("warms, lists and clears", async () => {
    const directory = freshDirectory();
    const warmed = await gojit("cache", "--cache", directory, "--timeout", "1s", "warm", hello);
    expect(warmed.stdout).toMatch(/: \d+ of \d+ functions, \d+ modules, /);
    const listed = await gojit("cache", "--cache", directory, "ls");
    expect(listed.stdout).toMatch(/ MB +\d+ {2}just now +.*hello-go1\.27/);
    const json = JSON.parse((await gojit("cache", "--cache", directory, "--json", "ls")).stdout);
    expect(json).toMatchObject({ directory, packs: [{ program: hello }] });
    const cleared = await gojit("cache", "--cache", directory, "clear");
    expect(cleared.stdout).toBe(`1 file removed from ${directory}\n`);
    expect(packsIn(directory)).toEqual([]);
    await expect(gojit("cache", "--cache", directory, "fill")).rejects.toMatchObject({ code: 2 });
    await expect(gojit("cache", "--cache", directory, "warm")).rejects.toMatchObject({ code: 2 });
  });
});
