import { EIO } from "../errno.js";
import type { KernelMemory } from "../kernel-memory.js";
import { InputRing } from "./input-ring.js";

/**
 * Feeds the guest's standard input from bytes or a stream of them, as the guest asks for it; EIO if the source
 * fails. Supervisor.
 * @returns ends the feeding; call it once the guest has ended.
 */
export const feedBytes = (
  kernel: KernelMemory,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): (() => void) => {
  const ring = new InputRing(kernel, "stdin");
  let stopped = false;
  const feed = async (): Promise<void> => {
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length && !stopped;) {
        await ring.asked();
        const count = Math.min(ring.room, chunk.length - at);
        ring.put(chunk.subarray(at, at + count));
        at += count;
      }
      if (stopped) return;
    }
  };
  const end = (error: number): void => {
    if (!stopped) ring.end(error);
  };
  feed().then(
    () => end(0),
    () => end(EIO),
  );
  return () => {
    stopped = true;
    ring.dismiss();
  };
};
