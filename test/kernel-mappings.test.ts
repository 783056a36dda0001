import { mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EACCES, ENODEV } from "../runtime-shims/errno.js";
import { attachFiles } from "../runtime-shims/files.js";
import { NodeFiles } from "../runtime-shims/host/node-fs.js";
import { call, type Guest, newGuest, NR } from "./kernel-fixture.js";

const [OPEN, CLOSE, WRITE, PREAD, PWRITE, MSYNC, FTRUNCATE] = [2, 3, 1, 17, 18, 26, 77];
const [O_RDONLY, O_RDWR, O_APPEND] = [0, 2, 0o2000];
const [R, W] = [1, 2];
const [SHARED, PRIVATE, FIXED] = [1, 2, 0x10];
const PAGE = 4096;
const SCRATCH = 0x501000;

let directory = "";
let file = "";
let guest: Guest;

beforeEach(() => {
  directory = realpathSync(mkdtempSync(path.join(tmpdir(), "gojit-mappings-")));
  file = path.join(directory, "data");
  writeFileSync(file, Buffer.alloc(3 * PAGE + 100, "a"));
  guest = newGuest();
  attachFiles(guest.process, {
    host: new NodeFiles([directory]),
    mounts: [{ guest: directory, readOnly: false }],
    executable: "/bin/prog",
    currentDirectory: directory,
  });
});
afterEach(() => rmSync(directory, { recursive: true }));

const open = (flags: number): number => {
  guest.process.memory.store(SCRATCH, new TextEncoder().encode(`${file}\0`));
  const fd = call(guest.thread, OPEN, SCRATCH, flags, 0);
  expect(fd).toBeGreaterThanOrEqual(0);
  return fd;
};
const map = (fd: number, protection: number, flags: number, offset = 0, length = 4 * PAGE, at = 0): number =>
  call(guest.thread, NR.mmap, at, length, protection, flags, fd, offset);
const text = (at: number, length: number): string => new TextDecoder().decode(guest.process.memory.load(at, length));
const put = (at: number, content: string): void => guest.process.memory.store(at, new TextEncoder().encode(content));
const onDisk = (offset: number, length: number): string => readFileSync(file, "latin1").slice(offset, offset + length);

test("a private mapping is a copy; the rest of its last page is zero", () => {
  const fd = open(O_RDONLY);
  const at = map(fd, R | W, PRIVATE, PAGE);
  put(at, "private");
  expect(text(at, 9)).toBe("privateaa");
  expect(text(at + 2 * PAGE + 98, 4)).toBe("aa\0\0");
  expect(call(guest.thread, NR.munmap, at, 4 * PAGE)).toBe(0);
  expect(onDisk(PAGE, 7)).toBe("aaaaaaa");
});

test("what the guest writes to the file shows in a shared mapping, descriptor closed or not", () => {
  const fd = open(O_RDONLY);
  const at = map(fd, R, SHARED);
  expect(call(guest.thread, CLOSE, fd)).toBe(0);
  const writer = open(O_RDWR);
  put(SCRATCH, "pwrite");
  expect(call(guest.thread, PWRITE, writer, SCRATCH, 6, PAGE - 3)).toBe(6);
  expect(text(at + PAGE - 4, 8)).toBe("apwritea");
  expect(call(guest.thread, WRITE, writer, SCRATCH, 2)).toBe(2);
  expect(text(at, 3)).toBe("pwa");
  const appender = open(O_RDWR | O_APPEND);
  put(SCRATCH, "pwrite");
  expect(call(guest.thread, WRITE, appender, SCRATCH, 6)).toBe(6);
  expect(text(at + 3 * PAGE + 99, 8)).toBe("apwrite\0");
  expect(call(guest.thread, FTRUNCATE, writer, 10)).toBe(0);
  expect(text(at + 9, 2)).toBe("a\0");
});

test("what the guest stores in a shared mapping reaches the file: msync, read, munmap, exit", () => {
  const fd = open(O_RDWR);
  const at = map(fd, R | W, SHARED);
  put(at, "one");
  expect(onDisk(0, 3)).toBe("aaa");
  expect(call(guest.thread, MSYNC, at, PAGE, 4)).toBe(0);
  expect(onDisk(0, 4)).toBe("onea");
  put(at + PAGE, "two");
  expect(call(guest.thread, PREAD, fd, SCRATCH, 3, PAGE)).toBe(3);
  expect(text(SCRATCH, 3)).toBe("two");
  put(at + 2 * PAGE, "three");
  put(at, "four");
  // Unmapping the middle splits the mapping.
  expect(call(guest.thread, NR.munmap, at + PAGE, PAGE)).toBe(0);
  put(at + 2 * PAGE, "THREE");
  expect(call(guest.thread, NR.munmap, at + 2 * PAGE, 2 * PAGE)).toBe(0);
  expect(onDisk(2 * PAGE, 6)).toBe("THREEa");
  expect(onDisk(0, 4)).toBe("onea");
  call(guest.thread, NR.exit_group, 0);
  expect(onDisk(0, 5)).toBe("foura");
  expect(readFileSync(file).length).toBe(3 * PAGE + 100);
});

test("a mapping replaced by MAP_FIXED is written back and forgotten", () => {
  const fd = open(O_RDWR);
  const at = map(fd, R | W, SHARED);
  put(at, "kept");
  expect(map(-1, R | W, PRIVATE | FIXED | 0x20, 0, 4 * PAGE, at)).toBe(at);
  expect(onDisk(0, 4)).toBe("kept");
  put(SCRATCH, "later");
  call(guest.thread, PWRITE, fd, SCRATCH, 5, 0);
  expect(text(at, 4)).toBe("\0\0\0\0");
});

test("access follows the descriptor", () => {
  const fd = open(O_RDONLY);
  expect(map(fd, R | W, SHARED)).toBe(-EACCES);
  const at = map(fd, R, SHARED);
  expect(call(guest.thread, NR.mprotect, at, PAGE, R | W)).toBe(-EACCES);
  const both = map(open(O_RDWR), R, SHARED);
  expect(call(guest.thread, NR.mprotect, both, PAGE, R | W)).toBe(0);
  put(both, "now");
  expect(call(guest.thread, NR.munmap, both, 4 * PAGE)).toBe(0);
  expect(onDisk(0, 4)).toBe("nowa");
  expect(map(999, R, SHARED)).toBe(-9);
  guest.process.memory.store(SCRATCH, new TextEncoder().encode(`${directory}\0`));
  const folder = call(guest.thread, OPEN, SCRATCH, O_RDONLY, 0);
  expect(map(folder, R, SHARED)).toBe(-ENODEV);
});

test("many mappings end in ENOMEM, and give their files back", () => {
  const fd = open(O_RDONLY);
  const mapped: number[] = [];
  for (;;) {
    const at = map(fd, R, SHARED, 0, PAGE);
    if (at < 0) {
      expect(at).toBe(-12);
      break;
    }
    mapped.push(at);
  }
  expect(mapped.length).toBe(256);
  for (const at of mapped) expect(call(guest.thread, NR.munmap, at, PAGE)).toBe(0);
  expect(map(fd, R, SHARED, 0, PAGE)).toBeGreaterThan(0);
});
