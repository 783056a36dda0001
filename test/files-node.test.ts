import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { NodeFiles } from "../runtime-shims/host/node-fs.js";
import { FakeGuest, newMemories } from "./files-harness.js";
import { type Answer, type Case, replay } from "./files-replay.js";

const data = (name: string): unknown => JSON.parse(readFileSync(new URL(`data/${name}`, import.meta.url), "utf8"));
const cases = data("files-cases.json") as Case[];
const expected = data("files-expected.json") as Record<string, Answer[]>;

/** Steps that answer otherwise than Linux, by case: [step, answer]. docs/quirks.md says why. */
const quirks: Record<string, [step: number, answer: Answer][]> = {
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
      const wanted = [...expected[entry.name]];
      for (const [step, answer] of quirks[entry.name] ?? []) wanted[step] = answer;
      const got = replay(guest, entry);
      const show = (answers: readonly Answer[]): string[] =>
        answers.map((answer, index) => `${JSON.stringify(entry.steps[index])} = ${JSON.stringify(answer)}`);
      expect(show(got)).toEqual(show(wanted));
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
