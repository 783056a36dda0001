import { GojitError } from "../../src/errors.js";
import { openProgram } from "../../src/program.js";
import type { Random } from "../instructions/random.js";

/** How often each end came: an error's code, or "sound". */
export type Ends = Map<string, number>;

/** Places of a file that are worth damaging: start and length in bytes. */
export type Region = readonly [start: number, length: number];

/** Most processor time that one file may take to be opened or refused. */
const LIMIT_MS = 2000;

/** What this thread has computed: a busy machine does not count. */
const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
};

const isGo = (bytes: Uint8Array): boolean => {
  try {
    openProgram(bytes);
    return true;
  } catch {
    return false;
  }
};

/** The ELF header, the program headers, and around the function table's header and tables. */
export const regionsOf = (bytes: Uint8Array): Region[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const headers = Number(view.getBigUint64(32, true));
  const sections = Number(view.getBigUint64(40, true));
  const regions: Region[] = [
    [0, 64],
    [headers, 56 * view.getUint16(56, true)],
  ];
  if (sections > 0) regions.push([sections, 64 * view.getUint16(60, true)]);
  if (!isGo(bytes)) return regions;
  const { pclntab } = openProgram(bytes).go.functions.data;
  const at = pclntab.bytes.byteOffset - bytes.byteOffset;
  regions.push([at, 80], [at, 80], [at + pclntab.functabOffset, 4096], [at, pclntab.bytes.length]);
  return regions;
};

/** Random bytes. */
export const noiseOf = (random: Random, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, () => random.word());

const damage = (random: Random, bytes: Uint8Array, [start, length]: Region): (() => void) => {
  const at = start + random.below(length);
  const size = Math.min(random.pick([1, 1, 2, 4, 8, 8, 16, 64]), bytes.length - at);
  const before = bytes.slice(at, at + size);
  const edge = size <= 8 && random.chance(60) ? random.integer() : undefined;
  const noise = noiseOf(random, size);
  bytes.set(edge === undefined ? noise : noise.map((_, i) => Number((edge >> BigInt(8 * i)) & 255n)), at);
  return () => bytes.set(before, at);
};

/** Asks a program what gojit asks before it runs it. */
const look = (random: Random, bytes: Uint8Array): void => {
  const { image, go } = openProgram(bytes);
  const { functions } = go;
  for (let i = 0; i < 8; i++) {
    const pc = random.chance(50) ? image.entry + random.below(1 << 20) : random.word();
    const index = functions.find(pc);
    functions.line(pc);
    if (index < 0) continue;
    functions.name(index);
    functions.fileAt(pc);
    functions.isAsm(index);
  }
  functions.indexOf("main.main");
  go.version.toString();
};

/**
 * Opens `count` damaged copies of a program. Every one must be opened or be refused with a GojitError, in time.
 * @throws what came instead, with the case's number
 */
export const fuzzElf = (random: Random, original: Uint8Array, count: number): Ends => {
  const bytes = original.slice();
  const regions = regionsOf(bytes);
  const ends: Ends = new Map();
  for (let number = 0; number < count; number++) {
    const undo = Array.from({ length: 1 + random.below(4) }, () => damage(random, bytes, random.pick(regions)));
    const length = random.chance(10) ? random.below(bytes.length) : bytes.length;
    const start = cpuMs();
    let end = "sound";
    try {
      look(random, bytes.subarray(0, length));
    } catch (error) {
      if (!(error instanceof GojitError)) throw new Error(`file ${number}: ${String(error)}`, { cause: error });
      end = error.code;
    }
    const took = cpuMs() - start;
    if (took > LIMIT_MS) throw new Error(`file ${number}: ${end} after ${took} ms`);
    ends.set(end, (ends.get(end) ?? 0) + 1);
    for (const restore of undo.reverse()) restore();
  }
  return ends;
};

/** A damaged copy to run: damaged anywhere in what is read, or with noise over much of its first functions. */
export const damagedCopy = (random: Random, original: Uint8Array, text: boolean): Uint8Array => {
  const bytes = original.slice();
  if (!text) {
    damage(random, bytes, random.pick(regionsOf(original)));
    return bytes;
  }
  const { image } = openProgram(original);
  const code = image.segments.find(({ flags }) => (flags & 1) !== 0)!;
  const entry = code.fileOffset + image.entry - code.vaddr;
  const noise = noiseOf(random, random.pick([1, 4, 64, 4096, 1 << 16]));
  const at = random.chance(50) ? entry : code.fileOffset + 0x1000 + random.below(code.fileSize - 0x1000);
  bytes.set(noise.subarray(0, bytes.length - at), at);
  return bytes;
};
