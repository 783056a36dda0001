/** Signals in gdb's numbering, which is the same on all systems: include/gdb/signals.def of binutils-gdb. */

/** gdb's numbers of Linux's signals 1 to 31, asm/signal.h. */
const FROM_LINUX = [
  ...[0, 1, 2, 3, 4, 5, 6, 10, 8, 9, 30, 11, 31, 13, 14, 15],
  // SIGSTKFLT has none: 143 is "unknown".
  ...[143, 20, 19, 17, 18, 21, 22, 16, 24, 25, 26, 27, 28, 23, 32, 12],
];
/** Real-time signals 33 to 63; 32 and 64 came later. */
const REALTIME_33 = 45;
const REALTIME_32 = 77;
const REALTIME_64 = 78;

export function gdbSignal(linux: number): number {
  if (linux === 32) return REALTIME_32;
  if (linux === 64) return REALTIME_64;
  return linux > 32 ? REALTIME_33 + linux - 33 : FROM_LINUX[linux]!;
}

/** Linux's number, or 0 if it has no such signal. */
export function linuxSignal(gdb: number): number {
  for (let linux = 1; linux <= 64; linux++) if (gdbSignal(linux) === gdb) return linux;
  return 0;
}
