import { filesHeader, filesParts } from "./files-layout.js";
import { type KernelMemory, sections } from "./kernel-memory.js";
import { filesHeaderWord } from "./open-files.js";

/** Size of the kernel's struct termios: four words of flags, the line discipline, 19 control characters. */
export const TERMIOS_BYTES = 36;
const CHARACTERS = 17;

/** Input flags. */
export const ICRNL = 0x100;
/** Output flags. */
const OPOST = 1;
const ONLCR = 4;
/** Local flags. */
export const ISIG = 1;
export const ICANON = 2;
export const ECHO = 8;
export const ECHOE = 0x10;
export const ECHOK = 0x20;
export const ECHONL = 0x40;
export const ECHOCTL = 0x200;
/** Places among the control characters. */
export const VINTR = 0;
export const VQUIT = 1;
export const VERASE = 2;
export const VKILL = 3;
export const VEOF = 4;
export const VTIME = 5;
export const VMIN = 6;
export const VSUSP = 10;

/** Longest wait for the supervisor; what is typed after that may still be shown by the host. */
const FOLLOW_MS = 500;

const NEWLINE = 0x0a;
const VERTICAL_TAB = 0x0b;
const RETURN = 0x0d;

/** The usual state of a terminal: what `stty sane` sets, at 38400 baud. */
const SANE = {
  input: 0x4500,
  output: 0x5,
  control: 0xbf,
  local: 0x8a3b,
  characters: [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0],
} as const;

/** The modes that the guest set for its terminal, in kernel memory. */
export class Terminal {
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #changes = filesHeaderWord(filesHeader.terminalChanges);
  readonly #followed = filesHeaderWord(filesHeader.terminalFollowed);

  constructor(kernel: KernelMemory) {
    const start = sections.files + filesParts.terminal;
    this.#words = kernel.words;
    this.#bytes = kernel.bytes.subarray(start, start + TERMIOS_BYTES);
    this.#view = new DataView(kernel.buffer, start, TERMIOS_BYTES);
  }

  /** The struct termios; not a copy. */
  get modes(): Uint8Array {
    if (this.#view.getUint32(8, true) === 0) {
      [SANE.input, SANE.output, SANE.control, SANE.local].forEach((flags, index) =>
        this.#view.setUint32(4 * index, flags, true),
      );
      this.#bytes.set(SANE.characters, CHARACTERS);
    }
    return this.#bytes;
  }

  /** Sets the struct termios, tells the supervisor, and waits until the host's terminal is as it should be. */
  set modes(termios: Uint8Array) {
    this.#bytes.set(termios);
    const change = Atomics.add(this.#words, this.#changes, 1) + 1;
    Atomics.notify(this.#words, this.#changes);
    const deadline = performance.now() + FOLLOW_MS;
    for (;;) {
      const followed = Atomics.load(this.#words, this.#followed);
      const left = deadline - performance.now();
      if (followed === 0 || followed > change || left <= 0) return;
      Atomics.wait(this.#words, this.#followed, followed, left);
    }
  }

  get input(): number {
    return this.#flags(0);
  }

  get output(): number {
    return this.#flags(4);
  }

  get local(): number {
    return this.#flags(12);
  }

  #flags(at: number): number {
    return new DataView(this.modes.buffer, this.modes.byteOffset).getUint32(at, true);
  }

  /** A control character by its place. */
  character(place: number): number {
    return this.modes[CHARACTERS + place];
  }

  /**
   * The bytes to write to the host's terminal, which always makes CR LF of LF, for those that the guest writes to its own.
   * Where that one leaves LF alone, CR LF goes out as LF, and an LF alone as VT, which moves the cursor in the same way
   * on every terminal that knows the VT100.
   */
  hostOutput(bytes: Uint8Array): Uint8Array {
    if ((this.output & (OPOST | ONLCR)) === (OPOST | ONLCR) || !bytes.includes(NEWLINE)) return bytes;
    const sent = new Uint8Array(bytes.length);
    let length = 0;
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte === RETURN && bytes[at + 1] === NEWLINE) {
        sent[length++] = NEWLINE;
        at++;
      } else sent[length++] = byte === NEWLINE ? VERTICAL_TAB : byte;
    }
    return sent.subarray(0, length);
  }

  /** Supervisor: says that the host's terminal has the modes of `seen`. Who sets modes waits for that from now on. */
  follow(seen: number): void {
    Atomics.store(this.#words, this.#followed, seen + 1);
    Atomics.notify(this.#words, this.#followed);
  }

  /** Supervisor: resolves when the modes are no longer those of `seen`; gives the number to ask with next. */
  async changed(seen: number): Promise<number> {
    for (;;) {
      const changes = Atomics.load(this.#words, this.#changes);
      if (changes !== seen) return changes;
      const wait = Atomics.waitAsync(this.#words, this.#changes, changes);
      if (wait.async) await wait.value;
    }
  }
}
