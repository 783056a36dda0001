import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, test } from "vitest";
import { NodeFiles } from "../runtime-shims/host/node-fs.js";
import { KernelMemory } from "../runtime-shims/kernel-memory.js";
import { sendToThread, userSignal } from "../runtime-shims/signals.js";
import { slotOfTid } from "../runtime-shims/threads.js";
import { FakeGuest, newMemories, type SharedMemories } from "./files-harness.js";

let directory: string;
let memories: SharedMemories;
let guest: FakeGuest;
const workers: Worker[] = [];

beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), "gojit-files-")));
  memories = newMemories();
  guest = new FakeGuest(memories, {
    host: new NodeFiles([directory]),
    mounts: [{ guest: "/home/user", readOnly: false }],
    executable: "/home/user/program",
    currentDirectory: "/home/user",
  });
});

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
  rmSync(directory, { recursive: true, force: true });
});

type Call = [name: string, ...args: (number | string)[]];

/** Another guest thread; the returned function makes its calls. */
const spawn = (tid: number): ((...call: Call) => Promise<number>) => {
  const worker = new Worker(new URL("../dist/test/files-worker.js", import.meta.url), {
    workerData: { memories, directory, tid },
    trackUnmanagedFds: false,
  });
  worker.on("error", (error) => expect.unreachable(String(error)));
  workers.push(worker);
  return (...call) =>
    new Promise((resolve) => {
      worker.once("message", resolve);
      worker.postMessage(call);
    });
};

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const O_NONBLOCK = 0o4000;

const newPipe = (flags: number): [number, number] => {
  const at = guest.allocate(8);
  expect(guest.call("pipe2", at, flags)).toBe(0);
  return [guest.process.memory.getInt32(at), guest.process.memory.getInt32(at + 4)];
};

test("a read blocks until another thread writes, and a close ends it", async () => {
  const [reader, writer] = newPipe(0);
  const other = spawn(1001);
  const buffer = guest.allocate(100);
  const first = other("read", reader, buffer, 100);
  await pause(50);
  expect(guest.call("write", writer, "hello", 5)).toBe(5);
  expect(await first).toBe(5);
  expect(guest.text(buffer, 5)).toBe("hello");
  const second = other("read", reader, buffer, 100);
  await pause(20);
  expect(guest.call("close", writer)).toBe(0);
  expect(await second).toBe(0);
});

test("a write larger than the pipe goes on as the reader takes", async () => {
  const [reader, writer] = newPipe(0);
  const other = spawn(1001);
  const [source, target] = [guest.allocate(200_000), guest.allocate(200_000)];
  const bytes = guest.process.memory.slice(source, 200_000);
  for (let i = 0; i < bytes.length; i++) bytes[i] = i * 7;
  const written = other("write", writer, source, 200_000);
  let done = 0;
  while (done < 200_000) {
    const result = guest.call("read", reader, target + done, 200_000 - done);
    expect(result).toBeGreaterThan(0);
    done += result;
  }
  expect(await written).toBe(200_000);
  expect(Buffer.compare(guest.process.memory.load(target, 200_000), guest.process.memory.load(source, 200_000))).toBe(
    0,
  );
});

test("a signal interrupts a blocked read; the file stays open under it", async () => {
  const [reader] = newPipe(0);
  const other = spawn(1001);
  const buffer = guest.allocate(100);
  // Let the Worker start before its thread is looked up.
  expect(await other("fcntl", reader, 1, 0)).toBe(0);
  const blocked = other("read", reader, buffer, 100);
  await pause(50);
  expect(guest.call("close", reader)).toBe(0);
  expect(guest.call("fcntl", reader, 1, 0)).toBe(-9);
  const { kernel } = guest.process;
  const slot = slotOfTid(guest.process, 1001);
  // Without a handler the signal ends the process: the call comes back.
  sendToThread(kernel, slot, 1001, userSignal(15, 0, 1000, 0), { kick: () => {}, resume: () => {} });
  await blocked;
});

const watch = (epoll: number, operation: number, fd: number, events: number, data: number): number => {
  const at = guest.allocate(12);
  guest.process.memory.setUint32(at, events);
  guest.process.memory.setUint32(at + 4, data);
  guest.process.memory.setUint32(at + 8, 0);
  return guest.call("epoll_ctl", epoll, operation, fd, at);
};

const EPOLLIN = 1;
const EPOLLOUT = 4;
const EPOLLRDHUP = 0x2000;
const EPOLLET = 0x8000_0000;

test("edge-triggered epoll reports each arrival once", () => {
  const [reader, writer] = newPipe(O_NONBLOCK);
  const epoll = guest.call("epoll_create1", 0);
  const events = guest.allocate(120);
  const wait = (): number => guest.call("epoll_pwait", epoll, events, 10, 0, 0, 8);
  expect(watch(epoll, 1, reader, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, 7)).toBe(0);
  expect(wait()).toBe(0);
  guest.call("write", writer, "ab", 2);
  expect(wait()).toBe(1);
  expect(guest.process.memory.getUint32(events)).toBe(EPOLLIN);
  expect(guest.process.memory.getUint32(events + 4)).toBe(7);
  expect(wait()).toBe(0);
  guest.call("write", writer, "c", 1);
  expect(wait()).toBe(1);
  expect(wait()).toBe(0);
  guest.call("close", writer);
  expect(wait()).toBe(1);
  expect(guest.process.memory.getUint32(events)).toBe(EPOLLIN | 16);
  expect(watch(epoll, 2, reader, 0, 0)).toBe(0);
  expect(wait()).toBe(0);
});

test("level-triggered epoll reports as long as there is something; one-shot once until armed again", () => {
  const [reader, writer] = newPipe(O_NONBLOCK);
  const epoll = guest.call("epoll_create1", 0);
  const events = guest.allocate(120);
  const wait = (): number => guest.call("epoll_wait", epoll, events, 10, 0);
  guest.call("write", writer, "ab", 2);
  expect(watch(epoll, 1, reader, EPOLLIN, 1)).toBe(0);
  expect([wait(), wait()]).toEqual([1, 1]);
  expect(watch(epoll, 3, reader, EPOLLIN | 0x4000_0000, 1)).toBe(0);
  expect([wait(), wait()]).toEqual([1, 0]);
  expect(watch(epoll, 3, reader, EPOLLIN | 0x4000_0000, 1)).toBe(0);
  expect(wait()).toBe(1);
  // Closing the last descriptor takes the file out of the set.
  expect(guest.call("close", reader)).toBe(0);
  expect(wait()).toBe(0);
});

test("an eventfd wakes another thread's epoll_wait, and its timeout ends it", async () => {
  const event = guest.call("eventfd2", 0, O_NONBLOCK);
  const epoll = guest.call("epoll_create1", 0);
  expect(watch(epoll, 1, event, EPOLLIN, 3)).toBe(0);
  const other = spawn(1001);
  const events = guest.allocate(120);
  const woken = other("epoll_pwait", epoll, events, 10, -1, 0, 8);
  await pause(50);
  const one = guest.put(Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0));
  expect(guest.call("write", event, one, 8)).toBe(8);
  expect(await woken).toBe(1);
  const buffer = guest.allocate(8);
  expect(guest.call("read", event, buffer, 8)).toBe(8);
  const start = performance.now();
  expect(await other("epoll_pwait", epoll, events, 10, 60, 0, 8)).toBe(0);
  expect(performance.now() - start).toBeGreaterThan(50);
});

test("poll and select wait for another thread", async () => {
  const [reader, writer] = newPipe(0);
  const other = spawn(1001);
  const fds = guest.allocate(8);
  guest.process.memory.setUint32(fds, reader);
  guest.process.memory.setUint32(fds + 4, EPOLLIN);
  const polled = other("poll", fds, 1, -1);
  await pause(30);
  guest.call("write", writer, "x", 1);
  expect(await polled).toBe(1);
  expect(guest.process.memory.getUint32(fds + 4) >>> 16).toBe(EPOLLIN);
  const set = guest.allocate(128);
  guest.process.memory.fill(set, 128, 0);
  guest.process.memory.setUint8(set, 1 << reader);
  expect(guest.call("select", reader + 1, set, 0, 0, 0)).toBe(1);
  expect(guest.process.memory.getUint8(set)).toBe(1 << reader);
});

test("a lock is waited for", async () => {
  const first = guest.call("open", "f", 0o102, 0o644);
  const second = guest.call("open", "f", 2, 0);
  expect(guest.call("flock", first, 2)).toBe(0);
  const other = spawn(1001);
  const locked = other("flock", second, 2);
  await pause(30);
  expect(guest.call("flock", first, 8)).toBe(0);
  expect(await locked).toBe(0);
  expect(guest.call("flock", first, 6)).toBe(-11);
});

test("threads that append and open at once lose nothing", async () => {
  const fd = guest.call("open", "log", 0o2102, 0o644);
  const line = "x".repeat(100);
  const jobs = [1001, 1002].map(async (tid) => {
    const call = spawn(tid);
    for (let i = 0; i < 200; i++) {
      expect(await call("write", fd, line, 100)).toBe(100);
      const own = await call("open", `file-${tid}-${i}`, 0o102, 0o644);
      expect(own).toBeGreaterThan(fd);
      expect(await call("close", own)).toBe(0);
    }
  });
  await Promise.all(jobs);
  const stat = guest.allocate(144);
  guest.call("fstat", fd, stat);
  expect(guest.process.memory.getInt64(stat + 48)).toBe(40_000);
});

test("standard input comes from the ring on demand", async () => {
  const { InputRing } = await import("../runtime-shims/host/input-ring.js");
  const { fileKind } = await import("../runtime-shims/files-layout.js");
  const ring = new InputRing(new KernelMemory(memories.kernel), "stdin");
  const index = guest.files.open.allocate(fileKind.stdin, 0, 0);
  const fd = guest.files.fds.install(index, false, 100);
  const other = spawn(1001);
  const buffer = guest.allocate(100);
  const read = other("read", fd, buffer, 100);
  await ring.asked();
  ring.put(new TextEncoder().encode("line\n"));
  expect(await read).toBe(5);
  expect(guest.text(buffer, 5)).toBe("line\n");
  const end = other("read", fd, buffer, 100);
  await ring.asked();
  ring.end(0);
  expect(await end).toBe(0);
  expect(await other("read", fd, buffer, 100)).toBe(0);
});

test("the user learns once which path was refused", () => {
  const seen: string[] = [];
  const other = new FakeGuest(
    memories,
    {
      host: new NodeFiles([directory]),
      mounts: [{ guest: "/home/user", readOnly: true }],
      executable: "/home/user/program",
      currentDirectory: "/home/user",
      onRefused: (files, path) => void (files.takeRefusalReport() && seen.push(path)),
    },
    1002,
  );
  expect(other.call("open", "/etc/passwd", 0, 0)).toBe(-2);
  expect(other.call("open", "/var/x", 0o102, 0o644)).toBe(-2);
  expect(other.call("open", "/x", 0o102, 0o644)).toBe(-13);
  expect(other.call("mkdir", "d", 0o755)).toBe(-30);
  expect(other.call("open", "f", 0o102, 0o644)).toBe(-30);
  expect(seen).toEqual(["/etc/passwd"]);
});
