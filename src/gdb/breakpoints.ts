/**
 * What gdb has set: breakpoints and watchpoints.
 *
 * To let a thread pass a breakpoint gdb takes it away, steps the thread and sets it again. The debugger needs none of
 * this and it would cost it all its code each time, so that breakpoints only change when something is to run freely.
 */
import type { WatchedPlace } from "../debug/control.js";
import type { Debugger } from "../debug/debugger.js";
import { ERROR, PacketError } from "./fields.js";

/** Bytes that one watchpoint of the debugger can hold. */
const WATCH_BYTES = 8;
/** No more than a debugger takes anyway. */
const MAX_WATCHED_BYTES = 128;

export type BreakpointKind = "swbreak" | "hwbreak";

export class Breakpoints {
  private readonly debug: Debugger;
  private readonly wanted = new Map<number, Set<BreakpointKind>>();
  /** Takes away what is set, by address. */
  private readonly set = new Map<number, () => void>();
  /** Takes away watchpoints, by place. */
  private readonly watches = new Map<string, readonly (() => void)[]>();

  constructor(debug: Debugger) {
    this.debug = debug;
  }

  /** What kind of breakpoint gdb has at an address. */
  kindAt(address: number): BreakpointKind | undefined {
    const kinds = this.wanted.get(address);
    return kinds && [...kinds][0];
  }

  /** @throws PacketError */
  add(kind: BreakpointKind, address: number): void {
    if (!this.debug.memory.readable(address, 1)) throw new PacketError(ERROR.cannot);
    const kinds = this.wanted.get(address) ?? new Set();
    this.wanted.set(address, kinds.add(kind));
  }
  remove(kind: BreakpointKind, address: number): void {
    const kinds = this.wanted.get(address);
    kinds?.delete(kind);
    if (kinds?.size === 0) this.wanted.delete(address);
  }

  /** @throws PacketError */
  addWatch(place: WatchedPlace): void {
    const key = watchKey(place);
    if (this.watches.has(key)) return;
    const { address, length } = place;
    if (length === 0 || length > MAX_WATCHED_BYTES) throw new PacketError(ERROR.full);
    if (!this.debug.memory.readable(address, length)) throw new PacketError(ERROR.cannot);
    const removals: (() => void)[] = [];
    try {
      for (let at = 0; at < length; at += WATCH_BYTES)
        removals.push(this.debug.setWatchpoint({ address: address + at, length: Math.min(WATCH_BYTES, length - at) }));
    } catch (error) {
      for (const remove of removals) remove();
      throw error instanceof RangeError ? new PacketError(ERROR.full) : error;
    }
    this.watches.set(key, removals);
  }
  removeWatch(place: WatchedPlace): void {
    const key = watchKey(place);
    for (const remove of this.watches.get(key) ?? []) remove();
    this.watches.delete(key);
  }

  /** Sets in the program what gdb wants there. @throws PacketError if that is too much */
  apply(): void {
    for (const [address, remove] of this.set) {
      if (this.wanted.has(address)) continue;
      remove();
      this.set.delete(address);
    }
    for (const address of this.wanted.keys()) {
      if (this.set.has(address)) continue;
      try {
        this.set.set(
          address,
          this.debug.setBreakpoint(address, () => "breakpoint"),
        );
      } catch (error) {
        throw error instanceof RangeError ? new PacketError(ERROR.full) : error;
      }
    }
  }

  /** Takes everything away. */
  clear(): void {
    this.wanted.clear();
    this.apply();
    for (const removals of this.watches.values()) for (const remove of removals) remove();
    this.watches.clear();
  }
}

const watchKey = ({ address, length }: WatchedPlace): string => `${address},${length}`;
