import type { KernelMemory } from "../kernel-memory.js";
import { InputRing } from "./input-ring.js";
import { ChunkReader } from "./node-chunk-reader.js";

/**
 * Feeds standard input to the guest, on the supervisor's thread: a Worker that waits in read(2) could not be ended.
 * Touches process.stdin only when the guest asks for a pipe or socket; regular files are read by the Workers, terminals
 * by `feedTerminal`. Returns at once; the feeding never ends by itself but keeps no process alive.
 */
export const feedStdin = (kernel: KernelMemory): void => {
  const ring = new InputRing(kernel, "stdin");
  void (async () => {
    await ring.asked();
    const { stdin } = process;
    const reader = new ChunkReader(stdin);
    // Kinds of sockets that Node does not know have none.
    (stdin as Partial<typeof stdin>).unref?.();
    for (;;) {
      await ring.asked();
      const chunk = await reader.next(ring.room);
      if (typeof chunk === "number") return ring.end(chunk);
      ring.put(chunk);
    }
  })();
};
