import { describe, expect, test } from "vitest";
import { EEXIST, EFAULT, EINVAL, ENOMEM, EPERM } from "../runtime-shims/errno.js";
import { call, newGuest, NR } from "./kernel-fixture.js";

const [NONE, R, W, X] = [0, 1, 2, 4];
const ANON = 0x22;
const FIXED = 0x10;
const NOREPLACE = 0x10_0000;
const PAGE = 4096;
const DONTNEED = 4;

describe("mmap and its relatives", () => {
  test("anonymous memory is zero, disjoint and accessible as asked", () => {
    const { thread, process } = newGuest();
    const a = call(thread, NR.mmap, 0, 10000, R | W, ANON, -1, 0);
    const b = call(thread, NR.mmap, 0, 4096, R, ANON, -1, 0);
    expect(a % PAGE).toBe(0);
    expect(b >= a + 3 * PAGE || b + PAGE <= a).toBe(true);
    expect(process.memory.load(a, 3 * PAGE).every((byte) => byte === 0)).toBe(true);
    expect(process.memory.writable(a, 3 * PAGE)).toBe(true);
    expect(process.memory.writable(a, 3 * PAGE + 1)).toBe(false);
    expect(process.memory.writable(b, 1)).toBe(false);
    expect(process.memory.readable(b, PAGE)).toBe(true);
  });

  test("pages that were written are zero again when they come back", () => {
    const { thread, process } = newGuest();
    const a = call(thread, NR.mmap, 0, 4 * PAGE, R | W, ANON, -1, 0);
    process.memory.fill(a, 4 * PAGE, 0xff);
    expect(call(thread, NR.munmap, a + PAGE, PAGE)).toBe(0);
    expect(process.memory.readable(a + PAGE, 1)).toBe(false);
    expect(call(thread, NR.mmap, a + PAGE, PAGE, R | W, ANON | FIXED, -1, 0)).toBe(a + PAGE);
    expect(process.memory.load(a + PAGE, PAGE).every((byte) => byte === 0)).toBe(true);
    expect(process.memory.getUint8(a)).toBe(0xff);
    expect(process.memory.getUint8(a + 2 * PAGE)).toBe(0xff);
    expect(call(thread, NR.madvise, a, PAGE, DONTNEED)).toBe(0);
    expect(process.memory.getUint8(a)).toBe(0);
    process.memory.fill(a, 1, 7);
    expect(call(thread, NR.madvise, a, PAGE, DONTNEED)).toBe(0);
    expect(process.memory.getUint8(a)).toBe(0);
  });

  test("hints are honoured when free, ignored when taken or out of reach", () => {
    const { thread } = newGuest();
    const free = 0x600_0000;
    expect(call(thread, NR.mmap, free, PAGE, R, ANON, -1, 0)).toBe(free);
    expect(call(thread, NR.mmap, free, PAGE, R, ANON, -1, 0)).not.toBe(free);
    const far = call(thread, NR.mmap, 0xc0_0000_0000, PAGE, R, ANON, -1, 0);
    expect(far).toBeGreaterThan(0);
    expect(far).toBeLessThan(256 << 20);
  });

  test("errors come as from Linux", () => {
    const { thread } = newGuest();
    const mmap = (...args: number[]): number => call(thread, NR.mmap, ...args);
    expect(mmap(0, 0, R, ANON, -1, 0)).toBe(-EINVAL);
    expect(mmap(0, PAGE, R, ANON, -1, 5)).toBe(-EINVAL);
    expect(mmap(0, PAGE, R, 0x20, -1, 0)).toBe(-EINVAL);
    expect(mmap(0, 2 ** 40, R, ANON, -1, 0)).toBe(-ENOMEM);
    expect(mmap(0x600_0001, PAGE, R, ANON | FIXED, -1, 0)).toBe(-EINVAL);
    expect(mmap(0, PAGE, R, ANON | FIXED, -1, 0)).toBe(-EPERM);
    expect(mmap(0x500000, PAGE, R, ANON | NOREPLACE, -1, 0)).toBe(-EEXIST);
    expect(mmap(2 ** 33, PAGE, R, ANON | FIXED, -1, 0)).toBe(-ENOMEM);
    expect(call(thread, NR.munmap, 1, PAGE)).toBe(-EINVAL);
    expect(call(thread, NR.munmap, 0x600_0000, 0)).toBe(-EINVAL);
    expect(call(thread, NR.munmap, 0x600_0000, PAGE)).toBe(0);
    expect(call(thread, NR.munmap, 0xc0_0000_0000, PAGE)).toBe(0);
    expect(call(thread, NR.mprotect, 0x600_0000, PAGE, R)).toBe(-ENOMEM);
    expect(call(thread, NR.mprotect, 0x600_0001, PAGE, R)).toBe(-EINVAL);
    expect(call(thread, NR.madvise, 0x600_0000, PAGE, DONTNEED)).toBe(-ENOMEM);
    expect(call(thread, NR.madvise, 0x500000, PAGE, 77)).toBe(-EINVAL);
    expect(call(thread, NR.mincore, 0x500000, PAGE, 0x600_0000)).toBe(-EFAULT);
    expect(call(thread, NR.mincore, 0x600_0000, PAGE, 0x500000)).toBe(-ENOMEM);
    expect(call(thread, NR.mincore, 0x500000, 2 * PAGE, 0x502000)).toBe(0);
  });

  test("Go's reservations fit, and arenas come 64 MiB aligned with room to grow", () => {
    const { thread } = newGuest(2 ** 32);
    const tables = [128 << 10, 1 << 20, 8 << 20, 64 << 20, 512 << 20, 512 << 20].map((size) =>
      call(thread, NR.mmap, 0, size, NONE, ANON, -1, 0),
    );
    expect(tables.every((at) => at > 0)).toBe(true);
    const arena = call(thread, NR.mmap, 0, 64 << 20, NONE, ANON, -1, 0);
    expect(arena % (64 << 20)).toBe(0);
    for (let i = 1; i < 8; i++) {
      const next = arena + i * (64 << 20);
      expect(call(thread, NR.mmap, next, 64 << 20, NONE, ANON, -1, 0)).toBe(next);
    }
    let total = 0;
    while (call(thread, NR.mmap, 0, 64 << 20, NONE, ANON, -1, 0) > 0) total += 64;
    expect(total).toBeGreaterThan(2000);
    expect(call(thread, NR.mmap, 0, 64 << 20, NONE, ANON, -1, 0)).toBe(-ENOMEM);
  });

  test("changes to executable pages are reported", () => {
    const { thread, log } = newGuest();
    const at = call(thread, NR.mmap, 0, 2 * PAGE, R | W, ANON, -1, 0);
    expect(log.code).toEqual([]);
    call(thread, NR.mprotect, at, PAGE, R | X);
    call(thread, NR.munmap, at, 2 * PAGE);
    call(thread, NR.munmap, 0x400000, PAGE);
    expect(log.code).toEqual([
      [at, PAGE],
      [at, 2 * PAGE],
      [0x400000, PAGE],
    ]);
  });

  test("brk grows, shrinks and stops at a neighbour", () => {
    const { thread, process } = newGuest();
    const start = call(thread, NR.brk, 0);
    expect(start).toBe(0x504000);
    expect(call(thread, NR.brk, start + 10000)).toBe(start + 10000);
    process.memory.fill(start, 10000, 9);
    expect(call(thread, NR.brk, start)).toBe(start);
    expect(process.memory.readable(start, 1)).toBe(false);
    expect(call(thread, NR.brk, start + 10000)).toBe(start + 10000);
    expect(process.memory.load(start, 10000).every((byte) => byte === 0)).toBe(true);
    expect(call(thread, NR.brk, 2 ** 33)).toBe(start + 10000);
  });

  test("mremap grows in place, moves with its content, shrinks", () => {
    const { thread, process } = newGuest();
    const at = call(thread, NR.mmap, 0, 2 * PAGE, R | W, ANON, -1, 0);
    process.memory.fill(at, 2 * PAGE, 5);
    expect(call(thread, NR.mremap, at, 2 * PAGE, 3 * PAGE, 0, 0)).toBe(at);
    expect(process.memory.getUint8(at + 2 * PAGE)).toBe(0);
    call(thread, NR.mmap, at + 3 * PAGE, PAGE, R, ANON | FIXED, -1, 0);
    expect(call(thread, NR.mremap, at, 3 * PAGE, 4 * PAGE, 0, 0)).toBe(-ENOMEM);
    const moved = call(thread, NR.mremap, at, 3 * PAGE, 4 * PAGE, 1, 0);
    expect(moved).not.toBe(at);
    expect(process.memory.load(moved, 2 * PAGE).every((byte) => byte === 5)).toBe(true);
    expect(process.memory.readable(at, 1)).toBe(false);
    expect(call(thread, NR.mremap, moved, 4 * PAGE, PAGE, 0, 0)).toBe(moved);
    expect(process.memory.readable(moved + PAGE, 1)).toBe(false);
    expect(call(thread, NR.mremap, at, PAGE, 2 * PAGE, 1, 0)).toBe(-EFAULT);
  });
});
