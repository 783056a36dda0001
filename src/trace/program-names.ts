/** Names of a program's code, and what its file has of the runtime's static data. */
import { ByteReader } from "../elf/bytes.js";
import type { ElfImage } from "../elf/image.js";
import type { FunctionTable } from "../go/function-table.js";

export class ProgramNames {
  private readonly image: ElfImage;
  private readonly reader: ByteReader;
  private readonly functions: FunctionTable;
  private readonly known = new Map<number, string>();

  constructor(image: ElfImage, functions: FunctionTable) {
    this.image = image;
    this.reader = new ByteReader(image.bytes);
    this.functions = functions;
  }

  /** Every function, in order of address. */
  *all(): Generator<readonly [name: string, start: number]> {
    const { functions } = this;
    for (let index = 0; index < functions.count; index++) yield [functions.name(index), functions.start[index]!];
  }

  /** The name of the function that `pc` is in; empty if it is in none. */
  functionAt(pc: number): string {
    const index = this.functions.find(pc);
    if (index < 0) return "";
    let name = this.known.get(index);
    if (name === undefined) this.known.set(index, (name = this.functions.name(index)));
    return name;
  }

  /** `name` or `name+0x12`; the number outside all functions, and nothing for 0. */
  symbol(pc: number): string {
    const index = this.functions.find(pc);
    if (index < 0) return pc === 0 ? "" : `0x${pc.toString(16)}`;
    const offset = pc - this.functions.start[index]!;
    return this.functionAt(pc) + (offset ? `+0x${offset.toString(16)}` : "");
  }

  /**
   * The first function of the `runtime.initTask` at a guest address, as the linker has made it; empty if it has none. From Go 1.21 on a task
   * is its state and the number of its functions, 32 bits each, and the functions; before, state, number of tasks to be done before,
   * number of functions, 64 bits each, those tasks, and the functions.
   */
  firstInit(task: number): string {
    const { image, reader } = this;
    const head = image.fileOffsetOf(task, 24);
    if (head === undefined) return "";
    if (reader.u32(head + 4) !== 0) return this.symbol(reader.u64(head + 8));
    const at = image.fileOffsetOf(task + 24 + 8 * reader.u64(head + 8), 8);
    return at === undefined || reader.u64(head + 16) === 0 ? "" : this.symbol(reader.u64(at));
  }
}
