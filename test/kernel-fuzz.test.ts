import { expect, test } from "vitest";
import { memoryCalls } from "../runtime-shims/syscalls/memory.js";
import { infoCalls } from "../runtime-shims/syscalls/info.js";
import { processCalls } from "../runtime-shims/syscalls/process.js";
import { signalCalls } from "../runtime-shims/syscalls/signal.js";
import { threadCalls } from "../runtime-shims/syscalls/thread.js";
import { timeCalls } from "../runtime-shims/syscalls/time.js";
import { timerCalls } from "../runtime-shims/syscalls/timer.js";
import { formatCall } from "../runtime-shims/strace.js";
import { newGuest, setCall } from "./kernel-fixture.js";
import { ENDED } from "../runtime-shims/outcome.js";
import { syscall } from "../runtime-shims/personality.js";

/** Calls that wait without a time limit when their arguments say so. */
const BLOCKING = new Set(["pause", "rt_sigsuspend", "rt_sigtimedwait", "futex", "nanosleep", "clock_nanosleep"]);

/** A small reproducible generator (mulberry32). */
const generator = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return (value ^ (value >>> 14)) >>> 0;
  };
};

/** Values at the edges of everything a call checks. */
const INTERESTING = [
  0,
  1,
  2,
  3,
  4,
  7,
  8,
  9,
  11,
  14,
  15,
  16,
  24,
  32,
  40,
  63,
  64,
  65,
  100,
  1000,
  1001,
  4095,
  4096,
  8192,
  0xffff,
  0x10000,
  0x400000,
  0x401000,
  0x500000,
  0x503000,
  0x503ff8,
  0x503fff,
  0x504000,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_f000,
  0xffff_ffff,
  0x1_0000_0000,
  0x7fff_ffff_f000,
  2 ** 53,
  2 ** 63,
  -1,
  -2,
  -8,
  -4096,
  -(2 ** 31),
  0x22,
  0x32,
  0x3d0f00,
];

test("no argument makes a system call throw, hang, or answer nonsense", () => {
  const rows = [memoryCalls, infoCalls, processCalls, signalCalls, threadCalls, timeCalls, timerCalls]
    .flat()
    .filter(({ name }) => !BLOCKING.has(name));
  const next = generator(20261121);
  const pick = <T>(list: readonly T[]): T => list[next() % list.length];
  let guest = newGuest(64 << 20);
  let age = 0;
  for (let round = 0; round < 30_000; round++) {
    const row = pick(rows);
    const args = Array.from({ length: 6 }, () => (next() % 4 === 0 ? next() : pick(INTERESTING)));
    setCall(guest.thread, row.nr, ...args);
    const what = `${row.name}(${args.join(", ")})`;
    let outcome: number;
    try {
      outcome = syscall(guest.thread);
      const result = Number(BigInt.asIntN(64, guest.thread.cpu.gpr[0]));
      if (outcome === 0 && result < -4095) throw new Error(`answered ${result}`);
      formatCall(guest.thread, row, args.slice(0, row.args.length), 0);
    } catch (error) {
      throw new Error(`${what}: ${error instanceof Error ? (error.stack ?? "") : String(error)}`, { cause: error });
    }
    // A new guest when the old one has ended, or has unmapped too much to be interesting.
    if (outcome === ENDED || ++age > 300 || guest.log.resumed.length > 400) {
      guest = newGuest(64 << 20);
      age = 0;
    }
  }
  expect(rows.length).toBeGreaterThan(80);
});
