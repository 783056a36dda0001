/** A run while it goes on, for cases that talk with it. */
export interface LiveRun {
  readonly directory: string;
  /** Waits until `stream` has `count` matches of `pattern`. @throws when the run ends before that */
  until(stream: "stdout" | "stderr", pattern: RegExp, count: number): Promise<void>;
  /** Writes bytes, given as Latin-1, to standard input. */
  write(bytes: string): void;
  closeStdin(): void;
  kill(signal: NodeJS.Signals): void;
}

/** One run of a program that is made natively and under gojit, in a directory of its own. */
export interface RealCase {
  readonly name: string;
  readonly args: readonly string[];
  /** Fills the working directory. */
  readonly prepare: (directory: string) => void;
  readonly stdin?: string;
  /** Goes on while the program runs; without it, stdin is closed after `stdin`. */
  readonly talk?: (run: LiveRun) => Promise<void>;
  /** Removes from stdout and stderr what differs between two native runs. Default: nothing. */
  readonly normalize?: (text: string) => string;
  /** For what gojit refuses on purpose: natively nothing is run, and stderr under gojit is to match this, status 1. */
  readonly refusal?: RegExp;
}
