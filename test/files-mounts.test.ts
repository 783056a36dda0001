import { expect, test } from "vitest";
import { MemoryFiles, type MemoryTree, type StandardOutput } from "../runtime-shims/host/memory-files.js";
import type { Mount } from "../runtime-shims/mounts.js";
import { FakeGuest, newMemories } from "./files-harness.js";
import { listDirectory } from "./files-replay.js";

const output: StandardOutput = { write: (_handle, bytes) => bytes.length };
const O_DIRECTORY = 0o200000;

/** A guest whose mounts are given as guest path → path in the tree; a `ro:` before it makes one read-only. */
const newGuest = (tree: MemoryTree, mounts: Readonly<Record<string, string>>, currentDirectory: string): FakeGuest => {
  const entries = Object.entries(mounts);
  const list = entries.map(([guest, path]): Mount => ({ guest, readOnly: path.startsWith("ro:") }));
  const roots = entries.map(([, path]) => path.replace(/^ro:/, ""));
  const host = new MemoryFiles(tree, roots, output, 0, 0);
  return new FakeGuest(newMemories(), { host, mounts: list, executable: "/bin/program", currentDirectory });
};

const read = (guest: FakeGuest, path: string): string | number => {
  const fd = guest.call("open", path, 0, 0);
  if (fd < 0) return fd;
  const buffer = guest.allocate(100);
  const length = guest.call("read", fd, buffer, 100);
  guest.call("close", fd);
  return length < 0 ? length : guest.text(buffer, length);
};

const list = (guest: FakeGuest, path: string): string | number => {
  const fd = guest.call("open", path, O_DIRECTORY, 0);
  return fd < 0 ? fd : (listDirectory(guest, fd, 4096) as string);
};

const tree = {
  project: {
    "main.go": "package main",
    sub: { inner: "inner" },
    up: { link: "../../../outside" },
    abs: { link: "/etc/motd" },
  },
  tmp: { scratch: "scratch" },
  shared: { data: "data" },
  zone: "UTC",
  outside: "never to be seen",
};
const mounts = {
  "/home/user/project": "project",
  "/tmp": "tmp",
  "/tmp/shared": "ro:shared",
  "/etc/localtime": "ro:zone",
};

test("directories that lead to mounts can be listed and walked, and hold nothing else", () => {
  const guest = newGuest(tree, mounts, "/home/user/project");
  expect(list(guest, "/")).toBe("..:4 .:4 dev:4 etc:4 home:4 proc:4 tmp:4");
  expect(list(guest, "/home")).toBe("..:4 .:4 user:4");
  expect(list(guest, "/etc")).toBe("..:4 .:4 localtime:8");
  expect(list(guest, "/tmp")).toBe("..:4 .:4 scratch:8 shared:4");
  expect(read(guest, "../../../tmp/scratch")).toBe("scratch");
  expect(read(guest, "/home/user/project/../project/./sub/../main.go")).toBe("package main");
  expect(read(guest, "/etc/localtime")).toBe("UTC");
  expect(read(guest, "/etc/localtime/x")).toBe(-20);
  expect(read(guest, "/etc/passwd")).toBe(-2);
  expect(guest.call("mkdir", "/home/other", 0o755)).toBe(-13);
  expect(guest.call("mkdir", "/home/user", 0o755)).toBe(-17);
  expect(guest.call("rmdir", "/home/user")).toBe(-13);
  expect(guest.call("rmdir", "/tmp/shared")).toBe(-30);
  expect(guest.call("unlink", "/etc/localtime")).toBe(-30);
});

test("links lead through guest space, never to what lies beside a mount", () => {
  const guest = newGuest(tree, mounts, "/home/user/project");
  expect(read(guest, "up")).toBe(-2);
  expect(read(guest, "abs")).toBe(-2);
  expect(guest.call("symlink", "/tmp/scratch", "good")).toBe(0);
  expect(read(guest, "good")).toBe("scratch");
  expect(guest.call("symlink", "/tmp", "dir")).toBe(0);
  expect(read(guest, "dir/shared/data")).toBe("data");
  expect(read(guest, "dir/../home/user/project/main.go")).toBe("package main");
});

test("a read-only mount is read-only, and names do not move between mounts", () => {
  const guest = newGuest(tree, mounts, "/tmp");
  expect(read(guest, "shared/data")).toBe("data");
  expect(guest.call("open", "shared/data", 1, 0)).toBe(-30);
  expect(guest.call("open", "shared/new", 0o101, 0o644)).toBe(-30);
  expect(guest.call("open", "shared/data", 0o1000, 0)).toBe(-30);
  expect(guest.call("unlink", "shared/data")).toBe(-30);
  expect(guest.call("chmod", "shared/data", 0o600)).toBe(-30);
  expect(guest.call("access", "shared/data", 2)).toBe(-30);
  expect(guest.call("access", "shared/data", 4)).toBe(0);
  expect(guest.call("rename", "scratch", "shared/scratch")).toBe(-18);
  expect(guest.call("link", "scratch", "/home/user/project/scratch")).toBe(-18);
});

test("a whole tree as the root still has the guest's own /proc and /dev", () => {
  const guest = newGuest({ dev: { null: "not this" }, proc: { self: { link: "1" } }, a: "a" }, { "/": "" }, "/");
  expect(read(guest, "/dev/null")).toBe("");
  expect(read(guest, "/a")).toBe("a");
  expect(String(read(guest, "/proc/self/comm"))).toBe("program\n");
  expect(list(guest, "/")).toBe("..:4 .:4 a:8 dev:4 proc:4");
});

test("a removed directory whose name is taken by a link does not lead anywhere", () => {
  const guest = newGuest(tree, mounts, "/home/user/project");
  expect(guest.call("mkdir", "d", 0o755)).toBe(0);
  expect(guest.call("chdir", "d")).toBe(0);
  expect(guest.call("rmdir", "../d")).toBe(0);
  expect(guest.call("symlink", "/tmp", "/home/user/project/d")).toBe(0);
  expect(read(guest, "scratch")).toBe(-2);
  expect(guest.call("open", "x", 0o102, 0o644)).toBe(-2);
});

test("names that are not UTF-8 survive", () => {
  const guest = newGuest({}, { "/w": "" }, "/w");
  const name = Uint8Array.of(0x61, 0xff, 0xc3, 0x28, 0xe2, 0x82, 0xac, 0);
  expect(guest.call("open", guest.put(name), 0o102, 0o644)).toBeGreaterThan(0);
  const fd = guest.call("open", ".", O_DIRECTORY, 0);
  const buffer = guest.allocate(1000);
  const length = guest.call("getdents64", fd, buffer, 1000);
  const listing = guest.process.memory.load(buffer, length);
  expect([...listing.subarray(48 + 19, 48 + 19 + name.length)]).toEqual([...name]);
  expect(guest.call("unlink", guest.put(name))).toBe(0);
});
