import { closeSync, fstatSync, openSync, readSync, realpathSync } from "node:fs";
import { GojitError } from "../errors.js";
import { openProgram, type Program } from "../program.js";

/** A program and the file that it came from. */
export interface LoadedProgram extends Program {
  /** As the user gave it: the guest's argv[0]. */
  readonly path: string;
  /** Absolute and without symbolic links: what /proc/self/exe says. */
  readonly realPath: string;
  /** Gives the file's memory back once it has been mapped: nothing is left in `bytes` and `image`. */
  release(): void;
}

/** The largest file that is worth reading: its segments must fit into the guest's address space. */
const maxFileSize = 0x1_0000_0000;

/** Reads the executable at `path` and checks that it can run. @throws GojitError (exit status 126 or 127) */
export function loadProgram(path: string): LoadedProgram {
  const bytes = readProgramFile(path);
  try {
    return {
      ...openProgram(bytes),
      path,
      realPath: realpathSync(path),
      release: () => bytes.buffer.resize(0),
    };
  } catch (error) {
    throw error instanceof GojitError ? new GojitError(error.code, `${path}: ${error.message}`) : error;
  }
}

/** The bytes of a regular file, in memory that can shrink. @throws GojitError */
export function readProgramFile(path: string): Uint8Array<ArrayBuffer> {
  let descriptor: number;
  try {
    descriptor = openSync(path, "r");
  } catch (error) {
    throw openError(path, error);
  }
  try {
    const status = fstatSync(descriptor);
    if (status.isDirectory())
      throw new GojitError("file-unreadable", `${path}: this is a directory; give the path of a Go executable.`);
    if (!status.isFile())
      throw new GojitError("file-unreadable", `${path}: this is not a regular file; give the path of a Go executable.`);
    if (status.size > maxFileSize)
      throw new GojitError("file-unreadable", `${path}: the file is larger than 4 GiB; no program of that size fits.`);
    const bytes = new Uint8Array(new ArrayBuffer(status.size, { maxByteLength: status.size }));
    let filled = 0;
    while (filled < bytes.length) {
      const count = readSync(descriptor, bytes, filled, bytes.length - filled, filled);
      if (count === 0) break;
      filled += count;
    }
    return bytes.subarray(0, filled);
  } catch (error) {
    throw error instanceof GojitError ? error : openError(path, error);
  } finally {
    closeSync(descriptor);
  }
}

function openError(path: string, error: unknown): GojitError {
  const code = (error as NodeJS.ErrnoException).code ?? "unknown error";
  if (code === "ENOENT" || code === "ENOTDIR") {
    const hint = path.includes("/") ? "check the path" : `give a path such as ./${path}`;
    return new GojitError("file-not-found", `${path}: there is no such file; ${hint}.`);
  }
  if (code === "EACCES" || code === "EPERM")
    return new GojitError("file-unreadable", `${path}: you may not read this file; change its permissions.`);
  return new GojitError("file-unreadable", `${path}: the file cannot be read (${code}); check the path.`);
}
