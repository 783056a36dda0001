/**
 * What a probe puts into its event, as data.
 *
 * A capture is a *source* (a register, the current goroutine's g, or a number), from which a *path* of offsets leads through
 * pointers: each but the last is added and the pointer there is followed. Without a path the source's own value is taken. What cannot be
 * reached is 0. The runtime's pointers are below 2^32, and what is captured is aligned to 4 bytes.
 */

/** Sources; numbers up to 15 are the general registers in x86 encoding order. */
export const SOURCE_G = 16;
export const SOURCE_NUMBER = 17;
/** FS.base. */
export const SOURCE_FS_BASE = 18;

export interface Capture {
  readonly source: number;
  /** With SOURCE_NUMBER: the number, below 2^32. */
  readonly number?: number;
  readonly path: readonly number[];
  /** Words of 32 bits that are taken, 1 or 2, the lower one first. */
  readonly words: 1 | 2;
}

/** What happens at a probe. */
export interface ProbePlan {
  readonly captures: readonly Capture[];
  /** How often in the process's life it makes an event; Infinity: always. */
  readonly times: number;
  /** False: its events have the time of the thread's next event that has one; reading the clock costs more than all else. */
  readonly timed: boolean;
  /** The thread notes its number + 1, and the first word that it captures. */
  readonly note: boolean;
  /** Its events take the note away. */
  readonly takesNote: boolean;
  /** It makes an event only where the thread has a note. */
  readonly afterNote: boolean;
}

export const wordsOf = (captures: readonly Capture[]): number => captures.reduce((sum, { words }) => sum + words, 0);
