/** The supervisor's bookkeeping of Workers, which are stand-ins here: no program runs. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { nodeClock } from "../runtime-shims/host/node-clock.js";
import { compileEngine } from "../src/machine/node-tier-up.js";
import type { SupervisorPlatform } from "../src/machine/machine.js";
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

test("a machine that is closed ends all Workers, and starts none when one of them still says something", async () => {
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
