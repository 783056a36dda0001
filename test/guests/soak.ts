/**
 * Runs guest cases again and again: `npm run test:soak -- N [--go VERSION] [--cpus N] [NAME…]`.
 * Prints one line for each failure and a count at the end; status 1 when anything failed.
 */
import { parseArgs } from "node:util";
import { isDeepStrictEqual } from "node:util";
import { guestCases } from "./cases.js";
import { expectedOutcomes } from "./expected.js";
import { record } from "./outcome.js";
import { runCase } from "./run.js";
import { guestVersions } from "./unpack.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { go: { type: "string" }, cpus: { type: "string" } },
});
const [rounds = "1", ...names] = positionals;
const cases = guestCases.filter((guest) => names.length === 0 || names.includes(guest.name));
let passed = 0;
let failed = 0;
for (const version of values.go ? [values.go] : guestVersions()) {
  const expected = expectedOutcomes(version);
  for (const guest of cases) {
    for (const cpus of values.cpus ? [Number(values.cpus)] : (guest.cpus ?? [1, 2])) {
      const before = failed;
      const started = performance.now();
      for (let round = 1; round <= Number(rounds); round++) {
        const problem = await runCase(guest, { version, cpus }).then(
          (outcome) => difference(record(outcome, guest.stderr), expected[guest.name]),
          (error: Error) => error.message,
        );
        if (problem === undefined) passed++;
        else {
          failed++;
          console.log(`FAILED ${guest.name}, Go ${version}, ${cpus} cpus, round ${round}: ${problem}`);
        }
      }
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      console.log(`${guest.name}, Go ${version}, ${cpus} cpus: ${failed - before} of ${rounds} failed, ${seconds} s`);
    }
  }
}
console.log(`${passed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;

function difference(actual: object, expected: object | undefined): string | undefined {
  if (isDeepStrictEqual(actual, expected)) return undefined;
  const changed = Object.entries(actual).filter(
    ([key, value]) => !isDeepStrictEqual(value, (expected as Record<string, unknown> | undefined)?.[key]),
  );
  return changed.map(([key, value]) => `${key} ${JSON.stringify(value).slice(-1500)}`).join("; ") || "missing parts";
}
