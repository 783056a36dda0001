/** What calls read of the registers, as far as the program's tables tell. */
import type { CodeSource, HandedOver } from "../jit/code-source.js";
import { ARGUMENT_REGISTERS, RDX } from "../jit/registers.js";
import { Arguments } from "./go/arguments.js";
import { BoundsChecks } from "./go/bounds-checks.js";
import type { FunctionTable } from "./go/function-table.js";

/** X0 to X14. */
const XMM_ARGUMENTS = 15;

/**
 * Growing the stack ends in `gogo`, which sets what the runtime has saved: the closure's context, which `morestack` has in RDX
 * (runtime/asm_amd64.s). Its callers keep their arguments in memory.
 */
const MORE_STACK: ReadonlyMap<string, HandedOver> = new Map([
  ["runtime.morestack", { general: [RDX], xmm: 0, returns: false }],
  ["runtime.morestack_noctxt", { general: [], xmm: 0, returns: false }],
]);

/** Compiled functions that compiled code calls where something is wrong. Such as `panicIndex` are what Go had before 1.25. */
const PANICS =
  /^runtime\.(gopanic|throw|panic(divide|shift|wrap|dottype[EI]|nildottype|Index|Slice)|goPanic(Index|Slice))/;

export class CallReads {
  private readonly functions: FunctionTable;
  private readonly taken: Arguments;
  private readonly boundsChecks: BoundsChecks;
  /** By the address of the callee. */
  private readonly known = new Map<number, HandedOver | null>();

  /** @param piecesAddress see `GoMetadata` */
  constructor(functions: FunctionTable, piecesAddress: number | null, constantWord: CodeSource["constantWord"]) {
    this.functions = functions;
    this.taken = new Arguments(functions, piecesAddress, constantWord);
    this.boundsChecks = new BoundsChecks(functions);
  }

  /** See `CodeSource.registersRead`. */
  registersRead(target: number, next: number): HandedOver | null {
    const checked = this.boundsChecks.registersRead(target, next);
    if (checked) return { general: checked, xmm: 0, returns: false };
    let read = this.known.get(target);
    if (read === undefined) this.known.set(target, (read = this.readBy(target)));
    return read;
  }

  private readBy(target: number): HandedOver | null {
    const { functions } = this;
    const index = functions.find(target);
    if (index < 0 || functions.start[index] !== target) return null;
    if (functions.isAsm(index)) return MORE_STACK.get(functions.name(index)) ?? null;
    const words = this.taken.words(index);
    if (words === null) return null;
    // Any function may be a closure, which finds its context in RDX.
    return {
      general: [RDX, ...ARGUMENT_REGISTERS.slice(0, words)],
      xmm: Math.min(words, XMM_ARGUMENTS),
      returns: !PANICS.test(functions.name(index)),
    };
  }
}
