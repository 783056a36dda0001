import { SegmentFlags, parseImage, type ElfImage } from "../elf/image.js";
import { GojitError } from "../errors.js";
import { readGoMetadata, type GoMetadata } from "../go/metadata.js";
import { checkProgram } from "../program.js";
import type { ParsedCommand } from "./commands.js";
import { readProgramFile } from "./load-program.js";

/** What `gojit inspect --json` prints; `image` and `go` are missing as far as the file could not be read. */
interface Inspection {
  readonly program: string;
  readonly runs: boolean;
  /** Why it does not run, and what to do. */
  readonly reason?: string;
  readonly image?: ReturnType<typeof describeImage>;
  readonly go?: ReturnType<typeof describeGo>;
}

/** `gojit inspect`: 0 if the program can run, else the status that running it would end with. */
export function inspectCommand(parsed: ParsedCommand): number {
  const path = parsed.words[0]!;
  const bytes = readProgramFile(path);
  let image: ElfImage | undefined;
  let go: GoMetadata | undefined;
  let refusal: GojitError | undefined;
  try {
    image = parseImage(bytes);
    go = readGoMetadata(image);
    checkProgram(go);
  } catch (error) {
    if (!(error instanceof GojitError)) throw error;
    refusal = error;
  }
  const inspection: Inspection = {
    program: path,
    runs: refusal === undefined,
    ...(refusal && { reason: refusal.message }),
    ...(image && { image: describeImage(image) }),
    ...(go && { go: describeGo(go) }),
  };
  process.stdout.write(parsed.options.json ? `${JSON.stringify(inspection, null, 2)}\n` : formatInspection(inspection));
  return refusal?.exitStatus ?? 0;
}

function describeImage(image: ElfImage) {
  return {
    sizeBytes: image.bytes.length,
    entry: image.entry,
    stripped: image.isStripped,
    threadLocalStorage: image.hasTls,
    segments: image.segments.map(({ vaddr, fileSize, memSize, flags }) => ({
      vaddr,
      fileSize,
      memSize,
      flags: flagText(flags),
    })),
  };
}

function describeGo(go: GoMetadata) {
  const { functions, buildInfo } = go;
  let assembly = 0;
  let largest = 0;
  for (let index = 0; index < functions.count; index++) {
    if (functions.isAsm(index)) assembly++;
    if (sizeOf(go, index) > sizeOf(go, largest)) largest = index;
  }
  return {
    version: go.version,
    abi: go.abi,
    functionTable: go.pclntabFormat,
    amd64Level: go.amd64Level,
    cgo:
      functions.indexOf("runtime/cgo.init") >= 0 ||
      functions.indexOf("_cgo_init") >= 0 ||
      functions.indexOf("crosscall2") >= 0,
    functions: {
      count: functions.count,
      assembly,
      textBytes: functions.end[functions.count - 1]! - functions.start[0]!,
      largest: { name: functions.name(largest), sizeBytes: sizeOf(go, largest) },
    },
    ...(buildInfo && {
      build: {
        path: buildInfo.path,
        main: buildInfo.main,
        dependencies: buildInfo.dependencies,
        settings: Object.fromEntries(buildInfo.settings),
      },
    }),
  };
}

function sizeOf({ functions }: GoMetadata, index: number): number {
  return functions.end[index]! - functions.start[index]!;
}

function flagText(flags: number): string {
  return (
    (flags & SegmentFlags.R ? "r" : "-") + (flags & SegmentFlags.W ? "w" : "-") + (flags & SegmentFlags.X ? "x" : "-")
  );
}

function formatInspection({ program, runs, reason, image, go }: Inspection): string {
  const rows: [string, string][] = [["program", program]];
  if (go) {
    rows.push(["Go version", go.version === "" ? "unknown" : go.version]);
    rows.push([
      "convention",
      go.abi === "internal" ? "arguments in registers (ABIInternal)" : "arguments on the stack (ABI0)",
    ]);
    rows.push(["GOAMD64", go.amd64Level]);
  }
  if (go?.build) {
    const { path, main, dependencies, settings } = go.build;
    if (path !== "") rows.push(["package", path]);
    if (main) rows.push(["module", moduleText(main)]);
    for (const dependency of dependencies) rows.push(["  needs", moduleText(dependency)]);
    for (const [name, value] of Object.entries(settings)) rows.push(["  built with", `${name}=${value}`]);
  } else if (go) {
    rows.push(["build info", "none in the file"]);
  }
  if (image) {
    const linked = go?.cgo || image.threadLocalStorage ? "statically, with C code" : "statically";
    rows.push(["linked", `${linked}; ${image.stripped ? "no symbol table" : "with symbol table"}`]);
    rows.push(["size", `${count(image.sizeBytes)} bytes; entry 0x${image.entry.toString(16)}`]);
    for (const { flags, vaddr, memSize, fileSize } of image.segments) {
      rows.push([
        "  segment",
        `${flags} 0x${vaddr.toString(16)}  ${count(memSize)} bytes, ${count(fileSize)} of them in the file`,
      ]);
    }
  }
  if (go) {
    const { functions } = go;
    rows.push([
      "functions",
      `${count(functions.count)}, ${count(functions.assembly)} of them assembly; ${count(functions.textBytes)} bytes of code`,
    ]);
    rows.push(["  largest", `${functions.largest.name}, ${count(functions.largest.sizeBytes)} bytes`]);
  }
  rows.push(["will run", runs ? "yes" : `no: ${reason}`]);
  return rows.map(([name, value]) => `${name.padEnd(14)}${value}\n`).join("");
}

function moduleText(module: { path: string; version: string; replacedBy?: { path: string; version: string } }): string {
  const own = `${module.path} ${module.version}`.trim();
  return module.replacedBy ? `${own} => ${module.replacedBy.path} ${module.replacedBy.version}`.trim() : own;
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}
