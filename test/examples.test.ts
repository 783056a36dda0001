import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { defaultRunner, gojitCommand } from "./guests/run.js";
import { projectRoot, unpack } from "./guests/unpack.js";

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

/** What an example of embedding writes. */
async function embed(example: string, ...args: string[]): Promise<string[]> {
  const file = path.join("examples", "embedding", `${example}.mjs`);
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [file, ...args], { cwd: projectRoot });
  expect(stderr).toBe("");
  return stdout.split("\n").slice(0, -1);
}

describe("embedding", () => {
  const guests = unpack("1.27", "guests");

  test("run and capture", async () => {
    const lines = await embed("run-and-capture", guests, "exit", "7");
    expect(lines.slice(-2)).toEqual(["standard error: 0 bytes", "exit status 7"]);
  });
  test("files in memory", async () => {
    const lines = await embed("memory-files", guests, "result/text", "files-result");
    expect(lines.at(-1)).toBe('result/text: "some text\\nappended\\n"');
  });
  test("calls counted", async () => {
    const lines = await embed("count-calls", guests, "main.fib", "bench", "fib", "10");
    expect(lines).toEqual(["goroutine 1: 177", "main.fib was called 177 times; the program ended with status 0"]);
  });
  test("goroutines watched", async () => {
    const lines = await embed("goroutine-watcher", guests, "bench", "spawn", "20");
    expect(lines.filter((line) => /goroutine \d+ created .*main\.benchSpawn/.test(line))).toHaveLength(20);
    // The program may end before the last one returns from sending.
    expect(lines.filter((line) => /goroutine \d+ ends/.test(line)).length).toBeGreaterThanOrEqual(19);
    expect(lines.at(-1)).toBe("exit status 0");
  });
  test("coverage", async () => {
    const lines = await embed("coverage", guests, "main", "bench", "fib", "5");
    const isReached = (name: string) => lines.find((line) => line.includes(` ${name} `))?.startsWith("reached");
    expect(["main.main", "main.guestBench", "main.fib", "main.benchSieve"].map(isReached)).toEqual([
      ...[true, true, true],
      false,
    ]);
    expect(lines.at(-1)).toMatch(/^\d+ of \d+ functions of package main$/);
  });
});
