/**
 * Records the native outcome of every guest case: `npm run record:guests -- [VERSION…]` on linux/x64.
 * Each case runs three times with each number of CPUs, and all runs must agree.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { guestCases } from "./cases.js";
import { expectedFile } from "./expected.js";
import { record, type RecordedOutcome } from "./outcome.js";
import { nativeRunsHere, runCase } from "./run.js";
import { guestVersions } from "./unpack.js";

if (!nativeRunsHere) throw new Error("recording needs linux/x64");
const asked = process.argv.slice(2);
for (const version of asked.length > 0 ? asked : guestVersions()) {
  const outcomes: Record<string, RecordedOutcome> = {};
  for (const guest of guestCases) {
    for (const cpus of [1, 2, 1, 2, 1, 2]) {
      const outcome = record(await runCase(guest, { version, cpus, runner: "native" }), guest.stderr);
      outcomes[guest.name] ??= outcome;
      if (!isDeepStrictEqual(outcome, outcomes[guest.name])) {
        console.error(`${guest.name}, Go ${version}, ${cpus} cpus: differs from the first run`);
        for (const one of [outcome, outcomes[guest.name]]) console.error(JSON.stringify(one).slice(0, 3000));
        process.exitCode = 1;
      }
    }
  }
  const file = expectedFile(version);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(outcomes, null, 1) + "\n");
  console.log(`Go ${version}: ${guestCases.length} cases`);
}
