import { readFileSync } from "node:fs";
import type { Worker } from "node:worker_threads";
import { GojitError } from "../errors.js";
import { complain } from "../node-output.js";
import { loadCommand, parseCommandLine } from "./commands.js";

/** EX_SOFTWARE of sysexits.h: a bug of gojit, not of the program or of its user. */
const internalError = 70;
/** EX_IOERR. */
const outputError = 74;
/** As a shell has it: 128 and SIGPIPE. */
const readerGone = 141;

/** Ends a command whose standard output nobody reads any more, as `head` does, or that is on a full disk. */
function endWithOutput(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    const gone = error.code === "EPIPE";
    if (!gone) complain(`gojit: standard output cannot be written: ${error.message}.`);
    process.exit(gone ? readerGone : outputError);
  });
}

function version(): string {
  const file = new URL("../../../package.json", import.meta.url);
  return String((JSON.parse(readFileSync(file, "utf8")) as { version: string }).version);
}

/**
 * Carries out a command line; the exit status.
 * @param early for `run`: a guest's Worker that is starting
 */
export async function commandLine(words: readonly string[], early?: Worker): Promise<number> {
  try {
    const line = parseCommandLine(words, version);
    // A program's own output goes another way, and `process.stdout` takes its time to make.
    if ("print" in line || line.command !== "run") endWithOutput();
    if ("print" in line) {
      process.stdout.write(line.print);
      return 0;
    }
    const run = await loadCommand(line.command);
    return await run(line, early);
  } catch (error) {
    if (error instanceof GojitError) {
      process.stderr.write(`gojit: ${error.message}\n`);
      return error.exitStatus;
    }
    const text = error instanceof Error ? error.message : String(error);
    process.stderr.write(`gojit: internal error: ${text}; GOJIT_DEBUG=1 shows where.\n`);
    if (process.env["GOJIT_DEBUG"] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    return internalError;
  }
}
