/** Workers on Node. This file is loaded before any other: the first Worker starts while the program is still read. */
import { Worker } from "node:worker_threads";
import { bundledModule, bundledScript } from "./node-bundle.js";
import type { WorkerInit } from "./parts.js";

/** Which files a guest's Worker serves: the host's, or what the caller of `run` serves. */
export type GuestKind = "guest" | "remote";

/** Mirrored calls use the Worker's stack: the deeper it is, the less often deep recursion has to be unwound. */
const GUEST_STACK_MB = 256;
const TRANSLATOR_STACK_MB = 16;
/** V8 counts the guest's 4 GiB as garbage to come, and collects at once when they are more than half of this. */
const HEAP_LIMIT_MB = 16 * 1024;
/**
 * How much room a Worker's new objects get, of which V8 uses a third at a time. It would take tens of megabytes in each
 * Worker: a guest's makes few objects, and the translator takes no longer with so much (docs/memory.md).
 */
const GUEST_YOUNG_MB = 3;
const TRANSLATOR_YOUNG_MB = 12;

/** This file is at the same depth as a bundle: the name leads to the file from both. */
const compiled = (name: string): URL => new URL(`../../src/machine/${name}.js`, import.meta.url);

/** A file to start a Worker with, and the only argument it gets. */
interface Entry {
  readonly file: URL;
  readonly argument?: string;
}

const scriptOr = (name: string, original: string): Entry => {
  const script = bundledScript(name);
  return script ? { file: compiled("node-script-worker"), argument: script } : { file: compiled(original) };
};

/** All Worker entry points of this runtime. */
const ENTRIES: Readonly<Record<GuestKind | "translator", Entry>> = {
  guest: scriptOr("guest", "node-guest-worker"),
  remote: scriptOr("remote", "node-remote-guest-worker"),
  translator: { file: bundledModule("translator", compiled("node-translator-worker")) },
};

/** Starts a Worker. Without `init` it waits for that as its first message. */
export function startNodeWorker(kind: GuestKind | "translator", init?: WorkerInit): Worker {
  const { file, argument } = ENTRIES[kind];
  return new Worker(file, {
    workerData: init,
    argv: argument === undefined ? [] : [argument],
    resourceLimits: {
      maxOldGenerationSizeMb: HEAP_LIMIT_MB,
      stackSizeMb: kind === "translator" ? TRANSLATOR_STACK_MB : GUEST_STACK_MB,
      maxYoungGenerationSizeMb: kind === "translator" ? TRANSLATOR_YOUNG_MB : GUEST_YOUNG_MB,
    },
    execArgv: [],
    // A descriptor belongs to the guest process: any Worker may close it, and none takes it along when it ends.
    trackUnmanagedFds: false,
  });
}
