import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { formatChart } from "../src/cli/bench/chart.js";
import { formatMarkdown, formatMeans } from "../src/cli/bench/markdown.js";
import { readReport } from "../src/cli/bench/results.js";
import { projectRoot } from "./guests/unpack.js";

const results = path.join(projectRoot, "bench", "results");

test("bench/results has the tables and the chart of its JSON (npx vitest run test/bench-results -u writes them)", async () => {
  const report = readReport(path.join(results, "results.json"));
  await expect(formatMarkdown(report)).toMatchFileSnapshot(path.join(results, "results.md"));
  await expect(formatChart(report)).toMatchFileSnapshot(path.join(results, "results.svg"));
});

test("the README has the current means", () => {
  const report = readReport(path.join(results, "results.json"));
  expect(readFileSync(path.join(projectRoot, "README.md"), "utf8")).toContain(formatMeans(report));
});
