/** Names of a program's code for people: functions, files and lines, both ways; in stripped programs too. */
import { GojitError } from "../errors.js";
import type { FunctionTable } from "../go/function-table.js";
import type { SourcePlace } from "../go/inlining.js";
import type { GoMetadata } from "../go/metadata.js";

/** What is at a guest address: a function, and what of its source; that is a call if the instruction is of something inlined. */
export interface CodePlace extends SourcePlace {
  /** Bytes from the function's first instruction. */
  readonly offset: number;
  /** What is inlined there, innermost first. */
  readonly inlined: readonly SourcePlace[];
}

export class Symbols {
  private readonly go: GoMetadata;
  private readonly functions: FunctionTable;

  constructor(go: GoMetadata) {
    this.go = go;
    this.functions = go.functions;
  }

  /** What is at a guest address; undefined outside Go's code. */
  describe(pc: number): CodePlace | undefined {
    const { functions } = this;
    const index = functions.find(pc);
    if (index < 0) return undefined;
    const places = this.go.inlining.places(pc);
    return { ...places.at(-1)!, offset: pc - functions.start[index]!, inlined: places.slice(0, -1) };
  }

  /** Every function's name and first guest address, in order of address. */
  *all(): Generator<{ readonly name: string; readonly address: number }> {
    const { functions } = this;
    for (let index = 0; index < functions.count; index++)
      yield { name: functions.name(index), address: functions.start[index]! };
  }

  /**
   * The guest address of `main.f`, of `main.f+0x12`, or of the first instruction of a line: `file.go:12`, where the file is
   * named by as much of its path as makes it clear.
   * @throws GojitError (no-such-function)
   */
  find(place: string): number {
    const line = /^(.+):(\d+)$/.exec(place);
    const address = line ? this.addressOfLine(line[1]!, Number(line[2])) : this.addressOfName(place);
    if (address >= 0) return address;
    const what = line ? `no code of line ${line[2]} of a file "${line[1]}"` : `no function "${place}"`;
    throw new GojitError("no-such-function", `the program has ${what}.`);
  }

  private addressOfName(place: string): number {
    const { functions } = this;
    const exact = functions.indexOf(place);
    if (exact >= 0) return functions.start[exact]!;
    const [, name, offset] = /^(.+)\+(0x[0-9a-f]+|\d+)$/i.exec(place) ?? [];
    const index = name === undefined ? -1 : functions.indexOf(name);
    return index < 0 ? -1 : functions.start[index]! + Number(offset);
  }

  private addressOfLine(file: string, line: number): number {
    const { functions } = this;
    for (let index = 0; index < functions.count; index++) {
      const name = functions.file(index);
      if (name !== file && !name.endsWith(`/${file}`)) continue;
      const address = functions.addressOfLine(index, line);
      if (address >= 0) return address;
    }
    return -1;
  }
}
