/** How a process ended, in wait(2)'s form, and what becomes of that outside. */

/** The wait status of a program whose time was up: exit status 124, as timeout(1) has it. */
export const TIMED_OUT = 124 << 8;
/** The wait status of a program that SIGKILL ended. */
export const KILLED = 9;

/** The signal that ended a process; 0 if it exited. */
export const endingSignal = (waitStatus: number): number => waitStatus & 0x7f;

/** The exit status as a shell gives it: 128+n after signal n. */
export function shellStatus(waitStatus: number): number {
  const signal = endingSignal(waitStatus);
  return signal ? 128 + signal : waitStatus >> 8;
}
