import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  EACCES,
  EBADF,
  EEXIST,
  EINVAL,
  ELOOP,
  ENOENT,
  ENOTDIR,
  ENXIO,
  EOPNOTSUPP,
  EPERM,
  EXDEV,
} from "../runtime-shims/errno.js";
import { NodeFiles } from "../runtime-shims/host/node-fs.js";
import type { FileStat } from "../runtime-shims/host/types.js";
import { openStandardStreams } from "../runtime-shims/standard-streams.js";
import { FakeGuest, newMemories } from "./files-harness.js";

/** Answers of Linux 6.18 to calls that a probe compared line by line. */

const O_PATH = 0o10000000;
const O_DIRECTORY = 0o200000;
const O_NOFOLLOW = 0o400000;
const O_TMPFILE = 0o20200000;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;

let directory: string;
let guest: FakeGuest;

beforeEach(() => {
  directory = realpathSync(mkdtempSync(join(tmpdir(), "gojit-exact-")));
  guest = new FakeGuest(newMemories(), {
    host: new NodeFiles([directory]),
    mounts: [{ guest: "/home", readOnly: false }],
    executable: "/home/program",
    currentDirectory: "/home",
  });
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

const create = (name: string): number => guest.call("open", name, 0o102, 0o644);
const int64s = (...values: number[]): Uint8Array => new Uint8Array(new BigInt64Array(values.map(BigInt)).buffer);
const linkText = (name: string): string | number => {
  const buffer = guest.allocate(256);
  const length = guest.call("readlink", name, buffer, 256);
  return length < 0 ? length : guest.text(buffer, length);
};
const modeOf = (name: string): number => {
  const at = guest.allocate(144);
  return guest.call("lstat", name, at) < 0 ? -1 : guest.process.memory.getUint32(at + 24);
};

test("O_PATH keeps three flags, and only names can be asked", () => {
  create("f");
  guest.call("symlink", "f", "s");
  const fd = guest.call("open", "f", O_PATH | 0o4000 | 1);
  expect(guest.call("fcntl", fd, 3)).toBe(O_PATH);
  expect(guest.call("fallocate", fd, 0, 0, 1)).toBe(-EBADF);
  const epoll = guest.call("epoll_create1", 0);
  expect(epoll < 0 ? epoll : guest.call("epoll_ctl", epoll, 1, fd, new Uint8Array(12))).toBe(-EBADF);
  const poll = guest.put(Uint8Array.of(fd, 0, 0, 0, 1, 0, 0, 0));
  expect(guest.call("poll", poll, 1, 0)).toBe(1);
  expect(guest.process.memory.getUint32(poll + 4) >>> 16).toBe(32);
  const buffer = guest.allocate(16);
  const link = guest.call("open", "s", O_PATH | 0o400000);
  expect(guest.call("readlinkat", link, "", buffer, 16)).toBe(1);
  expect(guest.call("readlinkat", fd, "", buffer, 16)).toBe(-ENOENT);
  expect(guest.call("linkat", fd, "", AT_FDCWD, "g", AT_EMPTY_PATH)).toBe(0);
  expect(guest.call("unlink", "g")).toBe(0);
});

test("O_TMPFILE is refused only where Linux would make one", () => {
  create("f");
  expect(guest.call("open", ".", O_TMPFILE | 2, 0o600)).toBe(-EOPNOTSUPP);
  expect(guest.call("open", "f", O_TMPFILE | 2, 0o600)).toBe(-ENOTDIR);
  expect(guest.call("open", "none", O_TMPFILE | 2, 0o600)).toBe(-ENOENT);
  expect(guest.call("open", ".", O_TMPFILE | 0o102, 0o600)).toBe(-EINVAL);
  expect(guest.call("open", ".", O_TMPFILE, 0o600)).toBe(-EINVAL);
});

test("mknod makes regular files", () => {
  expect(guest.call("mknod", "f", 0o100640, 0)).toBe(0);
  expect(modeOf("f")).toBe(0o100640);
  expect(guest.call("mknod", "g", 0o600, 0)).toBe(0);
  expect(guest.call("mknod", "f", 0o010600, 0)).toBe(-EEXIST);
  expect(guest.call("mknod", "h", 0o010600, 0)).toBe(-EPERM);
  expect(guest.call("mknod", "h", 0o040600, 0)).toBe(-EPERM);
  expect(guest.call("mknod", "h", 0o170600, 0)).toBe(-EINVAL);
});

test("record locks need a range", () => {
  const fd = create("f");
  const lock = (type: number, whence: number, start: number, length: number): number =>
    guest.call("fcntl", fd, 6, int64s(type | (whence << 16), start, length, 0));
  expect(lock(1, 0, 0, 10)).toBe(0);
  expect(lock(1, 7, 0, 10)).toBe(-EINVAL);
  expect(lock(1, 0, -5, 10)).toBe(-EINVAL);
  expect(lock(1, 0, 20, -10)).toBe(0);
  expect(lock(1, 0, 5, -10)).toBe(-EINVAL);
  expect(lock(1, 0, 2 ** 62, 2 ** 62)).toBe(0);
});

test("status flags, pipe sizes, and whether two descriptors are one open file", () => {
  const fd = create("f");
  expect(guest.call("fcntl", fd, 4, 0o24000)).toBe(0);
  expect(guest.call("fcntl", fd, 3)).toBe(0o104002);
  const pipe = guest.allocate(8);
  guest.call("pipe2", pipe, 0);
  const reader = guest.process.memory.getUint32(pipe);
  expect(guest.call("fcntl", reader, 1031, 65536)).toBe(65536);
  expect(guest.call("fcntl", reader, 1031, 65537)).toBe(-EPERM);
  expect(guest.call("fcntl", fd, 1027, guest.call("dup", fd))).toBe(1);
  expect(guest.call("fcntl", fd, 1027, reader)).toBe(0);
  expect(guest.call("fcntl", fd, 1027, 999)).toBe(-EBADF);
});

test("copies inside one file do not overlap, and do not cross from /proc", () => {
  const fd = create("f");
  guest.call("pwrite64", fd, new Uint8Array(100), 100, 0);
  expect(guest.call("copy_file_range", fd, int64s(0), fd, int64s(50), 60, 0)).toBe(-EINVAL);
  expect(guest.call("copy_file_range", fd, int64s(0), fd, int64s(50), 50, 0)).toBe(50);
  const proc = guest.call("open", "/proc/self/stat", 0);
  expect(guest.call("copy_file_range", proc, 0, fd, 0, 10, 0)).toBe(-EXDEV);
  expect(guest.call("sendfile", fd, guest.call("open", ".", 0), 0, 10)).toBe(-EINVAL);
  expect(guest.call("pread64", fd, guest.allocate(8), 8, 2 ** 63 - 1024)).toBe(0);
  expect(guest.call("sync_file_range", fd, 0, 0, 8)).toBe(-EINVAL);
});

test("times before 1970 are exact, and stay when only the other one is set", () => {
  create("f");
  utimesSync(join(directory, "f"), "-1.25", "-5.5");
  const at = guest.allocate(144);
  const times = (): number[] => {
    guest.call("stat", "f", at);
    const { memory } = guest.process;
    return [72, 80, 88, 96].map((offset) => memory.getInt64(at + offset));
  };
  expect(times()).toEqual([-2, 750_000_000, -6, 500_000_000]);
  expect(guest.call("utimensat", AT_FDCWD, "f", int64s(0, 0x3ffffffe, 7, 123), 0)).toBe(0);
  expect(times()).toEqual([-2, 750_000_000, 7, 123]);
  expect(guest.call("utimensat", AT_FDCWD, "f", int64s(-1, 999_999_999, -5, 1), 0)).toBe(0);
  expect(times()).toEqual([-1, 999_999_999, -5, 1]);
  expect(guest.call("utimensat", AT_FDCWD, "f", int64s(1_700_000_000, 999_999_999, 4_000_000_000, 1), 0)).toBe(0);
  expect(times()).toEqual([1_700_000_000, 999_999_999, 4_000_000_000, 1]);
});

const write = (fd: number, content: string): number => guest.call("write", fd, Buffer.from(content), content.length);
const readText = (fd: number): string => {
  const buffer = guest.allocate(64);
  return guest.text(buffer, guest.call("read", fd, buffer, 64));
};

test("a removed file is opened again by its descriptor", () => {
  const fd = create("f");
  write(fd, "kept");
  guest.call("unlink", "f");
  const again = guest.call("open", `/proc/self/fd/${fd}`, 2);
  expect(readText(again)).toBe("kept");
  expect(linkText(`/proc/self/fd/${again}`)).toBe("/home/f (deleted)");
  const appending = guest.call("open", `/dev/fd/${again}`, 0o2001);
  write(appending, "+");
  guest.call("lseek", again, 0, 0);
  expect(readText(again)).toBe("kept+");
  expect(guest.call("open", `/proc/self/fd/${fd}`, O_DIRECTORY)).toBe(-ENOTDIR);
});

/** A host whose standard input and output are files, as after `<in >out`. */
class Redirected extends NodeFiles {
  readonly #streams: readonly number[];

  constructor(streams: readonly number[]) {
    super([]);
    this.#streams = streams;
  }
  override stat(handle: number, out: FileStat): number {
    return super.stat(this.#streams[handle] ?? handle, out);
  }
  override isTerminal(): boolean {
    return false;
  }
  override reopen(handle: number, openFlags: number, access: number): number {
    return super.reopen(this.#streams[handle] ?? handle, openFlags, access);
  }
}

test("/dev/stdin and /dev/stdout are files again where they are redirected, and may do no more than before", () => {
  const input = join(directory, "in");
  const output = join(directory, "out");
  writeFileSync(input, "given");
  const streams = [openSync(input, "r"), openSync(output, "w")];
  try {
    guest = new FakeGuest(newMemories(), {
      host: new Redirected(streams),
      mounts: [],
      executable: "/program",
      currentDirectory: "/",
    });
    openStandardStreams(guest.files);
    expect(readText(guest.call("open", "/dev/stdin", 0))).toBe("given");
    expect(write(guest.call("open", "/dev/stdout", 1), "written")).toBe(7);
    expect(readFileSync(output, "latin1")).toBe("written");
    expect(guest.call("open", "/dev/stdout", 0o1001)).toBeGreaterThan(2);
    expect(readFileSync(output, "latin1")).toBe("");
    expect(guest.call("open", "/dev/stdout", 0)).toBe(-EACCES);
    expect(guest.call("open", "/dev/stdin", 2)).toBe(-EACCES);
    expect(guest.call("open", "/dev/stdin", 0o1000)).toBe(-EACCES);
    expect(readFileSync(input, "latin1")).toBe("given");
  } finally {
    for (const fd of streams) closeSync(fd);
  }
});

test("a descriptor of a link stays that link: nothing that is done by it reaches what the link names", () => {
  guest.call("close", create("f"));
  guest.call("chmod", "f", 0o600);
  guest.call("symlink", "f", "s");
  guest.call("mkdir", "d", 0o755);
  guest.call("symlink", "d", "sd");
  const path = `/proc/self/fd/${guest.call("open", "s", O_PATH | O_NOFOLLOW)}`;
  const followed = guest.allocate(144);
  expect(guest.call("stat", path, followed)).toBe(0);
  expect(guest.process.memory.getUint32(followed + 24)).toBe(0o120777);
  expect(guest.call("stat", `${path}/`, followed)).toBe(-ENOTDIR);
  expect(guest.call("open", path, 0)).toBe(-ELOOP);
  expect(guest.call("open", path, O_DIRECTORY)).toBe(-ENOTDIR);
  expect(guest.call("open", path, O_PATH)).toBeGreaterThan(2);
  expect(guest.call("chmod", path, 0o640)).toBe(-EOPNOTSUPP);
  expect(guest.call("truncate", path, 0)).toBe(-EINVAL);
  expect(modeOf("f")).toBe(0o100600);
  const below = `/proc/self/fd/${guest.call("open", "sd", O_PATH | O_NOFOLLOW)}/x`;
  expect(guest.call("stat", below, followed)).toBe(-ENOTDIR);
});

test("links of /proc, a removed file, and /dev/tty", () => {
  const reading = guest.call("open", "/home", 0);
  expect(modeOf(`/proc/self/fd/${reading}`)).toBe(0o120500);
  const fd = create("f");
  expect(modeOf(`/proc/self/fd/${fd}`)).toBe(0o120700);
  expect(linkText(`/proc/self/fd/${fd}`)).toBe("/home/f");
  guest.call("unlink", "f");
  expect(linkText(`/proc/self/fd/${fd}`)).toBe("/home/f (deleted)");
  const at = guest.allocate(144);
  expect(guest.call("stat", `/proc/self/fd/${fd}`, at)).toBe(0);
  expect(guest.process.memory.getInt64(at + 16)).toBe(0);
  expect(modeOf("/dev/tty")).toBe(0o020666);
  expect(guest.call("open", "/dev/tty", 2)).toBe(-ENXIO);
});
