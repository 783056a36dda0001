import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { MemoryFiles, type StandardOutput } from "../runtime-shims/host/memory-files.js";
import { createFilesChannel, serveFiles } from "../runtime-shims/host/remote-files.js";
import { FakeGuest, newMemories } from "./files-harness.js";
import { answers, cases, type Quirks, replay } from "./files-replay.js";

const output: StandardOutput = { write: (_handle, bytes) => bytes.length };

/** What files in memory answer otherwise than Linux; docs/quirks.md says why. */
const quirks: Quirks = { "working directory": [[13, -2]] };

describe("file calls over files in memory answer as Linux recorded", () => {
  test.each(cases)("$name", (entry) => {
    const guest = new FakeGuest(newMemories(), {
      host: new MemoryFiles({}, ["home/user"], output, 0, 0),
      mounts: [{ guest: "/home/user", readOnly: false }],
      executable: "/home/user/program",
      currentDirectory: "/home/user",
    });
    const { got, wanted } = answers(entry, replay(guest, entry), quirks);
    expect(got).toEqual(wanted);
  });
});

test("files to begin with, and what became of them", () => {
  const tree = { etc: { motd: "welcome\n", link: { link: "motd" } }, data: Uint8Array.of(1, 2, 3) };
  const host = new MemoryFiles(tree, [""], output, 0, 0);
  const guest = new FakeGuest(newMemories(), {
    host,
    mounts: [{ guest: "/", readOnly: false }],
    executable: "/program",
    currentDirectory: "/etc",
  });
  const fd = guest.call("open", "link", 0o2002, 0);
  expect(guest.call("write", fd, "and goodbye\n", 12)).toBe(12);
  expect(new TextDecoder().decode(host.content("etc/motd"))).toBe("welcome\nand goodbye\n");
  expect(host.content("data")).toEqual(Uint8Array.of(1, 2, 3));
  expect(guest.call("open", "/dev/null", 2, 0)).toBeGreaterThan(fd);
});

test("another Worker reaches files in memory through the channel", async () => {
  const channel = createFilesChannel();
  void serveFiles(channel, new MemoryFiles({}, [""], output, 0, 0));
  const worker = new Worker(new URL("../dist/test/files-remote-worker.js", import.meta.url), {
    workerData: { channel },
  });
  const results = await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
  });
  await worker.terminate();
  expect(results).toEqual({
    made: 0,
    written: 3_000_000,
    size: 3_000_000,
    same: true,
    listed: "..:4 .:4 big:8",
    missing: -2,
  });
});
