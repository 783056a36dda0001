/** What a trace probes in one program: addresses, what is captured there, and how the words become values. */
import { GUEST_BASE } from "../../runtime-shims/guest-memory.js";
import type { ProgramLayout } from "../go/program-layout.js";
import { FIRST_LAYOUT, LAST_LAYOUT } from "../go/runtime-layout.js";
import { readWaitReasons } from "../go/wait-reasons.js";
import { GojitError } from "../errors.js";
import { ImageCode } from "../image-code.js";
import type { Program } from "../program.js";
import { readBootstrapCode, type BootstrapCode } from "./bootstrap-code.js";
import { bootstrapRows } from "./bootstrap-rows.js";
import type { Group } from "./groups.js";
import type { ProbePlan } from "./capture.js";
import { allocateShared, NOTE_WORDS, recorderModule } from "./recorder-module.js";
import { ProgramNames } from "./program-names.js";
import { FieldMaker, type Field, type Row, type Value, type Values } from "./row.js";
import type { SystemCallPlans, TracePlan } from "./recorder.js";
import { callRow, returnRow } from "./syscall-rows.js";
import { schedulerRows } from "./scheduler-rows.js";

/** One probed address. */
export interface ProbedRow {
  readonly row: Row;
  readonly pc: number;
  /** The function that it is in. */
  readonly function: string;
  readonly fields: readonly (readonly [name: string, field: Field])[];
}

/** What every event of a probe tells first. */
export interface Context {
  /** Guest address of the running g; 0 before there is one. */
  readonly g: number;
  readonly goid: number;
  readonly m: number;
  /** -1: without a P. */
  readonly p: number;
}

export interface ProbeEvent extends Context {
  readonly probe: ProbedRow;
  readonly values: Values;
  /** Null: not to be shown. */
  readonly text: string | null;
}

const untilRow: Row = { event: "until", group: "bootstrap", at: [], times: 1, text: () => "the trace ends here" };

const CONTEXT_WORDS = 6;

export class ProgramTrace {
  readonly probes: readonly ProbedRow[];
  /** Of the probes to be set, by number. */
  readonly addresses: readonly number[];
  readonly plans: readonly ProbePlan[];
  /** Sentences about what cannot be shown of this build. */
  readonly missing: readonly string[];
  private readonly names: ProgramNames;
  private readonly waitReasons: readonly string[];

  /** Of the plans, those that no address leads to. */
  readonly systemCalls: SystemCallPlans | null = null;
  /** Guest address at which the trace is to end, or -1. */
  readonly until: number;

  /**
   * @param layout of the program: see `programLayout`
   * @param until the function at whose beginning the trace is to end
   * @throws GojitError (no-such-function)
   */
  constructor(program: Program, layout: ProgramLayout, groups: ReadonlySet<Group>, until?: string) {
    const { image, go } = program;
    const code = readBootstrapCode(new ImageCode(program), go.functions);
    const at = new FieldMaker(layout, code, go.abi);
    const missing = checkLayout(go.version, layout, code);
    this.names = new ProgramNames(image, go.functions);
    this.waitReasons = readWaitReasons(image);
    const byName = firstFunctions(this.names);
    const probes: ProbedRow[] = [];
    const plans: ProbePlan[] = [];
    const g = at.g("int");
    const context = [
      g,
      at.g("number", layout.gGoid),
      at.g("int", layout.gM, layout.mId),
      at.g("int", layout.gM, layout.mP),
      at.g("int", layout.gM, layout.mP, layout.pId),
    ].map(({ capture }) => capture);
    for (const row of [...bootstrapRows, ...schedulerRows]) {
      const chosen = groups.has(row.group);
      // What is noted there, events of another group ask for.
      if (!chosen && !(row.note && groups.has("sched"))) continue;
      const pc = typeof row.at === "string" ? code.points[row.at] : firstOf(byName, row.at);
      if (pc === undefined) {
        if (!row.optional)
          missing.push(
            `${row.event} cannot be shown: this build has no ${typeof row.at === "string" ? "such code" : row.at[0]}`,
          );
        continue;
      }
      // Two rows at one address, as where a function is its own first step: the first one stays.
      if (probes.some((other) => other.pc === pc)) continue;
      const fields = Object.entries(row.fields?.(at) ?? {});
      const own = fields.map(([, { capture }]) => capture);
      const { times: most = Infinity, timed = true, note = false, takesNote = false, afterNote = false } = row;
      const times = chosen ? most : 0;
      probes.push({ row, pc, function: this.names.functionAt(pc), fields });
      // A note keeps one word; who makes it, the event will tell.
      plans.push({ captures: times === 0 ? own : [...context, ...own], times, timed, note, takesNote, afterNote });
    }
    this.until = until === undefined ? -1 : addressOf(byName, until);
    if (until !== undefined && !probes.some(({ pc }) => pc === this.until)) {
      probes.push({ row: untilRow, pc: this.until, function: until, fields: [] });
      plans.push({ captures: context, times: 1, timed: true, note: false, takesNote: false, afterNote: false });
    }
    this.addresses = probes.map(({ pc }) => pc);
    if (groups.has("sys")) {
      this.systemCalls = { call: probes.length, return: probes.length + 1 };
      for (const row of [callRow, returnRow]) {
        const fields = Object.entries(row.fields!(at));
        probes.push({ row, pc: -1, function: "", fields });
        const captures = [...context, ...fields.map(([, { capture }]) => capture)];
        plans.push({ captures, times: Infinity, timed: true, note: false, takesNote: false, afterNote: false });
      }
    }
    this.probes = probes;
    this.plans = plans;
    this.missing = missing;
  }

  /** What the machine needs to record the events. @param memoryPages Wasm pages of the guest's memory */
  plan(memoryPages: number): TracePlan {
    const { plans, addresses, systemCalls } = this;
    const module = new WebAssembly.Module(recorderModule(plans, memoryPages, GUEST_BASE));
    return { module, shared: allocateShared(plans), probes: addresses.length, systemCalls };
  }

  /** The event that probe number `number` has put down. */
  decode(number: number, payload: Uint32Array): ProbeEvent {
    const probe = this.probes[number]!;
    const { row, fields } = probe;
    const values: Record<string, Value> = {};
    let at = NOTE_WORDS + CONTEXT_WORDS;
    for (const [name, field] of fields) {
      values[name] = this.value(field, payload, at);
      at += field.capture.words;
    }
    if ("reason" in values)
      values["reasonName"] = this.waitReasons[values["reason"] as number] ?? `reason ${values["reason"]}`;
    const noted = payload[0] ? this.probes[payload[0] - 1] : undefined;
    const [g, goid, , m, pPointer, p] = payload.subarray(NOTE_WORDS);
    return {
      probe,
      g: g!,
      goid: goid!,
      m: m!,
      p: pPointer ? p! : -1,
      values,
      text: row.text(values, noted?.row.event ?? "", payload[1]!),
    };
  }

  private value({ capture: { words }, shown }: Field, payload: Uint32Array, at: number): Value {
    const low = payload[at]!;
    const high = words > 1 ? payload[at + 1]! : 0;
    switch (shown) {
      case "int":
        return low | 0;
      case "number":
        return high * 0x1_0000_0000 + low;
      case "address":
        return high ? `0x${high.toString(16)}${low.toString(16).padStart(8, "0")}` : `0x${low.toString(16)}`;
      case "flag":
        return (low & 0xff) !== 0;
      case "byte":
        return low & 0xff;
      case "code":
        return this.names.symbol(low);
      case "task":
        return this.names.firstInit(low);
    }
  }
}

/** Says where the code contradicts the offsets that are known for its release. */
function checkLayout(
  version: string,
  { minor, fromDwarf, mTls, gM }: ProgramLayout,
  { m0, m0Tls, gM: seen }: BootstrapCode,
): string[] {
  const told: string[] = [];
  const name = version || "this program's release";
  if (!fromDwarf && (version === "" || minor < FIRST_LAYOUT || minor > LAST_LAYOUT))
    told.push(`the runtime's structures of ${name} are not known; those of the nearest known release are read`);
  if (m0 !== undefined && m0Tls !== undefined && m0Tls - m0 !== mTls)
    told.push(`the code has m.tls at ${m0Tls - m0}, not at ${mTls}: what is told of Ms and Ps may be wrong`);
  if (seen !== undefined && seen !== gM)
    told.push(`the code has g.m at ${seen}, not at ${gM}: what is told of Ms and Ps may be wrong`);
  return told;
}

/** The first address of each name: what has a second one is a wrapper that the linker put behind. */
function firstFunctions(names: ProgramNames): Map<string, number> {
  const out = new Map<string, number>();
  for (const [name, start] of names.all()) if (!out.has(name)) out.set(name, start);
  return out;
}

function firstOf(byName: ReadonlyMap<string, number>, candidates: readonly string[]): number | undefined {
  for (const name of candidates) {
    const pc = byName.get(name);
    if (pc !== undefined) return pc;
  }
  return undefined;
}

function addressOf(byName: ReadonlyMap<string, number>, name: string): number {
  const pc = byName.get(name);
  if (pc === undefined)
    throw new GojitError("no-such-function", `the program has no function "${name}" to trace until.`);
  return pc;
}
