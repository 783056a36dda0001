import { expect, test } from "vitest";
import { EFAULT, EINVAL, EPERM, ESRCH } from "../runtime-shims/errno.js";
import { call, newGuest } from "./kernel-fixture.js";

const CAPGET = 125;
const CAPSET = 126;
const HEADER = 0x503000;
const DATA = 0x503100;
const UNMAPPED = 0x700000;
const VERSION_1 = 0x1998_0330;
const VERSION_3 = 0x2008_0522;

function fixture() {
  const { thread, process } = newGuest();
  const header = (version: number, pid: number): void => {
    process.memory.setUint32(HEADER, version);
    process.memory.setUint32(HEADER + 4, pid);
  };
  return { memory: process.memory, thread, header };
}

test("capget tells that there are none, in as many sets as the version has", () => {
  const { memory, thread, header } = fixture();
  header(VERSION_3, 0);
  memory.fill(DATA, 32, 0xff);
  expect(call(thread, CAPGET, HEADER, DATA)).toBe(0);
  expect([...memory.load(DATA, 32)]).toEqual([...Array(24).fill(0), ...Array(8).fill(0xff)]);
  header(VERSION_1, thread.tid);
  memory.fill(DATA, 32, 0xff);
  expect(call(thread, CAPGET, HEADER, DATA)).toBe(0);
  expect([...memory.load(DATA, 16)]).toEqual([...Array(12).fill(0), ...Array(4).fill(0xff)]);
});

test("an unknown version is answered with the preferred one", () => {
  const { memory, thread, header } = fixture();
  header(1, 0);
  expect(call(thread, CAPGET, HEADER, 0)).toBe(0);
  expect(memory.getUint32(HEADER)).toBe(VERSION_3);
  header(1, 0);
  expect(call(thread, CAPGET, HEADER, DATA)).toBe(-EINVAL);
  expect(call(thread, CAPSET, HEADER, DATA)).toBe(0);
});

test("bad headers and pointers", () => {
  const { thread, header } = fixture();
  expect(call(thread, CAPGET, 0, 0)).toBe(-EFAULT);
  header(VERSION_3, 0);
  expect(call(thread, CAPGET, HEADER, UNMAPPED)).toBe(-EFAULT);
  expect(call(thread, CAPSET, HEADER, UNMAPPED)).toBe(-EFAULT);
  header(VERSION_3, -1);
  expect(call(thread, CAPGET, HEADER, DATA)).toBe(-EINVAL);
  header(VERSION_3, 4242);
  expect(call(thread, CAPGET, HEADER, DATA)).toBe(-ESRCH);
  expect(call(thread, CAPSET, HEADER, DATA)).toBe(-EPERM);
});

test("capset cannot add any", () => {
  const { memory, thread, header } = fixture();
  header(VERSION_3, 0);
  memory.fill(DATA, 24, 0);
  expect(call(thread, CAPSET, HEADER, DATA)).toBe(0);
  memory.setUint32(DATA + 4, 1);
  expect(call(thread, CAPSET, HEADER, DATA)).toBe(-EPERM);
});
