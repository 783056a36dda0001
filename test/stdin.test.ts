/** Standard input on its way to the guest, outside a machine. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";

const script = `
  import { feedStdin } from ${JSON.stringify(new URL("../dist/runtime-shims/host/node-stdin.js", import.meta.url).href)};
  import { InputRing } from ${JSON.stringify(new URL("../dist/runtime-shims/host/input-ring.js", import.meta.url).href)};
  import { KernelMemory } from ${JSON.stringify(new URL("../dist/runtime-shims/kernel-memory.js", import.meta.url).href)};
  const kernel = KernelMemory.create();
  feedStdin(kernel);
  const ring = new InputRing(kernel, "stdin");
  ring.ask();
  const bytes = new Uint8Array(16);
  const wait = setInterval(() => {
    const taken = ring.take(bytes);
    if (taken === undefined) return;
    clearInterval(wait);
    console.log(Buffer.from(bytes.subarray(0, taken)).toString());
    ring.ask();
  }, 10);
`;

test("a pipe that the guest still wants to read from keeps no process alive", async () => {
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const exit = once(child, "exit");
  child.stdin.write("some");
  // The pipe stays open.
  expect(await text(child.stdout)).toBe("some\n");
  expect(await exit).toEqual([0, null]);
  child.stdin.destroy();
});
