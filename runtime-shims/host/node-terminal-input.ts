import { openSync, writeSync } from "node:fs";
import type { ReadStream } from "node:tty";
import { filesHeader } from "../files-layout.js";
import type { KernelMemory } from "../kernel-memory.js";
import { filesHeaderWord } from "../open-files.js";
import { ECHO, ICANON, ICRNL, ISIG, Terminal } from "../terminal.js";
import { InputRing } from "./input-ring.js";
import { LineDiscipline } from "./line-discipline.js";
import { ChunkReader } from "./node-chunk-reader.js";
import { isTerminal } from "./node-terminal.js";

/** Local flags that the host's terminal has while it is not raw. */
const COOKED = ICANON | ECHO | ISIG;

/** How long after the end of the input the guest is told: a hang-up is a signal as well, which comes first on Linux. */
const END_DELAY_MS = 10;

/** The standard descriptor that is the terminal, if there is one; rather one that is written. */
export const terminalDescriptor = (): number | undefined => [1, 2, 0].find((fd) => isTerminal(fd));

/**
 * Feeds what is typed at the terminal to the guest, on the supervisor's thread, and makes the host's terminal raw while
 * the guest wants its own set otherwise than the host can do by itself: Node knows only raw and not raw, and puts the
 * terminal back when it exits. Returns at once; keeps no process alive.
 * @param output descriptor of the terminal
 * @param raise sends the guest a signal that was typed
 * @returns puts the terminal back, for a process that does not exit but is killed
 */
export const feedTerminal = (kernel: KernelMemory, output: number, raise: (signo: number) => void): (() => void) => {
  const ring = new InputRing(kernel, "terminal");
  const terminal = new Terminal(kernel);
  const discipline = new LineDiscipline(terminal, {
    put: (bytes) => ring.put(bytes.subarray(0, ring.room)),
    discard: () => ring.discard(),
    end: () => ring.endOnce(),
    echo: (bytes) => echo(output, bytes),
    raise,
  });
  let raw = false;
  const input = new TerminalStream(output);
  void (async () => {
    for (let seen = 0; ;) {
      terminal.follow(seen);
      seen = await terminal.changed(seen);
      const wanted = (terminal.local & COOKED) !== COOKED || (terminal.input & ICRNL) === 0;
      if (wanted === raw) continue;
      raw = wanted;
      input.setRaw(raw);
      // A raw terminal is read in any case: what is typed may be a signal.
      ring.ask();
    }
  })();
  void (async () => {
    for (;;) {
      if (!raw || ring.room === 0) await ring.asked();
      const chunk = await input.next(ring.room);
      if (typeof chunk !== "number") {
        if (raw) discipline.type(chunk);
        else ring.put(chunk);
        continue;
      }
      await new Promise((resolve) => setTimeout(resolve, END_DELAY_MS));
      if (chunk !== 0 || !input.renew()) return ring.end(chunk);
      ring.endOnce();
    }
  })();
  return () => {
    if (raw) input.setRaw(false);
  };
};

/** The terminal as a stream of Node, which is made when it is first needed. */
class TerminalStream {
  readonly #output: number;
  #fd: number | undefined;
  #open: { readonly stream: ReadStream; readonly reader: ChunkReader } | undefined;
  #raw = false;

  constructor(output: number) {
    this.#output = output;
  }

  next(limit: number): Promise<Uint8Array | number> {
    return this.#opened.reader.next(limit);
  }

  setRaw(raw: boolean): void {
    this.#raw = raw;
    this.#opened.stream.setRawMode(raw);
  }

  /** Goes on behind an end of file that was typed. False if the terminal is gone. */
  renew(): boolean {
    this.#open = undefined;
    try {
      if (this.#raw) this.setRaw(true);
      else void this.#opened;
      return true;
    } catch {
      return false;
    }
  }

  get #opened(): { readonly stream: ReadStream; readonly reader: ChunkReader } {
    if (this.#open === undefined) {
      const stream = new (process.getBuiltinModule("node:tty").ReadStream)((this.#fd ??= inputOf(this.#output)));
      this.#open = { stream, reader: new ChunkReader(stream) };
    }
    return this.#open;
  }
}

/** A descriptor of the terminal that can be read: that of standard input, or a new one. */
const inputOf = (output: number): number => {
  if (isTerminal(0)) return 0;
  try {
    return openSync("/dev/tty", "r");
  } catch {
    return output;
  }
};

const echo = (output: number, bytes: Uint8Array): void => {
  try {
    writeSync(output, bytes);
  } catch {
    // A terminal that takes no more loses the echo, as under Linux.
  }
};

/** Keeps the terminal's size in kernel memory, for TIOCGWINSZ. Supervisor. */
export const followTerminalSize = (kernel: KernelMemory, output: number): void => {
  const { WriteStream } = process.getBuiltinModule("node:tty");
  // Node follows the size of its own streams only.
  const stream = output === 1 ? process.stdout : output === 2 ? process.stderr : new WriteStream(output);
  const update = (): void => {
    kernel.words[filesHeaderWord(filesHeader.terminalRows)] = stream.rows ?? 0;
    kernel.words[filesHeaderWord(filesHeader.terminalColumns)] = stream.columns ?? 0;
  };
  update();
  stream.on("resize", update);
};
