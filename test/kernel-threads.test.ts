import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, test } from "vitest";
import { EAGAIN, EFAULT, EINVAL, ENOSYS, ETIMEDOUT } from "../runtime-shims/errno.js";
import { nodeClock } from "../runtime-shims/host/node-clock.js";
import { CONTINUE, ENDED, REPLACED } from "../runtime-shims/outcome.js";
import { syscall } from "../runtime-shims/personality.js";
import { takeThread, threadCpuNs, threadCpuNsOf } from "../runtime-shims/thread-context.js";
import { parking, row, rowOf, Thread } from "../runtime-shims/threads.js";
import { runTimers } from "../runtime-shims/timers.js";
import { claimWorker } from "../runtime-shims/wait-queue.js";
import { call, fakeCpu, type Guest, newGuest, NR, resultOf, setCall, sp } from "./kernel-fixture.js";

const WAIT = 128;
const WAKE = 129;
const WAIT_BITSET = 137;
const WAKE_BITSET = 138;
const CMP_REQUEUE = 132;
const WAKE_OP = 133;
const CLOCK_REALTIME = 256;
const THREAD_FLAGS = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000;
const WORD = 0x503000;
const SPEC = 0x503100;
const HANDLER = 0x401100;
const ALL = 0x7fff_ffff;

interface Answer {
  readonly outcome: number;
  readonly result: number;
  readonly rip: number;
  /** Slots that the thread's Worker had resumed. */
  readonly resumed: number[];
}

const workers: Worker[] = [];
afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
});

/** Starts a guest thread with clone; the returned function makes its calls. */
const spawn = (guest: Guest): { tid: number; slot: number; call(...args: number[]): Promise<Answer> } => {
  const stack = sp(guest.thread) - 0x10000 * (guest.log.resumed.length + 1);
  const tid = call(guest.thread, NR.clone, THREAD_FLAGS, stack);
  const slot = guest.log.resumed[guest.log.resumed.length - 1]!;
  expect(guest.kernel.words[rowOf(slot) + row.tid]).toBe(tid);
  const worker = new Worker(new URL("../dist/test/kernel-worker.js", import.meta.url), {
    workerData: { kernel: guest.kernel.buffer, buffer: guest.buffer, slot },
  });
  workers.push(worker);
  return {
    tid,
    slot,
    call: (...args) => {
      worker.postMessage(args);
      return new Promise((resolve) => worker.once("message", resolve));
    },
  };
};

/** Waits until the threads block. */
const blocked = async (guest: Guest, ...slots: number[]): Promise<void> => {
  const isBlocked = (slot: number): boolean => Atomics.load(guest.kernel.words, rowOf(slot) + row.waiting) === 1;
  while (!slots.every(isBlocked)) await new Promise((resolve) => setTimeout(resolve, 1));
};

const setTimespec = (guest: Guest, ns: number): number => {
  guest.process.memory.setUint64(SPEC, Math.floor(ns / 1e9));
  guest.process.memory.setUint64(SPEC + 8, ns % 1e9);
  return SPEC;
};

const install = ({ thread, process }: Guest, signo: number, flags: number): void => {
  process.memory.setUint64(SPEC, HANDLER);
  process.memory.setUint32(SPEC + 8, flags | 0x0400_0004);
  process.memory.setUint32(SPEC + 12, 0);
  process.memory.setUint64(SPEC + 16, 0x401200);
  process.memory.setUint64(SPEC + 24, 0);
  expect(call(thread, NR.rt_sigaction, signo, SPEC, 0, 8)).toBe(0);
};

describe("futex", () => {
  test("errors", () => {
    const guest = newGuest();
    const { thread } = guest;
    expect(call(thread, NR.futex, WORD + 1, WAIT, 0)).toBe(-EINVAL);
    expect(call(thread, NR.futex, 0x700_0000, WAIT, 0)).toBe(-EFAULT);
    expect(call(thread, NR.futex, WORD, WAIT, 1)).toBe(-EAGAIN);
    expect(call(thread, NR.futex, WORD, WAIT, 0, 0x700_0000)).toBe(-EFAULT);
    expect(call(thread, NR.futex, WORD, WAIT, 0, setTimespec(guest, 0))).toBe(-ETIMEDOUT);
    expect(call(thread, NR.futex, WORD, WAIT_BITSET, 0, 0, 0, 0)).toBe(-EINVAL);
    expect(call(thread, NR.futex, WORD, WAKE, 1)).toBe(0);
    expect(call(thread, NR.futex, WORD, 6, 1)).toBe(-ENOSYS);
    expect(call(thread, NR.futex, WORD, WAIT | CLOCK_REALTIME, 0, SPEC)).toBe(-ENOSYS);
    guest.process.memory.setUint64(SPEC + 8, 1e9);
    expect(call(thread, NR.futex, WORD, WAIT, 0, SPEC)).toBe(-EINVAL);
  });

  test("timeouts are relative, absolute or on the real-time clock", () => {
    const guest = newGuest();
    const { thread } = guest;
    const elapsed = (run: () => void): number => {
      const start = performance.now();
      run();
      return performance.now() - start;
    };
    const expire = (operation: number, ns: number): void => {
      expect(call(thread, NR.futex, WORD, operation, 0, setTimespec(guest, ns), 0, -1)).toBe(-ETIMEDOUT);
    };
    expect(elapsed(() => expire(WAIT, 20e6))).toBeGreaterThan(19);
    expect(elapsed(() => expire(WAIT_BITSET, nodeClock.monotonicNs() + 20e6))).toBeGreaterThan(19);
    const wall = Date.now() + 30;
    guest.process.memory.setUint64(SPEC, Math.floor(wall / 1000));
    guest.process.memory.setUint64(SPEC + 8, (wall % 1000) * 1e6);
    const waited = elapsed(() =>
      expect(call(thread, NR.futex, WORD, WAIT_BITSET | CLOCK_REALTIME, 0, SPEC, 0, -1)).toBe(-ETIMEDOUT),
    );
    expect(waited).toBeGreaterThan(24);
    expect(waited).toBeLessThan(500);
  });

  test("wakes come in order, as many as asked, to the bits that match; requeue moves", async () => {
    const guest = newGuest();
    const { thread, process } = guest;
    const [a, b, c] = [spawn(guest), spawn(guest), spawn(guest)];
    const answerA = a.call(NR.futex, WORD, WAIT, 0);
    await blocked(guest, a.slot);
    const answerB = b.call(NR.futex, WORD, WAIT_BITSET, 0, 0, 0, 2);
    await blocked(guest, b.slot);
    const answerC = c.call(NR.futex, WORD, WAIT_BITSET, 0, 0, 0, 4);
    await blocked(guest, c.slot);
    expect(call(thread, NR.futex, WORD + 4, WAKE, ALL)).toBe(0);
    expect(call(thread, NR.futex, WORD, WAKE, 1)).toBe(1);
    expect((await answerA).result).toBe(0);
    expect(call(thread, NR.futex, WORD, WAKE_BITSET, ALL, 0, 0, 4)).toBe(1);
    expect((await answerC).result).toBe(0);

    expect(call(thread, NR.futex, WORD, CMP_REQUEUE, 0, ALL, WORD + 8, 1)).toBe(-EAGAIN);
    expect(call(thread, NR.futex, WORD, CMP_REQUEUE, 0, ALL, WORD + 8, 0)).toBe(1);
    expect(call(thread, NR.futex, WORD, WAKE, ALL)).toBe(0);
    // FUTEX_OP_ADD 5, compare EQ 0.
    expect(call(thread, NR.futex, WORD, WAKE_OP, 1, 1, WORD + 8, 0x1000_5000)).toBe(1);
    expect(process.memory.getInt32(WORD + 8)).toBe(5);
    expect((await answerB).result).toBe(0);
  });

  test("a signal ends the wait: EINTR, or the call again with SA_RESTART", async () => {
    const guest = newGuest();
    const { thread } = guest;
    const a = spawn(guest);
    install(guest, 10, 0);
    let answer = a.call(NR.futex, WORD, WAIT, 0);
    await blocked(guest, a.slot);
    expect(call(thread, NR.tgkill, 1000, a.tid, 10)).toBe(0);
    expect(await answer).toMatchObject({ outcome: REPLACED, rip: HANDLER });

    install(guest, 12, 0x1000_0000);
    answer = a.call(NR.futex, WORD, WAIT, 0);
    await blocked(guest, a.slot);
    expect(call(thread, NR.tgkill, 1000, a.tid, 12)).toBe(0);
    expect(await answer).toMatchObject({ outcome: REPLACED, rip: HANDLER });
  });

  test("three hundred handovers lose no wake", async () => {
    const guest = newGuest();
    const { thread, process } = guest;
    const a = spawn(guest);
    const index = (WORD - 0x10000) >>> 2;
    const words = process.memory.words;
    let answer = a.call(NR.futex, WORD, WAIT, 0);
    for (let round = 0; round < 300; round++) {
      Atomics.store(words, index, 1);
      call(thread, NR.futex, WORD, WAKE, 1);
      expect([0, -EAGAIN]).toContain((await answer).result);
      Atomics.store(words, index, 0);
      answer = a.call(NR.futex, WORD, WAIT, 0);
    }
    Atomics.store(words, index, 1);
    call(thread, NR.futex, WORD, WAKE, 1);
    await answer;
  });
});

describe("threads", () => {
  test("clone hands over registers, tids and TLS, and validates its flags", () => {
    const guest = newGuest();
    const { thread, process, log } = guest;
    thread.cpu.rip = 0x401002;
    const flags = THREAD_FLAGS | 0x80000 | 0x100000 | 0x200000 | 0x1000000;
    const tid = call(thread, NR.clone, flags, 0x502000, WORD, WORD + 4, 0x503800);
    expect(tid).toBe(1001);
    expect(process.memory.getInt32(WORD)).toBe(tid);
    expect(process.memory.getInt32(WORD + 4)).toBe(tid);
    expect(log.resumed).toEqual([1]);
    const child = takeThread(process, 1, fakeCpu());
    expect(child).toMatchObject({ tid, slot: 1, clearChildTid: WORD + 4 });
    expect(child.cpu).toMatchObject({ rip: 0x401002, fsBase: 0x503800, mxcsr: 0x1f80 });
    expect([child.cpu.gpr[0], child.cpu.gpr[4]]).toEqual([0n, 0x502000n]);
    expect(call(thread, NR.clone, 0x10000, 0)).toBe(-EINVAL);
    expect(call(thread, NR.clone, 0x800, 0)).toBe(-EINVAL);
    expect(call(thread, NR.clone, 0x4111, 0)).toBe(-ENOSYS);
    expect(call(thread, NR.fork)).toBe(-ENOSYS);
    expect(log.lines.length).toBe(1);
  });

  test("the KEEPCAPS flag is kept by thread, and inherited", () => {
    const { thread, process } = newGuest();
    const [PR_GET_KEEPCAPS, PR_SET_KEEPCAPS] = [7, 8];
    expect(call(thread, NR.prctl, PR_GET_KEEPCAPS)).toBe(0);
    expect(call(thread, NR.prctl, PR_SET_KEEPCAPS, 2)).toBe(-EINVAL);
    expect(call(thread, NR.prctl, PR_SET_KEEPCAPS, 1)).toBe(0);
    const tid = call(thread, NR.clone, THREAD_FLAGS, 0x502000);
    expect(call(thread, NR.prctl, PR_SET_KEEPCAPS, 0)).toBe(0);
    const child = new Thread(process, fakeCpu(), 1, tid);
    expect(call(child, NR.prctl, PR_GET_KEEPCAPS)).toBe(1);
    expect(call(thread, NR.prctl, PR_GET_KEEPCAPS)).toBe(0);
  });

  test("a thread's exit clears and wakes; the last one ends the process with the leader's code", async () => {
    const guest = newGuest();
    const { thread, process, log } = guest;
    const tid = call(thread, NR.clone, THREAD_FLAGS | 0x200000 | 0x1000000, sp(thread) - 0x10000, 0, WORD);
    const [slot] = log.resumed;
    const worker = new Worker(new URL("../dist/test/kernel-worker.js", import.meta.url), {
      workerData: { kernel: guest.kernel.buffer, buffer: guest.buffer, slot },
    });
    workers.push(worker);
    expect(process.memory.getInt32(WORD)).toBe(tid);
    worker.postMessage([NR.exit, 9]);
    expect([0, -EAGAIN]).toContain(call(thread, NR.futex, WORD, 0, tid));
    expect(process.memory.getInt32(WORD)).toBe(0);
    expect(call(thread, NR.tgkill, 1000, tid, 0)).toBe(-3);
    setCall(thread, NR.exit, 7);
    expect(syscall(thread)).toBe(ENDED);
    // Whichever of the two is the last one ends the process.
    while (process.waitStatus === undefined) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(process.waitStatus).toBe(7 << 8);
  });

  test("exit_group reaches a thread that is blocked", async () => {
    const guest = newGuest();
    const a = spawn(guest);
    const answer = a.call(NR.futex, WORD, WAIT, 0);
    await blocked(guest, a.slot);
    setCall(guest.thread, NR.exit_group, 3);
    expect(syscall(guest.thread)).toBe(ENDED);
    expect((await answer).outcome).toBe(ENDED);
    expect(guest.log.exits).toEqual([3 << 8]);
    expect(guest.log.kicks).toContain(a.slot);
  });

  test("a signal for the process goes to a thread that takes it", async () => {
    const guest = newGuest();
    const { thread, process } = guest;
    const a = spawn(guest);
    install(guest, 10, 0);
    process.memory.setUint64(SPEC, 1 << 9);
    call(thread, NR.rt_sigprocmask, 2, SPEC, 0, 8);
    const answer = a.call(NR.nanosleep, setTimespec(guest, 10e9), 0);
    await blocked(guest, a.slot);
    call(thread, NR.kill, 1000, 10);
    expect(await answer).toMatchObject({ outcome: REPLACED, rip: HANDLER });
  });

  test("nanosleep tells what remains", async () => {
    const guest = newGuest();
    const { thread, process } = guest;
    const a = spawn(guest);
    install(guest, 10, 0x1000_0000);
    const answer = a.call(NR.nanosleep, setTimespec(guest, 10e9), WORD);
    await blocked(guest, a.slot);
    call(thread, NR.tgkill, 1000, a.tid, 10);
    await answer;
    expect(process.memory.getUint64(WORD)).toBeGreaterThan(5);
    expect(process.memory.getUint64(WORD)).toBeLessThan(10);
  });

  test("affinity counts the CPUs", () => {
    const { thread, process } = newGuest();
    expect(call(thread, NR.sched_getaffinity, 0, 8192, WORD)).toBe(8);
    expect(process.memory.getUint64(WORD)).toBe(3);
    expect(call(thread, NR.sched_getaffinity, 0, 7, WORD)).toBe(-EINVAL);
    expect(call(thread, NR.sched_getaffinity, 4242, 8, WORD)).toBe(-3);
  });
});

describe("a thread that waits lends its Worker", () => {
  const parkWord = ({ kernel }: Guest, slot: number): number => Atomics.load(kernel.words, rowOf(slot) + row.park);
  /** A thread off its Worker in a futex wait, with a stack, a mask and registers of its own. */
  const sendAway = async (guest: Guest): Promise<{ tid: number; slot: number }> => {
    const { process } = guest;
    const child = spawn(guest);
    process.memory.setUint64(SPEC, 0x502000);
    process.memory.setUint64(SPEC + 8, 0);
    process.memory.setUint64(SPEC + 16, 0x1000);
    expect((await child.call(NR.sigaltstack, SPEC, 0)).result).toBe(0);
    process.memory.setUint64(SPEC, 1 << 11);
    expect((await child.call(NR.rt_sigprocmask, 2, SPEC, 0, 8)).result).toBe(0);
    const answer = child.call(NR.futex, WORD, WAIT, 0);
    await blocked(guest, child.slot);
    while (!claimWorker(guest.kernel.words, child.slot));
    expect(await answer).toMatchObject({ outcome: ENDED, resumed: [] });
    expect(parkWord(guest, child.slot)).toBe(parking.away);
    guest.log.resumed.length = 0;
    return child;
  };

  test("it goes on with its wait on another, with all that it had", async () => {
    const guest = newGuest();
    const { slot, tid } = await sendAway(guest);
    expect(claimWorker(guest.kernel.words, slot)).toBe(false);
    expect(call(guest.thread, NR.futex, WORD, WAKE, 1)).toBe(1);
    expect(guest.log.resumed).toEqual([slot]);
    const taken = takeThread(guest.process, slot, fakeCpu());
    expect(taken).toMatchObject({ tid, altStackBase: 0x502000, altStackSize: 0x1000, away: true });
    expect(syscall(taken)).toBe(CONTINUE);
    expect(resultOf(taken)).toBe(0);
    expect(call(taken, NR.gettid)).toBe(tid);
  });

  test("a signal reaches it, and interrupts the wait", async () => {
    const guest = newGuest();
    install(guest, 10, 0);
    const { slot, tid } = await sendAway(guest);
    // Masked.
    expect(call(guest.thread, NR.tgkill, 1000, tid, 12)).toBe(0);
    expect(guest.log.resumed).toEqual([]);
    expect(call(guest.thread, NR.tgkill, 1000, tid, 10)).toBe(0);
    expect(guest.log.resumed).toEqual([slot]);
    const taken = takeThread(guest.process, slot, fakeCpu());
    expect(syscall(taken)).toBe(REPLACED);
    expect(taken.cpu.rip).toBe(HANDLER);
    expect(call(guest.thread, NR.futex, WORD, WAKE, 1)).toBe(0);
  });

  test("one that is woken when its Worker has been claimed leaves, and is resumed", async () => {
    const guest = newGuest();
    const { kernel } = guest;
    const child = spawn(guest);
    const park = rowOf(child.slot) + row.park;
    const answer = child.call(NR.futex, WORD, WAIT, 0);
    await blocked(guest, child.slot);
    // As `claimWorker` does, but the thread sleeps on.
    while (Atomics.compareExchange(kernel.words, park, parking.lends, parking.claimed) !== parking.lends);
    guest.log.resumed.length = 0;
    expect(call(guest.thread, NR.futex, WORD, WAKE, 1)).toBe(1);
    expect(parkWord(guest, child.slot)).toBe(parking.claimed);
    Atomics.notify(kernel.words, park);
    expect(await answer).toMatchObject({ outcome: ENDED, resumed: [child.slot] });
    expect(guest.log.resumed).toEqual([]);
    const taken = takeThread(guest.process, child.slot, fakeCpu());
    expect(syscall(taken)).toBe(CONTINUE);
    expect(resultOf(taken)).toBe(0);
  });

  test("only without a time limit, and only in a futex wait", async () => {
    const guest = newGuest();
    const [a, b] = [spawn(guest), spawn(guest)];
    void a.call(NR.futex, WORD, WAIT, 0, setTimespec(guest, 100e9));
    void b.call(NR.rt_sigsuspend, SPEC, 8);
    await blocked(guest, a.slot, b.slot);
    for (const { slot } of [a, b]) expect(claimWorker(guest.kernel.words, slot)).toBe(false);
  });

  test("its processor time goes on", async () => {
    const guest = newGuest();
    const { kernel } = guest;
    const { slot } = await sendAway(guest);
    const used = threadCpuNsOf(kernel, nodeClock, slot)!;
    expect(used).toBeGreaterThan(0);
    expect(threadCpuNsOf(kernel, nodeClock, slot)).toBe(used);
    const taken = takeThread(guest.process, slot, fakeCpu());
    const begin = globalThis.process.threadCpuUsage().user;
    while (globalThis.process.threadCpuUsage().user - begin < 20_000) performance.now();
    const now = threadCpuNs(taken)!;
    expect(now - used).toBeGreaterThanOrEqual(20e6);
    expect(now - used).toBeLessThan(2e9);
    expect(threadCpuNsOf(kernel, nodeClock, slot)!).toBeGreaterThanOrEqual(used);
  });
});

describe("clocks and timers", () => {
  const scheduler = { kick: () => {}, resume: () => {} };
  const nowOf = ({ thread, process }: Guest, id: number): number => {
    expect(call(thread, NR.clock_gettime, id, WORD)).toBe(0);
    return process.memory.getUint64(WORD) * 1000 + process.memory.getUint64(WORD + 8) / 1e6;
  };

  test("clocks agree with the host's", () => {
    const guest = newGuest();
    expect(Math.abs(nowOf(guest, 0) - Date.now())).toBeLessThan(20);
    expect(Math.abs(call(guest.thread, NR.time, 0) - Date.now() / 1000)).toBeLessThan(2);
    const before = nowOf(guest, 1);
    expect(nowOf(guest, 1)).toBeGreaterThanOrEqual(before);
    expect(nowOf(guest, 2)).toBeGreaterThan(0);
    expect(nowOf(guest, 3)).toBeGreaterThan(0);
    expect(call(guest.thread, NR.clock_gettime, 42, WORD)).toBe(-EINVAL);
    expect(call(guest.thread, NR.clock_gettime, 1, 0x700_0000)).toBe(-EFAULT);
  });

  test("an interval timer fires through the supervisor", async () => {
    const guest = newGuest();
    const { thread, kernel, process } = guest;
    install(guest, 14, 0);
    process.memory.setUint64(WORD, 0);
    process.memory.setUint64(WORD + 8, 0);
    process.memory.setUint64(WORD + 16, 0);
    process.memory.setUint64(WORD + 24, 10_000);
    expect(call(thread, 38, 0, WORD, 0)).toBe(0);
    const wait = runTimers(kernel, nodeClock, scheduler);
    expect(wait).toBeGreaterThan(5e6);
    expect(wait).toBeLessThanOrEqual(10e6);
    await new Promise((resolve) => setTimeout(resolve, wait / 1e6 + 2));
    expect(runTimers(kernel, nodeClock, scheduler)).toBe(Infinity);
    call(thread, NR.gettid);
    expect(thread.cpu.rip).toBe(HANDLER);
  });

  test("a thread's timer counts its CPU time, not the time that passes", async () => {
    const guest = newGuest();
    const { thread, kernel, process } = guest;
    install(guest, 27, 0);
    process.memory.fill(WORD, 64, 0);
    process.memory.setUint32(WORD + 8, 27);
    expect(call(thread, 222, 3, WORD, SPEC)).toBe(0);
    const id = process.memory.getInt32(SPEC);
    process.memory.setUint64(WORD + 24, 20e6);
    process.memory.setUint32(WORD + 8, 0);
    expect(call(thread, 223, id, 0, WORD, 0)).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 40));
    runTimers(kernel, nodeClock, scheduler);
    call(thread, NR.gettid);
    expect(thread.cpu.rip).not.toBe(HANDLER);
    const begin = globalThis.process.threadCpuUsage().user;
    while (globalThis.process.threadCpuUsage().user - begin < 40_000) performance.now();
    runTimers(kernel, nodeClock, scheduler);
    call(thread, NR.gettid);
    expect(thread.cpu.rip).toBe(HANDLER);
  });

  test("a POSIX timer carries its value and counts overruns", async () => {
    const guest = newGuest();
    const { thread, kernel, process } = guest;
    install(guest, 40, 0);
    process.memory.fill(WORD, 64, 0);
    process.memory.setUint64(WORD, 0xabcd);
    process.memory.setUint32(WORD + 8, 40);
    expect(call(thread, 222, 1, WORD, SPEC)).toBe(0);
    const id = process.memory.getInt32(SPEC);
    process.memory.setUint64(WORD, 0);
    process.memory.setUint64(WORD + 8, 1e6);
    process.memory.setUint64(WORD + 16, 0);
    process.memory.setUint64(WORD + 24, 1e6);
    expect(call(thread, 223, id, 0, WORD, 0)).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 12));
    runTimers(kernel, nodeClock, scheduler);
    call(thread, NR.gettid);
    expect(thread.cpu.rip).toBe(HANDLER);
    const info = Number(thread.cpu.gpr[6]);
    expect([0, 8, 16, 24].map((offset) => process.memory.getInt32(info + offset))).toEqual([40, -2, id, 0xabcd]);
    expect(process.memory.getInt32(info + 20)).toBeGreaterThan(5);
    expect(call(thread, 226, id)).toBe(0);
    expect(call(thread, 226, id)).toBe(-EINVAL);
  });
});
