import { parentPort, workerData } from "node:worker_threads";
import { KernelMemory } from "../runtime-shims/kernel-memory.js";
import { syscall } from "../runtime-shims/personality.js";
import { takeThread } from "../runtime-shims/thread-context.js";
import { fakeCpu, joinProcess, resultOf, setCall } from "./kernel-fixture.js";

/** A guest thread on a Worker of its own, which makes the system calls that it is told to make. */
interface Job {
  readonly kernel: SharedArrayBuffer;
  readonly buffer: SharedArrayBuffer;
  readonly slot: number;
}

const { kernel, buffer, slot } = workerData as Job;
const log = { resumed: [], exits: [], stops: [], kicks: [], code: [], lines: [] };
const thread = takeThread(joinProcess(new KernelMemory(kernel), buffer, log), slot, fakeCpu());

parentPort!.on("message", ([nr, ...args]: [number, ...number[]]) => {
  setCall(thread, nr, ...args);
  const outcome = syscall(thread);
  parentPort!.postMessage({ outcome, result: resultOf(thread), rip: thread.cpu.rip, resumed: log.resumed });
});
