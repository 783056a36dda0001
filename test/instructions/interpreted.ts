/** Runs instructions and little programs through the interpreter. */
/// <reference path="../../jit/webassembly.d.ts" />
import type { CodeSource } from "../../jit/code-source.js";
import { RecordDecoder } from "../../jit/interpreter/record-decoder.js";
import { RECORDS } from "../../jit/interpreter/record-lifter.js";
import { Records } from "../../jit/interpreter/records.js";
import { decodeShapes, H_UNKNOWN, SHAPES_SECTION } from "../../jit/interpreter/shape.js";
import { buildEngine } from "../../jit/runtime-module.js";
import { RSP } from "../../jit/registers.js";
import { WasmBuilder } from "../../jit/wasm.js";
import { GUEST_PAGES, GuestMachine } from "./guest-machine.js";
import { CODE, type CpuState, type Outcome } from "./state.js";

/** Code is not longer than that. */
const MAXIMUM_BYTES = 256;

export class Interpreted {
  private readonly machine = new GuestMachine();
  private readonly decoder: RecordDecoder;
  private readonly stub: (pc: number, rsp: bigint) => readonly [number, bigint];
  private code: Uint8Array = new Uint8Array(0);
  private unknown = false;

  constructor() {
    const engine = new WebAssembly.Module(buildEngine(new WasmBuilder(), GuestMachine.base, GUEST_PAGES));
    const shapes = decodeShapes(WebAssembly.Module.customSections(engine, SHAPES_SECTION)[0]!);
    // Control leaves where the code ends.
    const source: CodeSource = {
      convention: "none",
      read: (pc, length) => this.code.slice(pc - CODE, pc - CODE + length),
      functionAt: () => null,
      constantWord: () => null,
      registersRead: () => null,
      probeAt: () => -1,
    };
    this.decoder = new RecordDecoder(Records.allocate(1), shapes, source, () => false);
    const { m, f } = this.machine.imports;
    const { exports } = new WebAssembly.Instance(engine, {
      m: { ...m, [RECORDS]: this.decoder.memory },
      f: {
        ...f,
        decode: (pc: number) => this.decoder.decode(pc),
        hot: () => {},
        probe: () => 0,
        translate: () => {
          this.unknown = true;
          return 1;
        },
      },
    });
    this.machine.table.set(1, exports["bounce"]);
    this.stub = exports["stub"] as typeof this.stub;
  }

  /** True if there is a handler for `code`, one instruction; else it is translated at once. */
  knows(code: Uint8Array): boolean {
    this.open(code);
    this.decoder.decode(CODE);
    return this.decoder.handlerAt(CODE) !== H_UNKNOWN;
  }

  /** What `code` does to `state`; null if it comes to an instruction that the interpreter has no handler for. */
  run(code: Uint8Array, state: CpuState): Outcome | null {
    this.open(code);
    this.unknown = false;
    const outcome = this.machine.runFrom(state, () => {
      let [pc, rsp] = [CODE, state.gpr[RSP]!];
      while (pc >= CODE && pc < CODE + code.length && !this.unknown) [pc, rsp] = this.stub(pc, rsp);
    });
    return this.unknown ? null : outcome;
  }

  private open(code: Uint8Array): void {
    this.decoder.invalidate(CODE, MAXIMUM_BYTES);
    this.code = code;
  }
}
