/** What packets do: one row each. Source: the GDB manual, "Packets" and "vCont" in the remote protocol's appendix. */
import type { BreakpointKind } from "./breakpoints.js";
import { ERROR, binaryText, hexBytes, PacketError, parseBytes, parseHex, parsePair } from "./fields.js";
import { asciiBytes, PACKET_BYTES } from "./framing.js";
import { queryRows } from "./queries.js";
import { ALL_BYTES, readAll, readOne, writeAll, writeOne } from "./register-table.js";
import { parseActions, resume, type Action } from "./resume.js";
import type { GdbSession } from "./session.js";
import { ALL, ANY } from "./thread-id.js";

/**
 * Carries a packet out.
 * @param rest what follows its name
 * @returns the answer; undefined if there is none, or none yet
 * @throws PacketError, which becomes an answer
 */
export type PacketRow = (session: GdbSession, rest: string) => string | undefined | Promise<string | undefined>;

const OK = "OK";

const rows: Readonly<Record<string, PacketRow>> = {
  "?": (session) => session.whyStopped(),
  g: (session) => hexBytes(readAll(registersOf(session))),
  G(session, rest) {
    const bytes = parseBytes(rest);
    if (bytes.length !== ALL_BYTES) throw new PacketError(ERROR.malformed);
    writeAll(writable(session), bytes);
    return OK;
  },
  p(session, rest) {
    const bytes = readOne(registersOf(session), parseHex(rest));
    if (!bytes) throw new PacketError(ERROR.noSuch);
    return hexBytes(bytes);
  },
  P(session, rest) {
    const [number, value] = rest.split("=");
    if (!writeOne(writable(session), parseHex(number), parseBytes(value ?? ""))) throw new PacketError(ERROR.noSuch);
    return OK;
  },
  m: (session, rest) => hexBytes(readMemory(session, rest, PACKET_BYTES / 2)),
  x: (session, rest) => `b${binaryText(readMemory(session, rest, PACKET_BYTES / 2 - 1))}`,
  M: (session, rest) => writeMemory(session, rest, parseBytes),
  X: (session, rest) => writeMemory(session, rest, asciiBytes),
  H(session, rest) {
    if (!/^[gc]/.test(rest)) throw new PacketError(ERROR.malformed);
    const thread = session.parseThread(rest.slice(1));
    if (thread > ANY) session.thread(thread);
    if (rest.startsWith("g")) session.general = thread;
    else session.resumed = thread;
    return OK;
  },
  T(session, rest) {
    session.thread(session.parseThread(rest));
    return OK;
  },
  Z: (session, rest) => changeBreakpoint(session, rest, true),
  z: (session, rest) => changeBreakpoint(session, rest, false),
  c: (session, rest) => resumeAt(session, { kind: "c" }, rest),
  s: (session, rest) => resumeAt(session, { kind: "s" }, rest),
  C: (session, rest) => resumeWithSignal(session, "c", rest),
  S: (session, rest) => resumeWithSignal(session, "s", rest),
  vCont(session, rest) {
    if (rest === "?") return "vCont;c;C;s;S;t;r";
    return resume(session, parseActions(session, rest.slice(1)));
  },
  k(session) {
    session.inferior.kill();
    return undefined;
  },
  vKill(session) {
    session.inferior.kill();
    return OK;
  },
  async D(session) {
    await session.inferior.detach();
    return OK;
  },
  ...queryRows,
};

/** Answers a packet; one that is not known with nothing, as the protocol has it. @throws PacketError */
export function carryOut(session: GdbSession, packet: string): ReturnType<PacketRow> {
  // The names of queries and the like are words.
  const name = /^[qQv]\w*/.exec(packet)?.[0] ?? packet.slice(0, 1);
  const row = Object.hasOwn(rows, name) ? rows[name] : undefined;
  return row ? row(session, packet.slice(name.length)) : "";
}

function registersOf(session: GdbSession) {
  const thread = session.thread();
  return { cpu: session.inferior.debug.registers(thread), inCall: thread.inCall };
}
/** Registers that may be changed. @throws PacketError if the thread is in a system call */
function writable(session: GdbSession) {
  const { cpu, inCall } = registersOf(session);
  if (inCall) throw new PacketError(ERROR.busy);
  return cpu;
}

/** `ADDRESS,LENGTH`: as much of it as there is. */
function readMemory(session: GdbSession, rest: string, most: number): Uint8Array {
  session.checkStopped();
  const [address, length] = parsePair(rest);
  const bytes = session.inferior.debug.read(address, Math.min(length, most));
  if (bytes.length === 0 && length > 0) throw new PacketError(ERROR.cannot);
  return bytes;
}
/** `ADDRESS,LENGTH:DATA`. */
function writeMemory(session: GdbSession, rest: string, decode: (data: string) => Uint8Array): string {
  session.checkStopped();
  const colon = rest.indexOf(":");
  const [address, length] = parsePair(rest.slice(0, Math.max(0, colon)));
  const bytes = decode(rest.slice(colon + 1));
  if (bytes.length !== length) throw new PacketError(ERROR.malformed);
  if (!session.inferior.debug.write(address, bytes)) throw new PacketError(ERROR.cannot);
  return OK;
}

const KINDS: Readonly<Record<string, BreakpointKind>> = { "0": "swbreak", "1": "hwbreak" };
const WATCH = "2";

/** `TYPE,ADDRESS,KIND`; the kind of a watchpoint is its length. */
function changeBreakpoint(session: GdbSession, rest: string, add: boolean): string {
  const [type, ...place] = rest.split(/[,;]/);
  const kind = KINDS[type!];
  // Watching what is read is not possible.
  if (kind === undefined && type !== WATCH) return "";
  session.checkStopped();
  const [address, length] = parsePair(place.slice(0, 2).join(","));
  const { breakpoints } = session.inferior;
  if (kind) {
    if (add) breakpoints.add(kind, address);
    else breakpoints.remove(kind, address);
  } else if (add) breakpoints.addWatch({ address, length });
  else breakpoints.removeWatch({ address, length });
  return OK;
}

/** `c` and `s`, of the thread that `Hc` has named: `[ADDRESS]`. */
function resumeAt(session: GdbSession, action: Omit<Action, "thread">, address: string): string | undefined {
  if (address !== "") {
    const thread = session.thread(session.resumed);
    if (thread.inCall) throw new PacketError(ERROR.busy);
    session.inferior.debug.registers(thread).rip = parseHex(address);
  }
  if (session.resumed > ANY) return resume(session, [{ ...action, thread: session.resumed }]);
  const { tid } = session.thread(ANY);
  return resume(session, [
    { ...action, thread: tid },
    { kind: "c", thread: ALL },
  ]);
}
/** `C` and `S`: `SIGNAL[;ADDRESS]`. */
function resumeWithSignal(session: GdbSession, kind: "c" | "s", rest: string): string | undefined {
  const [signal, address] = rest.split(";");
  return resumeAt(session, { kind, signal: parseHex(signal) }, address ?? "");
}
