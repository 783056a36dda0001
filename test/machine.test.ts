/** The supervisor's bookkeeping of Workers, which are stand-ins here: no program runs. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { nodeClock } from "../runtime-shims/host/node-clock.js";
import { compileEngine } from "../src/machine/node-tier-up.js";
import type { Machine, SupervisorPlatform } from "../src/machine/machine.js";
import type { WorkerMessage } from "../src/machine/parts.js";
import { launch, type RunPlatform } from "../src/run.js";
import { unpack } from "./guests/unpack.js";

class StandIn {
  isTerminated = false;
  readonly say: (message: WorkerMessage) => void;
  constructor(say: (message: WorkerMessage) => void) {
    this.say = say;
  }
  terminate(): void {
    this.isTerminated = true;
  }
}

/** A machine on two processors, before its program runs, and the Workers that it starts. */
const newMachine = async (): Promise<{ machine: Machine; workers: StandIn[] }> => {
  const workers: StandIn[] = [];
  const supervisor: SupervisorPlatform = {
    clock: nodeClock,
    maxWorkers: 8,
    engine: compileEngine(readFileSync(new URL("../dist/jit/engine.wasm", import.meta.url))),
    workerData: null,
    startWorker(_init, onMessage) {
      const worker = new StandIn(onMessage);
      workers.push(worker);
      return worker;
    },
  };
  const platform: RunPlatform = {
    supervisor: () => supervisor,
    cpus: 2,
    openHostDirectories: () => {
      throw new Error("no directory was asked for");
    },
    readProgram: async (from) => readFileSync(from),
  };
  const { machine } = await launch(platform, { program: unpack("1.27", "hello") }, () => ({
    probes: [],
    trace: null,
    debug: false,
  }));
  return { machine, workers };
};

test("a Worker is created for a thread that queues for long, unless one that starts will take it", async () => {
  const { machine, workers } = await newMachine();
  const soon = () => new Promise((resolve) => setTimeout(resolve, 50));
  // Three start one after the other: for the first thread, and those that Go starts at once.
  for (let i = 0; i < 3; i++) workers[i]!.say({ type: "ready" });
  expect(workers).toHaveLength(3);
  for (let slot = 0; slot < 3; slot++) machine.resume(slot);
  await soon();
  expect(workers).toHaveLength(3);
  // None of them takes its thread here.
  machine.resume(3);
  await soon();
  expect(workers).toHaveLength(4);
  machine.close();
});

test("a machine that is closed ends all Workers, and starts none when one of them still says something", async () => {
  const { machine, workers } = await newMachine();
  // One starts at a time here; more wait for it.
  expect(workers).toHaveLength(1);
  workers[0]!.say({ type: "ready" });
  expect(workers).toHaveLength(2);
  machine.close();
  workers[1]!.say({ type: "ready" });
  workers[1]!.say({ type: "queued" });
  workers[1]!.say({ type: "translator" });
  expect(workers.map(({ isTerminated }) => isTerminated)).toEqual([true, true]);
});
