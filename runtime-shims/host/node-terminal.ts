import { fstatSync } from "node:fs";

/** Whether a file descriptor of the host is a terminal. node:tty, which is slow to load, is only asked about devices. */
export function isTerminal(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice() && process.getBuiltinModule("node:tty").isatty(fd);
  } catch {
    return false;
  }
}
