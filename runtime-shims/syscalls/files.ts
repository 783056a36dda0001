import { attributeCalls } from "./attributes.js";
import { dirCalls } from "./dir.js";
import { fcntlCalls } from "./fcntl.js";
import { fdCalls } from "./fd.js";
import { openCalls } from "./open.js";
import { pipeCalls } from "./pipe.js";
import { pollCalls } from "./poll.js";
import { refusedFileCalls } from "./refused-files.js";
import { statCalls } from "./stat.js";
import type { SyscallRow } from "./table.js";

/** Every system call of the files layer. */
export const filesCalls: readonly SyscallRow[] = [
  fdCalls,
  fcntlCalls,
  openCalls,
  statCalls,
  dirCalls,
  attributeCalls,
  pipeCalls,
  pollCalls,
  refusedFileCalls,
].flat();
