/**
 * Recorded results of the processor, of instructions (vectors.txt) and of little programs (programs.txt). A line is
 *
 *     <code> <seed> <hash of the input state> <fault | what changed>
 *
 * with the input state made again from the seed, for an instruction by `generateState`. Changes are `r<register>=<value>`,
 * `f=<rflags>`, `x<register>=<bytes>` and `m<offset>=<bytes>`, all in hex; bytes in memory order.
 */
import { decodeOne, generateState, type Encoding } from "./generate.js";
import { Random } from "./random.js";
import { copyState, WINDOW, type CpuState, type Outcome } from "./state.js";

export interface Vector {
  readonly encoding: Encoding;
  readonly seed: number;
  readonly state: CpuState;
  readonly outcome: Outcome;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** FNV-1a over the whole state. */
function hashOf(state: CpuState): string {
  let hash = 0x811c9dc5;
  const add = (bytes: Uint8Array) => {
    for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  };
  add(new Uint8Array(state.gpr.buffer));
  add(state.xmm);
  add(state.memory);
  add(Uint8Array.of(state.rflags, state.rflags >> 8));
  return (hash >>> 0).toString(16);
}

export const formatVector = ({ encoding, seed, state, outcome }: Vector): string =>
  formatRecord(encoding.code, seed, state, outcome);

/** The line for what `code` did to `state`, which `seed` made. */
export function formatRecord(code: Uint8Array, seed: number, state: CpuState, outcome: Outcome): string {
  const start = `${hex(code)} ${seed.toString(16)} ${hashOf(state)}`;
  if (outcome.fault !== null) return `${start} ${outcome.fault}`;
  const after = outcome.state;
  const changes: string[] = [];
  for (let r = 0; r < 16; r++)
    if (after.gpr[r] !== state.gpr[r]) changes.push(`r${r.toString(16)}=${after.gpr[r]!.toString(16)}`);
  if (after.rflags !== state.rflags) changes.push(`f=${after.rflags.toString(16)}`);
  for (let r = 0; r < 16; r++) {
    const bytes = after.xmm.subarray(16 * r, 16 * r + 16);
    if (hex(bytes) !== hex(state.xmm.subarray(16 * r, 16 * r + 16))) changes.push(`x${r.toString(16)}=${hex(bytes)}`);
  }
  for (let i = 0; i < WINDOW; i++) {
    if (after.memory[i] === state.memory[i]) continue;
    const from = i;
    while (i < WINDOW && after.memory[i] !== state.memory[i]) i++;
    changes.push(`m${from.toString(16)}=${hex(after.memory.subarray(from, i))}`);
  }
  return [start, ...changes].join(" ");
}

/** @throws if the line's input state cannot be made again: then the generator has changed since recording */
export function parseVector(line: string): Vector {
  const code = codeOf(line);
  const encoding = decodeOne(code);
  if (encoding === undefined) throw new Error(`${hex(code)} is recorded, but no entry lifts it any more`);
  return { encoding, ...parseRecord(line, (random) => generateState(encoding, random)) };
}

/** The code of a line. */
export const codeOf = (line: string): Uint8Array => Uint8Array.from(Buffer.from(line.split(" ", 1)[0]!, "hex"));

/**
 * The rest of a line.
 * @param generate makes the input state again
 * @throws if it makes another state than the one that was recorded
 */
export function parseRecord(
  line: string,
  generate: (random: Random) => CpuState | undefined,
): Omit<Vector, "encoding"> {
  const [code, seedText, hash, ...rest] = line.split(" ");
  const seed = parseInt(seedText!, 16);
  const state = generate(new Random(seed));
  if (state === undefined || hashOf(state) !== hash)
    throw new Error(`the generator has changed since ${code} was recorded: record anew`);
  const after = copyState(state);
  let fault: string | null = null;
  for (const change of rest) {
    const [where, value] = change.split("=");
    if (value === undefined) fault = change;
    else if (where === "f") after.rflags = parseInt(value, 16);
    else {
      const index = parseInt(where!.slice(1), 16);
      if (where![0] === "r") after.gpr[index] = BigInt(`0x${value}`);
      else if (where![0] === "x") after.xmm.set(Buffer.from(value, "hex"), 16 * index);
      else after.memory.set(Buffer.from(value, "hex"), index);
    }
  }
  return { seed, state, outcome: { fault, state: after } };
}
