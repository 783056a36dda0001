import { RAX, writeRegister } from "./cpu.js";
import { EINTR, ERESTART_RESTARTBLOCK, ERESTARTNOHAND, ERESTARTSYS } from "./errno.js";
import { locks } from "./kernel-memory.js";
import { acquireWord, releaseWord } from "./lock.js";
import { CONTINUE, ENDED, type Outcome, REPLACED } from "./outcome.js";
import { type HandlerAction, pushFrame, SA_NODEFER, SA_RESETHAND, SA_RESTART } from "./signal-frame.js";
import {
  action,
  actionOf,
  defaultAction,
  dequeue,
  hasSignal,
  setMask,
  SI_KERNEL,
  SIG_DFL,
  SIG_IGN,
  type SignalInfo,
  type SignalSet,
  SIGSEGV,
  userSignal,
} from "./signals.js";
import { attention, row, type Thread } from "./threads.js";

/** Delivery of signals to the calling thread. */

/** A synchronous processor exception; cpu.rip and RSP are exact. */
export interface Fault {
  /** SIGSEGV, SIGFPE, SIGILL, SIGTRAP or SIGBUS. */
  readonly signal: number;
  /** si_code, such as SEGV_MAPERR = 1 or FPE_INTDIV = 1. */
  readonly code: number;
  /** si_addr. */
  readonly address: number;
}

/** A system call whose result is one of the restart codes of errno.ts. */
export interface InterruptedCall {
  readonly nr: number;
  readonly result: number;
}

/** True for the restart codes. */
export const isRestart = (result: number): boolean =>
  result === -ERESTARTSYS || result === -ERESTARTNOHAND || result === -ERESTART_RESTARTBLOCK;

/** Length of the `syscall` instruction. */
const SYSCALL_BYTES = 2;
/** Page-fault error code of a user-mode access to an unmapped page. */
const USER_ACCESS = 4;
const trapNumbers: Readonly<Record<number, number>> = { 4: 6, 5: 3, 7: 17, 8: 0, 11: 14 };

const currentMask = (thread: Thread): SignalSet => {
  const words = thread.process.kernel.words;
  return { lo: words[thread.row + row.maskLo], hi: words[thread.row + row.maskHi] };
};

/** Reads a signal's action, and resets it when it says so. */
const takeAction = (thread: Thread, signo: number): HandlerAction & { readonly mask: SignalSet } => {
  const words = thread.process.kernel.words;
  const base = actionOf(signo);
  acquireWord(words, locks.signals);
  const taken = {
    handler: (words[base + action.handlerHi] >>> 0) * 0x1_0000_0000 + (words[base + action.handlerLo] >>> 0),
    flags: words[base + action.flags],
    restorer: (words[base + action.restorerHi] >>> 0) * 0x1_0000_0000 + (words[base + action.restorerLo] >>> 0),
    mask: { lo: words[base + action.maskLo], hi: words[base + action.maskHi] },
  };
  if ((taken.flags & SA_RESETHAND) !== 0 && taken.handler !== SIG_IGN) {
    words[base + action.handlerLo] = SIG_DFL;
    words[base + action.handlerHi] = 0;
  }
  releaseWord(words, locks.signals);
  return taken;
};

/** Decides, before a handler runs, what becomes of the interrupted call. */
const settleCall = (thread: Thread, call: InterruptedCall, flags: number): void => {
  thread.restartDeadlineNs = -1;
  if (call.result === -ERESTARTSYS && (flags & SA_RESTART) !== 0) restartCall(thread, call.nr);
  else writeRegister(thread.cpu, RAX, -EINTR);
};

const restartCall = (thread: Thread, nr: number): void => {
  thread.cpu.rip -= SYSCALL_BYTES;
  writeRegister(thread.cpu, RAX, nr);
};

/** Runs one signal's action. Returns REPLACED when a handler was entered, ENDED when the signal ends the process. */
const act = (thread: Thread, info: SignalInfo, call: InterruptedCall | undefined): Outcome => {
  const { signo } = info;
  const taken = takeAction(thread, signo);
  if (taken.handler === SIG_IGN) return CONTINUE;
  if (taken.handler === SIG_DFL) {
    const fate = defaultAction(signo);
    if (fate === "stop") thread.process.hooks.stopProcess(signo);
    if (fate === "ignore" || fate === "stop") return CONTINUE;
    thread.process.exit(signo);
    return ENDED;
  }
  if (call !== undefined) settleCall(thread, call, taken.flags);
  const mask = currentMask(thread);
  const saved = thread.savedMask ?? mask;
  thread.savedMask = undefined;
  if (!pushFrame(thread, taken, info, saved)) return forceSegv(thread, signo);
  let { lo, hi } = taken.mask;
  if ((taken.flags & SA_NODEFER) === 0) {
    if (signo <= 32) lo |= 1 << (signo - 1);
    else hi |= 1 << (signo - 33);
  }
  setMask(thread, mask.lo | lo, mask.hi | hi);
  return REPLACED;
};

/** SIGSEGV for a frame that could not be written or read; a second failure ends the process. */
export const forceSegv = (thread: Thread, failedSigno: number): Outcome => {
  if (failedSigno === SIGSEGV) {
    thread.process.exit(SIGSEGV);
    return ENDED;
  }
  return force(thread, userSignal(SIGSEGV, SI_KERNEL, 0, 0));
};

/** Delivers a signal that may be neither blocked nor ignored: then it ends the process. */
const force = (thread: Thread, info: SignalInfo): Outcome => {
  const words = thread.process.kernel.words;
  const base = actionOf(info.signo);
  const mask = currentMask(thread);
  const ignored = words[base + action.handlerLo] === SIG_IGN && words[base + action.handlerHi] === 0;
  if (ignored || hasSignal(mask.lo, mask.hi, info.signo)) {
    thread.process.exit(info.signo);
    return ENDED;
  }
  return act(thread, info, undefined);
};

/** Raises the signal of a processor exception. */
export const fault = (thread: Thread, { signal, code, address }: Fault): Outcome => {
  thread.trapNumber = trapNumbers[signal] ?? 0;
  thread.trapErrorCode = signal === SIGSEGV ? USER_ACCESS : 0;
  if (signal === SIGSEGV) thread.trapAddress = address;
  const outcome = force(thread, { ...userSignal(signal, code, 0, 0), address });
  if (outcome !== REPLACED) return outcome;
  return deliverSignals(thread, undefined) === ENDED ? ENDED : REPLACED;
};

/**
 * Delivers what is pending and not masked.
 * @param call the system call just made, when its result says that a signal interrupted it.
 */
export const deliverSignals = (thread: Thread, call: InterruptedCall | undefined): Outcome => {
  const words = thread.process.kernel.words;
  const index = thread.row + row.attention;
  let outcome: Outcome = CONTINUE;
  for (;;) {
    const reasons = Atomics.and(words, index, ~attention.signal);
    if ((reasons & attention.exit) !== 0) return ENDED;
    const mask = currentMask(thread);
    const info = dequeue(thread, mask.lo, mask.hi);
    if (info === undefined) break;
    if (thread.process.takesSignal?.(info.signo) === false) continue;
    const acted = act(thread, info, outcome === CONTINUE ? call : undefined);
    if (acted === ENDED) return ENDED;
    if (acted === REPLACED) outcome = REPLACED;
  }
  if (outcome === REPLACED) return REPLACED;
  const restored = thread.savedMask;
  if (restored !== undefined) {
    thread.savedMask = undefined;
    setMask(thread, restored.lo, restored.hi);
  }
  if (call === undefined) return CONTINUE;
  restartCall(thread, call.nr);
  return REPLACED;
};
