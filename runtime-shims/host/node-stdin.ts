import { isTerminal } from "./node-terminal.js";
import * as errno from "../errno.js";
import { filesHeader } from "../files-layout.js";
import type { KernelMemory } from "../kernel-memory.js";
import { filesHeaderWord } from "../open-files.js";
import { StdinRing } from "./stdin-ring.js";

/**
 * Feeds standard input to the guest, on the supervisor's thread: a Worker that waits in read(2) could not be ended.
 * Touches process.stdin only when the guest asks for a pipe or terminal; regular files are read by the Workers.
 * Returns at once; the feeding never ends by itself but keeps no process alive.
 */
export const feedStdin = (kernel: KernelMemory): void => {
  const ring = new StdinRing(kernel);
  void (async () => {
    await ring.asked();
    const stream = process.stdin;
    let ended: number | undefined;
    stream.on("end", () => (ended = 0));
    stream.on("close", () => (ended ??= 0));
    stream.on("error", (error: NodeJS.ErrnoException) => (ended = errnoOf(error)));
    for (;;) {
      await ring.asked();
      const chunk = stream.read(Math.min(ring.room, stream.readableLength) || undefined) as Buffer | null;
      if (chunk !== null) ring.put(chunk);
      else if (ended !== undefined) return ring.end(ended);
      else await somethingNew(stream);
    }
  })();
};

const errnoOf = (error: NodeJS.ErrnoException): number =>
  (errno as unknown as Record<string, number | undefined>)[error.code ?? ""] ?? errno.EIO;

const somethingNew = (stream: NodeJS.ReadStream): Promise<void> =>
  new Promise((resolve) => {
    const events = ["readable", "end", "close", "error"];
    const done = (): void => {
      for (const event of events) stream.off(event, done);
      resolve();
    };
    for (const event of events) stream.on(event, done);
  });

/** Keeps the terminal's size in kernel memory, for TIOCGWINSZ. Supervisor. */
export const followTerminalSize = (kernel: KernelMemory): void => {
  if (!isTerminal(1)) return;
  const update = (): void => {
    kernel.words[filesHeaderWord(filesHeader.terminalRows)] = process.stdout.rows ?? 0;
    kernel.words[filesHeaderWord(filesHeader.terminalColumns)] = process.stdout.columns ?? 0;
  };
  update();
  process.stdout.on("resize", update);
};
