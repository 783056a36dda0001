import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ByteReader } from "../src/elf/bytes.js";
import { parseImage, type ElfImage } from "../src/elf/image.js";
import { FunctionTable } from "../src/go/function-table.js";
import { readGoMetadata } from "../src/go/metadata.js";
import { searchVersion } from "../src/go/version.js";
import { buildElf } from "./elf-builder.js";
import { guestVersions, unpack } from "./guests/unpack.js";

function load(version: string): ElfImage {
  return parseImage(new Uint8Array(readFileSync(unpack(version, "hello"))));
}

/** Names and addresses of the functions in the linker's symbol table: the oracle for the function table. */
function symbolFunctions(image: ElfImage): { name: string; address: number }[] {
  const reader = new ByteReader(image.bytes);
  const [symbols, strings] = [image.section(".symtab")!, image.section(".strtab")!];
  const found = [];
  for (let at = symbols.fileOffset; at < symbols.fileOffset + symbols.fileSize; at += 24) {
    if ((reader.u8(at + 4) & 15) !== 2) continue;
    const name = reader.cString(strings.fileOffset + reader.u32(at)).replace(/\.abi(0|internal)$/, "");
    // Markers, and names that old linkers shortened in one table only.
    if (/^runtime\.e?text$/.test(name) || name.startsWith("type..eq.")) continue;
    found.push({ name, address: reader.u64(at + 8) });
  }
  return found;
}

describe.each(guestVersions())("metadata of a Go %s program", (version) => {
  const image = load(version);
  const go = readGoMetadata(image)!;
  const { functions } = go;
  const minor = Number(version.split(".")[1]);

  it("knows the version, with build information and without", () => {
    expect(go.version).toMatch(new RegExp(`^go${version.replace(".", "\\.")}(\\.\\d+)?$`));
    expect(searchVersion(image, new ByteReader(image.bytes), go.pclntabFormat)).toBe(go.version);
    expect(go.abi).toBe(minor >= 17 ? "internal" : "abi0");
    expect(go.amd64Level).toBe("v1");
  });

  it("has every function of the symbol table at its address", () => {
    const wanted = symbolFunctions(image);
    expect(wanted.length).toBeGreaterThan(1000);
    const different = wanted.filter(({ name, address }) => {
      const index = functions.find(address);
      return index < 0 || functions.start[index] !== address || functions.name(index) !== name;
    });
    expect(different).toEqual([]);
  });

  it("finds the function around a pc and none outside", () => {
    const index = functions.indexOf("main.main");
    const [start, end] = [functions.start[index]!, functions.end[index]!];
    expect(functions.find(start)).toBe(index);
    expect(functions.find(end - 1)).toBe(index);
    expect(functions.find(end)).not.toBe(index);
    expect(functions.find(functions.start[0]! - 1)).toBe(-1);
    expect(functions.find(functions.end[functions.count - 1]!)).toBe(-1);
    expect(functions.indexOf("main.nonexistent")).toBe(-1);
  });

  it("tells files, lines and assembly", () => {
    const entry = functions.find(image.entry);
    expect(functions.name(entry)).toBe("_rt0_amd64_linux");
    expect(functions.file(entry)).toMatch(/runtime\/rt0_linux_amd64\.s$/);
    expect(functions.line(image.entry)).toBe(8);
    expect(functions.isAsm(entry)).toBe(true);
    expect(functions.isAsm(functions.indexOf("runtime.memmove"))).toBe(true);
    expect(functions.isAsm(functions.indexOf("runtime.mallocgc"))).toBe(false);
    expect(functions.file(functions.indexOf("runtime.mallocgc"))).toMatch(/runtime\/malloc\.go$/);
  });

  it("finds the same without a section table", () => {
    const bytes = image.bytes.slice();
    bytes.fill(0, 40, 48);
    const bare = readGoMetadata(parseImage(bytes))!;
    expect(bare.version).toBe(go.version);
    expect(bare.functions.data.bounds).toEqual(functions.data.bounds);
    expect(bare.buildInfo).toEqual(go.buildInfo);
  });

  it("can be posted to a Worker", () => {
    const copy = new FunctionTable(structuredClone(functions.data));
    const index = functions.count >> 1;
    expect(copy.name(index)).toBe(functions.name(index));
  });
});

it("is absent in a program that is not Go's", () => {
  expect(readGoMetadata(parseImage(buildElf()))).toBeUndefined();
});
