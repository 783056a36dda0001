import { infoCalls } from "./info.js";
import { memoryCalls } from "./memory.js";
import { processCalls } from "./process.js";
import { signalCalls } from "./signal.js";
import { buildTable, type SyscallTable } from "./table.js";
import { threadCalls } from "./thread.js";
import { timeCalls } from "./time.js";

/** Every system call the personality knows, deliberate refusals included. */
export const syscallTable: SyscallTable = buildTable(
  memoryCalls,
  threadCalls,
  signalCalls,
  timeCalls,
  processCalls,
  infoCalls,
);
