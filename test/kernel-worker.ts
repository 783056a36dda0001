import { parentPort, workerData } from "node:worker_threads";
import { KernelMemory } from "../runtime-shims/kernel-memory.js";
import type { ThreadStart } from "../runtime-shims/hooks.js";
import { syscall } from "../runtime-shims/personality.js";
import { beginThread } from "../runtime-shims/thread-start.js";
import { fakeCpu, joinProcess, resultOf, setCall } from "./kernel-fixture.js";

/** A guest thread on a Worker of its own, which makes the system calls that it is told to make. */
interface Job {
  readonly kernel: SharedArrayBuffer;
  readonly buffer: SharedArrayBuffer;
  readonly start: ThreadStart;
}

const { kernel, buffer, start } = workerData as Job;
const log = { spawned: [], exits: [], stops: [], kicks: [], code: [], lines: [] };
const thread = beginThread(joinProcess(new KernelMemory(kernel), buffer, log), start, fakeCpu());

parentPort!.on("message", ([nr, ...args]: [number, ...number[]]) => {
  setCall(thread, nr, ...args);
  const outcome = syscall(thread);
  parentPort!.postMessage({ outcome, result: resultOf(thread), rip: thread.cpu.rip });
});
