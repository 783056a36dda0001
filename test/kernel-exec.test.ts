import { expect, test } from "vitest";
import { attachFiles } from "../runtime-shims/files.js";
import { decodeText } from "../runtime-shims/guest-memory.js";
import { MemoryFiles } from "../runtime-shims/host/memory-files.js";
import { buildVdso } from "../runtime-shims/vdso.js";
import { call, ENTRY, newGuest, NR, sp } from "./kernel-fixture.js";

test("the initial stack is what the kernel lays out", () => {
  const { thread, process } = newGuest();
  const { memory } = process;
  const text = (at: number): string => decodeText(memory.slice(at, memory.stringLength(at, 4096)));
  const word = (index: number): number => memory.getUint64(sp(thread) + 8 * index);
  expect(thread.cpu.rip).toBe(ENTRY);
  expect(thread.tid).toBe(1000);
  expect(sp(thread) % 16).toBe(0);
  expect(word(0)).toBe(3);
  expect([1, 2, 3].map((i) => text(word(i)))).toEqual(["prog", "one", "two"]);
  expect(word(4)).toBe(0);
  expect([5, 6].map((i) => text(word(i)))).toEqual(["A=1", "BB=22"]);
  expect(word(7)).toBe(0);
  // Strings lie in order, each right behind the one before.
  expect(word(2)).toBe(word(1) + 5);
  expect(word(5)).toBe(word(3) + 4);
  const auxv = new Map<number, number>();
  for (let index = 8; word(index) !== 0; index += 2) auxv.set(word(index), word(index + 1));
  expect(auxv.get(6)).toBe(4096);
  expect(auxv.get(3)).toBe(0x400040);
  expect(auxv.get(5)).toBe(3);
  expect(auxv.get(9)).toBe(ENTRY);
  expect(auxv.get(11)).toBe(1000);
  expect(text(auxv.get(15)!)).toBe("x86_64");
  expect(text(auxv.get(31)!)).toBe("/bin/prog");
  expect(memory.load(auxv.get(25)!, 16).some((byte) => byte !== 0)).toBe(true);
  expect(memory.load(auxv.get(33)!, 4)).toEqual(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46));
});

test("segments, bss and stack have their protection", () => {
  const { process } = newGuest();
  const { memory } = process;
  expect(memory.readable(0x400000, 0x2000)).toBe(true);
  expect(memory.writable(0x400000, 1)).toBe(false);
  expect(memory.writable(0x500000, 0x4000)).toBe(true);
  expect(memory.load(0x500000, 4)).toEqual(Uint8Array.of(1, 2, 3, 0));
  expect(memory.readable(0x504000, 1)).toBe(false);
});

/** Looks a function up as Go's runtime does (vdso_linux.go): hash chain, type, version. */
const lookUp = (image: Uint8Array, wanted: string): number | undefined => {
  const view = new DataView(image.buffer);
  const text = (at: number): string => {
    let end = at;
    while (image[end] !== 0) end++;
    return new TextDecoder().decode(image.subarray(at, end));
  };
  const dynamic = new Map<number, number>();
  const at = view.getUint32(64 + 56 + 8, true);
  for (let entry = at; view.getUint32(entry, true) !== 0; entry += 16) {
    dynamic.set(view.getUint32(entry, true), view.getUint32(entry + 8, true));
  }
  const [hash, strings, symbols] = [dynamic.get(4)!, dynamic.get(5)!, dynamic.get(6)!];
  const [versions, definitions] = [dynamic.get(0x6fff_fff0)!, dynamic.get(0x6fff_fffc)!];
  let version = -1;
  for (let def = definitions; ; def += view.getUint32(def + 16, true)) {
    const name = strings + view.getUint32(def + view.getUint32(def + 12, true), true);
    const isBase = (view.getUint16(def + 2, true) & 1) !== 0;
    if (!isBase && view.getUint32(def + 8, true) === 0x3ae75f6 && text(name) === "LINUX_2.6") {
      version = view.getUint16(def + 4, true);
    }
    if (view.getUint32(def + 16, true) === 0) break;
  }
  const buckets = view.getUint32(hash, true);
  let symbol = view.getUint32(hash + 8, true);
  for (; symbol !== 0; symbol = view.getUint32(hash + 8 + 4 * (buckets + symbol), true)) {
    const row = symbols + 24 * symbol;
    if (text(strings + view.getUint32(row, true)) !== wanted) continue;
    expect(view.getUint16(versions + 2 * symbol, true)).toBe(version);
    expect(image[row + 4] & 15).toBe(2);
    return view.getUint32(row + 8, true);
  }
  return undefined;
};

test("the vDSO has what Go looks for", () => {
  const image = buildVdso();
  expect(image.length).toBeLessThanOrEqual(4096);
  for (const [name, nr] of [
    ["__vdso_clock_gettime", 228],
    ["__vdso_gettimeofday", 96],
  ] as const) {
    const start = lookUp(image, name)!;
    // CLOCK_MONOTONIC does without the call: `cmp edi, 1; jne call`.
    const code = image[start] === 0x83 ? start + 5 + image[start + 4] : start;
    expect([...image.subarray(code, code + 8)]).toEqual([0xb8, nr, 0, 0, 0, 0x0f, 0x05, 0xc3]);
  }
});

test("/proc/self/maps names the program with its offsets, the stack and the vDSO", () => {
  const { process, thread } = newGuest();
  const files = attachFiles(process, {
    host: new MemoryFiles({ prog: "content" }, [""], { write: () => 0 }, 0, 0),
    mounts: [{ guest: "/bin", readOnly: true }],
    executable: "/bin/prog",
    currentDirectory: "/",
  });
  const maps = files.tree.find("/proc/1000/maps")?.synthetic;
  const text = maps?.kind === "file" ? (maps.content(thread) as string) : "";
  const lines = text.trimEnd().split("\n");
  // Fields are separated by spaces; the name begins in column 74.
  expect(lines.map((line) => line.replace(/(\w\w:\w\w) [1-9]\d* +(?=\/)/, "DEV INODE "))).toEqual([
    "00400000-00402000 r-xp 00000000 DEV INODE /bin/prog",
    "00500000-00501000 rw-p 00002000 DEV INODE /bin/prog",
    "00501000-00504000 rw-p 00000000 00:00 0 ",
    `${"0f7f0000-0fff0000 rw-p 00000000 00:00 0".padEnd(73)}[stack]`,
    `${"0fff1000-0fff2000 r-xp 00000000 00:00 0".padEnd(73)}[vdso]`,
  ]);
  expect(lines[0]!.indexOf("/bin/prog")).toBe(73);
});

test("the limit of open files can be raised, as Go does when it starts", () => {
  const { process, thread } = newGuest();
  const [RLIMIT_NOFILE, at] = [7, 0x503000];
  expect(call(thread, NR.getrlimit, RLIMIT_NOFILE, at)).toBe(0);
  expect([process.memory.getUint64(at), process.memory.getUint64(at + 8)]).toEqual([1024, 4096]);
  process.memory.setUint64(at, 4096);
  expect(call(thread, NR.prlimit64, 0, RLIMIT_NOFILE, at, 0)).toBe(0);
});
