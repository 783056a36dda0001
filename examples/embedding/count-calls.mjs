// Counts the calls of a function, by goroutine:
// node examples/embedding/count-calls.mjs [PROGRAM FUNCTION [ARG…]]
import { start } from "gojit";

const [program = "examples/spheres", name = "main.(*scene).renderRow", ...args] = process.argv.slice(2);

const guest = await start({ program, args, env: { NO_COLOR: "1" }, stderr: (bytes) => process.stderr.write(bytes) });
const calls = new Map();
guest.before(name, ({ goroutine }) => void calls.set(goroutine, (calls.get(goroutine) ?? 0) + 1));
guest.resume();
const { status } = await guest.ended;

let sum = 0;
for (const [goroutine, count] of [...calls].sort(([a], [b]) => a - b)) {
  console.log(`goroutine ${goroutine}: ${count}`);
  sum += count;
}
console.log(`${name} was called ${sum} times; the program ended with status ${status}`);
