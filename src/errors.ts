/** What went wrong, for programs: stable names. The message is for people and may change. */
export type GojitErrorCode =
  | "bad-usage"
  | "bad-option"
  | "file-not-found"
  | "file-unreadable"
  | "not-elf"
  | "wrong-class"
  | "wrong-byte-order"
  | "wrong-machine"
  | "not-executable-type"
  | "position-independent"
  | "dynamically-linked"
  | "truncated"
  | "bad-segments"
  | "not-go"
  | "unsupported-go"
  | "needs-newer-cpu"
  | "no-such-function"
  | "does-not-fit"
  | "no-memory"
  | "not-stopped"
  | "missing-engine-feature";

/** Exit statuses a shell gives: 1 for nothing found, 2 for a wrong command line, 126 for "cannot be executed", 127 for "not found". */
const exitStatusOf: Partial<Record<GojitErrorCode, number>> = {
  "bad-usage": 2,
  "bad-option": 2,
  "no-such-function": 1,
  "file-not-found": 127,
};

/**
 * Input that gojit refuses: a bad command line, file or engine. The message is one sentence for the user that says
 * what is wrong and what to do; it never needs a stack to be understood. A bug of our own is never a GojitError.
 */
export class GojitError extends Error {
  override readonly name = "GojitError";
  readonly code: GojitErrorCode;
  /** The process's exit status when the command line ends with this error. */
  readonly exitStatus: number;

  constructor(code: GojitErrorCode, message: string) {
    super(message);
    this.code = code;
    this.exitStatus = exitStatusOf[code] ?? 126;
  }
}
