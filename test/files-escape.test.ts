import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EBUSY, ENOENT, EOPNOTSUPP, EROFS } from "../runtime-shims/errno.js";
import { NodeFiles } from "../runtime-shims/host/node-fs.js";
import { FakeGuest, newMemories } from "./files-harness.js";

const AT_FDCWD = -100;
const O_DIRECTORY = 0o200000;
const O_PATH = 0o10000000;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EMPTY_PATH = 0x1000;

let top: string;
let outside: string;

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), "gojit-escape-")));
  outside = join(top, "outside");
  mkdirSync(join(outside, "below"), { recursive: true });
  mkdirSync(join(top, "granted/inner"), { recursive: true });
  writeFileSync(join(outside, "secret"), "secret");
  chmodSync(join(outside, "secret"), 0o640);
  chmodSync(outside, 0o750);
});

afterEach(() => rmSync(top, { recursive: true, force: true }));

/** A guest that sees `granted` as /home, and its `inner` as /inner too. */
const newGuest = (): FakeGuest =>
  new FakeGuest(newMemories(), {
    host: new NodeFiles([join(top, "granted"), join(top, "granted/inner")]),
    mounts: [
      { guest: "/home", readOnly: false },
      { guest: "/inner", readOnly: false },
    ],
    executable: "/home/program",
    currentDirectory: "/home",
  });

/** Names that getdents64 gives, or −errno. */
const list = (guest: FakeGuest, fd: number): string[] | number => {
  const buffer = guest.allocate(4096);
  const length = guest.call("getdents64", fd, buffer, 4096);
  if (length < 0) return length;
  const names: string[] = [];
  for (let at = 0; at < length; at += guest.process.memory.getUint32(buffer + at + 16) & 0xffff) {
    names.push(guest.text(buffer + at + 19, 20).replace(/\0.*$/s, ""));
  }
  return names;
};

/** What must still be true of the files that were not granted. */
const untouched = (): void => {
  expect(readFileSync(join(outside, "secret"), "utf8")).toBe("secret");
  expect(statSync(join(outside, "secret")).mode & 0o7777).toBe(0o640);
  expect(statSync(outside).mode & 0o7777).toBe(0o750);
  expect(statSync(outside).mtimeMs).toBeGreaterThan(1e12);
};

describe("a guest does not leave the directories it was given", () => {
  test("by links, absolute or with ..", () => {
    const guest = newGuest();
    const up = "../".repeat(20);
    for (const target of [outside, `${up}${outside.slice(1)}`, "../outside", "../../outside"]) {
      expect(guest.call("symlink", target, "link")).toBe(0);
      expect(guest.call("open", "link/secret", 0)).toBe(-ENOENT);
      expect(guest.call("open", `link/../../outside/secret`, 0)).toBe(-ENOENT);
      expect(guest.call("truncate", "link/secret", 0)).toBe(-ENOENT);
      expect(guest.call("chmod", "link", 0)).toBe(-ENOENT);
      expect(guest.call("unlink", "link")).toBe(0);
    }
    expect(guest.call("open", `${up}${outside.slice(1)}/secret`, 0)).toBe(-ENOENT);
    expect(guest.call("open", `/proc/self/root${outside}/secret`, 0)).toBe(-ENOENT);
    expect(guest.call("open", `/proc/self/cwd/../outside/secret`, 0)).toBe(-ENOENT);
    untouched();
  });

  test("by attributes of a link itself", () => {
    const guest = newGuest();
    guest.call("symlink", join(outside, "secret"), "link");
    expect(guest.call("fchmodat2", AT_FDCWD, "link", 0o777, AT_SYMLINK_NOFOLLOW)).toBe(-EOPNOTSUPP);
    const link = guest.call("open", "link", O_PATH | 0o400000);
    expect(guest.call("fchmodat2", link, "", 0o777, AT_EMPTY_PATH)).toBe(-EOPNOTSUPP);
    expect(guest.call("fchownat", link, "", -1, -1, AT_EMPTY_PATH)).toBe(0);
    untouched();
  });

  test("by a directory that was removed while open, with a link in its place", () => {
    const guest = newGuest();
    expect(guest.call("mkdir", "a", 0o755)).toBe(0);
    expect(guest.call("mkdir", "a/below", 0o755)).toBe(0);
    const outer = guest.call("open", "a", O_DIRECTORY);
    const inner = guest.call("open", "a/below", O_DIRECTORY);
    const path = guest.call("open", "a/below", O_PATH);
    expect(guest.call("rmdir", "a/below")).toBe(0);
    expect(guest.call("rmdir", "a")).toBe(0);
    expect(guest.call("symlink", outside, "a")).toBe(0);
    const stat = guest.allocate(256);
    for (const fd of [outer, inner]) {
      expect(list(guest, fd)).toBe(-ENOENT);
      expect(guest.call("fchmod", fd, 0o777)).toBe(-ENOENT);
      expect(guest.call("fchown", fd, -1, -1)).toBe(-ENOENT);
      expect(guest.call("utimensat", fd, 0, 0, 0)).toBe(-ENOENT);
      expect(guest.call("openat", fd, "secret", 0)).toBe(-ENOENT);
      expect(guest.call("openat", fd, "../secret", 0)).toBe(-ENOENT);
      expect(guest.call("mkdirat", fd, "new", 0o755)).toBe(-ENOENT);
      expect(guest.call("fchdir", fd)).toBeLessThan(0);
    }
    expect(guest.call("fstat", inner, stat)).toBe(-ENOENT);
    expect(guest.call("fstat", path, stat)).toBe(-ENOENT);
    expect(guest.call("newfstatat", path, "", stat, AT_EMPTY_PATH)).toBe(-ENOENT);
    untouched();
  });

  test("by moving or replacing a directory that is also mounted elsewhere", () => {
    const guest = newGuest();
    expect(guest.call("rename", "inner", "elsewhere")).toBe(-EBUSY);
    expect(guest.call("rmdir", "inner")).toBe(-EBUSY);
    expect(guest.call("mkdir", "empty", 0o755)).toBe(0);
    expect(guest.call("rename", "empty", "inner")).toBe(-EBUSY);
    expect(guest.call("symlink", outside, "inner")).toBeLessThan(0);
    expect(guest.call("open", "/inner/secret", 0)).toBe(-ENOENT);
    untouched();
  });

  test("by opening for writing what was opened on a mount for reading, and has lost its name", () => {
    const guest = new FakeGuest(newMemories(), {
      host: new NodeFiles([outside, join(top, "granted")]),
      mounts: [
        { guest: "/shown", readOnly: true },
        { guest: "/home", readOnly: false },
      ],
      executable: "/home/program",
      currentDirectory: "/home",
    });
    const fd = guest.call("open", "/shown/secret", 0);
    rmSync(join(outside, "secret"));
    expect(guest.call("open", `/proc/self/fd/${fd}`, 2)).toBe(-EROFS);
    expect(guest.call("open", `/proc/self/fd/${fd}`, 0o1000)).toBe(-EROFS);
    expect(guest.call("open", `/proc/self/fd/${fd}`, 0)).toBeGreaterThan(fd);
  });

  test("by renaming a directory above an open one, or by descriptors in /proc", () => {
    const guest = newGuest();
    guest.call("mkdir", "b", 0o755);
    guest.call("mkdir", "b/c", 0o755);
    const fd = guest.call("open", "b/c", O_DIRECTORY);
    expect(guest.call("rename", "b/c", "c")).toBe(0);
    expect(guest.call("openat", fd, "../../outside/secret", 0)).toBe(-ENOENT);
    expect(guest.call("open", `/proc/self/fd/${fd}/../../outside/secret`, 0)).toBe(-ENOENT);
    expect(guest.call("open", "/proc/self/fd/0/../../../outside/secret", 0)).toBeLessThan(0);
    untouched();
  });
});
