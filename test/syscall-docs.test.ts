import { expect, test } from "vitest";
import { errnoName } from "../runtime-shims/errno.js";
import { syscallTable } from "../runtime-shims/syscalls/index.js";
import type { SyscallRow } from "../runtime-shims/syscalls/table.js";
import { newGuest } from "./kernel-fixture.js";

const isRefusal = (row: SyscallRow): boolean => row.refused !== undefined;

/** The text of docs/syscalls.md. */
const document = (): string => {
  const rows = syscallTable.filter((row) => row !== undefined);
  const offered = rows.filter((row) => !isRefusal(row));
  const refused = rows.filter(isRefusal);
  const differing = offered.filter(({ reason }) => reason !== undefined);
  const lines = [
    "# System calls",
    "",
    "Written by `test/syscall-docs.test.ts` from the rows in `runtime-shims/syscalls/`. Numbers not listed answer ENOSYS and",
    "are named on stderr, once each.",
    "",
    `## Offered (${offered.length})`,
    "",
    ...offered.map(({ nr, name }) => `- ${name} (${nr})`),
    "",
    "Of these, with a difference to Linux:",
    "",
    ...differing.map(({ name, reason }) => `- \`${name}\`: ${reason}`),
    "",
    `## Refused on purpose (${refused.length})`,
    "",
    "| number | call | answer | why |",
    "| --- | --- | --- | --- |",
    ...refused.map((row) => `| ${row.nr} | ${row.name} | ${errnoName(row.refused!)} | ${row.reason} |`),
    "",
  ];
  return lines.join("\n");
};

test("docs/syscalls.md says what the table says (npx vitest run test/syscall-docs -u writes it anew)", async () => {
  await expect(document()).toMatchFileSnapshot("../docs/syscalls.md");
});

test("refusals answer what they announce", () => {
  const { thread } = newGuest(32 << 20);
  for (const row of syscallTable) {
    if (row?.refused !== undefined) expect(row.run(thread, 0, 0, 0, 0, 0, 0), row.name).toBe(-row.refused);
  }
});
