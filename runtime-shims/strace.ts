import { errnoName } from "./errno.js";
import { CONTEXT_REPLACED, THREAD_ENDED } from "./outcome.js";
import type { SyscallRow } from "./syscalls/table.js";
import type { Thread } from "./threads.js";

/** One line of --strace for a finished call, in the manner of strace(1). */
export const formatCall = (thread: Thread, row: SyscallRow, args: readonly number[], result: number): string => {
  const shown = row.args.map((kind, index) => kind.format(args[index], thread, args, result));
  return `[pid ${thread.tid}] ${row.name}(${shown.join(", ")}) = ${formatResult(row, result)}`;
};

const formatResult = (row: SyscallRow, result: number): string => {
  // The call does not return.
  if (result === THREAD_ENDED || result === CONTEXT_REPLACED) return "?";
  if (result < 0 && result > -4096) return `-1 ${errnoName(-result)}`;
  return row.result === "address" ? `0x${result.toString(16)}` : `${result}`;
};
