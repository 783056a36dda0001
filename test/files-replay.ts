import { readFileSync } from "node:fs";
import type { FakeGuest } from "./files-harness.js";

/** What a step answers: a result, text read back, or a pair of descriptors. */
export type Answer = number | string | readonly number[];

export interface Case {
  readonly name: string;
  readonly steps: readonly (readonly (string | number)[])[];
}

// The same from test/ and from dist/test/.
const testDirectory = new URL(import.meta.url.includes("/dist/") ? "../../test/" : "./", import.meta.url);
const data = (name: string): unknown => JSON.parse(readFileSync(new URL(`data/${name}`, testDirectory), "utf8"));

/** The cases, and what Linux answered (see record-files.py). */
export const cases = data("files-cases.json") as Case[];
const expected = data("files-expected.json") as Record<string, Answer[]>;

/** Steps that a host answers otherwise than Linux, by case; "unknown" when it depends on the run. */
export type Quirks = Readonly<Record<string, readonly (readonly [step: number, answer: Answer | "unknown"])[]>>;

/** What was answered and what should have been, one line for each step. */
export const answers = (
  entry: Case,
  got: readonly Answer[],
  quirks: Quirks,
): { readonly got: string[]; readonly wanted: string[] } => {
  const wanted = [...expected[entry.name]];
  for (const [step, answer] of quirks[entry.name] ?? []) wanted[step] = answer === "unknown" ? got[step] : answer;
  const show = (list: readonly Answer[]): string[] =>
    list.map((answer, index) => `${JSON.stringify(entry.steps[index])} = ${JSON.stringify(answer)}`);
  return { got: show(got), wanted: show(wanted) };
};

const statText = (guest: FakeGuest, at: number, result: number): Answer => {
  if (result < 0) return result;
  const { memory } = guest.process;
  const mode = memory.getUint32(at + 24);
  if (mode >>> 12 === 4) return `dir ${mode.toString(8)}`;
  return `${mode.toString(8)} size ${memory.getInt64(at + 48)} links ${memory.getUint64(at + 16)}`;
};

const latin1 = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

/** The names and types of a directory. */
export const listDirectory = (guest: FakeGuest, fd: number, size: number): Answer => {
  const { memory } = guest.process;
  const buffer = guest.allocate(size);
  const names: string[] = [];
  for (;;) {
    const result = guest.call("getdents64", fd, buffer, size);
    if (result < 0) return result;
    if (result === 0) return names.sort().join(" ");
    for (let at = buffer; at < buffer + result;) {
      const length = memory.getUint32(at + 16) & 0xffff;
      const name = guest.text(at + 19, length - 19).split("\0")[0];
      names.push(`${name}:${memory.getUint8(at + 18)}`);
      at += length;
    }
  }
};

const pack = (...values: readonly (readonly [bytes: number, value: number])[]): Uint8Array => {
  const bytes: number[] = [];
  for (const [size, value] of values) {
    for (let i = 0; i < size; i++) bytes.push(Math.floor(value / 2 ** (8 * i)) & 0xff);
  }
  return Uint8Array.from(bytes);
};

/** The calls that read something back in readable form; the same as in record-files.py. */
const query = (guest: FakeGuest, name: string, args: readonly (string | number)[]): Answer => {
  const [a, b, c, d] = args as [never, number, number, number];
  const { memory } = guest.process;
  switch (name) {
    case "?stat": {
      const at = guest.allocate(144);
      return statText(guest, at, guest.call("newfstatat", -100, a, at, 0x100));
    }
    case "?fstat": {
      const at = guest.allocate(144);
      return statText(guest, at, guest.call("fstat", a, at));
    }
    case "?read":
    case "?pread": {
      const at = guest.allocate(b);
      const result = name === "?read" ? guest.call("read", a, at, b) : guest.call("pread64", a, at, b, c);
      return result < 0 ? result : latin1(memory.load(at, result));
    }
    case "?readlink": {
      const at = guest.allocate(4096);
      const result = guest.call("readlink", a, at, 4096);
      return result < 0 ? result : guest.text(at, result);
    }
    case "?ls":
      return listDirectory(guest, a, b ?? 65536);
    case "?pipe": {
      const at = guest.allocate(8);
      const result = guest.call("pipe2", at, a);
      return result < 0 ? result : [memory.getInt32(at), memory.getInt32(at + 4)];
    }
    case "?poll": {
      const at = guest.put(pack([4, a], [2, b], [2, 0]));
      const result = guest.call("poll", at, 1, 0);
      return result < 0 ? result : memory.getUint32(at + 4) >>> 16;
    }
    case "?mtime": {
      const at = guest.allocate(144);
      const result = guest.call("newfstatat", -100, a, at, 0);
      return result < 0 ? result : memory.getInt64(at + 88);
    }
    case "?utime":
      return guest.call("utimensat", -100, a, pack([8, b], [8, 0], [8, c], [8, 0]), 0);
    case "?utimens": {
      const [, ...times] = args as number[];
      return guest.call("utimensat", -100, a, pack(...times.map((value) => [8, value] as const)), 0);
    }
    case "?ns": {
      const at = guest.allocate(144);
      const result = guest.call("newfstatat", -100, a, at, 0);
      if (result < 0) return result;
      const time = (from: number): string =>
        `${memory.getInt64(from)}.${`${memory.getInt64(from + 8)}`.padStart(9, "0")}`;
      return `${time(at + 72)} ${time(at + 88)}`;
    }
    case "?watch":
      return guest.call("epoll_ctl", a, b, c, pack([4, d], [8, 1]));
    default:
      throw new Error(`unknown query ${name}`);
  }
};

/** Makes the calls of a case. */
export const replay = (guest: FakeGuest, { steps }: Case): Answer[] => {
  const variables = new Map<string, Answer>();
  const lookup = (name: string): number => {
    const [key, index] = name.split(".");
    const value = variables.get(key)!;
    return (index === undefined ? value : (value as readonly number[])[Number(index)]) as number;
  };
  return steps.map(([name, ...rest]) => {
    const last = rest.at(-1);
    const target = typeof last === "string" && last.startsWith("=") ? last.slice(1) : undefined;
    const args = (target === undefined ? rest : rest.slice(0, -1)).map((arg) => {
      if (typeof arg === "number") return arg;
      if (arg.startsWith("$")) return lookup(arg.slice(1));
      if (arg.startsWith("#")) return guest.put(new TextEncoder().encode(arg.slice(1)));
      if (arg.startsWith("@")) return guest.allocate(Number(arg.slice(1)));
      return arg
        .replace("%LONG%", "n".repeat(256))
        .replace("%DEEP%", "d".repeat(200))
        .replace("%PATH%", "p/".repeat(2100));
    });
    const result = String(name).startsWith("?") ? query(guest, String(name), args) : guest.call(String(name), ...args);
    if (target !== undefined) variables.set(target, result);
    return result;
  });
};
