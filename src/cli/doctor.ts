import { availableParallelism, totalmem } from "node:os";
import { Worker } from "node:worker_threads";
import { engineFeatures } from "../engine-features.js";
import type { ParsedCommand } from "./commands.js";

const oldestNode = 24;

interface Finding {
  readonly name: string;
  readonly present: boolean;
  readonly required: boolean;
  readonly use: string;
  readonly remedy: string;
}

/** `gojit doctor`: 0 if programs can run here, 126 if not. */
export async function doctorCommand(parsed: ParsedCommand): Promise<number> {
  const findings: Finding[] = engineFeatures.map(({ probe, ...feature }) => ({ ...feature, present: probe() }));
  findings.push({
    name: "blocking Workers",
    use: "every guest thread is a Worker that sleeps in Atomics.wait",
    required: true,
    remedy: "use an engine whose Workers may block",
    present: await workerBlocks(),
  });
  findings.push({
    name: `Node ${oldestNode}`,
    use: "older versions lack multi-memory or are slow at it",
    required: true,
    remedy: `install Node ${oldestNode} or newer`,
    present: Number(process.versions.node.split(".")[0]) >= oldestNode,
  });
  const ready = findings.every((finding) => finding.present || !finding.required);
  const engine = {
    node: process.versions.node,
    v8: process.versions.v8,
    platform: `${process.platform}/${process.arch}`,
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
  };
  process.stdout.write(
    parsed.options.json
      ? `${JSON.stringify({ ready, engine, features: findings }, null, 2)}\n`
      : describe(ready, engine, findings),
  );
  return ready ? 0 : 126;
}

function describe(
  ready: boolean,
  engine: { node: string; v8: string; platform: string; cpus: number; memoryBytes: number },
  findings: readonly Finding[],
): string {
  const gibibytes = (engine.memoryBytes / 2 ** 30).toFixed(1);
  const lines = [`Node ${engine.node}, V8 ${engine.v8}, ${engine.platform}, ${engine.cpus} CPUs, ${gibibytes} GiB`, ""];
  for (const { name, present, required, use, remedy } of findings) {
    lines.push(
      `${present ? "yes" : required ? "NO " : "no "}  ${name.padEnd(18)}${use}${present ? "" : `; ${remedy}`}`,
    );
  }
  lines.push("", ready ? "Programs can run here." : "Programs cannot run here: see the lines that begin with NO.");
  return `${lines.join("\n")}\n`;
}

/** Starts a Worker that waits on shared memory and is woken. */
async function workerBlocks(): Promise<boolean> {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const source = `
    const words = require("node:worker_threads").workerData;
    Atomics.store(words, 1, 1);
    Atomics.notify(words, 1);
    Atomics.wait(words, 0, 0, 5000);`;
  const worker = new Worker(source, { eval: true, workerData: words });
  const ended = new Promise<boolean>((resolve) => {
    worker.once("exit", (code) => resolve(code === 0 && Atomics.load(words, 1) === 1));
    worker.once("error", () => resolve(false));
  });
  const started = Atomics.waitAsync(words, 1, 0, 5000);
  if (started.async) await started.value;
  Atomics.store(words, 0, 1);
  Atomics.notify(words, 0);
  return ended;
}
