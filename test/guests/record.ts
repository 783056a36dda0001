/**
 * Records the native outcome of guest cases: `npm run record:guests -- [--go VERSION] [CASE…]` on linux/x64.
 * Each case runs three times with 1 and with 2 CPUs, and all runs must agree. Without names, all cases are recorded;
 * with names, the other recordings stay as they are.
 */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { guestCases, type GuestCase } from "./cases.js";
import { expectedFile, expectedOutcomes } from "./expected.js";
import { record, type RecordedOutcome } from "./outcome.js";
import { nativeRunsHere, runCase } from "./run.js";
import { guestVersions } from "./unpack.js";

if (!nativeRunsHere) throw new Error("recording needs linux/x64");
const { values, positionals: names } = parseArgs({ allowPositionals: true, options: { go: { type: "string" } } });
for (const version of values.go ? [values.go] : guestVersions()) {
  const file = expectedFile(version);
  const before = names.length > 0 && existsSync(file) ? expectedOutcomes(version) : {};
  const outcomes: Record<string, RecordedOutcome> = {};
  for (const guest of guestCases) {
    const kept = before[guest.name];
    outcomes[guest.name] = kept && !names.includes(guest.name) ? kept : await recordCase(guest, version);
  }
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(outcomes, null, 1) + "\n");
  console.log(`Go ${version}: ${guestCases.length} cases`);
}

async function recordCase(guest: GuestCase, version: string): Promise<RecordedOutcome> {
  let first: RecordedOutcome | undefined;
  for (const cpus of [1, 2, 1, 2, 1, 2]) {
    const outcome = record(await runCase(guest, { version, cpus, runner: "native" }), guest.stderr);
    first ??= outcome;
    if (isDeepStrictEqual(outcome, first)) continue;
    console.error(`${guest.name}, Go ${version}, ${cpus} cpus: differs from the first run`);
    for (const one of [outcome, first]) console.error(JSON.stringify(one).slice(0, 3000));
    process.exitCode = 1;
  }
  return first!;
}
