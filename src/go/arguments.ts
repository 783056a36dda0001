/**
 * How many values a compiled function takes in registers, from what the compiler tells the runtime for its tracebacks (FUNCDATA_ArgInfo,
 * Go 1.17 and newer): the places of the arguments' words, without telling which of them are floats.
 */
import type { FunctionTable } from "./function-table.js";

/** `abi.FUNCDATA_ArgInfo` (internal/abi/symtab.go). */
const ARG_INFO = 5;
// The bytes of the list (`abi.TraceArgs…`, internal/abi/symtab.go; runtime/traceback.go, `printArgs`). Lesser ones are the offset of a
// word, and its size follows.
const END_OF_LIST = 0xff;
const START_OF_AGGREGATE = 0xfe;
const END_OF_AGGREGATE = 0xfd;
const AND_MORE = 0xfc;
const FAR_OFFSET = 0xfb;
const FIRST_SPECIAL = 0xf0;
/** Where nothing can be read: a list that nobody knows the rest of. */
const NOTHING = BigInt(AND_MORE);
/** `abi.TraceArgsMaxLen`, and some more. */
const MOST_BYTES = 256;
/** A function that each program has, and its words in all releases: tells whether the tables are what they are taken for. */
const SAMPLE = "runtime.mallocgc";
const SAMPLE_WORDS = 3;

export class Arguments {
  private readonly functions: FunctionTable;
  private readonly base: number | null;
  private readonly constantWord: (address: number) => bigint | null;
  private asExpected: boolean | undefined;

  /**
   * @param base what `functions.funcData` counts from; null if that is not known
   * @param constantWord see `CodeSource`
   */
  constructor(functions: FunctionTable, base: number | null, constantWord: (address: number) => bigint | null) {
    this.functions = functions;
    this.base = base;
    this.constantWord = constantWord;
  }

  /** So many words of arguments, at most, a compiled function takes in registers of either kind; null if the program does not tell. */
  words(index: number): number | null {
    this.asExpected ??= this.wordsOf(this.functions.indexOf(SAMPLE)) === SAMPLE_WORDS;
    return this.asExpected ? this.wordsOf(index) : null;
  }

  private wordsOf(index: number): number | null {
    const { base, functions } = this;
    if (base === null || index < 0) return null;
    const data = functions.funcData(index, ARG_INFO);
    // The compiler says nothing of functions without parameters.
    if (data < 0) return 0;
    // The first parameter of what comes from generic functions is left out: the dictionary, but closures have none.
    return functions.name(index).includes("[") ? null : this.count(base + data);
  }

  private count(start: number): number | null {
    let words = 0;
    for (let at = start; at < start + MOST_BYTES; at++) {
      const byte = Number((this.constantWord(at) ?? NOTHING) & 0xffn);
      if (byte === END_OF_LIST) return words;
      if (byte === START_OF_AGGREGATE || byte === END_OF_AGGREGATE) continue;
      if (byte === AND_MORE || (byte >= FIRST_SPECIAL && byte !== FAR_OFFSET)) return null;
      words++;
      if (byte !== FAR_OFFSET) at++;
    }
    return null;
  }
}
