import { filesOf } from "../fd-io.js";
import { O_CLOEXEC, O_CREAT, O_TRUNC, O_WRONLY, openFlagNames } from "../file-kinds/open-flags.js";
import { openPath } from "../open-path.js";
import type { Thread } from "../threads.js";
import { cstring, dirfd, flags, mode } from "./kinds.js";
import { AT_FDCWD, basePath, readPath } from "./path-argument.js";
import type { SyscallRow } from "./table.js";

const openFlags = flags(openFlagNames, "O_RDONLY");

const open = (thread: Thread, directory: number, pathAddress: number, how: number, fileMode: number): number => {
  const path = readPath(thread, pathAddress);
  if (typeof path === "number") return path;
  const base = path === "" ? "/" : basePath(thread, directory, path);
  if (typeof base === "number") return base;
  const files = filesOf(thread);
  const index = openPath(files, base, path, how, fileMode);
  if (index < 0) return index;
  const fd = files.fds.install(index, (how & O_CLOEXEC) !== 0);
  if (fd < 0) files.release(index);
  return fd;
};

/** open(2) and its forms. */
export const openCalls: readonly SyscallRow[] = [
  {
    nr: 2,
    name: "open",
    args: [cstring, openFlags, mode],
    run: (thread, path, how, fileMode) => open(thread, AT_FDCWD, path, how, fileMode),
  },
  { nr: 257, name: "openat", args: [dirfd, cstring, openFlags, mode], run: open },
  {
    nr: 85,
    name: "creat",
    args: [cstring, mode],
    run: (thread, path, fileMode) => open(thread, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, fileMode),
  },
];
