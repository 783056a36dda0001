import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { buildElf } from "./elf-builder.js";
import { unpack } from "./guests/unpack.js";
import { fuzzMemoryCalls, fuzzNodeCalls } from "./hostile/calls.js";
import { fuzzElf } from "./hostile/elf.js";
import { Random } from "./instructions/random.js";

/** A sample of `npm run fuzz:hostile`, which says more. */

test("a damaged program is opened or refused in one sentence", () => {
  const random = new Random(1);
  const hello = new Uint8Array(readFileSync(unpack("1.27", "hello")));
  expect(fuzzElf(random, hello, 200).size).toBeGreaterThan(3);
  expect(fuzzElf(random, buildElf(), 2000).get("not-go")).toBeGreaterThan(100);
});

test("no argument makes any system call throw, wait or leave its files", () => {
  fuzzMemoryCalls(new Random(2), 10_000);
  fuzzNodeCalls(new Random(3), 5000);
});
