import { SIGINT, SIGQUIT, SIGTSTP } from "../signals.js";
import {
  ECHO,
  ECHOCTL,
  ECHOE,
  ECHOK,
  ECHONL,
  ICANON,
  ICRNL,
  ISIG,
  type Terminal,
  VEOF,
  VERASE,
  VINTR,
  VKILL,
  VQUIT,
  VSUSP,
} from "../terminal.js";

/** Where what was typed goes. */
export interface TypedInput {
  put(bytes: Uint8Array): void;
  /** Forgets what was put and not read. */
  discard(): void;
  /** The end of the input was typed; more may follow. */
  end(): void;
  /** Shows the user what was typed. */
  echo(bytes: Uint8Array): void;
  raise(signo: number): void;
}

const TAB = 0x09;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const DELETE = 0x7f;
const CARET = 0x5e;
/** What turns a control character into the one that is shown behind a caret. */
const CONTROL = 0x40;
/** Goes back over one character. */
const ERASURE = [0x08, 0x20, 0x08];

const SIGNALS = [
  { character: VINTR, signo: SIGINT },
  { character: VQUIT, signo: SIGQUIT },
  { character: VSUSP, signo: SIGTSTP },
] as const;

const isControl = (byte: number): boolean => byte < 0x20 || byte === DELETE;

/**
 * What a terminal's driver does to input (drivers/tty/n_tty.c), done here while the host's terminal is raw because the
 * guest wants something that the host cannot set by itself, such as lines without echo.
 */
export class LineDiscipline {
  readonly #terminal: Terminal;
  readonly #input: TypedInput;
  #line: number[] = [];
  #echo: number[] = [];

  constructor(terminal: Terminal, input: TypedInput) {
    this.#terminal = terminal;
    this.#input = input;
  }

  /** Takes bytes as they were typed. */
  type(bytes: Uint8Array): void {
    for (const byte of bytes) this.#typeByte(byte);
    if (this.#has(ICANON)) this.#show();
    else this.#deliver();
  }

  #has(localFlag: number): boolean {
    return (this.#terminal.local & localFlag) !== 0;
  }

  #typeByte(typed: number): void {
    const terminal = this.#terminal;
    const signal = this.#has(ISIG) && SIGNALS.find(({ character }) => terminal.character(character) === typed);
    if (signal) return this.#signal(signal.signo, typed);
    const byte = typed === RETURN && terminal.input & ICRNL ? NEWLINE : typed;
    if (!this.#has(ICANON)) {
      this.#line.push(byte);
      if (this.#has(ECHO)) this.#echoByte(byte);
    } else if (byte === terminal.character(VERASE)) {
      this.#erase();
    } else if (byte === terminal.character(VKILL)) {
      this.#kill(byte);
    } else if (byte === terminal.character(VEOF)) {
      this.#show();
      if (this.#line.length === 0) this.#input.end();
      else this.#deliver();
    } else if (byte === NEWLINE) {
      this.#line.push(byte);
      if (this.#has(ECHO) || this.#has(ECHONL)) this.#echo.push(NEWLINE);
      this.#deliver();
    } else {
      this.#line.push(byte);
      if (this.#has(ECHO)) this.#echoByte(byte);
    }
  }

  #signal(signo: number, typed: number): void {
    this.#line = [];
    this.#input.discard();
    if (this.#has(ECHO)) this.#echoByte(typed);
    this.#show();
    this.#input.raise(signo);
  }

  /** Takes back one character: all bytes of a UTF-8 sequence. */
  #erase(): void {
    const { length } = this.#line;
    if (length === 0) return;
    let first = length - 1;
    while (first > 0 && (this.#line[first]! & 0xc0) === 0x80) first--;
    const shown = this.#widthOf(this.#line[first]!);
    this.#line.length = first;
    if (!this.#has(ECHO)) return;
    if (!this.#has(ECHOE)) this.#echoByte(this.#terminal.character(VERASE));
    else for (let column = 0; column < shown; column++) this.#echo.push(...ERASURE);
  }

  #kill(typed: number): void {
    if (this.#has(ECHO) && this.#has(ECHOE) && this.#has(ECHOK)) {
      while (this.#line.length > 0) this.#erase();
      return;
    }
    this.#line = [];
    if (!this.#has(ECHO)) return;
    this.#echoByte(typed);
    if (this.#has(ECHOK)) this.#echo.push(NEWLINE);
  }

  #widthOf(byte: number): number {
    return isControl(byte) && byte !== TAB ? (this.#has(ECHOCTL) ? 2 : 0) : 1;
  }

  #echoByte(byte: number): void {
    if (isControl(byte) && byte !== TAB && this.#has(ECHOCTL)) this.#echo.push(CARET, byte ^ CONTROL);
    else this.#echo.push(byte);
  }

  #show(): void {
    if (this.#echo.length > 0) this.#input.echo(Uint8Array.from(this.#echo));
    this.#echo = [];
  }

  #deliver(): void {
    this.#show();
    if (this.#line.length > 0) this.#input.put(Uint8Array.from(this.#line));
    this.#line = [];
  }
}
