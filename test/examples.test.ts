import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { defaultRunner, gojitCommand } from "./guests/run.js";
import { projectRoot } from "./guests/unpack.js";

test("spheres draws the picture that it draws natively", async () => {
  const program = path.join(projectRoot, "examples", "spheres");
  const [command, ...start] = defaultRunner === "native" ? [program] : gojitCommand([program]);
  const { stdout, stderr } = await promisify(execFile)(command!, [...start, "-plain", "-width", "40"]);
  const lines = stdout.split("\n");
  const picture = readFileSync(path.join(projectRoot, "test", "guests", "expected", "spheres.txt"), "utf8");
  expect(stderr).toBe("");
  expect(lines.slice(0, -3).join("\n") + "\n").toBe(picture);
  expect(lines.at(-3)).toMatch(/^go1\.27\.\d+ on linux\/amd64: 40 x 22 pixels, 22000 rays from the eye, /);
});
