import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { _createPreopenDescriptor } from "@bytecodealliance/preview2-shim/filesystem";
import { afterAll, describe, expect, test } from "vitest";
import type { StandardOutput } from "../runtime-shims/host/memory-files.js";
import { WasiFiles } from "../runtime-shims/host/wasi-fs.js";
import { FakeGuest, newMemories } from "./files-harness.js";
import { answers, cases, replay, type Quirks } from "./files-replay.js";

const output: StandardOutput = { write: (_handle, bytes) => bytes.length };
const EPERM = -1;

/** What preview2-shim answers otherwise than Linux; docs/quirks.md says why. */
const quirks: Quirks = {
  "working directory": [[13, -2]],
  // A time before 1970 becomes the current time.
  times: [[9, "unknown"]],
  // The shim makes paths of its own: where they become too long depends on where the test runs.
  "deeper than PATH_MAX": [40, 41, 42, 47, 52, 58, 60, 61].map((step) => [step, "unknown"] as const),
  // Links to absolute paths are refused.
  "absolute and escaping links": [
    [3, EPERM],
    [6, -2],
  ],
};

const directories: string[] = [];
afterAll(() => directories.forEach((directory) => rmSync(directory, { recursive: true, force: true })));

describe("file calls over preview2-shim answer as Linux recorded", () => {
  test.each(cases)("$name", (entry) => {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), "gojit-files-")));
    directories.push(directory);
    const host = new WasiFiles({ roots: [_createPreopenDescriptor(directory)], output, uid: 0, gid: 0 });
    const guest = new FakeGuest(newMemories(), {
      host,
      mounts: [{ guest: "/home/user", readOnly: false }],
      executable: "/home/user/program",
      currentDirectory: "/home/user",
    });
    const { got, wanted } = answers(entry, replay(guest, entry), quirks);
    expect(got).toEqual(wanted);
  });
});
