import { R11, RAX, RCX, writeRegister } from "./cpu.js";
import { EFAULT, ENOSYS, ERESTARTSYS } from "./errno.js";
import { resumeFutexWait } from "./futex.js";
import { REPORTED_SYSCALLS } from "./kernel-memory.js";
import { CONTEXT_REPLACED, CONTINUE, ENDED, type Outcome, REPLACED, THREAD_ENDED, THREAD_LEAVES } from "./outcome.js";
import { deliverSignals, isRestart } from "./signal-delivery.js";
import { formatCall } from "./strace.js";
import { ARG_REGISTERS, type ArgKind, NUMBER_REGISTER, type SyscallRow } from "./syscalls/table.js";
import { leaveWorker } from "./thread-context.js";
import { row as threadRow, type Thread } from "./threads.js";

/**
 * The system call entry. Translated code calls `syscall` with the complete register state in the CPU block and RIP at
 * the next instruction; the dispatcher calls `deliverPending` when the poll word is set.
 */

const readArg = (thread: Thread, kind: ArgKind, register: number): number => {
  const halves = thread.cpu.gpr32;
  switch (kind.decode) {
    case "int":
      return halves[2 * register] | 0;
    case "uint":
      return halves[2 * register];
    case "ulong":
      return halves[2 * register + 1] * 0x1_0000_0000 + halves[2 * register];
    case "long":
      return (halves[2 * register + 1] | 0) * 0x1_0000_0000 + halves[2 * register];
  }
};

const checkFails = (thread: Thread, kind: ArgKind, value: number): boolean => {
  const { check } = kind;
  if (check === undefined || (value === 0 && check.nullable)) return false;
  const memory = thread.process.memory;
  return !(check.access === "in" ? memory.readable(value, check.bytes) : memory.writable(value, check.bytes));
};

const invoke = (thread: Thread, row: SyscallRow): number => {
  const kinds = row.args;
  const args: [number, number, number, number, number, number] = [0, 0, 0, 0, 0, 0];
  let result = 0;
  for (let index = 0; index < kinds.length; index++) {
    const kind = kinds[index];
    const value = readArg(thread, kind, ARG_REGISTERS[index]);
    args[index] = value;
    if (kind.check !== undefined && checkFails(thread, kind, value)) result = -EFAULT;
  }
  // What is left of a futex wait is parking, on whatever Worker.
  if (thread.away) result = resumeFutexWait(thread);
  else if (result === 0) result = row.run(thread, args[0], args[1], args[2], args[3], args[4], args[5]);
  if (result !== THREAD_LEAVES) thread.process.strace?.(formatCall(thread, row, args, result));
  return result;
};

/** True for numbers that Linux has given to a call (6.17: up to 469, without 335 to 423). */
const isLinuxCall = (nr: number): boolean => nr < 335 || (nr >= 424 && nr < 470);

/** A call without a row: ENOSYS; named once on stderr if Linux has it. */
const unknown = (thread: Thread, nr: number): number => {
  if (!isLinuxCall(nr)) return -ENOSYS;
  const { kernel, hooks } = thread.process;
  const bit = 1 << (nr & 31);
  const known = (Atomics.or(kernel.words, REPORTED_SYSCALLS + (nr >>> 5), bit) & bit) !== 0;
  if (!known) hooks.report(`gojit: system call ${nr} is not implemented (ENOSYS)`);
  return -ENOSYS;
};

/**
 * Runs the system call that the thread's registers describe, then delivers pending signals. Also how a thread that has
 * left its Worker in the middle of one (`Thread.away`) goes on with it.
 */
export const syscall = (thread: Thread): Outcome => {
  const { cpu, process } = thread;
  const nr = cpu.gpr32[2 * NUMBER_REGISTER];
  const row = process.table[nr];
  writeRegister(cpu, RCX, cpu.rip);
  writeRegister(cpu, R11, cpu.rflags);
  const result = row === undefined ? unknown(thread, nr) : invoke(thread, row);
  if (result === CONTEXT_REPLACED) return deliverPending(thread) === ENDED ? ENDED : REPLACED;
  if (result === THREAD_ENDED) return ENDED;
  if (result === THREAD_LEAVES) {
    leaveWorker(thread);
    return ENDED;
  }
  const attention = Atomics.load(process.kernel.words, thread.row + threadRow.attention);
  if (attention === 0 && result > -ERESTARTSYS) {
    cpu.gpr32[2 * RAX] = result;
    cpu.gpr32[2 * RAX + 1] = result < 0 ? -1 : result / 0x1_0000_0000;
    process.callReturned?.();
    return CONTINUE;
  }
  writeRegister(cpu, RAX, result);
  if (isRestart(result)) return deliverSignals(thread, { nr, result });
  process.callReturned?.();
  return deliverSignals(thread, undefined);
};

/** Delivers pending unmasked signals; for the dispatcher, when the poll word is set. */
export const deliverPending = (thread: Thread): Outcome => {
  Atomics.store(thread.cpu.pending, 0, 0);
  return deliverSignals(thread, undefined);
};
