/** What gojit itself writes: to stderr, and to files that the user named. */
import { openSync, writeSync } from "node:fs";
import { GojitError } from "./errors.js";

/** Opens a file for writing, empty. @throws GojitError */
export function openOutput(path: string): number {
  try {
    return openSync(path, "w");
  } catch (error) {
    throw new GojitError("bad-option", `${path} cannot be written: ${(error as Error).message}.`);
  }
}

/**
 * A function that appends texts to the file that `open` gives, from the first one on. Once that fails, as on a full
 * disk, it says so on stderr and writes no more.
 * @param what what is written, as the subject of a sentence
 */
export function writer(open: () => number, what: string): (text: string) => void {
  let fd: number | null | undefined;
  return (text) => {
    if (fd === null) return;
    try {
      fd ??= open();
      writeAll(fd, text);
    } catch (error) {
      fd = null;
      complain(`gojit: ${what} cannot be written: ${(error as Error).message}.`);
    }
  };
}

/** Writes all of a text, waiting where a pipe is full. @throws the file system's error */
function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}

/** Writes a line to stderr. Where nobody can read it, the program goes on all the same. */
export function complain(line: string): void {
  try {
    writeAll(2, `${line}\n`);
  } catch {
    // Closed, or on a full disk.
  }
}
