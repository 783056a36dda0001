import { ByteReader } from "../elf/bytes.js";
import type { ElfImage } from "../elf/image.js";
import { readBuildInfo, type GoBuildInfo } from "./build-info.js";
import { openFunctionTable, type FunctionTable } from "./function-table.js";
import { Inlining } from "./inlining.js";
import { findModuleData, findPclntab, type PclntabFormat } from "./pclntab.js";
import { minorOf, searchVersion } from "./version.js";

/** Calling convention between compiler-generated functions: on the stack until Go 1.16, in registers from Go 1.17 on. */
export type GoAbi = "abi0" | "internal";

/** Minor versions of Go from which on its tables are as they are, for programs that do not tell their version. */
const OLDEST_OF_FORMAT: Readonly<Record<PclntabFormat, number>> = {
  "go1.2": 13,
  "go1.16": 16,
  "go1.18": 18,
  "go1.20": 20,
};

/** The offset of `gofunc` in `moduledata` (runtime/symtab.go), by minor version. */
const gofuncOf = (minor: number): number => (minor < 20 ? 304 : minor < 27 ? 320 : 344);
/** Of which `gofuncOf` is known. */
const NEWEST_KNOWN = 27;

/** What gojit knows about a Go program. What only people ask for is searched for when they do. */
export class GoMetadata {
  readonly functions: FunctionTable;
  readonly buildInfo: GoBuildInfo | undefined;
  readonly abi: GoAbi;
  readonly #image: ElfImage;
  readonly #reader: ByteReader;
  #version: string | undefined;
  #inlining: Inlining | undefined;

  constructor(image: ElfImage, reader: ByteReader, functions: FunctionTable) {
    this.#image = image;
    this.#reader = reader;
    this.functions = functions;
    this.buildInfo = readBuildInfo(image, reader);
    this.abi = this.#findAbi();
  }

  get pclntabFormat(): PclntabFormat {
    return this.functions.data.pclntab.format;
  }

  /** Such as "go1.22.5", "" if nothing tells. */
  get version(): string {
    return (this.#version ??=
      this.buildInfo?.goVersion ?? searchVersion(this.#image, this.#reader, this.pclntabFormat));
  }

  /** What the compiler has inlined where. */
  get inlining(): Inlining {
    const minor = minorOf(this.version) ?? OLDEST_OF_FORMAT[this.pclntabFormat];
    return (this.#inlining ??= new Inlining(this.#image, this.#reader, this.functions, minor, this.#findPieces(minor)));
  }

  /** The guest address that `functions.funcData` counts from, null if the program does not say of which Go it is, or that is not known. */
  get piecesAddress(): number | null {
    // Each run asks: a version that has to be searched for would take it 7 ms.
    const minor = minorOf(this.buildInfo?.goVersion ?? "");
    return this.abi === "internal" && minor !== undefined && minor <= NEWEST_KNOWN ? this.#findPieces(minor) : null;
  }

  #findPieces(minor: number): number {
    if (minor < 18) return 0;
    const moduleData = findModuleData(this.#image, this.#reader, this.functions.data.pclntab.address);
    const at = moduleData && this.#image.fileOffsetOf(moduleData.address, gofuncOf(minor) + 8);
    return at === undefined ? 0 : this.#reader.u64(at + gofuncOf(minor));
  }

  /** The micro-architecture level that the program was built for (GOAMD64), "v1" if nothing tells. */
  get amd64Level(): string {
    return this.buildInfo?.settings.get("GOAMD64") ?? "v1";
  }

  #findAbi(): GoAbi {
    if (this.pclntabFormat === "go1.2") return "abi0";
    if (this.pclntabFormat !== "go1.16") return "internal";
    const minor = minorOf(this.version);
    if (minor !== undefined) return minor >= 17 ? "internal" : "abi0";
    // 1.16 and 1.17 share a table format; this function came with the register ABI.
    return this.functions.indexOf("runtime.sigpanic0") >= 0 ? "internal" : "abi0";
  }
}

/** The Go metadata of a program, stripped or not; undefined if it has no valid function table and so is not Go's. */
export function readGoMetadata(image: ElfImage): GoMetadata | undefined {
  const reader = new ByteReader(image.bytes);
  const pclntab = findPclntab(image, reader);
  const functions = pclntab && openFunctionTable(image, pclntab);
  return functions && new GoMetadata(image, reader, functions);
}
