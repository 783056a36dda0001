/**
 * Random little programs on the processor and through region discovery, liveness and emission:
 *
 *     npm run fuzz:regions -- [cases] [seed] [mnemonics to leave out]
 *
 * A program is a handful of blocks of instructions without memory operands, which branch on random conditions, mostly
 * forwards; R15 counts what branches backwards. All registers and flags are compared at the end, undefined flags
 * included, so that this needs a processor that treats them as docs/flags.md says, or to leave out what it treats
 * otherwise (Zen 3: `^Bs[fr]$`).
 */
import { join } from "node:path";
import type { CodeSource } from "../../jit/code-source.js";
import { RegionEmitter, TABLE } from "../../jit/emit-region.js";
import { ENTRIES, registersWritten } from "../../jit/lift/index.js";
import { Lifter } from "../../jit/lift/lifter.js";
import { RegionFinder } from "../../jit/region.js";
import { ALL_FLAGS, gprBit } from "../../jit/registers.js";
import { addLookup, addLookupFunction, regionImports } from "../../jit/runtime-module.js";
import { i32, i64, WasmBuilder } from "../../jit/wasm.js";
import { stateDifferences } from "./compare.js";
import { decodeOne, generateState, isPure, isRunnable, mutate } from "./generate.js";
import { functionName, GuestMachine, GUEST_PAGES } from "./guest-machine.js";
import { buildRunner, runNative, type NativeCase } from "./native.js";
import { Random } from "./random.js";
import { CODE } from "./state.js";

const STATES_PER_PROGRAM = 6;
const PROGRAMS_PER_MODULE = 200;
const MAXIMUM_BYTES = 230;
const COUNTER = 15;
/** jmp [CONTEXT + 168]: how native/runner.c ends the code. */
const LEAVE = Uint8Array.of(0xff, 0x24, 0x25, 0xa8, 0x00, 0x02, 0x10);

const total = Number(process.argv[2] ?? 10000);
const random = new Random(Number(process.argv[3] ?? 1));
const runner = buildRunner(join(import.meta.dirname, "../../../test/instructions/native/runner.c"));
const without = new RegExp(process.argv[4] ?? "^$");
const entries = ENTRIES.filter(isRunnable);
const machine = new GuestMachine();

/** Bytes of a random instruction that has no memory operand and leaves the counter alone. */
function randomInstruction(): Uint8Array {
  for (;;) {
    const sample = Uint8Array.from(Buffer.from(random.pick(random.pick(entries).samples), "hex"));
    const encoding = random.chance(50) ? decodeOne(sample) : mutate(sample, random);
    if (!encoding || without.test(encoding.entry.mnemonic)) continue;
    if (isPure(encoding) && !(registersWritten(encoding.entry, encoding.insn) & gprBit(COUNTER))) return encoding.code;
  }
}

/** A block's instructions and how it ends: a jump of `opcode` bytes with a 32-bit distance to a block, if any. */
interface Draft {
  readonly body: Uint8Array;
  readonly opcode: readonly number[];
  readonly target: number;
}

function randomProgram(): Uint8Array {
  for (;;) {
    const count = 2 + random.below(6);
    const drafts: Draft[] = [];
    for (let b = 0; b < count; b++) {
      const body = Array.from({ length: random.below(4) }, randomInstruction);
      const kind = b === count - 1 ? 0 : random.below(10);
      let opcode: number[] = [];
      let target = b + 1 + random.below(count - b - 1);
      if (kind >= 8 && b > 0) {
        // sub r15, 1; jg back
        body.push(Uint8Array.of(0x49, 0x83, 0xef, 0x01));
        opcode = [0x0f, 0x8f];
        target = random.below(b + 1);
      } else if (kind >= 2) opcode = [0x0f, 0x80 + random.below(16)];
      else if (kind === 1) opcode = [0xe9];
      drafts.push({ body: Buffer.concat(body), opcode, target });
    }
    const sizes = drafts.map(({ body, opcode }) => body.length + (opcode.length ? opcode.length + 4 : 0));
    if (sizes.reduce((sum, size) => sum + size, 0) > MAXIMUM_BYTES) continue;
    const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + size, 0));
    const parts = drafts.map(({ body, opcode, target }, i) => {
      if (!opcode.length) return body;
      const distance = Buffer.alloc(4);
      distance.writeInt32LE(starts[target]! - (starts[i]! + sizes[i]!));
      return Buffer.concat([body, Uint8Array.from(opcode), distance]);
    });
    return Buffer.concat(parts);
  }
}

/**
 * Translates each program, which stands at `CODE`: the region there, and those that it leaves to (a loop with two
 * entries is not one region).
 */
function translate(programs: readonly Uint8Array[]): void {
  const w = new WasmBuilder();
  w.begin(regionImports(GUEST_PAGES, false));
  addLookup(w);
  addLookupFunction(w);
  const type = w.types([i32, i64]);
  w.addFunction("bounce", type, type, [], w.tuple([w.local.get(0, i32), w.local.get(1, i64)]));
  w.addElement(TABLE, 0, "bounce");
  const lifter = new Lifter(w, { guestBase: GuestMachine.base });
  programs.forEach((program, i) => {
    const code = Buffer.concat([program, LEAVE]);
    const source: CodeSource = {
      convention: "none",
      read: (pc, length) => Uint8Array.from(code.subarray(pc - CODE, pc - CODE + length)),
      functionAt: () => null,
      constantWord: () => null,
      probeAt: () => -1,
    };
    const finder = new RegionFinder(source);
    const emitter = new RegionEmitter(w, lifter, source);
    const wanted = [CODE];
    const linkage = {
      localName: () => null,
      slot: (pc: number) => {
        if (!wanted.includes(pc)) wanted.push(pc);
        return 0;
      },
    };
    for (const pc of wanted) {
      const name = functionName(i, pc);
      emitter.emit(finder.find(pc, 1000)!, name, linkage);
      w.exportFunction(name, name);
    }
  });
  const { bytes } = w.emit(false);
  w.dispose();
  machine.load(bytes);
}

let done = 0;
let bad = 0;
while (done < total) {
  const programs: Uint8Array[] = [];
  const cases: (NativeCase & { program: number })[] = [];
  const first = decodeOne(Uint8Array.of(0x90))!;
  while (programs.length < PROGRAMS_PER_MODULE) {
    const code = randomProgram();
    for (let i = 0; i < STATES_PER_PROGRAM; i++) {
      const state = generateState(first, random)!;
      state.gpr[COUNTER] = BigInt(random.below(6));
      cases.push({ code, state, program: programs.length });
    }
    programs.push(code);
  }
  const native = runNative(runner, cases);
  translate(programs);
  cases.forEach(({ program, code, state }, i) => {
    const found = stateDifferences(native[i]!, machine.run(program, state), ALL_FLAGS);
    if (found.length === 0 || ++bad > 10) return;
    console.log(`${Buffer.from(code).toString("hex")} rflags ${state.rflags.toString(16)}`);
    console.log(`  gpr ${[...state.gpr].map((value) => value.toString(16)).join(" ")}`);
    for (const line of found.slice(0, 5)) console.log(`  ${line}`);
  });
  done += cases.length;
}
console.log(`${done} cases, ${bad} with differences`);
process.exitCode = bad ? 1 : 0;
