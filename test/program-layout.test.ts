/** The layout of the runtime's structures: what the programs' DWARF says is what the tables say. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { debugSection } from "../src/elf/section-data.js";
import { memberOffsets } from "../src/go/dwarf.js";
import { programLayout } from "../src/go/program-layout.js";
import { runtimeLayout } from "../src/go/runtime-layout.js";
import { openProgram } from "../src/program.js";
import { guestVersions, unpack } from "./guests/unpack.js";

describe.each(guestVersions())("Go %s", (version) => {
  const minor = Number(version.split(".")[1]);
  const hello = readFileSync(unpack(version, "hello"));

  test("DWARF and tables agree", async () => {
    expect(await programLayout(openProgram(hello))).toEqual({ ...runtimeLayout(minor), minor, fromDwarf: true });
    const stripped = openProgram(readFileSync(unpack(version, "guests")));
    expect(await programLayout(stripped)).toEqual({ ...runtimeLayout(minor), minor, fromDwarf: false });
  });

  test("members by name", async () => {
    const found = await memberOffsets(openProgram(hello).image, new Set(["runtime.g", "runtime.missing"]));
    expect([...found.keys()]).toEqual(["runtime.g"]);
    expect(found.get("runtime.g")!.get("stackguard0")).toBe(16);
  });

  test("damaged DWARF is as none", async () => {
    const { image } = openProgram(hello);
    const section = image.section(".debug_info") ?? image.section(".zdebug_info")!;
    for (const at of [0, 12, 24, 100, section.fileSize >> 1]) {
      const damaged = hello.slice();
      damaged.fill(0xa5, section.fileOffset + at, section.fileOffset + at + 40);
      expect(await programLayout(openProgram(damaged))).toEqual({ ...runtimeLayout(minor), minor, fromDwarf: false });
    }
  });
});

test("sections that are not there", async () => {
  const { image } = openProgram(readFileSync(unpack("1.27", "guests")));
  expect(await debugSection(image, "debug_info")).toBeUndefined();
  expect((await memberOffsets(image, new Set(["runtime.g"]))).size).toBe(0);
});
