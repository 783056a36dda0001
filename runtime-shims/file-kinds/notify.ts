import { filesHeader } from "../files-layout.js";
import type { KernelMemory } from "../kernel-memory.js";
import { filesHeaderWord } from "../open-files.js";
import { kernelKey, wakeAll } from "../wait-queue.js";

/** Wait keys of the files layer; the index is what the name says. */
export const pipeKey = (pipe: number): number => kernelKey(16, pipe);
export const eventKey = (openFileIndex: number): number => kernelKey(17, openFileIndex);
export const flockKey = kernelKey(18, 0);
export const stdinKey = kernelKey(19, 0);
export const terminalKey = kernelKey(19, 1);
/** Everyone in poll, select or epoll_wait. */
export const pollKey = kernelKey(20, 0);

/** Wakes who waits for this object, and every poller, because its readiness changed. */
export const readinessChanged = (kernel: KernelMemory, key: number): void => {
  wakeAll(kernel, key);
  if (Atomics.load(kernel.words, filesHeaderWord(filesHeader.pollWaiters)) > 0) wakeAll(kernel, pollKey);
};
