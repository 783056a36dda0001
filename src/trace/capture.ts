/**
 * What a probe puts into its event: values of the stopped thread, by small programs that are data, so that the Worker
 * needs no more than this file to run them.
 *
 * A capture is a *source* (a 64-bit register, the current goroutine's g, or a number), from which a *path* of offsets leads
 * through pointers: each but the last is added and the pointer there is followed. Without a path the source's own value
 * is taken. What cannot be reached is 0: every guest address can be read, and the runtime's pointers are below 2^32.
 */
import type { CpuState } from "../../jit/cpu-state.js";

/** Sources; numbers up to 15 are the general registers in x86 encoding order. */
export const SOURCE_G = 16;
export const SOURCE_NUMBER = 17;
/** FS.base. */
export const SOURCE_FS_BASE = 18;
/** XMM0 to XMM15, by `number`: its low 64 bits. */
export const SOURCE_XMM = 19;

export interface Capture {
  readonly source: number;
  /** With SOURCE_NUMBER the number, below 2^32; with SOURCE_XMM the register. */
  readonly number?: number;
  readonly path: readonly number[];
  /** Words of 32 bits that are taken: 1 or more from memory, 1 or 2 of a source itself. */
  readonly words: number;
}

/** What happens at a probe. */
export interface ProbePlan {
  readonly captures: readonly Capture[];
  /** False: the thread remembers that it was here, and its next event begins with the number of this probe + 1. */
  readonly event: boolean;
  /** Taken only so often in the process's life; 0: without end. */
  readonly times: number;
}

// Words of a plan's head.
const EVENT = 0;
const TIMES = 1;
const WORDS = 2;
const CAPTURES = 3;
const HEAD_WORDS = 4;

const WITHOUT_END = -(2 ** 31);

/** Plans as shared words: first the place of each probe's plan, then the plans. */
export function encodePlans(plans: readonly ProbePlan[]): SharedArrayBuffer {
  const words: number[] = new Array<number>(plans.length).fill(0);
  plans.forEach(({ captures, event, times }, probe) => {
    words[probe] = words.length;
    const size = captures.reduce((sum, capture) => sum + capture.words, 0);
    words.push(event ? 1 : 0, times || WITHOUT_END, size, captures.length);
    for (const { source, number = 0, path, words: count } of captures)
      words.push(source, number, count, path.length, ...path);
  });
  const buffer = new SharedArrayBuffer(4 * words.length);
  new Int32Array(buffer).set(words);
  return buffer;
}

/** Runs plans on one Worker. */
export class Captures {
  /** Shared by all Workers: the word that says how often a plan is taken counts down. */
  private readonly plans: Int32Array;
  private readonly guest: Int32Array;
  private readonly guestBase: number;
  private readonly cpu: CpuState;
  private readonly xmm: Int32Array;

  constructor(plans: SharedArrayBuffer, guestMemory: SharedArrayBuffer, guestBase: number, cpu: CpuState) {
    this.plans = new Int32Array(plans);
    this.guest = new Int32Array(guestMemory);
    this.guestBase = guestBase;
    this.cpu = cpu;
    this.xmm = new Int32Array(cpu.xmm.buffer, cpu.xmm.byteOffset, cpu.xmm.byteLength / 4);
  }

  /** True if a probe makes an event. */
  isEvent(probe: number): boolean {
    return this.plans[this.plans[probe]! + EVENT] !== 0;
  }
  /** False if a probe has been taken as often as it is to be. */
  claim(probe: number): boolean {
    const { plans } = this;
    const at = plans[probe]! + TIMES;
    const times = plans[at]!;
    return times === WITHOUT_END || (times > 0 && Atomics.sub(plans, at, 1) > 0);
  }
  /** Words that a probe's captures take. */
  sizeOf(probe: number): number {
    return this.plans[this.plans[probe]! + WORDS]!;
  }

  /** Hands the words that a probe captures to `put`. */
  take(probe: number, target: { put(word: number): void }): void {
    const { plans } = this;
    let at = plans[probe]!;
    let captures = plans[at + CAPTURES]!;
    for (at += HEAD_WORDS; captures > 0; captures--) {
      const source = plans[at]!;
      const number = plans[at + 1]!;
      const words = plans[at + 2]!;
      const steps = plans[at + 3]!;
      at += 4;
      if (steps === 0) {
        target.put(this.low(source, number));
        if (words > 1) target.put(this.high(source, number));
        continue;
      }
      let address = this.low(source, number);
      for (const last = at + steps - 1; at < last; at++) address = this.wordAt(address + plans[at]!);
      address += plans[at++]!;
      for (let i = 0; i < words; i++) target.put(this.wordAt(address + 4 * i));
    }
  }

  private low(source: number, number: number): number {
    const { gpr32, fsBase } = this.cpu;
    switch (source) {
      case SOURCE_G:
        return this.wordAt(fsBase - 8);
      case SOURCE_NUMBER:
        return number;
      case SOURCE_FS_BASE:
        return fsBase | 0;
      case SOURCE_XMM:
        return this.xmm[4 * number]!;
      default:
        return gpr32[2 * source]! | 0;
    }
  }
  private high(source: number, number: number): number {
    switch (source) {
      case SOURCE_XMM:
        return this.xmm[4 * number + 1]!;
      case SOURCE_G:
      case SOURCE_NUMBER:
      case SOURCE_FS_BASE:
        return 0;
      default:
        return this.cpu.gpr32[2 * source + 1]! | 0;
    }
  }

  /** The 32-bit word at or around a guest address; 0 where nothing can be mapped. */
  private wordAt(address: number): number {
    return this.guest[((address - this.guestBase) >>> 0) >>> 2]! | 0;
  }
}
