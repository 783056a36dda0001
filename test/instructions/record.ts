/**
 * Records vectors.txt on the real processor: for each sample encoding of each entry some states, and some encodings
 * near it. `npm run record:instructions`; needs gcc on x86-64 Linux.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { ENTRIES } from "../../jit/lift/index.js";
import { decodeOne, generateState, isRunnable, mutate, relocate, type Encoding } from "./generate.js";
import { buildRunner, processorName, runNative } from "./native.js";
import { Random } from "./random.js";
import { formatVector, type Vector } from "./vectors.js";

const STATES_PER_SAMPLE = 2;
const folder = join(import.meta.dirname, "../../../test/instructions");
const random = new Random(20261121);

function withState(encoding: Encoding): Omit<Vector, "outcome"> | undefined {
  for (let tries = 0; tries < 200; tries++) {
    const seed = random.word();
    const state = generateState(encoding, new Random(seed));
    if (state !== undefined) return { encoding, seed, state };
  }
  return undefined;
}

const cases: Omit<Vector, "outcome">[] = [];
for (const entry of ENTRIES) {
  if (!isRunnable(entry)) continue;
  for (const text of entry.samples) {
    const sample = Uint8Array.from(Buffer.from(text, "hex"));
    const decoded = decodeOne(sample);
    const exact = decoded && relocate(decoded, random);
    for (let i = 0; exact && i < STATES_PER_SAMPLE; i++) {
      const test = withState(exact);
      if (test) cases.push(test);
    }
    for (let tries = 0; tries < 50; tries++) {
      const near = mutate(sample, random);
      const placed = near && relocate(near, random);
      const test = placed && withState(placed);
      if (!test) continue;
      cases.push(test);
      break;
    }
  }
}
const outcomes = runNative(
  buildRunner(join(folder, "native/runner.c")),
  cases.map(({ encoding, state }) => ({ code: encoding.code, state })),
);
const lines = cases.map((test, i) => formatVector({ ...test, outcome: outcomes[i]! }));
writeFileSync(join(folder, "vectors.txt"), [`# recorded on ${processorName()}`, ...lines, ""].join("\n"));
console.log(`${lines.length} vectors`);
