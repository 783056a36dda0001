import { expect, test } from "vitest";
import { tierUpBudget } from "../src/machine/node-tier-up.js";

test("small functions keep V8's own budget", () => {
  expect(tierUpBudget(60)).toBe(13_000_000);
  expect(tierUpBudget(2000)).toBe(13_000_000);
});

test("budgets grow with the square of the size, within what V8's flag can hold", () => {
  expect(tierUpBudget(8000) / tierUpBudget(4000)).toBe(4);
  expect(tierUpBudget(10_000_000)).toBeLessThan(2 ** 31);
});
