import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { NodeFiles } from "../runtime-shims/host/node-fs.js";
import { FakeGuest, newMemories } from "./files-harness.js";
import { answers, cases, type Quirks, replay } from "./files-replay.js";

/** What node:fs answers otherwise than Linux; docs/quirks.md says why. */
const quirks: Quirks = {
  // A removed directory is gone from under its working directory at once.
  "working directory": [[13, -2]],
};

describe("file calls over node:fs answer as Linux recorded", () => {
  test.each(cases)("$name", (entry) => {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), "gojit-files-")));
    try {
      const guest = new FakeGuest(newMemories(), {
        host: new NodeFiles([directory]),
        mounts: [{ guest: "/home/user", readOnly: false }],
        executable: "/home/user/program",
        currentDirectory: "/home/user",
      });
      const { got, wanted } = answers(entry, replay(guest, entry), quirks);
      expect(got).toEqual(wanted);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
