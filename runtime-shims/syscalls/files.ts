import { fcntlCalls } from "./fcntl.js";
import { fdCalls } from "./fd.js";
import { openCalls } from "./open.js";
import { statCalls } from "./stat.js";
import type { SyscallRow } from "./table.js";

/** Every system call of the files layer. */
export const filesCalls: readonly SyscallRow[] = [fdCalls, fcntlCalls, openCalls, statCalls].flat();
