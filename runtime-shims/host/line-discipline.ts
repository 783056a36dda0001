import { SIGINT, SIGQUIT } from "../signals.js";
import { ICANON, ICRNL, ISIG, type Terminal, VEOF, VERASE, VINTR, VKILL, VQUIT } from "../terminal.js";

/** Where what was typed goes. */
export interface TypedInput {
  put(bytes: Uint8Array): void;
  /** The end of the input was typed. */
  end(): void;
  raise(signo: number): void;
}

const NEWLINE = 0x0a;
const RETURN = 0x0d;

/**
 * What a terminal's driver does to input, done here while the host's terminal is raw because the guest wants something
 * that the host cannot set by itself, such as lines without echo.
 */
export class LineDiscipline {
  readonly #terminal: Terminal;
  readonly #input: TypedInput;
  #line: number[] = [];

  constructor(terminal: Terminal, input: TypedInput) {
    this.#terminal = terminal;
    this.#input = input;
  }

  /** Takes bytes as they were typed. */
  type(bytes: Uint8Array): void {
    for (const byte of bytes) this.#typeByte(byte);
    if ((this.#terminal.local & ICANON) === 0) this.#deliver();
  }

  #typeByte(typed: number): void {
    const terminal = this.#terminal;
    const { local } = terminal;
    if (local & ISIG && typed === terminal.character(VINTR)) return this.#interrupt(SIGINT);
    if (local & ISIG && typed === terminal.character(VQUIT)) return this.#interrupt(SIGQUIT);
    const byte = typed === RETURN && terminal.input & ICRNL ? NEWLINE : typed;
    if ((local & ICANON) === 0) {
      this.#line.push(byte);
    } else if (byte === terminal.character(VERASE)) {
      this.#erase();
    } else if (byte === terminal.character(VKILL)) {
      this.#line = [];
    } else if (byte === terminal.character(VEOF)) {
      if (this.#line.length === 0) this.#input.end();
      else this.#deliver();
    } else {
      this.#line.push(byte);
      if (byte === NEWLINE) this.#deliver();
    }
  }

  #interrupt(signo: number): void {
    this.#line = [];
    this.#input.raise(signo);
  }

  /** Takes back one character: all bytes of a UTF-8 sequence. */
  #erase(): void {
    while (((this.#line.pop() ?? 0) & 0xc0) === 0x80);
  }

  #deliver(): void {
    if (this.#line.length > 0) this.#input.put(Uint8Array.from(this.#line));
    this.#line = [];
  }
}
