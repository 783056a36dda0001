import { existsSync, realpathSync } from "node:fs";
import { attachFiles, type Files } from "../files.js";
import type { Mount } from "../mounts.js";
import type { Process } from "../process.js";
import { NodeFiles } from "./node-fs.js";

/** What the guest sees of the host's files; structured-cloneable, the same for every Worker. */
export interface NodeFilesSetup {
  readonly mounts: readonly (Mount & { readonly host: string })[];
  /** Guest path of the program. */
  readonly executable: string;
  /** Guest path of the working directory. */
  readonly currentDirectory: string;
}

/** Replaces the host paths of the mounts by real ones, so that no link in them is looked at again. Once, by the supervisor. */
export const prepareNodeFiles = (setup: NodeFilesSetup): NodeFilesSetup => ({
  ...setup,
  mounts: setup.mounts.map((mount) => ({ ...mount, host: realpathSync(mount.host) })),
});

/** Gives a process the host's files. Each Worker, before its first guest thread. */
export const attachNodeFiles = (guest: Process, setup: NodeFilesSetup): Files =>
  attachFiles(guest, {
    host: new NodeFiles(setup.mounts.map(({ host }) => host)),
    mounts: setup.mounts,
    executable: setup.executable,
    currentDirectory: setup.currentDirectory,
    onRefused: reportRefusal,
  });

/** Paths that the guest's own kernel answers for: no option shows the host's. */
const OWN = /^\/(proc|sys|dev)(\/|$)/;

/** Tells the user once which option shows a path that the guest asked for and the host has. */
const reportRefusal = (files: Files, path: string): void => {
  if (OWN.test(path) || !existsSync(path) || !files.takeRefusalReport()) return;
  files.process.hooks.report(
    `gojit: the program may not see ${path}; --dir ${path} would allow it (--allow-all everything)`,
  );
};
