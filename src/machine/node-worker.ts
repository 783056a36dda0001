/** Workers on Node. This file is loaded before any other: the first Worker starts while the program is still read. */
import { Worker } from "node:worker_threads";
import { bundled } from "./node-bundle.js";
import type { WorkerInit } from "./parts.js";

/** Which files a guest's Worker serves: the host's, or what the caller of `run` serves. */
export type GuestKind = "guest" | "remote";

/** Mirrored calls use the Worker's stack: the deeper it is, the less often deep recursion has to be unwound. */
const GUEST_STACK_MB = 256;
const TRANSLATOR_STACK_MB = 16;

/** This file is at the same depth as a bundle: the name leads to the file from both. */
const compiled = (name: string): URL => new URL(`../../src/machine/${name}.js`, import.meta.url);

/** All Worker entry points of this runtime. */
const ENTRIES = {
  guest: bundled("guest", compiled("node-guest-worker")),
  remote: bundled("remote", compiled("node-remote-guest-worker")),
  translator: bundled("translator", compiled("node-translator-worker")),
};

/** Starts a Worker. Without `init` it waits for that as its first message. */
export function startNodeWorker(kind: GuestKind | "translator", init?: WorkerInit): Worker {
  return new Worker(ENTRIES[kind], {
    workerData: init,
    resourceLimits: { stackSizeMb: kind === "translator" ? TRANSLATOR_STACK_MB : GUEST_STACK_MB },
    execArgv: [],
    // A descriptor belongs to the guest process: any Worker may close it, and none takes it along when it ends.
    trackUnmanagedFds: false,
  });
}
