/** What a row of the tables of probes says, and the words in which it says it. */
import type { GoAbi } from "../go/metadata.js";
import type { RuntimeLayout } from "../go/runtime-layout.js";
import { RAX, RBX, RCX, RDI, RSI, RSP } from "../../jit/registers.js";
import type { BootstrapCode, BootstrapPoint } from "./bootstrap-code.js";
import type { Group } from "./groups.js";
import { SOURCE_G, SOURCE_NUMBER, type Capture } from "./capture.js";

export type Value = number | string | boolean;
export type Values = Readonly<Record<string, Value>>;

/**
 * How captured words become a value: a number of 64 bits, or of 32 with a sign; a hexadecimal text; a truth or a number of one byte; the
 * name of code; or the first function of an initialisation task.
 */
export type Shown = "number" | "int" | "address" | "flag" | "byte" | "code" | "task";

export interface Field {
  readonly capture: Capture;
  readonly shown: Shown;
}

export interface Row {
  /** What the event is called; see docs/tracing.md. */
  readonly event: string;
  readonly group: Group;
  /** The first of these functions that the program has, at its first instruction; or an instruction of the bootstrap's own code. */
  readonly at: readonly string[] | BootstrapPoint;
  readonly fields?: (at: FieldMaker) => Readonly<Record<string, Field>>;
  /** How often in the process's life it makes an event; default: always. */
  readonly times?: number;
  /** As in ProbePlan. */
  readonly note?: boolean;
  readonly takesNote?: boolean;
  readonly timed?: boolean;
  readonly afterNote?: boolean;
  /** True if nothing is missing where a build has no such function, because its compiler has inlined it or its release has none. */
  readonly optional?: boolean;
  /**
   * What to tell; null: nothing, the event only says something to another.
   * @param from the event of the row that was noted before, or ""; and what it captured
   */
  readonly text: (v: Values, from: string, word: number) => string | null;
}

/** Fields by how they are reached, for one build. */
export class FieldMaker {
  readonly layout: RuntimeLayout;
  readonly code: BootstrapCode;
  /** True if arguments are on the stack. */
  readonly onStack: boolean;

  constructor(layout: RuntimeLayout, code: BootstrapCode, abi: GoAbi) {
    this.layout = layout;
    this.code = code;
    this.onStack = abi === "abi0";
  }

  /**
   * Argument `index` of a compiled function at its first instruction, or what is at the end of a path from it. Every argument
   * before it is one word, as in all functions that are probed.
   */
  arg(index: number, shown: Shown, ...path: readonly number[]): Field {
    if (this.onStack) return this.reg(RSP, shown, 8 + 8 * index, ...path);
    return this.reg([RAX, RBX, RCX, RDI, RSI][index]!, shown, ...path);
  }
  /** Argument of newproc1, which had two more before the third until registers were used. */
  newprocCaller(): Field {
    return this.onStack ? this.reg(RSP, "code", 40) : this.reg(RCX, "code");
  }
  /** A register, or what is at the end of a path from it. */
  reg(source: number, shown: Shown, ...path: readonly number[]): Field {
    return { capture: { source, path, words: wordsFor(shown, path) }, shown };
  }
  /** The running g, or what is at the end of a path from it. */
  g(shown: Shown, ...path: readonly number[]): Field {
    return this.reg(SOURCE_G, shown, ...path);
  }
  /** What is at a guest address. */
  at(address: number | undefined, shown: Shown, ...path: readonly number[]): Field {
    return { capture: { source: SOURCE_NUMBER, number: address ?? 0, path, words: wordsFor(shown, path) }, shown };
  }

  /** Bounds and guards of the stack of the g that a field captures. */
  stackOf(g: Field): Readonly<Record<"lo" | "hi" | "guard0" | "guard1", Field>> {
    const { gStack } = this.layout;
    const at = (offset: number): Field => follow(g, "address", gStack + offset);
    return { lo: at(0), hi: at(8), guard0: at(16), guard1: at(24) };
  }
  /** What a g has saved of its registers. */
  schedOf(g: Field): Readonly<Record<"sp" | "pc" | "gobufG" | "ctxt" | "bp", Field>> {
    const { gSched, gobufBp } = this.layout;
    return {
      sp: follow(g, "address", gSched),
      pc: follow(g, "code", gSched + 8),
      gobufG: follow(g, "address", gSched + 16),
      ctxt: follow(g, "address", gSched + 24),
      bp: follow(g, "address", gSched + gobufBp),
    };
  }
}

/** The same with one step more. */
export const follow = ({ capture }: Field, shown: Shown, offset: number): Field => ({
  capture: { ...capture, path: [...capture.path, offset], words: wordsFor(shown, [offset]) },
  shown,
});

/** Code is below 2^32, and so are pointers to structures. */
const wordsFor = (shown: Shown, path: readonly number[]): 1 | 2 =>
  shown === "number" || (shown === "address" && path.length > 0) ? 2 : 1;

// Source: runtime2.go.
const STATUSES = [
  "_Gidle",
  "_Grunnable",
  "_Grunning",
  "_Gsyscall",
  "_Gwaiting",
  "_Gmoribund",
  "_Gdead",
  "_Genqueue",
  "_Gcopystack",
  "_Gpreempted",
  "_Gleaked",
  "_Gdeadextra",
];
const SCAN = 0x1000;

/** The name of a goroutine's status. */
export function statusName(status: Value): string {
  const word = Number(status);
  const name = STATUSES[word & ~SCAN] ?? `status ${word}`;
  return word & SCAN ? `${name}|_Gscan` : name;
}
