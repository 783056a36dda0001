/** The record memory's threshold: how often code runs before it is translated. */
import { expect, test } from "vitest";
import { D_HOT } from "../jit/interpreter/layout.js";
import { Records } from "../jit/interpreter/records.js";

/** How often code is interpreted before it is offered to the translator. */
const threshold = (records: Records): number => new Int32Array(records.memory.buffer)[D_HOT / 4]! + 1;

test("a run that begins with the records of another is patient at first", () => {
  const first = new Records(Records.allocate(64));
  expect(threshold(first)).toBe(64);
  const { size, sections } = first.snapshot(() => true);
  const second = new Records(Records.allocate(64));
  const views = second.beginLoad(size)!;
  sections.forEach((section, i) => views[i]!.set(section));
  expect(second.finishLoad(size, views)).toBe(true);
  expect(threshold(second)).toBe(512);
  second.endPatience();
  expect(threshold(second)).toBe(64);
});
