import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseImage } from "../src/elf/image.js";
import { GojitError, type GojitErrorCode } from "../src/errors.js";
import { readGoMetadata } from "../src/go/metadata.js";
import { buildElf, textAddress, type ElfFields } from "./elf-builder.js";
import { guestVersions, unpack } from "./guests/unpack.js";

function refusal(bytes: Uint8Array): GojitError {
  try {
    parseImage(bytes);
  } catch (error) {
    if (error instanceof GojitError) return error;
    throw error;
  }
  throw new Error("the file was accepted");
}

function patched(change: (bytes: Uint8Array, view: DataView) => void): Uint8Array {
  const bytes = buildElf();
  change(bytes, new DataView(bytes.buffer));
  return bytes;
}

const text = new TextEncoder();

describe("parseImage", () => {
  it("reads a minimal executable", () => {
    const image = parseImage(buildElf({ segments: [{}, { flags: 6, fileSize: 16, memSize: 0x5000 }] }));
    expect(image.entry).toBe(textAddress);
    expect(image.segments).toEqual([
      { vaddr: 0x400000, fileOffset: 0x1000, fileSize: 0x1000, memSize: 0x1000, flags: 5, align: 0x1000 },
      { vaddr: 0x410000, fileOffset: 0x2000, fileSize: 16, memSize: 0x5000, flags: 6, align: 0x1000 },
    ]);
    expect(image.sections).toEqual([]);
    expect(image.isStripped).toBe(true);
    expect(image.fileOffsetOf(0x410008)).toBe(0x2008);
    expect(image.fileOffsetOf(0x410010)).toBeUndefined();
  });

  const foreign: [string, Uint8Array, GojitErrorCode, RegExp][] = [
    ["an empty file", new Uint8Array(0), "not-elf", /empty/],
    ["text", text.encode("hello, world\n"), "not-elf", /not an ELF executable/],
    ["a script", text.encode("#!/bin/sh\n"), "not-elf", /a script/],
    ["a Windows program", text.encode("MZ\x90\0"), "not-elf", /Windows/],
    ["a Wasm module", Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0), "not-elf", /WebAssembly/],
    ["the magic alone", Uint8Array.of(0x7f, 0x45, 0x4c, 0x46), "truncated", /ELF header/],
    ["half a header", buildElf().subarray(0, 40), "truncated", /ELF header/],
    ["a 32-bit program", patched((b, v) => ((b[4] = 1), v.setUint16(18, 3, true))), "wrong-class", /32-bit.*386/],
    ["a big-endian program", patched((b, v) => ((b[5] = 2), v.setUint16(18, 22, false))), "wrong-byte-order", /s390x/],
    ["an arm64 program", buildElf({ machine: 183 }), "wrong-machine", /arm64 \(aarch64\)/],
    ["an unknown machine", buildElf({ machine: 4242 }), "wrong-machine", /4242/],
    ["an object file", buildElf({ type: 1 }), "not-executable-type", /object file/],
    ["a core dump", buildElf({ type: 4 }), "not-executable-type", /core dump/],
    ["a static PIE", buildElf({ type: 3 }), "position-independent", /-buildmode=exe/],
  ];
  it.each(foreign)("refuses %s", (_name, bytes, code, sentence) => {
    const error = refusal(bytes);
    expect(error.code).toBe(code);
    expect(error.message).toMatch(sentence);
    expect(error.message).not.toContain("\n");
    expect(error.exitStatus).toBe(126);
  });

  it("names the interpreter of a dynamically linked program and says how to build it", () => {
    const interpreter = { type: 3, fileSize: 10, content: text.encode("/lib/ld.so") };
    const error = refusal(buildElf({ segments: [{}, interpreter] }));
    expect(error.code).toBe("dynamically-linked");
    expect(error.message).toMatch(/\/lib\/ld\.so.*CGO_ENABLED=0/);
  });

  const huge = 0xffff_ffff_f000;
  const senseless: [string, ElfFields, GojitErrorCode][] = [
    ["no program headers", { programHeaderCount: 0 }, "bad-segments"],
    ["program headers of another size", { programHeaderSize: 32 }, "bad-segments"],
    ["65,535 program headers", { programHeaderCount: 0xffff }, "bad-segments"],
    ["program headers after the end of the file", { programHeaderCount: 1000 }, "truncated"],
    ["nothing to load", { segments: [{ type: 4 }] }, "bad-segments"],
    ["segments of no size", { segments: [{ fileSize: 0, memSize: 0 }] }, "bad-segments"],
    ["a segment beyond the file", { segments: [{ fileSize: 0x2000 }] }, "truncated"],
    ["a segment at a far offset", { segments: [{ offset: huge }] }, "truncated"],
    ["more in the file than in memory", { segments: [{ memSize: 0x800 }] }, "bad-segments"],
    ["a segment in the nil page", { entry: 0x1000, segments: [{ vaddr: 0x1000 }] }, "bad-segments"],
    ["a segment above 4 GiB", { entry: 0x2_0000_0000, segments: [{ vaddr: 0x2_0000_0000 }] }, "bad-segments"],
    ["a segment that ends above 4 GiB", { segments: [{ memSize: 0x1_0000_0000 }] }, "bad-segments"],
    ["an address that wraps", { segments: [{ vaddr: huge, memSize: huge }] }, "bad-segments"],
    ["segments that overlap", { segments: [{ memSize: 0x20000 }, {}] }, "bad-segments"],
    ["segments that share a page", { segments: [{ memSize: 0x10001 }, {}] }, "bad-segments"],
    ["an odd alignment", { segments: [{ align: 0x1001 }] }, "bad-segments"],
    ["a place in the file that cannot be mapped", { segments: [{ vaddr: textAddress + 8 }] }, "bad-segments"],
    ["an entry point outside", { entry: 0x500000 }, "bad-segments"],
    ["an entry point in data", { segments: [{ flags: 6 }] }, "bad-segments"],
  ];
  it.each(senseless)("refuses %s", (_name, fields, code) => {
    expect(refusal(buildElf(fields)).code).toBe(code);
  });

  it("survives damaged files with nothing but GojitErrors, quickly", () => {
    const original = new Uint8Array(readFileSync(unpack(guestVersions().at(-1)!, "hello")));
    const sectionTable = new DataView(original.buffer).getUint32(40, true);
    let seed = 1;
    const random = (limit: number): number => (seed = (Math.imul(seed, 48271) >>> 0) % 0x7fff_ffff) % limit;
    const places = [() => random(64 + 10 * 56), () => sectionTable + random(64 * 24), () => random(original.length)];
    for (let round = 0; round < 150; round++) {
      const bytes = original.slice(0, random(4) === 0 ? random(original.length) : original.length);
      for (let damage = 0; damage < 5; damage++) bytes[places[random(3)]!()] = random(3) === 0 ? 0xff : random(256);
      try {
        const functions = readGoMetadata(parseImage(bytes))?.functions;
        for (let index = 0; functions && index < functions.count; index += 50) {
          functions.name(index);
          functions.isAsm(index);
          functions.line(functions.end[index]! - 1);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(GojitError);
      }
    }
  });
});
