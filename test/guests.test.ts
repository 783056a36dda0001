import { describe, expect, test } from "vitest";
import { guestCases, type GuestCase } from "./guests/cases.js";
import { expectedOutcomes } from "./guests/expected.js";
import { record, type RecordedOutcome } from "./guests/outcome.js";
import { defaultRunner, nativeRunsHere, runCase } from "./guests/run.js";
import { guestVersions } from "./guests/unpack.js";

// Generous: a first run translates everything, on a machine that may have other work.
const timeoutMs = 120_000;

/** One native run per case and version, next to the recording, where that is possible. */
const nativeOutcomes = new Map<string, Promise<RecordedOutcome>>();

function nativeOutcome(guest: GuestCase, version: string): Promise<RecordedOutcome> {
  const key = `${version} ${guest.name}`;
  let outcome = nativeOutcomes.get(key);
  if (!outcome) {
    const run = runCase(guest, { version, cpus: 2, runner: "native", timeoutMs });
    nativeOutcomes.set(key, (outcome = run.then((result) => record(result, guest.stderr))));
  }
  return outcome;
}

describe.each(guestVersions())("Go %s", (version) => {
  const expected = expectedOutcomes(version);
  for (const guest of guestCases) {
    test.for(guest.cpus ?? [1, 2])(
      `${guest.name}, %i cpus`,
      // One more try: a few cases depend on timers, and differ natively as well when the machine is busy.
      { timeout: 3 * timeoutMs, concurrent: true, retry: 1 },
      async (cpus) => {
        const outcome = record(await runCase(guest, { version, cpus, timeoutMs }), guest.stderr);
        expect(outcome).toEqual(expected[guest.name]);
        if (nativeRunsHere && defaultRunner !== "native") {
          expect(outcome).toEqual(await nativeOutcome(guest, version));
        }
      },
    );
  }
});
