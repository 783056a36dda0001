/** How threads go on: the actions of `vCont`. Source: the GDB manual, "Packets", vCont. */
import type { StepRange } from "../debug/control.js";
import { ONE_INSTRUCTION } from "../debug/control.js";
import type { Going } from "../debug/debugger.js";
import { ERROR, PacketError, parseHex, parsePair } from "./fields.js";
import type { GdbSession } from "./session.js";
import { linuxSignal } from "./signal-numbers.js";
import { ALL, ANY } from "./thread-id.js";

/** What a thread, or all that no earlier action is about, are to do. */
export interface Action {
  readonly kind: "c" | "s" | "t" | "r";
  /** Linux's number of the signal that it gets. */
  readonly signal?: number;
  readonly range?: StepRange;
  readonly thread: number;
}

/** `ACTION[:THREAD];…`. @throws PacketError */
export function parseActions(session: GdbSession, text: string): Action[] {
  return text.split(";").map((part) => {
    const [what, name] = part.split(":");
    const thread = name === undefined ? ALL : session.parseThread(name);
    const kind = what!.slice(0, 1);
    const argument = what!.slice(1);
    if (kind === "r") {
      const [low, high] = parsePair(argument);
      return { kind, range: { low, high, limit: 0xffffffff }, thread };
    }
    if (kind === "C" || kind === "S")
      return { kind: kind === "C" ? "c" : "s", signal: linuxSignal(parseHex(argument)), thread };
    if ((kind === "c" || kind === "s" || kind === "t") && argument === "") return { kind, thread };
    throw new PacketError(ERROR.malformed);
  });
}

/** Lets threads go on, each by the first action that is about it; others stay. @throws PacketError */
export function resume(session: GdbSession, actions: readonly Action[]): undefined {
  session.checkStopped();
  const { debug, breakpoints } = session.inferior;
  const goings = new Map<number, Going>();
  let free = false;
  for (const thread of debug.threads()) {
    const action = actions.find(({ thread: of }) => of === ALL || of === ANY || of === thread.tid);
    if (!action || action.kind === "t") continue;
    const wanted = action.signal ?? 0;
    const told = session.signalled.delete(thread.tid);
    const held = told ? debug.heldSignal(thread) : 0;
    if (wanted !== 0 && wanted !== held) debug.signalThread(thread, wanted);
    const range = action.kind === "s" ? ONE_INSTRUCTION : action.range;
    free ||= range !== ONE_INSTRUCTION;
    goings.set(thread.tid, { ...(range ? { range } : {}), dropsSignal: told && wanted !== held });
  }
  if (goings.size === 0) throw new PacketError(ERROR.noSuch);
  // Whoever takes a single step passes what is here, and is stopped behind it anyway.
  if (free) breakpoints.apply();
  session.run(() => debug.resume(({ tid }) => goings.get(tid)));
}
