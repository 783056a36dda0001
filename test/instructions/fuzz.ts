/**
 * Random instructions on the processor, through the lifter and through the interpreter:
 *
 *     npm run fuzz:instructions -- [cases] [seed] [mnemonic pattern] [length]
 *
 * Prints the first differences of each mnemonic, and counts. `UNDEFINED=1` in the environment compares undefined flags
 * as well, to find out what this processor does. With a length above 1 the cases are sequences of instructions without
 * memory operands, where flags pass from one to the next; these compare undefined flags always.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ENTRIES } from "../../jit/lift/index.js";
import { ALL_FLAGS } from "../../jit/registers.js";
import { differences, stateDifferences, undefinedFlags } from "./compare.js";
import {
  decodeOne,
  generateLive,
  generateState,
  isPure,
  isRunnable,
  mutate,
  relocate,
  type Encoding,
} from "./generate.js";
import { Interpreted } from "./interpreted.js";
import { buildRunner, runNative, type NativeCase } from "./native.js";
import { Random } from "./random.js";
import { CODE } from "./state.js";
import { Translated, type Snippet } from "./translated.js";

const STATES_PER_SNIPPET = 8;
const SNIPPETS_PER_MODULE = 500;

const total = Number(process.argv[2] ?? 10000);
const seed = Number(process.argv[3] ?? 1);
const pattern = new RegExp(process.argv[4] ?? ".");
const sequenceLength = Number(process.argv[5] ?? 1);
const compareUndefined = process.env["UNDEFINED"] === "1" || sequenceLength > 1;

const here = dirname(fileURLToPath(import.meta.url));
const runner = buildRunner(join(here, "../../../test/instructions/native/runner.c"));
const random = new Random(seed);
const translated = new Translated();
const interpreted = new Interpreted();
const entries = ENTRIES.filter((entry) => pattern.test(entry.mnemonic) && isRunnable(entry));
const bad = new Map<string, number>();
const faults = new Map<string, number>();
const codes = new Set<number>();
let done = 0;
let doneInterpreted = 0;

function randomEncoding(): Encoding | undefined {
  const entry = random.pick(entries);
  const sample = Uint8Array.from(Buffer.from(random.pick(entry.samples), "hex"));
  const encoding = random.chance(30) ? decodeOne(sample) : mutate(sample, random);
  if (encoding === undefined || !pattern.test(encoding.entry.mnemonic)) return undefined;
  return relocate(encoding, random);
}

/** One instruction, or a sequence; in it each is decoded at its own address. */
function randomInstructions(): Encoding[] | undefined {
  const first = randomEncoding();
  if (sequenceLength === 1 || first === undefined) return first && [first];
  const list: Encoding[] = [];
  let pc = CODE;
  while (list.length < sequenceLength && pc < CODE + 110) {
    const encoding = randomEncoding();
    const placed = encoding && isPure(encoding) ? decodeOne(encoding.code, false, pc) : undefined;
    if (placed === undefined) continue;
    list.push(placed);
    pc += placed.code.length;
  }
  return list;
}

while (done < total) {
  const snippets: Snippet[] = [];
  const cases: (NativeCase & { snippet: number })[] = [];
  while (snippets.length < SNIPPETS_PER_MODULE) {
    const instructions = randomInstructions();
    if (instructions === undefined) continue;
    const first = instructions[0]!;
    const code = Buffer.concat(instructions.map((encoding) => encoding.code));
    let any = false;
    for (let i = 0; i < STATES_PER_SNIPPET; i++) {
      const state = generateState(first, random);
      if (state === undefined) continue;
      cases.push({ code, state, snippet: snippets.length });
      any = true;
    }
    const undefinedSet = compareUndefined ? 0 : undefinedFlags(code);
    if (any) snippets.push({ instructions, live: generateLive(random) & ~undefinedSet });
    for (const { insn } of instructions) codes.add(insn.code);
  }
  const native = runNative(runner, cases);
  translated.load(snippets);
  cases.forEach((test, i) => {
    const { live, instructions } = snippets[test.snippet]!;
    const got = translated.run(test.snippet, test.state);
    const found = differences(native[i]!, got, live);
    const outcome = interpreted.run(test.code, test.state);
    if (outcome) {
      doneInterpreted++;
      const defined = compareUndefined ? ALL_FLAGS : ALL_FLAGS & ~undefinedFlags(test.code);
      found.push(...stateDifferences(native[i]!, outcome, defined).map((line) => `interpreted: ${line}`));
    }
    if (native[i]!.fault) faults.set(native[i]!.fault, (faults.get(native[i]!.fault) ?? 0) + 1);
    if (found.length === 0) return;
    const name = instructions.map(({ entry }) => entry.mnemonic).join(" ");
    const count = (bad.get(name) ?? 0) + 1;
    bad.set(name, count);
    if (count > 3) return;
    console.log(
      `${name} ${Buffer.from(test.code).toString("hex")} live ${live} rflags ${test.state.rflags.toString(16)}`,
    );
    console.log(`  gpr ${[...test.state.gpr].map((value) => value.toString(16)).join(" ")}`);
    for (const line of found.slice(0, 4)) console.log(`  ${line}`);
  });
  done += cases.length;
}
console.log(`${done} cases, ${doneInterpreted} of them interpreted as well`);
console.log(`${codes.size} encoding forms, faults:`, Object.fromEntries(faults));
console.log(bad.size ? "differences:" : "no differences", Object.fromEntries(bad));
process.exitCode = bad.size ? 1 : 0;
