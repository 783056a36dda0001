import { isTerminal } from "./node-terminal.js";
import * as errno from "../errno.js";
import { filesHeader } from "../files-layout.js";
import type { KernelMemory } from "../kernel-memory.js";
import { filesHeaderWord } from "../open-files.js";
import { ECHO, ICANON, Terminal } from "../terminal.js";
import { LineDiscipline } from "./line-discipline.js";
import { StdinRing } from "./stdin-ring.js";

/**
 * Feeds standard input to the guest, on the supervisor's thread: a Worker that waits in read(2) could not be ended.
 * Touches process.stdin only when the guest asks for a pipe or terminal; regular files are read by the Workers.
 * Returns at once; the feeding never ends by itself but keeps no process alive.
 * @param raise sends the guest a signal that was typed
 */
export const feedStdin = (kernel: KernelMemory, raise: (signo: number) => void): void => {
  const ring = new StdinRing(kernel);
  const terminal = new Terminal(kernel);
  const raw = isTerminal(0) ? followTerminalModes(terminal) : { on: false };
  let typedEnd = false;
  const discipline = new LineDiscipline(terminal, {
    put: (bytes) => ring.put(bytes.subarray(0, ring.room)),
    end: () => (typedEnd = true),
    raise,
  });
  void (async () => {
    await ring.asked();
    const stream = process.stdin;
    let ended: number | undefined;
    stream.on("end", () => (ended = 0));
    stream.on("close", () => (ended ??= 0));
    stream.on("error", (error: NodeJS.ErrnoException) => (ended = errnoOf(error)));
    for (;;) {
      // A raw terminal is read in any case: what is typed may be a signal.
      if (!raw.on || ring.room === 0) await ring.asked();
      const chunk = stream.read(Math.min(ring.room, stream.readableLength) || undefined) as Buffer | null;
      if (chunk !== null && raw.on) discipline.type(chunk);
      else if (chunk !== null) ring.put(chunk);
      else if (ended === undefined) await somethingNew(stream);
      if (ended !== undefined || typedEnd) return ring.end(ended ?? 0);
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

/**
 * Makes the host's terminal raw while the guest wants single characters or no echo, the two things that Node can set
 * only together; the line discipline does the rest. Node puts the terminal back when it exits.
 */
const followTerminalModes = (terminal: Terminal): { readonly on: boolean } => {
  const state = { on: false };
  void (async () => {
    for (let seen = 0; ;) {
      seen = await terminal.changed(seen);
      const wanted = (terminal.local & (ICANON | ECHO)) !== (ICANON | ECHO);
      if (wanted === state.on) continue;
      state.on = wanted;
      process.stdin.setRawMode(wanted);
    }
  })();
  return state;
};

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
