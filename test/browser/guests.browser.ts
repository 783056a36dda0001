import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { guestCases, type GuestCase } from "../guests/cases.js";
import { expectedOutcomes } from "../guests/expected.js";
import { type Outcome, record, type RecordedOutcome } from "../guests/outcome.js";
import { guestVersions } from "../guests/unpack.js";
import { type OpenPage, openPage } from "./browser.js";
import type { GuestRequest } from "./protocol.js";

const TIMEOUT_MS = 120_000;

/** The guests that ask most of what differs between Node and a page: Workers, stacks, traps, streams and files. */
const NAMES = [
  "hello",
  "args",
  "env",
  "stdin",
  "output",
  "exit-busy",
  "kill-self SIGTERM",
  "scheduling",
  "synchronisation",
  "time",
  "threads",
  "parallel",
  "preempt",
  "gc",
  "deep-stack",
  "panics",
  "crash-nil",
  "files",
  "files-links",
  "files-result",
];

let opened: OpenPage;
beforeAll(async () => {
  opened = await openPage();
});
afterAll(() => opened?.close());

describe.each(guestVersions())("Go %s in a page", (version) => {
  const expected = expectedOutcomes(version);
  test.each(NAMES)("%s", { timeout: TIMEOUT_MS + 30_000 }, async (name) => {
    const guest = guestCases.find((candidate) => candidate.name === name)!;
    const outcome = await runInPage(guest, version, expected[name]!);
    expect(record(outcome, guest.stderr)).toEqual(expected[name]);
  });
});

async function runInPage(guest: GuestCase, version: string, expected: RecordedOutcome): Promise<Outcome> {
  const request: GuestRequest = {
    program: `/guests/${version}/${guest.program}`,
    args: guest.args,
    env: guest.env ?? {},
    stdin: Buffer.from(guest.stdin?.() ?? []).toString("base64"),
    cpus: 2,
    timeoutMs: TIMEOUT_MS,
    files: Object.keys(expected.files ?? {}),
  };
  const response = await opened.page.evaluate((asked) => globalThis.runGuest(asked), request);
  const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));
  return {
    status: response.status,
    stdout: bytes(response.stdout),
    stderr: Buffer.from(response.stderr, "base64").toString(),
    files: Object.fromEntries(
      Object.entries(response.files).flatMap(([name, content]) => (content === null ? [] : [[name, bytes(content)]])),
    ),
  };
}
