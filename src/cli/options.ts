import { GojitError } from "../errors.js";
import { GROUPS, type Group } from "../trace/groups.js";
import { DEFAULT_HOT } from "../machine/hot.js";
import { parseDirectoryGrant, type DirectoryGrant } from "./directory-grant.js";
import { parseListenAddress, type ListenAddress } from "./listen-address.js";
import { parseDuration, parseInteger, parseSize } from "./units.js";

/** Where a report goes: true is stderr, a text is a file's path. */
export type ReportTarget = true | string;

/** Every setting that the command line can make; absent means that the default holds. */
export interface Options {
  cpus?: number;
  memoryBytes?: number;
  timeoutMs?: number;
  cacheDirectory?: string;
  noCache?: boolean;
  /** As in MachineOptions. */
  hot?: number;
  strace?: ReportTarget;
  stats?: ReportTarget;
  /** Counts the guest instructions that run. */
  count?: boolean;
  directories: DirectoryGrant[];
  /** NAME takes the host's value, NAME=VALUE sets one. */
  environment: string[];
  environmentAll?: boolean;
  allowAll?: boolean;
  json?: boolean;
  /** Runners that gojit is measured against. */
  against?: readonly string[];
  /** Go versions of the benchmarks' programs, as in `1.27`. */
  goVersions?: readonly string[];
  rounds?: number;
  list?: boolean;
  /** Files with results that are reported, together, instead of new ones. */
  from?: readonly string[];
  jsonFile?: string;
  markdownFile?: string;
  chartFile?: string;
  /** Of `trace`. */
  only?: Group[];
  goroutines?: number[];
  until?: string;
  output?: string;
  perfetto?: string;
  html?: string;
  /** Of `debug`. */
  gdb?: ListenAddress;
}

/** Names of the commands; what they are is in commands.ts. */
export type CommandName = "run" | "trace" | "debug" | "inspect" | "explain" | "cache" | "bench" | "doctor";

/** One option: its spelling, its place in `--help`, and what it does. Parsing and help follow from the row. */
export interface OptionRow {
  readonly names: readonly string[];
  /** What the value is called in the help text; none: the option takes no value. In brackets: only as `--name=VALUE`. */
  readonly value?: string;
  readonly commands: readonly CommandName[];
  readonly help: string;
  readonly apply: (options: Options, value: string) => void;
}

const mebibyte = 1024 * 1024;
/** The linear memory is the guest's address space from 0x10000 to 4 GiB. */
const maxMemoryBytes = 0x1_0000_0000 - 0x10000;

/** Every option, in the order of the help text. */
export const optionRows: readonly OptionRow[] = [
  {
    names: ["--cpus"],
    value: "N",
    commands: ["run", "trace", "debug"],
    help: "how many CPUs the program sees, 1 to 64; default: as many as there are",
    apply: (options, value) => (options.cpus = parseInteger("--cpus", value, 1, 64)),
  },
  {
    names: ["--memory"],
    value: "SIZE",
    commands: ["run", "trace", "debug"],
    help: "limit of the program's address space, such as 1500M or 3G; default: 4G. Go 1.21 and newer need 1200M to start",
    apply: (options, value) => {
      options.memoryBytes = Math.min(
        maxMemoryBytes,
        parseSize("--memory", value, 16 * mebibyte, maxMemoryBytes + 0x10000),
      );
    },
  },
  {
    names: ["--timeout"],
    value: "TIME",
    commands: ["run", "trace", "debug", "cache"],
    help: "end the program after this time, such as 500ms, 10s, 5m or 1h, with exit status 124; cache warm keeps what it has by then",
    apply: (options, value) => (options.timeoutMs = parseDuration("--timeout", value)),
  },
  {
    names: ["--dir"],
    value: "HOST[:GUEST][:ro]",
    commands: ["run", "trace", "debug"],
    help: "let the program see this directory or file, at the same path or at GUEST; with :ro it cannot write there",
    apply: (options, value) => options.directories.push(parseDirectoryGrant(value)),
  },
  {
    names: ["--env"],
    value: "NAME[=VALUE]",
    commands: ["run", "trace", "debug"],
    help: "let the program see this environment variable, or set it",
    apply: (options, value) => {
      if (!/^[^=\0]+(=[^\0]*)?$/s.test(value)) throw badOption("--env", `"${value}" is not NAME or NAME=VALUE`);
      options.environment.push(value);
    },
  },
  {
    names: ["--env-all"],
    commands: ["run", "trace", "debug"],
    help: "let the program see the whole environment",
    apply: (options) => (options.environmentAll = true),
  },
  {
    names: ["-A", "--allow-all"],
    commands: ["run", "trace", "debug"],
    help: "let the program see all files and the whole environment, as if it ran natively",
    apply: (options) => (options.allowAll = true),
  },
  {
    names: ["--cache"],
    value: "DIR",
    commands: ["run", "trace", "cache"],
    help: "keep translated code in DIR; default: gojit in the user's cache directory",
    apply: (options, value) => (options.cacheDirectory = notEmpty("--cache", value)),
  },
  {
    names: ["--no-cache"],
    commands: ["run", "trace"],
    help: "neither read nor write translated code",
    apply: (options) => (options.noCache = true),
  },
  {
    names: ["--hot"],
    value: "N",
    commands: ["run", "trace", "debug"],
    help: `translate what has run N times, rounded up to a power of two, 1 to 32768; 0: all, before it runs; default: ${DEFAULT_HOT}`,
    apply: (options, value) => {
      const times = parseInteger("--hot", value, 0, 32768);
      options.hot = times && 2 ** Math.ceil(Math.log2(times));
    },
  },
  {
    names: ["--strace"],
    value: "[FILE]",
    commands: ["run", "trace", "debug"],
    help: "write every system call to stderr or FILE",
    apply: (options, value) => (options.strace = value === "" ? true : value),
  },
  {
    names: ["--stats"],
    value: "[FILE]",
    commands: ["run", "trace", "debug"],
    help: "at the end write what was translated, how long it took and the most memory that was used, as JSON, to stderr or FILE",
    apply: (options, value) => (options.stats = value === "" ? true : value),
  },
  {
    names: ["--count"],
    commands: ["run"],
    help: "count for --stats the program's instructions that run: all is translated before it runs, and the cache is not used",
    apply: (options) => (options.count = true),
  },
  {
    names: ["--only"],
    value: "GROUP[,GROUP]",
    commands: ["trace"],
    help: `trace only ${GROUPS.join(", ")}; default: all`,
    apply: (options, value) => (options.only = parseList("--only", value).map(parseGroup)),
  },
  {
    names: ["--goroutine"],
    value: "N[,N]",
    commands: ["trace"],
    help: "show only events of these goroutines; 0 stands for what Ms do on their own",
    apply: (options, value) =>
      (options.goroutines = parseList("--goroutine", value).map((text) =>
        parseInteger("--goroutine", text, 0, Number.MAX_SAFE_INTEGER),
      )),
  },
  {
    names: ["--until"],
    value: "FUNCTION",
    commands: ["trace"],
    help: "end the trace where this function begins, such as main.main; the program goes on",
    apply: (options, value) => (options.until = notEmpty("--until", value)),
  },
  {
    names: ["--output", "-o"],
    value: "FILE",
    commands: ["trace"],
    help: "write the text or JSON to FILE; default: stderr, or none if there is other output",
    apply: (options, value) => (options.output = notEmpty("--output", value)),
  },
  {
    names: ["--perfetto"],
    value: "FILE",
    commands: ["trace"],
    help: "write a trace that ui.perfetto.dev and chrome://tracing open",
    apply: (options, value) => (options.perfetto = notEmpty("--perfetto", value)),
  },
  {
    names: ["--html"],
    value: "FILE",
    commands: ["trace"],
    help: "write one page with the bootstrap, pictures of stacks, G, M and P, and who ran when",
    apply: (options, value) => (options.html = notEmpty("--html", value)),
  },
  {
    names: ["--gdb"],
    value: "ADDRESS",
    commands: ["debug"],
    help: "wait for gdb's target remote at [HOST:]PORT or unix:PATH of this machine; port 0: one that is free",
    apply: (options, value) => (options.gdb = parseListenAddress(value)),
  },
  {
    names: ["--json"],
    commands: ["inspect", "explain", "doctor", "cache", "trace"],
    help: "print JSON; a trace: one object a line",
    apply: (options) => (options.json = true),
  },
  {
    names: ["--against"],
    value: "LIST",
    commands: ["bench"],
    help: "compare with these, of native, qemu, js-wasm; default: all that are there",
    apply: (options, value) => (options.against = parseList("--against", value)),
  },
  {
    names: ["--go"],
    value: "LIST",
    commands: ["bench"],
    help: "Go versions of the measured programs, such as 1.27,1.19; default: all that there are",
    apply: (options, value) => (options.goVersions = parseList("--go", value)),
  },
  {
    names: ["--rounds"],
    value: "N",
    commands: ["bench"],
    help: "how often each runner has its turn, 1 to 100; default: 3",
    apply: (options, value) => (options.rounds = parseInteger("--rounds", value, 1, 100)),
  },
  {
    names: ["--list"],
    commands: ["bench"],
    help: "print the benchmarks' names and measure nothing",
    apply: (options) => (options.list = true),
  },
  {
    names: ["--from"],
    value: "FILES",
    commands: ["bench"],
    help: "report the results that --json wrote to FILES, separated by commas, and measure nothing",
    apply: (options, value) => (options.from = parseList("--from", value)),
  },
  {
    names: ["--json"],
    value: "FILE",
    commands: ["bench"],
    help: "write all results",
    apply: (options, value) => (options.jsonFile = notEmpty("--json", value)),
  },
  {
    names: ["--md"],
    value: "FILE",
    commands: ["bench"],
    help: "write the tables, in Markdown; default: stdout",
    apply: (options, value) => (options.markdownFile = notEmpty("--md", value)),
  },
  {
    names: ["--svg"],
    value: "FILE",
    commands: ["bench"],
    help: "draw a chart",
    apply: (options, value) => (options.chartFile = notEmpty("--svg", value)),
  },
];

/** Options without any setting made. */
export function defaultOptions(): Options {
  return { directories: [], environment: [] };
}

/**
 * Takes the options out of `words`, up to `--`.
 * @param guestArguments the first word that is no option ends them: what follows is the guest's
 * @returns the settings and the words that are left, untouched.
 * @throws GojitError (exit status 2) for options that are unknown, lack their value or make no sense.
 */
export function parseOptions(
  command: CommandName,
  words: readonly string[],
  guestArguments: boolean,
): { options: Options; rest: string[] } {
  const options = defaultOptions();
  const rest: string[] = [];
  let index = 0;
  while (index < words.length) {
    const word = words[index]!;
    if (!word.startsWith("-") || word === "-") {
      if (guestArguments) break;
      rest.push(word);
      index++;
      continue;
    }
    index++;
    if (word === "--") break;
    const [name, attached] = splitWord(word);
    const row = optionRows.find((candidate) => candidate.names.includes(name) && candidate.commands.includes(command));
    if (!row) throw unknownOption(command, name);
    if (row.value === undefined) {
      if (attached !== undefined) throw badOption(name, "takes no value");
      row.apply(options, "");
    } else if (attached !== undefined || row.value.startsWith("[")) {
      row.apply(options, attached ?? "");
    } else {
      const value = words[index++];
      if (value === undefined) throw badOption(name, `needs a value: ${name} ${row.value}`);
      row.apply(options, value);
    }
  }
  return { options, rest: [...rest, ...words.slice(index)] };
}

function splitWord(word: string): [string, string | undefined] {
  const equals = word.indexOf("=");
  return word.startsWith("--") && equals > 0 ? [word.slice(0, equals), word.slice(equals + 1)] : [word, undefined];
}

function unknownOption(command: CommandName, name: string): GojitError {
  const known = optionRows.filter((row) => row.names.includes(name));
  const hint =
    known.length > 0 ? `it belongs to gojit ${known[0]!.commands.join(", ")}` : `see gojit ${command} --help`;
  return new GojitError("bad-option", `gojit ${command} has no option ${name}; ${hint}.`);
}

function badOption(name: string, what: string): GojitError {
  return new GojitError("bad-option", `${name}: ${what}.`);
}

function parseList(name: string, value: string): string[] {
  return notEmpty(name, value).split(",");
}

function parseGroup(text: string): Group {
  const group = GROUPS.find((name) => name === text);
  if (!group) throw badOption("--only", `"${text}" is none of ${GROUPS.join(", ")}`);
  return group;
}

function notEmpty(name: string, value: string): string {
  if (value === "") throw badOption(name, "the value is empty");
  return value;
}
