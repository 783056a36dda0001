import { describe, expect, test } from "vitest";
import { R8, RAX, RBX, RDI, RDX, readRegister, RSI, RSP, writeRegister } from "../runtime-shims/cpu.js";
import { EAGAIN, EINTR, EINVAL, ENOMEM, EPERM, ESRCH } from "../runtime-shims/errno.js";
import { CONTINUE, ENDED, REPLACED } from "../runtime-shims/outcome.js";
import { deliverPending, syscall } from "../runtime-shims/personality.js";
import { fault } from "../runtime-shims/signal-delivery.js";
import { raiseProcessSignal, SI_USER, SIG_DFL, SIG_IGN, SIGFPE, SIGSEGV, SIGURG } from "../runtime-shims/signals.js";
import type { Thread } from "../runtime-shims/threads.js";
import { call, type Guest, newGuest, NR, resultOf, setCall, sp } from "./kernel-fixture.js";

const SA_SIGINFO = 4;
const SA_RESTORER = 0x0400_0000;
const SA_ONSTACK = 0x0800_0000;
const SA_RESTART = 0x1000_0000;
const SA_NODEFER = 0x4000_0000;
const SA_RESETHAND = 0x8000_0000;
const HANDLER = 0x401100;
const RESTORER = 0x401200;
const ALT_STACK = 0x501000;
const ALT_BYTES = 0x2000;
const SCRATCH = 0x503000;
const SIGUSR1 = 10;

const install = ({ thread, process }: Guest, signo: number, flags: number, mask = 0, handler = HANDLER): number => {
  process.memory.setUint64(SCRATCH, handler);
  process.memory.setUint64(SCRATCH + 8, flags | SA_RESTORER);
  process.memory.setUint32(SCRATCH + 8, (flags | SA_RESTORER) >>> 0);
  process.memory.setUint32(SCRATCH + 12, 0);
  process.memory.setUint64(SCRATCH + 16, RESTORER);
  process.memory.setUint64(SCRATCH + 24, mask);
  return call(thread, NR.rt_sigaction, signo, SCRATCH, 0, 8);
};

const useAltStack = ({ thread, process }: Guest): number => {
  process.memory.setUint64(SCRATCH, ALT_STACK);
  process.memory.setUint64(SCRATCH + 8, 0);
  process.memory.setUint64(SCRATCH + 16, ALT_BYTES);
  return call(thread, NR.sigaltstack, SCRATCH, 0);
};

const setMask = ({ thread, process }: Guest, lo: number): void => {
  process.memory.setUint32(SCRATCH, lo);
  process.memory.setUint32(SCRATCH + 4, 0);
  call(thread, NR.rt_sigprocmask, 2, SCRATCH, 0, 8);
};

const getMask = ({ thread, process }: Guest): number => {
  call(thread, NR.rt_sigprocmask, 0, 0, SCRATCH, 8);
  return process.memory.getUint64(SCRATCH);
};

/** Returns from a handler as the restorer does: RSP behind the return address. */
const sigreturn = (thread: Thread): number => {
  writeRegister(thread.cpu, RSP, sp(thread) + 8);
  setCall(thread, NR.rt_sigreturn);
  return syscall(thread);
};

const self = (guest: Guest, signo: number): number => {
  setCall(guest.thread, NR.tgkill, 1000, 1000, signo);
  return syscall(guest.thread);
};

test("tracing is told of a call's return once, before the handler of a signal begins", () => {
  const guest = newGuest();
  install(guest, SIGUSR1, SA_SIGINFO);
  const { thread, log } = guest;
  const returns: { rip: number; result: number }[] = [];
  log.onReturn = () => void returns.push({ rip: thread.cpu.rip, result: resultOf(thread) });
  thread.cpu.rip = 0x401002;
  expect(call(thread, NR.getpid)).toBe(1000);
  expect(self(guest, SIGUSR1)).toBe(REPLACED);
  expect(thread.cpu.rip).toBe(HANDLER);
  expect(returns).toEqual([
    { rip: 0x401002, result: 1000 },
    { rip: 0x401002, result: 0 },
  ]);
});

test("a stop signal stops the process unless the guest handles, ignores or blocks it", () => {
  const [SIGSTOP, SIGTSTP] = [19, 20];
  const guest = newGuest();
  expect(self(guest, SIGTSTP)).toBe(CONTINUE);
  expect(self(guest, SIGSTOP)).toBe(CONTINUE);
  expect(guest.log.stops).toEqual([SIGTSTP, SIGSTOP]);
  install(guest, SIGTSTP, SA_SIGINFO);
  expect(self(guest, SIGTSTP)).toBe(REPLACED);
  sigreturn(guest.thread);
  install(guest, SIGTSTP, 0, 0, SIG_IGN);
  expect(self(guest, SIGTSTP)).toBe(CONTINUE);
  install(guest, SIGTSTP, 0, 0, SIG_DFL);
  setMask(guest, 1 << (SIGTSTP - 1));
  self(guest, SIGTSTP);
  expect(guest.log.stops).toHaveLength(2);
  setMask(guest, 0);
  expect(guest.log.stops).toHaveLength(3);
});

describe("frames", () => {
  test("a fault enters the handler on the alternate stack and rt_sigreturn restores everything", () => {
    const guest = newGuest();
    const { thread, process } = guest;
    const { cpu } = thread;
    expect(install(guest, SIGSEGV, SA_SIGINFO | SA_ONSTACK | SA_RESTART, 0)).toBe(0);
    expect(useAltStack(guest)).toBe(0);
    for (let register = 0; register < 16; register++) {
      if (register !== RSP) cpu.gpr[register] = 0x1111_2222_3333_4400n + BigInt(register);
    }
    cpu.xmm.forEach((_, index) => (cpu.xmm[index] = index));
    cpu.mxcsr = 0x5f80;
    cpu.rip = 0x401042;
    cpu.rflags = 0x246 | 0x400;
    const before = { gpr: cpu.gpr.slice(), xmm: cpu.xmm.slice() };

    expect(fault(thread, { signal: SIGSEGV, code: 1, address: 8 })).toBe(REPLACED);
    const frame = sp(thread);
    expect(frame % 16).toBe(8);
    expect(frame).toBeGreaterThan(ALT_STACK);
    expect(frame).toBeLessThan(ALT_STACK + ALT_BYTES);
    expect(cpu.rip).toBe(HANDLER);
    expect(cpu.rflags & 0x400).toBe(0);
    const { memory } = process;
    expect(memory.getUint64(frame)).toBe(RESTORER);
    const [info, context] = [readRegister(cpu, RSI), readRegister(cpu, RDX)];
    expect([readRegister(cpu, RDI), info - frame, context - frame]).toEqual([SIGSEGV, 0x138, 8]);
    expect([memory.getInt32(info), memory.getInt32(info + 8), memory.getUint64(info + 16)]).toEqual([SIGSEGV, 1, 8]);
    const greg = (index: number): number => memory.getUint64(context + 40 + 8 * index);
    expect(greg(16)).toBe(0x401042);
    expect(greg(15)).toBe(Number(before.gpr[RSP]));
    expect(greg(17)).toBe(0x646);
    const selectors = context + 40 + 8 * 18; // cs and gs, fs and ss
    expect([memory.getInt32(selectors), memory.getInt32(selectors + 4)]).toEqual([0x33, 0x2b_0000]);
    expect(greg(20)).toBe(14);
    expect(greg(22)).toBe(8);
    expect([memory.getInt32(greg(23) + 24), memory.getInt32(greg(23) + 28)]).toEqual([0x5f80, 0xffff]);
    expect(memory.load(greg(23) + 160, 256)).toEqual(new Uint8Array(before.xmm));
    expect(memory.getUint64(context + 296)).toBe(0);
    // A handler starts with a processor as new.
    expect([cpu.mxcsr, ...cpu.xmm]).toEqual([0x1f80, ...new Uint8Array(256)]);

    // As Go's handler does it: the context is edited to go on in sigpanic.
    cpu.gpr.fill(0n, 0, RSP);
    cpu.xmm.fill(0xee);
    cpu.rflags = 0x202;
    memory.setUint64(context + 40 + 8 * 16, 0x401500);
    expect(sigreturn(thread)).toBe(REPLACED);
    expect(cpu.rip).toBe(0x401500);
    expect(cpu.rflags & 0xfff).toBe(0x646);
    expect(cpu.gpr).toEqual(before.gpr);
    expect(cpu.xmm).toEqual(before.xmm);
    expect(cpu.mxcsr).toBe(0x5f80);
    expect(getMask(guest)).toBe(0);
  });

  test("rt_sigreturn takes SSE state from the frame, initial state where there is none, and none that no processor takes", () => {
    const guest = newGuest();
    const { thread, process } = guest;
    const { cpu } = thread;
    install(guest, SIGUSR1, SA_SIGINFO);
    const enter = (): number => {
      cpu.mxcsr = 0x3f80;
      cpu.xmm.fill(0xab);
      cpu.rip = 0x401002;
      expect(self(guest, SIGUSR1)).toBe(REPLACED);
      return readRegister(cpu, RDX) + 40 + 8 * 23;
    };
    const edited = process.memory.getUint64(enter());
    process.memory.setUint32(edited + 24, 0x7f80);
    expect(sigreturn(thread)).toBe(REPLACED);
    expect([cpu.mxcsr, cpu.xmm[80]]).toEqual([0x7f80, 0xab]);

    process.memory.setUint64(enter(), 0);
    expect(sigreturn(thread)).toBe(REPLACED);
    expect([cpu.mxcsr, cpu.xmm[80]]).toEqual([0x1f80, 0]);

    const reserved = process.memory.getUint64(enter());
    process.memory.setUint32(reserved + 24, 0x1_1f80);
    sigreturn(thread);
    expect(guest.log.exits).toEqual([SIGSEGV]);
  });

  test("without an alternate stack the frame leaves the red zone alone", () => {
    const guest = newGuest();
    install(guest, SIGUSR1, SA_SIGINFO);
    const before = sp(guest.thread);
    guest.thread.cpu.rip = 0x401002;
    expect(self(guest, SIGUSR1)).toBe(REPLACED);
    const { thread, process } = guest;
    const frame = sp(thread);
    const fpState = process.memory.getUint64(readRegister(thread.cpu, RDX) + 40 + 8 * 23);
    expect(fpState % 64).toBe(0);
    expect(fpState + 512).toBeLessThanOrEqual(before - 128);
    expect(fpState - frame).toBeGreaterThanOrEqual(440);
    const info = readRegister(thread.cpu, RSI);
    expect([8, 16, 20].map((offset) => process.memory.getInt32(info + offset))).toEqual([-6, 1000, 1000]);
    expect(sigreturn(thread)).toBe(REPLACED);
    expect(resultOf(thread)).toBe(0);
    expect(thread.cpu.rip).toBe(0x401002);
    expect(sp(thread)).toBe(before);
  });

  test("signals nest, NODEFER and RESETHAND and masks do what they say", () => {
    const guest = newGuest();
    install(guest, SIGUSR1, SA_SIGINFO, 1 << (12 - 1));
    expect(self(guest, SIGUSR1)).toBe(REPLACED);
    expect(getMask(guest)).toBe((1 << 9) | (1 << 11));
    expect(self(guest, SIGUSR1)).toBe(CONTINUE);
    expect(sigreturn(guest.thread)).toBe(REPLACED);
    // The one that waited was delivered at once.
    expect(guest.thread.cpu.rip).toBe(HANDLER);
    sigreturn(guest.thread);
    expect(getMask(guest)).toBe(0);

    install(guest, SIGUSR1, SA_SIGINFO | SA_NODEFER | SA_RESETHAND);
    expect(self(guest, SIGUSR1)).toBe(REPLACED);
    expect(getMask(guest)).toBe(0);
    expect(self(guest, SIGUSR1)).toBe(ENDED);
    expect(guest.log.exits).toEqual([SIGUSR1]);
  });

  test("a frame that does not fit ends the process with SIGSEGV", () => {
    const guest = newGuest();
    install(guest, SIGUSR1, SA_SIGINFO);
    writeRegister(guest.thread.cpu, RSP, 0x10_0000);
    expect(self(guest, SIGUSR1)).toBe(ENDED);
    expect(guest.log.exits).toEqual([SIGSEGV]);
  });

  test("a blocked or ignored fault ends the process", () => {
    for (const prepare of [
      (guest: Guest) => setMask(guest, 1 << (SIGFPE - 1)),
      (guest: Guest) => install(guest, SIGFPE, 0, 0, 1),
      () => {},
    ]) {
      const guest = newGuest();
      prepare(guest);
      expect(fault(guest.thread, { signal: SIGFPE, code: 1, address: 0x401000 })).toBe(ENDED);
      expect(guest.log.exits).toEqual([SIGFPE]);
      expect(guest.thread.exiting).toBe(true);
    }
  });
});

describe("sending", () => {
  test("a masked signal waits, and merges", () => {
    const guest = newGuest();
    const { thread, process } = guest;
    install(guest, SIGUSR1, SA_SIGINFO);
    setMask(guest, 1 << 9);
    expect(self(guest, SIGUSR1)).toBe(CONTINUE);
    expect(self(guest, SIGUSR1)).toBe(CONTINUE);
    expect(call(thread, NR.rt_sigpending, SCRATCH, 8)).toBe(0);
    expect(process.memory.getUint64(SCRATCH)).toBe(1 << 9);
    setMask(guest, 0);
    expect(thread.cpu.rip).toBe(HANDLER);
    sigreturn(thread);
    expect(thread.cpu.rip).not.toBe(HANDLER);
  });

  test("real-time signals queue in order with their values", () => {
    const guest = newGuest();
    const { thread, process } = guest;
    install(guest, 40, SA_SIGINFO);
    process.memory.setUint64(SCRATCH, 0);
    setMask(guest, 0);
    process.memory.setUint32(SCRATCH, 0);
    process.memory.setUint32(SCRATCH + 4, 1 << 7);
    call(thread, NR.rt_sigprocmask, 2, SCRATCH, 0, 8);
    const queue = (value: number): number => {
      process.memory.fill(SCRATCH, 128, 0);
      process.memory.setUint32(SCRATCH + 8, -1);
      process.memory.setUint32(SCRATCH + 24, value);
      return call(thread, 129, 1000, 40, SCRATCH);
    };
    expect([11, 22, 33].map(queue)).toEqual([0, 0, 0]);
    process.memory.setUint64(SCRATCH, 0);
    call(thread, NR.rt_sigprocmask, 2, SCRATCH, 0, 8);
    for (const value of [11, 22, 33]) {
      expect(thread.cpu.rip).toBe(HANDLER);
      expect(process.memory.getInt32(readRegister(thread.cpu, RSI) + 24)).toBe(value);
      thread.cpu.rip = 0;
      sigreturn(thread);
    }
  });

  test("the queue is bounded", () => {
    const guest = newGuest();
    const { thread, process } = guest;
    install(guest, 40, SA_SIGINFO);
    process.memory.setUint32(SCRATCH, 0);
    process.memory.setUint32(SCRATCH + 4, 1 << 7);
    call(thread, NR.rt_sigprocmask, 2, SCRATCH, 0, 8);
    process.memory.fill(SCRATCH, 128, 0);
    process.memory.setUint32(SCRATCH + 8, -1);
    let sent = 0;
    while (call(thread, 129, 1000, 40, SCRATCH) === 0) sent++;
    expect(sent).toBe(1024);
    expect(resultOf(thread)).toBe(-EAGAIN);
    // A standard signal still gets through, without its siginfo.
    install(guest, SIGUSR1, SA_SIGINFO);
    expect(self(guest, SIGUSR1)).toBe(REPLACED);
  });

  test("who can be reached", () => {
    const { thread } = newGuest();
    expect(call(thread, NR.kill, 1000, 0)).toBe(0);
    expect(call(thread, NR.kill, 0, 0)).toBe(0);
    expect(call(thread, NR.kill, -1, 0)).toBe(-ESRCH);
    expect(call(thread, NR.kill, 77, 9)).toBe(-ESRCH);
    expect(call(thread, NR.kill, 1000, 65)).toBe(-EINVAL);
    expect(call(thread, NR.tgkill, 1000, 1001, 0)).toBe(-ESRCH);
    expect(call(thread, NR.tgkill, 1001, 1000, 0)).toBe(-ESRCH);
    expect(call(thread, NR.tgkill, 0, 1000, 0)).toBe(-EINVAL);
    expect(call(thread, NR.tgkill, 1000, 1000, 0)).toBe(0);
  });

  test("signals ignored by default vanish, terminating ones end the process", () => {
    const guest = newGuest();
    expect(self(guest, SIGURG)).toBe(CONTINUE);
    expect(self(guest, 19)).toBe(CONTINUE);
    expect(self(guest, 9)).toBe(ENDED);
    expect(guest.log.exits).toEqual([9]);
  });

  test("a signal of the host reaches the main thread at its next safepoint", () => {
    const guest = newGuest();
    const { thread, kernel, log } = guest;
    install(guest, 15, SA_SIGINFO);
    raiseProcessSignal(kernel, 15, SI_USER, guest.process.hooks);
    expect(log.kicks).toEqual([0]);
    thread.cpu.rip = 0x401777;
    writeRegister(thread.cpu, RBX, 5);
    writeRegister(thread.cpu, RAX, -EINTR);
    expect(deliverPending(thread)).toBe(REPLACED);
    expect(thread.cpu.rip).toBe(HANDLER);
    sigreturn(thread);
    expect([thread.cpu.rip, resultOf(thread)]).toEqual([0x401777, -EINTR]);
  });
});

describe("calls", () => {
  test("sigaction keeps what the kernel keeps", () => {
    const guest = newGuest();
    const { thread, process } = guest;
    process.memory.setUint64(SCRATCH, HANDLER);
    process.memory.setUint64(SCRATCH + 8, 0xffff_ffff);
    process.memory.setUint64(SCRATCH + 16, RESTORER);
    process.memory.setUint64(SCRATCH + 24, -1);
    expect(call(thread, NR.rt_sigaction, 12, SCRATCH, 0, 8)).toBe(0);
    expect(call(thread, NR.rt_sigaction, 12, 0, SCRATCH + 64, 8)).toBe(0);
    expect(process.memory.getUint64(SCRATCH + 72)).toBe(0xdc00_0807);
    expect(process.memory.getUint32(SCRATCH + 88)).toBe(0xfffb_feff);
    expect(call(thread, NR.rt_sigaction, 9, SCRATCH, 0, 8)).toBe(-EINVAL);
    expect(call(thread, NR.rt_sigaction, 9, 0, SCRATCH, 8)).toBe(0);
    expect(call(thread, NR.rt_sigaction, 65, 0, SCRATCH, 8)).toBe(-EINVAL);
    expect(call(thread, NR.rt_sigaction, 12, SCRATCH, 0, 4)).toBe(-EINVAL);
  });

  test("sigaltstack reports and refuses as Linux does", () => {
    const guest = newGuest();
    const { thread, process } = guest;
    expect(call(thread, NR.sigaltstack, 0, SCRATCH)).toBe(0);
    expect(process.memory.getUint32(SCRATCH + 8)).toBe(2);
    useAltStack(guest);
    process.memory.setUint64(SCRATCH + 16, 100);
    expect(call(thread, NR.sigaltstack, SCRATCH, 0)).toBe(-ENOMEM);
    process.memory.setUint64(SCRATCH + 8, 8);
    expect(call(thread, NR.sigaltstack, SCRATCH, 0)).toBe(-EINVAL);
    const normal = sp(thread);
    writeRegister(thread.cpu, RSP, ALT_STACK + 0x1000);
    expect(call(thread, NR.sigaltstack, SCRATCH, 0)).toBe(-EPERM);
    expect(call(thread, NR.sigaltstack, 0, SCRATCH)).toBe(0);
    expect(process.memory.getUint32(SCRATCH + 8)).toBe(1);
    writeRegister(thread.cpu, RSP, normal);
    expect(readRegister(thread.cpu, R8)).toBe(0);
  });
});
