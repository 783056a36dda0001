import { ByteReader } from "../elf/bytes.js";
import type { ElfImage } from "../elf/image.js";
import { readBuildInfo, type GoBuildInfo } from "./build-info.js";
import { openFunctionTable, type FunctionTable } from "./function-table.js";
import { findPclntab, type PclntabFormat } from "./pclntab.js";
import { searchVersion } from "./version.js";

/** Calling convention between compiler-generated functions: on the stack until Go 1.16, in registers from Go 1.17 on. */
export type GoAbi = "abi0" | "internal";

/** What gojit knows about a Go program. */
export interface GoMetadata {
  /** Such as "go1.22.5", "" if nothing tells. */
  readonly version: string;
  readonly buildInfo: GoBuildInfo | undefined;
  readonly functions: FunctionTable;
  readonly pclntabFormat: PclntabFormat;
  readonly abi: GoAbi;
  /** The micro-architecture level that the program was built for (GOAMD64), "v1" if nothing tells. */
  readonly amd64Level: string;
}

/** The Go metadata of a program, stripped or not; undefined if it has no valid function table and so is not Go's. */
export function readGoMetadata(image: ElfImage): GoMetadata | undefined {
  const reader = new ByteReader(image.bytes);
  const pclntab = findPclntab(image, reader);
  const functions = pclntab && openFunctionTable(image, pclntab);
  if (!pclntab || !functions) return undefined;
  const buildInfo = readBuildInfo(image, reader);
  const version = buildInfo?.goVersion ?? searchVersion(image, reader, pclntab.format);
  return {
    version,
    buildInfo,
    functions,
    pclntabFormat: pclntab.format,
    abi: abiOf(pclntab.format, version, functions),
    amd64Level: buildInfo?.settings.get("GOAMD64") ?? "v1",
  };
}

function abiOf(format: PclntabFormat, version: string, functions: FunctionTable): GoAbi {
  if (format === "go1.2") return "abi0";
  if (format !== "go1.16") return "internal";
  const minor = /^go1\.(\d+)/.exec(version);
  if (minor) return Number(minor[1]) >= 17 ? "internal" : "abi0";
  // 1.16 and 1.17 share a table format; this function came with the register ABI.
  return functions.indexOf("runtime.sigpanic0") >= 0 ? "internal" : "abi0";
}
