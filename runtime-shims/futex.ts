import { EAGAIN, EFAULT, EINVAL, ENOSYS, ERESTART_RESTARTBLOCK } from "./errno.js";
import { GUEST_BASE, GUEST_TOP } from "./guest-memory.js";
import { readDeadline } from "./timespec.js";
import type { Thread } from "./threads.js";
import { INTERRUPTED, parkLending, parkQueued, requeue, waitIf, wake } from "./wait-queue.js";

const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const FUTEX_REQUEUE = 3;
const FUTEX_CMP_REQUEUE = 4;
const FUTEX_WAKE_OP = 5;
const FUTEX_WAIT_BITSET = 9;
const FUTEX_WAKE_BITSET = 10;
const FUTEX_CLOCK_REALTIME = 256;
const COMMAND_MASK = 127;

const TASK_SIZE = 0x7fff_ffff_f000;

/** Checks of a futex address that come before any access to it. */
const checkAddress = (at: number): number => (at % 4 !== 0 ? -EINVAL : at >= TASK_SIZE ? -EFAULT : 0);

const futexWait = (thread: Thread, at: number, value: number, bits: number, deadlineNs: number): number => {
  if (bits === 0) return -EINVAL;
  const bad = checkAddress(at);
  if (bad !== 0) return bad;
  const { memory } = thread.process;
  if (!memory.readable(at, 4)) return -EFAULT;
  const { words } = memory;
  const index = (at - GUEST_BASE) >>> 2;
  const stillValid = (): boolean => Atomics.load(words, index) === value;
  const lends = deadlineNs === Infinity && thread.process.lendsWorkers;
  const end = waitIf(thread, at, bits, deadlineNs, stillValid, lends ? parkLending : parkQueued);
  if (end === 1) return -EAGAIN;
  if (end !== INTERRUPTED || deadlineNs === Infinity) return end;
  thread.restartDeadlineNs = deadlineNs;
  return -ERESTART_RESTARTBLOCK;
};

/** The rest of a wait whose thread had left its Worker: it still stands in the queue, unless it has been woken. */
export const resumeFutexWait = (thread: Thread): number => {
  thread.away = false;
  return parkLending(thread);
};

/** At least one waiter is woken even when `count` says none, as Linux does. */
const futexWake = (thread: Thread, at: number, count: number, bits: number): number => {
  if (bits === 0) return -EINVAL;
  const bad = checkAddress(at);
  if (bad !== 0) return bad;
  // Nobody can wait above guest memory, and keys from there on are the kernel's.
  return at >= GUEST_TOP ? 0 : wake(thread.process.kernel, thread.process.hooks, at, Math.max(count, 1), bits);
};

const futexRequeue = (
  thread: Thread,
  at: number,
  wakeCount: number,
  moveCount: number,
  target: number,
  expected: number | undefined,
): number => {
  const { kernel, memory, hooks } = thread.process;
  if (wakeCount < 0 || moveCount < 0) return -EINVAL;
  const bad = checkAddress(at) || checkAddress(target);
  if (bad !== 0) return bad;
  if (at >= GUEST_TOP || target >= GUEST_TOP) return -EFAULT;
  if (expected !== undefined && !memory.readable(at, 4)) return -EFAULT;
  const index = (at - GUEST_BASE) >>> 2;
  const valid = (): boolean => expected === undefined || Atomics.load(memory.words, index) === expected;
  const done = requeue(kernel, hooks, at, target, wakeCount, moveCount, valid);
  if (done === undefined) return -EAGAIN;
  return expected === undefined ? done.woken : done.woken + done.moved;
};

/** Signed field of `bits` bits of a FUTEX_WAKE_OP operation. */
const signedField = (value: number, shift: number, bits: number): number =>
  (value << (32 - shift - bits)) >> (32 - bits);

const applyOperation = (words: Int32Array, index: number, operation: number, operand: number): number | undefined => {
  switch (operation) {
    case 0:
      return Atomics.exchange(words, index, operand);
    case 1:
      return Atomics.add(words, index, operand);
    case 2:
      return Atomics.or(words, index, operand);
    case 3:
      return Atomics.and(words, index, ~operand);
    case 4:
      return Atomics.xor(words, index, operand);
    default:
      return undefined;
  }
};

const comparisons: readonly ((old: number, operand: number) => boolean)[] = [
  (old, operand) => old === operand,
  (old, operand) => old !== operand,
  (old, operand) => old < operand,
  (old, operand) => old <= operand,
  (old, operand) => old > operand,
  (old, operand) => old >= operand,
];

const futexWakeOp = (
  thread: Thread,
  at: number,
  count: number,
  secondCount: number,
  second: number,
  encoded: number,
): number => {
  const { kernel, memory, hooks } = thread.process;
  const bad = checkAddress(at) || checkAddress(second);
  if (bad !== 0) return bad;
  if (!memory.writable(second, 4) || at >= GUEST_TOP) return -EFAULT;
  const field = signedField(encoded, 12, 12);
  const operand = (encoded & 0x8000_0000) !== 0 ? 1 << (field & 31) : field;
  const compare = comparisons[(encoded >>> 24) & 15];
  if (compare === undefined) return -ENOSYS;
  const old = applyOperation(memory.words, (second - GUEST_BASE) >>> 2, (encoded >>> 28) & 7, operand);
  if (old === undefined) return -ENOSYS;
  let woken = wake(kernel, hooks, at, Math.max(count, 1));
  if (compare(old, signedField(encoded, 0, 12))) woken += wake(kernel, hooks, second, Math.max(secondCount, 1));
  return woken;
};

/** The futex system call; `timeout` is a pointer or, for the requeue family, a count. */
export const futex = (
  thread: Thread,
  at: number,
  operation: number,
  value: number,
  timeout: number,
  second: number,
  bits: number,
): number => {
  const command = operation & COMMAND_MASK;
  const realtime = (operation & FUTEX_CLOCK_REALTIME) !== 0;
  if (realtime && command !== FUTEX_WAIT_BITSET) return -ENOSYS;
  switch (command) {
    case FUTEX_WAKE:
      return futexWake(thread, at, value, -1);
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET: {
      const deadline = timeout === 0 ? Infinity : readDeadline(thread, timeout, command === FUTEX_WAIT, realtime);
      if (deadline < 0) return deadline;
      return futexWait(thread, at, value, command === FUTEX_WAIT ? -1 : bits, deadline);
    }
    case FUTEX_WAKE_BITSET:
      return futexWake(thread, at, value, bits);
    case FUTEX_REQUEUE:
      return futexRequeue(thread, at, value, timeout | 0, second, undefined);
    case FUTEX_CMP_REQUEUE:
      return futexRequeue(thread, at, value, timeout | 0, second, bits);
    case FUTEX_WAKE_OP:
      return futexWakeOp(thread, at, value, timeout | 0, second, bits);
    default:
      // The priority-inheritance family.
      return -ENOSYS;
  }
};
