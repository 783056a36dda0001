import { explainRegion, type ExplainedRegion } from "../../jit/explain-region.js";
import { disassemble } from "../../jit/decode.js";
import { DEFAULT_TRANSLATOR_OPTIONS } from "../../jit/translator.js";
import { successors, type Block } from "../../jit/region.js";
import { GUEST_BASE } from "../../runtime-shims/guest-memory.js";
import { GojitError } from "../errors.js";
import type { FunctionTable } from "../go/function-table.js";
import { ImageCode } from "../image-code.js";
import { MAX_GUEST_PAGES } from "../machine/parts.js";
import type { ParsedCommand } from "./commands.js";
import { loadProgram } from "./load-program.js";
import { nearNames } from "./near-names.js";

const X86_COLUMNS = 52;
const WASM_COLUMNS = 110;

/** `gojit explain`: x86 beside the Wasm it becomes. @throws GojitError if there is no such function. */
export function explainCommand(parsed: ParsedCommand): number {
  const [path, what] = parsed.words as [string, string];
  const program = loadProgram(path);
  const { functions } = program.go;
  const pc = resolve(functions, what);
  const source = new ImageCode(program);
  const explained = explainRegion(source, pc, {
    guestBase: GUEST_BASE,
    guestPages: MAX_GUEST_PAGES,
    regionInstructions: DEFAULT_TRANSLATOR_OPTIONS.functionInstructions,
    width: WASM_COLUMNS,
  });
  if (!explained) throw new GojitError("no-such-function", `there is no code at 0x${pc.toString(16)} in ${path}.`);
  const summary = summarize(explained);
  if (parsed.options.json) process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
  else process.stdout.write(format(explained, summary, functions, source));
  return 0;
}

/** The guest address that a function's name or a hexadecimal address means. */
function resolve(functions: FunctionTable, what: string): number {
  const index = functions.indexOf(what);
  if (index >= 0) return functions.start[index]!;
  if (/^(0x)?[0-9a-f]{5,8}$/i.test(what)) return Number.parseInt(what.replace(/^0x/i, ""), 16);
  const names = Array.from({ length: functions.count }, (_, i) => functions.name(i));
  const near = nearNames(what, names, 5);
  const hint = near.length ? `near it are ${near.join(", ")}` : "gojit inspect tells what is in it";
  throw new GojitError("no-such-function", `the program has no function "${what}"; ${hint}.`);
}

function summarize({ region, bytes, operations }: ExplainedRegion) {
  let total = 0;
  for (const count of operations.values()) total += count;
  return {
    entry: region.entry,
    origin: region.function?.origin ?? "unknown",
    instructions: region.instructionCount,
    blocks: region.blocks.length,
    wasmBytes: bytes,
    operations: total,
    byOperation: Object.fromEntries(operations),
  };
}

const hex = (pc: number): string => pc.toString(16);

function format(
  { region, lines }: ExplainedRegion,
  summary: ReturnType<typeof summarize>,
  functions: FunctionTable,
  source: ImageCode,
): string {
  const assembly = new Map<number, string>();
  const blockAt = new Map<number, number>();
  region.blocks.forEach((block, index) => {
    blockAt.set(block.pc, index);
    for (const { insn } of block.items) {
      const [line] = disassemble(source.read(insn.pc, insn.length), insn.pc);
      const target = insn.target >= 0 ? symbol(functions, insn.target) : "";
      assembly.set(insn.pc, `${hex(insn.pc)}  ${line?.text ?? "?"}${target && ` ${target}`}`);
    }
  });
  const out = [`${symbol(functions, region.entry)} at 0x${hex(region.entry)}, ${summary.origin}`];
  const shown = new Set<number>();
  let current = -1;
  for (const { text, pc } of lines) {
    let left = "";
    if (pc >= 0 && pc !== current) {
      current = pc;
      for (const skipped of before(region.blocks, pc, shown)) {
        if (blockAt.has(skipped)) out.push("", blockTitle(region.blocks, blockAt.get(skipped)!));
        shown.add(skipped);
        if (skipped === pc) left = assembly.get(pc)!;
        else out.push(assembly.get(skipped)!);
      }
    }
    out.push(`${left.padEnd(X86_COLUMNS)}  ${text}`.trimEnd());
  }
  const most = Object.entries(summary.byOperation).slice(0, 12);
  out.push(
    "",
    `${summary.instructions} instructions in ${summary.blocks} blocks, ${summary.wasmBytes} bytes of Wasm, ` +
      `${summary.operations} operations: ${most.map(([name, count]) => `${count} ${name}`).join(", ")}`,
  );
  return `${out.join("\n")}\n`;
}

/** The instructions of `pc`'s block up to `pc` that have not been shown: those before it made no statement. */
function before(blocks: readonly Block[], pc: number, shown: ReadonlySet<number>): number[] {
  const block = blocks.find(({ items }) => items.some(({ insn }) => insn.pc === pc));
  if (!block) return [];
  return block.items.map(({ insn }) => insn.pc).filter((at) => at <= pc && !shown.has(at));
}

function blockTitle(blocks: readonly Block[], index: number): string {
  const { end } = blocks[index]!;
  const next = successors(end);
  return `block ${index}: ${end.kind}${next.length ? ` to ${next.join(", ")}` : ""}`;
}

/** `name` or `name+0x12`; empty outside all functions. */
function symbol(functions: FunctionTable, pc: number): string {
  const index = functions.find(pc);
  if (index < 0) return "";
  const offset = pc - functions.start[index]!;
  return functions.name(index) + (offset ? `+0x${hex(offset)}` : "");
}
