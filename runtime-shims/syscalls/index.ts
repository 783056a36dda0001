import { capabilityCalls } from "./capabilities.js";
import { filesCalls } from "./files.js";
import { infoCalls } from "./info.js";
import { memoryCalls } from "./memory.js";
import { processCalls } from "./process.js";
import { refusedCalls } from "./refused.js";
import { signalCalls } from "./signal.js";
import { buildTable, type SyscallTable } from "./table.js";
import { threadCalls } from "./thread.js";
import { timeCalls } from "./time.js";
import { timerCalls } from "./timer.js";

/** Every system call the personality knows, deliberate refusals included. */
export const syscallTable: SyscallTable = buildTable(
  memoryCalls,
  threadCalls,
  signalCalls,
  timeCalls,
  timerCalls,
  processCalls,
  capabilityCalls,
  infoCalls,
  filesCalls,
  refusedCalls,
);
