/**
 * What is inlined where, against what llvm-symbolizer reads from the same programs' DWARF (data/inlined-places.json: for each
 * address the places in source, innermost first). For Go 1.27, whose DWARF 5 it does not read, they are from the tables
 * themselves; the innermost of them were compared with runtime.CallersFrames over a whole program.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import type { SourcePlace } from "../src/go/inlining.js";
import { readGoMetadata } from "../src/go/metadata.js";
import { openProgram } from "../src/program.js";
import { guestVersions, projectRoot, unpack } from "./guests/unpack.js";

const recorded = JSON.parse(
  readFileSync(path.join(projectRoot, "test", "data", "inlined-places.json"), "utf8"),
) as Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;

const text = ({ function: name, file, line }: SourcePlace): string => `${name} ${path.basename(file)}:${line}`;

test.each(guestVersions())("places in source of Go %s", (version) => {
  const { go } = openProgram(readFileSync(unpack(version, "hello")));
  const seen = Object.keys(recorded[version]!).map((pc) => [pc, go.inlining.places(Number(pc)).map(text)]);
  expect(Object.fromEntries(seen)).toEqual(recorded[version]);
});

test.each(guestVersions())(
  "instructions of a stripped program of Go %s are of the function that they are in",
  (version) => {
    const { go } = openProgram(readFileSync(unpack(version, "guests")));
    const { functions } = go;
    let inlined = 0;
    for (let index = 0; index < functions.count; index += 7) {
      const step = Math.max(31, Math.ceil((functions.end[index]! - functions.start[index]!) / 64));
      for (let pc = functions.start[index]!; pc < functions.end[index]!; pc += step) {
        const places = go.inlining.places(pc);
        expect(places.at(-1)?.function).toBe(functions.name(index));
        expect(places.every((place) => place.function !== "")).toBe(true);
        if (places.length > 1) inlined++;
      }
    }
    expect(inlined).toBeGreaterThan(1000);
  },
);

test("an address outside Go's code has no place, and damaged lists none but the function", () => {
  const bytes = readFileSync(unpack("1.22", "hello"));
  const { go } = openProgram(bytes);
  expect(go.inlining.places(1)).toEqual([]);
  const [pc, places] = Object.entries(recorded["1.22"]!)[0]!;
  // Names that are nowhere, calls from outside the function.
  const damaged = new Uint8Array(bytes);
  const { image } = openProgram(bytes);
  const home = image.segmentAt(go.functions.data.pclntab.address)!;
  damaged.fill(0x7f, home.fileOffset, image.fileOffsetOf(go.functions.data.pclntab.address)!);
  const after = readGoMetadata(openProgram(damaged).image)!.inlining.places(Number(pc));
  expect(after.map(({ function: name }) => name)).toEqual([places.at(-1)!.split(" ")[0]]);
});
