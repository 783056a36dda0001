/** Runs instructions through the interpreter, one at a time. */
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

export class Interpreted {
  private readonly machine = new GuestMachine();
  private readonly decoder: RecordDecoder;
  private readonly stub: (pc: number, rsp: bigint) => unknown;
  private code: Uint8Array = new Uint8Array(0);
  private unknown = false;

  constructor() {
    const engine = new WebAssembly.Module(buildEngine(new WasmBuilder(), GuestMachine.base, GUEST_PAGES));
    const shapes = decodeShapes(WebAssembly.Module.customSections(engine, SHAPES_SECTION)[0]!);
    // The instruction ends where the code does: control leaves there.
    const source: CodeSource = {
      convention: "none",
      read: (pc, length) => this.code.slice(pc - CODE, pc - CODE + length),
      functionAt: () => null,
      constantWord: () => null,
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
    this.decoder.invalidate(CODE, 64);
    this.code = code;
    this.decoder.decode(CODE);
    return this.decoder.handlerAt(CODE) !== H_UNKNOWN;
  }

  /** What `code`, one instruction, does to `state`; null if the interpreter has no handler for it. */
  run(code: Uint8Array, state: CpuState): Outcome | null {
    this.decoder.invalidate(CODE, 64);
    this.code = code;
    this.unknown = false;
    const outcome = this.machine.runFrom(state, () => void this.stub(CODE, state.gpr[RSP]!));
    return this.unknown ? null : outcome;
  }
}
