/** Reads the host's terminal as a guest does, in lines until one says "raw", then as characters until "q". */
import { setTimeout } from "node:timers/promises";
import { InputRing } from "../runtime-shims/host/input-ring.js";
import { feedTerminal, terminalDescriptor } from "../runtime-shims/host/node-terminal-input.js";
import { KernelMemory } from "../runtime-shims/kernel-memory.js";
import { ECHO, ICANON, Terminal } from "../runtime-shims/terminal.js";

const kernel = KernelMemory.create();
const terminal = new Terminal(kernel);
const input = new InputRing(kernel, "terminal");
feedTerminal(kernel, terminalDescriptor()!, (signo) => process.stdout.write(`signal ${signo};`));

const buffer = new Uint8Array(100);
const read = async (): Promise<string> => {
  for (;;) {
    const count = input.take(buffer, true);
    if (count !== undefined) return new TextDecoder().decode(buffer.subarray(0, count)).trimEnd();
    input.ask();
    await setTimeout(2);
  }
};

process.stdout.write("ready;");
for (let text = ""; text !== "q";) {
  text = await read();
  process.stdout.write(text === "" ? "end;" : `read ${text};`);
  if (text !== "raw") continue;
  const modes = terminal.modes.slice();
  new DataView(modes.buffer).setUint32(12, terminal.local & ~(ICANON | ECHO), true);
  terminal.modes = modes;
  // The supervisor hears of it in a turn of its own.
  await setTimeout(50);
  process.stdout.write("raw now;");
}
process.exit(0);
