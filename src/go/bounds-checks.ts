/**
 * Failed bounds checks: from Go 1.25 on they call `runtime.panicBounds`, which saves all registers, and looks up in a table of the
 * compiler (PCDATA_PanicBounds) which of them have the index and the length. Before, there was a function for each kind.
 */
import type { FunctionTable } from "./function-table.js";

/** `abi.PCDATA_PanicBounds` (internal/abi/symtab.go). */
const PANIC_BOUNDS = 4;
/** `abi.numBoundsCodes` (internal/abi/bounds.go). */
const CODES = 9;

/** Finds what calls of `runtime.panicBounds` read. */
export class BoundsChecks {
  private readonly functions: FunctionTable;
  /** Its address, -1 if there is none; looked for when it is first asked for: threads that only decode never do. */
  private panicBounds: number | undefined;

  constructor(functions: FunctionTable) {
    this.functions = functions;
  }

  /**
   * The numbers of the general registers that the call of `target` before the address `next` looks at; null if it is another call, or
   * its value makes no sense. The value's form is that of `abi.BoundsEncode`.
   */
  registersRead(target: number, next: number): readonly number[] | null {
    this.panicBounds ??= this.functions.start[this.functions.indexOf("runtime.panicBounds")] ?? -1;
    if (target < 0 || target !== this.panicBounds) return null;
    const index = this.functions.find(next - 1);
    const value = index < 0 ? -1 : this.functions.pcData(index, PANIC_BOUNDS, next - 1);
    if (value < 0) return null;
    const what = Math.floor(value / CODES);
    const registers: number[] = [];
    // An index in a register has a bit for its sign, one that is constant has a bit more for its value.
    if (what & 1) registers.push((what >> 3) & 15);
    if (what & 2) registers.push((what >> 7) & 15);
    return what >> 12 === 0 ? registers : null;
  }
}
