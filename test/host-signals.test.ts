/** What signals of the host do to a whole run, and signals of the guest to the host's process. */
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { unpack } from "./guests/unpack.js";

const GOJIT = fileURLToPath(new URL("../dist/src/cli/main.js", import.meta.url));
const guests = unpack("1.27", "guests");

const start = (...args: string[]): ChildProcess =>
  spawn(process.execPath, [GOJIT, "run", "--no-cache", guests, ...args], { stdio: ["ignore", "pipe", "inherit"] });

const isStopped = ({ pid }: ChildProcess): boolean => / T /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));

test("a guest that stops itself stops the process, until SIGCONT", async () => {
  const run = start("kill-self", "19");
  const ended = new Promise((resolve) => run.on("exit", (code, signal) => resolve(code ?? signal)));
  await expect.poll(() => isStopped(run), { timeout: 100_000 }).toBe(true);
  run.kill("SIGCONT");
  await expect.poll(() => isStopped(run), { timeout: 100_000 }).toBe(false);
  run.kill("SIGTERM");
  expect(await ended).toBe(143);
});

test.each([
  ["SIGSTKFLT", "stack fault"],
  ["SIGSYS", "bad system call"],
] as const)("%s ends a guest that does not expect it, with Go's report", async (signal, name) => {
  const run = spawn(process.execPath, [GOJIT, "run", "--no-cache", guests, "kill-self", "18"]);
  let said = "";
  run.stderr.on("data", (bytes: Buffer) => (said += bytes.toString()));
  run.stdout.once("data", () => run.kill(signal));
  expect(await new Promise((resolve) => run.on("close", resolve))).toBe(2);
  expect(said).toContain(`${signal}: ${name}\nPC=`);
});

/** Starts a run as a shell does, and says how it ended. */
const SHELL = `
  process.on("SIGINT", () => {});
  const { signal, status } = require("node:child_process").spawnSync(process.execPath, process.argv.slice(1), { stdio: "inherit" });
  console.log("ended by " + (signal ?? status));
`;

test("Ctrl-C ends gojit as it would have ended the program", async () => {
  const command = [process.execPath, "-e", SHELL, GOJIT, "run", "--no-cache", guests, "kill-self", "18"];
  const quoted = command.map((word) => `'${word}'`).join(" ");
  const terminal = spawn("script", ["-qec", quoted, "/dev/null"]);
  let shown = "";
  let typed = false;
  terminal.stdout.on("data", (bytes: Buffer) => {
    shown += bytes.toString();
    // The program waits for some seconds after that.
    if (typed || !shown.includes("before")) return;
    typed = true;
    terminal.stdin.write("\x03");
  });
  await new Promise((resolve) => terminal.on("close", resolve));
  expect(shown).toContain("ended by SIGINT");
});
