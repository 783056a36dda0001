/** Threads in packets: `TID`, or `pPID.TID` once both sides speak of several processes. -1 stands for all, 0 for any. */
import { ERROR, PacketError, parseHex } from "./fields.js";

export const ALL = -1;
export const ANY = 0;

/** The Linux thread id, `ALL` or `ANY`. @throws PacketError if it is of another process or malformed */
export function parseThread(text: string | undefined, pid: number): number {
  const match = /^(?:p(-1|[0-9a-f]+)(?:\.|$))?(-1|[0-9a-f]+)?$/i.exec(text ?? "");
  if (!text || !match) throw new PacketError(ERROR.malformed);
  const [, process, thread] = match;
  if (process !== undefined && process !== "-1" && ![0, pid].includes(parseHex(process)))
    throw new PacketError(ERROR.noSuch);
  return thread === undefined || thread === "-1" ? ALL : parseHex(thread);
}

export const formatThread = (tid: number, pid: number, withProcess: boolean): string =>
  withProcess ? `p${pid.toString(16)}.${tid.toString(16)}` : tid.toString(16);
