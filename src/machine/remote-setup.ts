/** Guest files and standard streams that another realm serves: the one that called `run`. */
import { attachFiles } from "../../runtime-shims/files.js";
import { RemoteFiles } from "../../runtime-shims/host/remote-files.js";
import type { Mount } from "../../runtime-shims/mounts.js";
import type { Process } from "../../runtime-shims/process.js";

/** What each Worker needs to reach the files; structured-cloneable. */
export interface RemoteSetup {
  /** Served with `serveFiles`. */
  readonly channel: SharedArrayBuffer;
  readonly mounts: readonly Mount[];
  /** Guest path of the program. */
  readonly executable: string;
  /** Guest path of the working directory. */
  readonly currentDirectory: string;
}

/** The Worker's side of a setup. */
export function attachRemote(setup: RemoteSetup): {
  attach(process: Process): void;
  /** Writes one line to the process's standard error. */
  report(line: string): void;
} {
  const { channel, mounts, executable, currentDirectory } = setup;
  const host = new RemoteFiles(channel);
  return {
    attach: (process) => void attachFiles(process, { host, mounts, executable, currentDirectory }),
    report: (line) => void host.write(STDERR, new TextEncoder().encode(`${line}\n`), -1),
  };
}

const STDERR = 2;
