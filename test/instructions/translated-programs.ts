/** Runs programs through region discovery, liveness and emission. */
import type { CodeSource } from "../../jit/code-source.js";
import { RegionEmitter, TABLE } from "../../jit/emit-region.js";
import { Lifter } from "../../jit/lift/lifter.js";
import { RegionFinder } from "../../jit/region.js";
import { addLookup, addLookupFunction, regionImports } from "../../jit/runtime-module.js";
import { i32, i64, WasmBuilder } from "../../jit/wasm.js";
import { functionName, GuestMachine, GUEST_PAGES } from "./guest-machine.js";
import type { Random } from "./random.js";
import { CODE, type CpuState, type Outcome } from "./state.js";

/** jmp [CONTEXT + 168]: how native/runner.c ends the code. */
const LEAVE = Uint8Array.of(0xff, 0x24, 0x25, 0xa8, 0x00, 0x02, 0x10);

/** In percent. */
const RARE_EDGES = 30;

/** A module of translated programs. */
export class TranslatedPrograms {
  private readonly machine = new GuestMachine();

  /**
   * Translates each program, which stands at `CODE`: the region there, and those that it leaves to (a loop with two
   * entries is not one region).
   * @param random chooses edges of branches that leave their region, as rare ones do; without it there are none
   */
  load(programs: readonly Uint8Array[], random?: Random): void {
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
        // As the compiler's, of which more is assumed; by no convention, so that all registers matter at the end.
        functionAt: () => ({ start: CODE, end: CODE + code.length, origin: "compiler" }),
        constantWord: () => null,
        registersRead: () => null,
        probeAt: () => -1,
      };
      const rare = new Map<number, boolean>();
      const isRare = (edge: number): boolean => {
        const known = rare.get(edge) ?? random?.chance(RARE_EDGES) ?? false;
        rare.set(edge, known);
        return known;
      };
      const finder = new RegionFinder(source, {
        isHot: () => false,
        isFollowed: ({ pc }, taken) => !isRare(2 * pc + (taken ? 1 : 0)),
        likelyTargets: () => [],
        isReached: () => true,
      });
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
    this.machine.load(bytes);
  }

  /** Runs program `index` from `state`. */
  run(index: number, state: CpuState): Outcome {
    return this.machine.run(index, state);
  }
}
