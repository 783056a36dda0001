import type { Worker } from "node:worker_threads";
import { GojitError } from "../errors.js";
import { runCommand } from "./run.js";
import { optionRows, parseOptions, type CommandName, type Options, type OptionRow } from "./options.js";

/** A command with its options and arguments, ready to run. */
export interface ParsedCommand {
  readonly command: CommandName;
  readonly options: Options;
  /** PROGRAM and what follows it; for the guest, exactly as given. */
  readonly words: readonly string[];
}

/** What the words ask for: a command to run, or a text to print. */
export type CommandLine = ParsedCommand | { readonly print: string };

/** `early`: a Worker for the first guest thread that is starting already; `run` only. */
type Run = (parsed: ParsedCommand, early?: Worker) => Promise<number> | number;

/** One command. `load` keeps its code, and what that needs, out of the start of all others. */
export interface CommandRow {
  readonly name: CommandName;
  readonly usage: string;
  readonly help: string;
  /** The least and the most words after the options; no most: all others are the guest's. */
  readonly minWords: number;
  readonly maxWords?: number;
  /** Loads what only this command needs. */
  readonly load: () => Promise<Run> | Run;
}

/** Every command, in the order of the help text. */
export const commandRows: readonly CommandRow[] = [
  {
    name: "run",
    usage: "[options] PROGRAM [ARG…]",
    help: "run a linux/amd64 Go program; the exit status is the program's, or 128+n when signal n ended it",
    minWords: 1,
    load: () => runCommand,
  },
  {
    name: "trace",
    usage: "[options] PROGRAM [ARG…]",
    help: "run a program and tell what its Go runtime does: how it starts, its scheduler, its collector, its system calls",
    minWords: 1,
    load: async () => (await import("./trace.js")).traceCommand,
  },
  {
    name: "debug",
    usage: "--gdb ADDRESS [options] PROGRAM [ARG…]",
    help: "run a program under gdb, which attaches with target remote: it waits at its first instruction",
    minWords: 1,
    load: async () => (await import("./debug.js")).debugCommand,
  },
  {
    name: "inspect",
    usage: "[options] PROGRAM",
    help: "print the program's Go version, build information and functions, and whether it will run, or why not",
    minWords: 1,
    maxWords: 1,
    load: async () => (await import("./inspect.js")).inspectCommand,
  },
  {
    name: "explain",
    usage: "[options] PROGRAM FUNCTION|ADDRESS",
    help: "print a function's x86 instructions beside the WebAssembly they become, and what that costs",
    minWords: 2,
    maxWords: 2,
    load: async () => (await import("./explain.js")).explainCommand,
  },
  {
    name: "cache",
    usage: "[options] ls|clear|warm [PROGRAM]",
    help: "list the programs whose translated code is kept, remove it all, or translate a whole program ahead of its runs",
    minWords: 1,
    maxWords: 2,
    load: async () => (await import("./cache.js")).cacheCommand,
  },
  {
    name: "bench",
    usage: "[options] [SUITE|NAME…]",
    help: "measure gojit beside native runs, qemu-x86_64 and Go's js/wasm port; a NAME is any part of a benchmark's name",
    minWords: 0,
    maxWords: Infinity,
    load: async () => (await import("./bench/command.js")).benchCommand,
  },
  {
    name: "doctor",
    usage: "[options]",
    help: "print what this JavaScript engine offers and what is missing",
    minWords: 0,
    maxWords: 0,
    load: async () => (await import("./doctor.js")).doctorCommand,
  },
];

/**
 * Reads the words after `gojit`.
 * @throws GojitError (exit status 2) with one sentence for whatever is wrong with them.
 */
export function parseCommandLine(words: readonly string[], version: () => string): CommandLine {
  const first = words[0];
  if (first === undefined) throw new GojitError("bad-usage", "no command given; see gojit --help.");
  if (first === "--version" || first === "-V") return { print: `gojit ${version()}\n` };
  if (first === "--help" || first === "-h") return { print: generalHelp() };
  if (first === "help") return { print: words[1] === undefined ? generalHelp() : commandHelp(findCommand(words[1])) };
  const row = findCommand(first);
  const tail = words.slice(1);
  if (asksForHelp(row, tail)) return { print: commandHelp(row) };
  const { options, rest } = parseOptions(row.name, tail, row.maxWords === undefined);
  if (rest.length < row.minWords)
    throw new GojitError("bad-usage", `gojit ${row.name} needs more: gojit ${row.name} ${row.usage}.`);
  if (row.maxWords !== undefined && rest.length > row.maxWords) {
    throw new GojitError("bad-usage", `"${rest[row.maxWords]}" is too much: gojit ${row.name} ${row.usage}.`);
  }
  return { command: row.name, options, words: rest };
}

/** The command's code. */
export function loadCommand(name: CommandName): Promise<Run> | Run {
  return findCommand(name).load();
}

function findCommand(name: string): CommandRow {
  const row = commandRows.find((candidate) => candidate.name === name);
  if (row) return row;
  const names = commandRows.map((candidate) => candidate.name).join(", ");
  const hint = name.includes("/") ? `to run a program: gojit run ${name}` : `the commands are ${names}`;
  throw new GojitError("bad-usage", `there is no command "${name}"; ${hint}.`);
}

/** --help does not count where words are the guest's. */
function asksForHelp(row: CommandRow, words: readonly string[]): boolean {
  for (let index = 0; index < words.length && words[index] !== "--"; index++) {
    const word = words[index]!;
    if (word === "--help" || word === "-h") return true;
    if (!word.startsWith("-") && row.maxWords === undefined) return false;
    const option = optionsOf(row).find((candidate) => candidate.names.includes(word));
    if (option?.value !== undefined && !option.value.startsWith("[")) index++;
  }
  return false;
}

function optionsOf(row: CommandRow): OptionRow[] {
  return optionRows.filter((option) => option.commands.includes(row.name));
}

function generalHelp(): string {
  const lines = ["gojit runs linux/amd64 Go programs inside a JavaScript engine.", "", "Usage:"];
  for (const row of commandRows) lines.push(`  gojit ${row.name} ${row.usage}`, ...wrap(row.help, "      "));
  lines.push("  gojit --version", "", "gojit COMMAND --help lists a command's options.");
  return `${lines.join("\n")}\n`;
}

function commandHelp(row: CommandRow): string {
  const lines = [`Usage: gojit ${row.name} ${row.usage}`, "", ...wrap(row.help, "")];
  const options = optionsOf(row);
  if (options.length > 0) lines.push("", "Options:");
  for (const option of options) {
    const value =
      option.value === undefined
        ? ""
        : option.value.startsWith("[")
          ? `[=${option.value.slice(1)}`
          : ` ${option.value}`;
    lines.push(`  ${option.names.join(", ")}${value}`, ...wrap(option.help, "      "));
  }
  return `${lines.join("\n")}\n`;
}

function wrap(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && indent.length + line.length + 1 + word.length > 80) {
      lines.push(indent + line);
      line = "";
    }
    line += line === "" ? word : ` ${word}`;
  }
  return [...lines, indent + line];
}
