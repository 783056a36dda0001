import { EFAULT, EINVAL, EPERM, ESRCH } from "../errno.js";
import type { Thread } from "../threads.js";
import { address } from "./kinds.js";
import type { SyscallRow } from "./table.js";

/** Sets of three words that follow a header of each version. Source: capget(2), kernel/capability.c. */
const SETS_OF_VERSION: ReadonlyMap<number, number> = new Map([
  [0x1998_0330, 1],
  [0x2007_1026, 2],
  [0x2008_0522, 2],
]);
const PREFERRED_VERSION = 0x2008_0522;
const SET_BYTES = 12;
/** Of the header, after the version. */
const PID_OFFSET = 4;

/**
 * Bytes that `data` has, by the header's version.
 * @returns -errno for a header that cannot be read, or for an unknown version, which is replaced by the preferred one
 */
function dataBytes({ process: { memory } }: Thread, header: number): number {
  if (!memory.readable(header, 4)) return -EFAULT;
  const sets = SETS_OF_VERSION.get(memory.getUint32(header));
  if (sets !== undefined) return sets * SET_BYTES;
  if (!memory.writable(header, 4)) return -EFAULT;
  memory.setUint32(header, PREFERRED_VERSION);
  return -EINVAL;
}

/** The thread that a header names, 0 for the caller; -EFAULT if it cannot be read. */
function namedThread({ process: { memory } }: Thread, header: number): number {
  if (!memory.readable(header + PID_OFFSET, 4)) return -EFAULT;
  const pid = memory.getUint32(header + PID_OFFSET) | 0;
  return pid < 0 ? -EINVAL : pid;
}

const isOwn = ({ tid, process }: Thread, pid: number): boolean => pid === 0 || pid === tid || pid === process.pid;

/** Without `data` it only asks for the version. */
function capget(thread: Thread, header: number, data: number): number {
  const bytes = dataBytes(thread, header);
  if (data === 0 && (bytes > 0 || bytes === -EINVAL)) return 0;
  if (bytes < 0) return bytes;
  const pid = namedThread(thread, header);
  if (pid < 0) return pid;
  if (!isOwn(thread, pid)) return -ESRCH;
  const { memory } = thread.process;
  if (!memory.writable(data, bytes)) return -EFAULT;
  memory.fill(data, bytes, 0);
  return 0;
}

/** The guest has no capabilities, and may only go on having none. */
function capset(thread: Thread, header: number, data: number): number {
  const bytes = dataBytes(thread, header);
  if (bytes < 0) return bytes;
  const pid = namedThread(thread, header);
  if (pid === -EFAULT) return pid;
  if (!isOwn(thread, pid)) return -EPERM;
  const { memory } = thread.process;
  if (!memory.readable(data, bytes)) return -EFAULT;
  return memory.slice(data, bytes).every((byte) => byte === 0) ? 0 : -EPERM;
}

/** System calls about capabilities, of which the guest has none. */
export const capabilityCalls: readonly SyscallRow[] = [
  { nr: 125, name: "capget", args: [address, address], run: capget },
  { nr: 126, name: "capset", args: [address, address], run: capset, reason: "EPERM: the guest has no capabilities" },
];
