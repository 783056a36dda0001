/** Bytes of small WebAssembly modules, written without Binaryen, which takes half a second to load. Source: the core specification. */
import { signed, unsigned } from "../../jit/leb128.js";

export type Code = readonly number[];

const I32 = 0x7f;
const EMPTY = 0x40;

export const code = {
  const: (value: number): Code => [0x41, ...signed(value)],
  get: (local: number): Code => [0x20, ...unsigned(local)],
  set: (local: number): Code => [0x21, ...unsigned(local)],
  tee: (local: number): Code => [0x22, ...unsigned(local)],
  call: (index: number): Code => [0x10, ...unsigned(index)],
  return: [0x0f] as Code,
  end: [0x0b] as Code,
  block: [0x02, EMPTY] as Code,
  /** `condition` is on the stack. */
  if: (then: Code): Code => [0x04, EMPTY, ...then, 0x0b],
  ifElse: (then: Code, otherwise: Code): Code => [0x04, I32, ...then, 0x05, ...otherwise, 0x0b],
  breakIf: (depth: number): Code => [0x0d, ...unsigned(depth)],
  breakTable: (depths: readonly number[], other: number): Code => [
    0x0e,
    ...unsigned(depths.length),
    ...depths.flatMap(unsigned),
    ...unsigned(other),
  ],
  eqz: [0x45] as Code,
  ltS: [0x48] as Code,
  ltU: [0x49] as Code,
  gtU: [0x4b] as Code,
  leS: [0x4c] as Code,
  add: [0x6a] as Code,
  sub: [0x6b] as Code,
  and: [0x71] as Code,
  shl: [0x74] as Code,
  shrU: [0x76] as Code,
  /** f64 → i64 */
  truncate: [0xb1] as Code,
  load: (memory: number, offset: number): Code => [0x28, ...place(memory, offset)],
  store: (memory: number, offset: number): Code => [0x36, ...place(memory, offset)],
  /** 64 bits, at any address. */
  store64: (memory: number, offset: number): Code => [0x37, 0x40, ...unsigned(memory), ...unsigned(offset)],
  atomicLoad: (memory: number, offset: number): Code => [0xfe, 0x10, ...place(memory, offset)],
  atomicStore: (memory: number, offset: number): Code => [0xfe, 0x17, ...place(memory, offset)],
  atomicAdd: (memory: number, offset: number): Code => [0xfe, 0x1e, ...place(memory, offset)],
  atomicSub: (memory: number, offset: number): Code => [0xfe, 0x25, ...place(memory, offset)],
  drop: [0x1a] as Code,
} as const;

/** A memory operand of 32 bits, aligned; the bit 0x40 says that a memory's index follows. */
const place = (memory: number, offset: number): Code => [0x42, ...unsigned(memory), ...unsigned(offset)];

export interface MemoryImport {
  readonly name: string;
  readonly pages: readonly [least: number, most: number];
}

/** A function of i32 parameters, locals and at most one i32 result. */
export interface FunctionBody {
  readonly parameters: number;
  readonly results: 0 | 1;
  readonly locals: number;
  readonly code: Code;
  /** The name that it is exported by. */
  readonly name?: string;
}

/** A module that imports shared memories from "m", and from "f" function 0, `now() → f64`; its own functions follow. */
export function moduleBytes(
  memories: readonly MemoryImport[],
  functions: readonly FunctionBody[],
): Uint8Array<ArrayBuffer> {
  const text = (name: string): number[] => [
    ...unsigned(name.length),
    ...Array.from(name, (char) => char.charCodeAt(0)),
  ];
  const vector = (items: readonly Code[]): number[] => [...unsigned(items.length), ...items.flat()];
  const section = (id: number, bytes: Code): number[] => [id, ...unsigned(bytes.length), ...bytes];
  const many = (count: number): number[] => new Array<number>(count).fill(I32);
  const types = [
    [0x60, 0, 1, 0x7c],
    ...functions.map(({ parameters, results }) => [0x60, parameters, ...many(parameters), results, ...many(results)]),
  ];
  const shared = memories.map(({ name, pages }) => [
    ...text("m"),
    ...text(name),
    0x02,
    0x03,
    ...pages.flatMap(unsigned),
  ]);
  const bodies = functions.map(({ locals, code: instructions }) => {
    const body = [...(locals ? [1, ...unsigned(locals), I32] : [0]), ...instructions, 0x0b];
    return [...unsigned(body.length), ...body];
  });
  const exported = functions.flatMap(({ name }, index) =>
    name === undefined ? [] : [[...text(name), 0x00, ...unsigned(index + 1)]],
  );
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(1, vector(types)),
    ...section(2, vector([[...text("f"), ...text("now"), 0x00, 0x00], ...shared])),
    ...section(3, vector(functions.map((_, index) => unsigned(index + 1)))),
    ...section(7, vector(exported)),
    ...section(10, vector(bodies)),
  ]);
}
