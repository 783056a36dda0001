import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { guestCases } from "../guests/cases.js";
import { expectedOutcomes } from "../guests/expected.js";
import { type Outcome, record } from "../guests/outcome.js";
import { guestVersions } from "../guests/unpack.js";
import { type OpenPage, openPage } from "./browser.js";
import type { GuestRequest } from "./protocol.js";

const TIMEOUT_MS = 120_000;

/** With every version of Go. */
const ALWAYS = ["hello", "scheduling", "synchronisation", "time", "threads", "files"];

/** With the newest: what differs most between Node and a page, such as Workers, stacks, traps and streams. */
const NEWEST = [
  "args",
  "env",
  "stdin",
  "output",
  "exit-busy",
  "kill-self SIGTERM",
  "parallel",
  "preempt",
  "gc",
  "deep-stack",
  "panics",
  "crash-nil",
  "files-links",
  "files-result",
];

const versions = guestVersions();

let opened: OpenPage;
beforeAll(async () => {
  opened = await openPage();
});
afterAll(() => opened?.close());

describe.each(versions)("Go %s in a page", (version) => {
  test.each(version === versions.at(-1) ? [...ALWAYS, ...NEWEST] : ALWAYS)("%s", (name) => check(name, version));
});

test("files-result with the files in memory of preview2-shim", () => check("files-result", versions.at(-1)!, "shim"));

test("a program under control in a page", async () => {
  const request = { program: "/guests/1.27/guests", args: ["exit", "7"], stopAt: "main.guestExit", lines: 1 };
  const { places, goroutines, status } = await opened.page.evaluate((asked) => globalThis.debugGuest(asked), request);
  expect(places[0]).toBe("_rt0_amd64_linux:8");
  expect(places.slice(1).map((place) => place.split(":")[0])).toEqual(["main.guestExit", "main.guestExit"]);
  expect(places[2]).not.toBe(places[1]);
  expect(goroutines).toBeGreaterThan(1);
  expect(status).toBe(7);
});

async function check(name: string, version: string, workDirectory: "memory" | "shim" = "memory"): Promise<void> {
  const guest = guestCases.find((candidate) => candidate.name === name)!;
  const expected = expectedOutcomes(version)[name]!;
  const request: GuestRequest = {
    program: `/guests/${version}/${guest.program}`,
    args: guest.args,
    env: guest.env ?? {},
    stdin: Buffer.from(guest.stdin?.() ?? []).toString("base64"),
    cpus: 2,
    timeoutMs: TIMEOUT_MS,
    workDirectory,
    files: Object.keys(expected.files ?? {}),
  };
  const response = await opened.page.evaluate((asked) => globalThis.runGuest(asked), request);
  const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));
  const outcome: Outcome = {
    status: response.status,
    stdout: bytes(response.stdout),
    stderr: Buffer.from(response.stderr, "base64").toString(),
    files: Object.fromEntries(
      Object.entries(response.files).flatMap(([file, content]) => (content === null ? [] : [[file, bytes(content)]])),
    ),
  };
  expect(record(outcome, guest.stderr)).toEqual(expected);
}
