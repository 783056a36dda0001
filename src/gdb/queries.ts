/** Queries and settings: one row each. Source: the GDB manual, "General Query Packets". */
import { ERROR, binaryText, hexText, PacketError, parseBytes, parseHex, parsePair } from "./fields.js";
import { PACKET_BYTES } from "./framing.js";
import { runMonitor, threadText } from "./monitor.js";
import type { PacketRow } from "./packets.js";
import { targetDescription } from "./register-table.js";
import type { GdbSession } from "./session.js";
import { linuxSignal } from "./signal-numbers.js";
import { ANY } from "./thread-id.js";

const OK = "OK";

/** What a client can read in pieces: `qXfer:NAME:read:ANNEX:OFFSET,LENGTH`. A text's characters are bytes. */
const objects: Readonly<Record<string, (session: GdbSession, annex: string) => string>> = {
  features(_session, annex) {
    if (annex !== "target.xml") throw new PacketError(ERROR.noSuch);
    return targetDescription;
  },
  auxv: ({ inferior }) => binaryText(inferior.auxv),
  "exec-file": ({ inferior }) => binaryText(new TextEncoder().encode(inferior.executable)),
  threads(session) {
    session.checkStopped();
    const { debug, state } = session.inferior;
    const ms = state.ms();
    const threads = debug.threads().map(({ tid }) => {
      const name = threadText(ms, tid);
      return `<thread id="${session.threadName(tid)}"${name && ` name="${name}"`}/>\n`;
    });
    return `<?xml version="1.0"?>\n<threads>\n${threads.join("")}</threads>\n`;
  },
};

export const queryRows: Readonly<Record<string, PacketRow>> = {
  qSupported(session, rest) {
    const theirs = new Set(rest.slice(1).split(";"));
    session.withProcess = theirs.has("multiprocess+");
    session.tellsBreakpoints = theirs.has("swbreak+");
    return [
      `PacketSize=${PACKET_BYTES.toString(16)}`,
      ...["QStartNoAckMode+", "QPassSignals+", "vContSupported+", "swbreak+", "hwbreak+", "binary-upload+"],
      ...(session.withProcess ? ["multiprocess+"] : []),
      ...Object.keys(objects).map((name) => `qXfer:${name}:read+`),
    ].join(";");
  },
  QStartNoAckMode(session) {
    session.stopAcknowledging();
    return OK;
  },
  // Threads are only stopped all together.
  QNonStop: (_session, rest) => (rest === ":0" ? OK : ""),
  QPassSignals(session, rest) {
    const numbers = rest.slice(1).split(";").filter(Boolean);
    session.passSignals(new Set(numbers.map((number) => linuxSignal(parseHex(number)))));
    return OK;
  },
  // The program was started for this, so that gdb ends it when it quits.
  qAttached: () => "0",
  qC: (session) => `QC${session.threadName(session.thread(ANY).tid)}`,
  qfThreadInfo(session) {
    session.checkStopped();
    return `m${session.inferior.debug
      .threads()
      .map(({ tid }) => session.threadName(tid))
      .join(",")}`;
  },
  qsThreadInfo: () => "l",
  qThreadExtraInfo(session, rest) {
    const { tid } = session.thread(session.parseThread(rest.slice(1)));
    return hexText(threadText(session.inferior.state.ms(), tid));
  },
  qSymbol: () => OK,
  qRcmd(session, rest) {
    session.checkStopped();
    const words = new TextDecoder()
      .decode(parseBytes(rest.slice(1)))
      .trim()
      .split(/\s+/);
    const text = runMonitor(session.inferior, session.thread(), words);
    // Two digits a byte, and the `O`.
    const pieces = hexText(text).match(new RegExp(`.{1,${PACKET_BYTES - 2}}`, "g")) ?? [];
    for (const piece of pieces) session.send(`O${piece}`);
    return OK;
  },
  qXfer(session, rest) {
    const [, name, verb, annex, range] = rest.split(":");
    const object = Object.hasOwn(objects, name ?? "") ? objects[name!] : undefined;
    if (!object || verb !== "read") return "";
    const text = object(session, annex ?? "");
    const [offset, length] = parsePair(range ?? "");
    // Every byte may have to be escaped.
    const piece = text.slice(offset, offset + Math.min(length, PACKET_BYTES / 2 - 1));
    return `${offset + piece.length < text.length ? "m" : "l"}${piece}`;
  },
};
