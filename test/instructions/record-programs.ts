/**
 * Records programs.txt on the real processor: little programs as fuzz-regions.ts draws them, with one state each.
 * `npm run record:programs`; needs gcc on x86-64 Linux.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildRunner, processorName, runNative } from "./native.js";
import { programState, randomProgram } from "./programs.js";
import { Random } from "./random.js";
import { formatRecord } from "./vectors.js";

const PROGRAMS = 300;
/** BSF and BSR leave more flags alone on some processors than docs/flags.md says. */
const options = { without: /^Bs[fr]$/, allowed: () => true };

const folder = join(import.meta.dirname, "../../../test/instructions");
const random = new Random(20261122);
const programs = Array.from({ length: PROGRAMS }, () => {
  const seed = random.word();
  return { code: randomProgram(random, options), seed, state: programState(new Random(seed)) };
});
const outcomes = runNative(buildRunner(join(folder, "native/runner.c")), programs);
const lines = programs.map(({ code, seed, state }, i) => formatRecord(code, seed, state, outcomes[i]!));
writeFileSync(join(folder, "programs.txt"), [`# recorded on ${processorName()}`, ...lines, ""].join("\n"));
console.log(`${lines.length} programs`);
