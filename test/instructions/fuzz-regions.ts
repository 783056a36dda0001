/**
 * Random little programs (programs.ts) on the processor, through region discovery, liveness and emission, and through
 * the interpreter:
 *
 *     npm run fuzz:regions -- [cases] [seed] [mnemonics to leave out]
 *
 * All registers, flags and memory are compared at the end, undefined flags included, so that this needs a processor that
 * treats them as docs/flags.md says, or to leave out what it treats otherwise (Zen 3: `^Bs[fr]$`). Half of the programs
 * have only instructions that the interpreter has handlers for, and run there as well.
 */
import { join } from "node:path";
import { ALL_FLAGS } from "../../jit/registers.js";
import { stateDifferences } from "./compare.js";
import { Interpreted } from "./interpreted.js";
import { buildRunner, runNative, type NativeCase } from "./native.js";
import { programState, randomProgram } from "./programs.js";
import { Random } from "./random.js";
import { TranslatedPrograms } from "./translated-programs.js";

const STATES_PER_PROGRAM = 6;
const PROGRAMS_PER_MODULE = 200;

const total = Number(process.argv[2] ?? 10000);
const random = new Random(Number(process.argv[3] ?? 1));
const without = new RegExp(process.argv[4] ?? "^$");
const runner = buildRunner(join(import.meta.dirname, "../../../test/instructions/native/runner.c"));
const translated = new TranslatedPrograms();
const interpreted = new Interpreted();
const known = (code: Uint8Array): boolean => interpreted.knows(code);
const any = (): boolean => true;

let done = 0;
let doneInterpreted = 0;
let bad = 0;
while (done < total) {
  const programs: Uint8Array[] = [];
  const cases: (NativeCase & { program: number })[] = [];
  while (programs.length < PROGRAMS_PER_MODULE) {
    const code = randomProgram(random, { without, allowed: random.chance(50) ? known : any });
    for (let i = 0; i < STATES_PER_PROGRAM; i++)
      cases.push({ code, state: programState(random), program: programs.length });
    programs.push(code);
  }
  const native = runNative(runner, cases);
  translated.load(programs, random);
  cases.forEach(({ program, code, state }, i) => {
    const found = stateDifferences(native[i]!, translated.run(program, state), ALL_FLAGS);
    const outcome = interpreted.run(code, state);
    if (outcome) {
      doneInterpreted++;
      found.push(...stateDifferences(native[i]!, outcome, ALL_FLAGS).map((line) => `interpreted: ${line}`));
    }
    if (found.length === 0 || ++bad > 10) return;
    console.log(`${Buffer.from(code).toString("hex")} rflags ${state.rflags.toString(16)}`);
    console.log(`  gpr ${[...state.gpr].map((value) => value.toString(16)).join(" ")}`);
    for (const line of found.slice(0, 5)) console.log(`  ${line}`);
  });
  done += cases.length;
}
console.log(`${done} cases, ${doneInterpreted} of them interpreted as well, ${bad} with differences`);
process.exitCode = bad ? 1 : 0;
