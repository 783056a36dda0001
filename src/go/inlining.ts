/** What the compiler has inlined where, as the runtime's own tracebacks know it; in stripped programs too. */
import type { ByteReader } from "../elf/bytes.js";
import type { ElfImage } from "../elf/image.js";
import type { FunctionTable } from "./function-table.js";

/** A place in source. */
export interface SourcePlace {
  /** The linker's name of the function, such as `main.(*T).Method`. */
  readonly function: string;
  /** As the compiler saw it; "" and line 0 where the program does not say. */
  readonly file: string;
  readonly line: number;
}

/** By release: the table that says which call an instruction belongs to, and the list of inlined calls. */
interface Numbers {
  readonly table: number;
  readonly piece: number;
}
// Source: runtime/symtab.go, runtime/funcdata.h and internal/abi/symtab.go of the releases.
const numbersOf = (minor: number): Numbers =>
  minor <= 12 ? { table: 1, piece: 2 } : minor <= 15 ? { table: 2, piece: 4 } : { table: 2, piece: 3 };

/** Where the fields of a record of the list (`inlinedCall`) are. */
interface CallLayout {
  readonly size: number;
  readonly name: number;
  readonly parentPc: number;
}
const callLayoutOf = (minor: number): CallLayout =>
  minor < 20 ? { size: 20, name: 12, parentPc: 16 } : { size: 16, name: 4, parentPc: 8 };

/** Calls that are inlined in one another. The compiler's own limit is far below. */
const MAX_DEPTH = 1000;

export class Inlining {
  private readonly image: ElfImage;
  private readonly reader: ByteReader;
  private readonly functions: FunctionTable;
  private readonly numbers: Numbers;
  private readonly layout: CallLayout;
  /** What is added to where a function's data is. */
  private readonly base: number;

  /**
   * @param minor Go's minor version
   * @param base what `functions.funcData` counts from
   */
  constructor(image: ElfImage, reader: ByteReader, functions: FunctionTable, minor: number, base: number) {
    this.image = image;
    this.reader = reader;
    this.functions = functions;
    this.numbers = numbersOf(minor);
    this.layout = callLayoutOf(minor);
    this.base = base;
  }

  /**
   * The source that an instruction belongs to, innermost first: the inlined functions with what of them it is, then the
   * function that it is in, with the line of the outermost inlined call. Empty outside Go's code.
   */
  places(pc: number): SourcePlace[] {
    const { functions, layout } = this;
    const index = functions.find(pc);
    if (index < 0) return [];
    const places: SourcePlace[] = [];
    const tree = this.tree(index);
    let at = pc;
    const add = (name: string): void => {
      places.push({ function: name, file: functions.fileAt(at, index), line: functions.line(at) });
    };
    while (tree !== undefined && places.length < MAX_DEPTH) {
      const call = functions.pcData(index, this.numbers.table, at);
      if (call < 0) break;
      const record = tree + call * layout.size;
      const name = functions.nameAt(this.reader.i32(record + layout.name));
      const parent = functions.start[index]! + this.reader.i32(record + layout.parentPc);
      // Not what this release is known to have.
      if (name === "" || parent < functions.start[index]! || parent >= functions.end[index]!) break;
      add(name);
      at = parent;
    }
    add(functions.name(index));
    return places;
  }

  /** Where in the file the list of a function's inlined calls is. */
  private tree(index: number): number | undefined {
    const data = this.functions.funcData(index, this.numbers.piece);
    return data < 0 ? undefined : this.image.fileOffsetOf(this.base + data, this.layout.size);
  }
}
