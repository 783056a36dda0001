import {
  MXCSR_DEFAULT,
  MXCSR_MASK,
  R8,
  RAX,
  RBP,
  RBX,
  RCX,
  RDI,
  RDX,
  readRegister,
  RSI,
  RSP,
  USER_RFLAGS,
  writeRegister,
} from "./cpu.js";
import { GUEST_BASE } from "./guest-memory.js";
import { hasSignal, type SignalInfo, type SignalSet, SYNCHRONOUS_LO } from "./signals.js";
import type { Thread } from "./threads.js";

/**
 * The signal frame of x86-64 Linux (struct rt_sigframe): return address, ucontext, siginfo, and the FXSAVE area
 * above it. Offsets are from the start of the frame.
 */
const FRAME_BYTES = 440;
const UC = 8;
const UC_STACK = UC + 16;
const MCONTEXT = UC + 40;
const UC_MASK = UC + 296;
const INFO = UC + 304;
const FXSAVE_BYTES = 512;
const FXSAVE_MXCSR = 24;
const FXSAVE_XMM = 160;
const RED_ZONE = 128;

/** mcontext slots of 8 bytes, by register. */
const slotRegisters = [R8, 9, 10, 11, 12, 13, 14, 15, RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP];
const SLOT_RIP = 16;
/** Where a ucontext has RSP and RIP. */
export const UCONTEXT_RSP = MCONTEXT - UC + 8 * slotRegisters.indexOf(RSP);
export const UCONTEXT_RIP = MCONTEXT - UC + 8 * SLOT_RIP;
const SLOT_FLAGS = 17;
const SLOT_SEGMENTS = 18;
const SLOT_ERROR = 19;
const SLOT_TRAP = 20;
const SLOT_OLDMASK = 21;
const SLOT_CR2 = 22;
const SLOT_FPSTATE = 23;

/** UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS: what a kernel without XSAVE reports. */
const UC_FLAGS = 6;
/** CS 0x33 and SS 0x2b of 64-bit user code. */
const SEGMENTS_LO = 0x33;
const SEGMENTS_HI = 0x002b_0000;
const RFLAGS_CLEARED = 0x400 | 0x10000 | 0x100;

export const SS_ONSTACK = 1;
export const SS_DISABLE = 2;
export const SS_AUTODISARM = 0x8000_0000;

export const SA_SIGINFO = 4;
export const SA_RESTORER = 0x0400_0000;
export const SA_ONSTACK = 0x0800_0000;
export const SA_RESTART = 0x1000_0000;
export const SA_NODEFER = 0x4000_0000;
export const SA_RESETHAND = 0x8000_0000;

const withinAltStack = (thread: Thread, sp: number): boolean =>
  sp > thread.altStackBase && sp - thread.altStackBase <= thread.altStackSize;

/** True while `sp` lies on the thread's alternate stack. */
export const onAltStack = (thread: Thread, sp: number): boolean =>
  (thread.altStackFlags & SS_AUTODISARM) === 0 && withinAltStack(thread, sp);

/** What sigaltstack reports as ss_flags of the current stack. */
export const altStackState = (thread: Thread, sp: number): number =>
  thread.altStackSize === 0 ? SS_DISABLE : onAltStack(thread, sp) ? SS_ONSTACK : 0;

/** Turns the alternate stack off. */
export const resetAltStack = (thread: Thread): void => {
  thread.altStackBase = 0;
  thread.altStackSize = 0;
  thread.altStackFlags = SS_DISABLE;
};

/** Where a handler's action comes from, all as the guest set it. */
export interface HandlerAction {
  readonly handler: number;
  readonly flags: number;
  readonly restorer: number;
}

/** Writes a siginfo_t of 128 bytes. */
export const writeSignalInfo = (thread: Thread, at: number, info: SignalInfo): void => {
  const memory = thread.process.memory;
  memory.fill(at, 128, 0);
  memory.setUint32(at, info.signo);
  memory.setUint32(at + 8, info.code);
  if (info.code > 0 && info.code < 0x80 && hasSignal(SYNCHRONOUS_LO, 0, info.signo)) {
    memory.setUint64(at + 16, info.address);
  } else {
    memory.setUint32(at + 16, info.pid);
    memory.setUint32(at + 20, info.uid);
    memory.setUint32(at + 24, info.valueLo);
    memory.setUint32(at + 28, info.valueHi);
  }
};

const writeContext = (thread: Thread, frame: number, fpState: number, mask: SignalSet): void => {
  const { cpu } = thread;
  const memory = thread.process.memory;
  const context = frame + MCONTEXT;
  slotRegisters.forEach((register, slot) => {
    memory.setUint32(context + 8 * slot, cpu.gpr32[2 * register]);
    memory.setUint32(context + 8 * slot + 4, cpu.gpr32[2 * register + 1]);
  });
  memory.setUint64(context + 8 * SLOT_RIP, cpu.rip);
  memory.setUint64(context + 8 * SLOT_FLAGS, cpu.rflags);
  memory.setUint32(context + 8 * SLOT_SEGMENTS, SEGMENTS_LO);
  memory.setUint32(context + 8 * SLOT_SEGMENTS + 4, SEGMENTS_HI);
  memory.setUint64(context + 8 * SLOT_ERROR, thread.trapErrorCode);
  memory.setUint64(context + 8 * SLOT_TRAP, thread.trapNumber);
  memory.setUint32(context + 8 * SLOT_OLDMASK, mask.lo);
  memory.setUint32(context + 8 * SLOT_OLDMASK + 4, mask.hi);
  memory.setUint64(context + 8 * SLOT_CR2, thread.trapAddress);
  memory.setUint64(context + 8 * SLOT_FPSTATE, fpState);
};

const writeFpState = (thread: Thread, at: number): void => {
  const memory = thread.process.memory;
  memory.fill(at, FXSAVE_BYTES, 0);
  memory.setUint16(at, 0x37f);
  memory.setUint32(at + FXSAVE_MXCSR, thread.cpu.mxcsr);
  memory.setUint32(at + FXSAVE_MXCSR + 4, MXCSR_MASK);
  memory.store(at + FXSAVE_XMM, thread.cpu.xmm);
};

/**
 * Pushes the frame and sets the registers so that the thread goes on in the handler.
 * @param mask the signal mask that rt_sigreturn puts back.
 * @returns false when the stack cannot take the frame or the action has no restorer: the thread gets SIGSEGV.
 */
export const pushFrame = (thread: Thread, action: HandlerAction, info: SignalInfo, mask: SignalSet): boolean => {
  const { cpu } = thread;
  const memory = thread.process.memory;
  let sp = readRegister(cpu, RSP);
  const nested = onAltStack(thread, sp);
  const entering = !nested && (action.flags & SA_ONSTACK) !== 0 && thread.altStackSize !== 0;
  sp = entering ? thread.altStackBase + thread.altStackSize : sp - RED_ZONE;
  const fpState = Math.floor((sp - FXSAVE_BYTES) / 64) * 64;
  const frame = Math.floor((fpState - FRAME_BYTES) / 16) * 16 - 8;
  if ((nested || entering) && !withinAltStack(thread, frame)) return false;
  if ((action.flags & SA_RESTORER) === 0) return false;
  if (!memory.writable(frame, fpState + FXSAVE_BYTES - frame)) return false;

  memory.fill(frame, FRAME_BYTES, 0);
  memory.setUint64(frame, action.restorer);
  memory.setUint64(frame + UC, UC_FLAGS);
  memory.setUint64(frame + UC_STACK, thread.altStackBase);
  memory.setUint32(frame + UC_STACK + 8, thread.altStackFlags);
  memory.setUint64(frame + UC_STACK + 16, thread.altStackSize);
  if ((thread.altStackFlags & SS_AUTODISARM) !== 0) resetAltStack(thread);
  writeContext(thread, frame, fpState, mask);
  memory.setUint32(frame + UC_MASK, mask.lo);
  memory.setUint32(frame + UC_MASK + 4, mask.hi);
  if ((action.flags & SA_SIGINFO) !== 0) writeSignalInfo(thread, frame + INFO, info);
  writeFpState(thread, fpState);

  writeRegister(cpu, RSP, frame);
  writeRegister(cpu, RDI, info.signo);
  writeRegister(cpu, RSI, frame + INFO);
  writeRegister(cpu, RDX, frame + UC);
  writeRegister(cpu, RAX, 0);
  cpu.rip = action.handler;
  cpu.rflags = cpu.rflags & ~RFLAGS_CLEARED;
  // The kernel's fpu__clear_user_states: a handler starts with initial SSE state.
  cpu.xmm.fill(0);
  cpu.mxcsr = MXCSR_DEFAULT;
  return true;
};

/** What rt_sigreturn found in the frame besides the registers, which are already restored. */
export interface RestoredFrame {
  readonly mask: SignalSet;
  readonly stackBase: number;
  readonly stackFlags: number;
  readonly stackSize: number;
}

/**
 * Restores all registers from the frame at RSP − 8.
 * @returns undefined when the frame cannot be read or has an MXCSR with reserved bits; nothing has changed then.
 */
export const popFrame = (thread: Thread): RestoredFrame | undefined => {
  const { cpu } = thread;
  const memory = thread.process.memory;
  const frame = readRegister(cpu, RSP) - 8;
  if (!memory.readable(frame, FRAME_BYTES)) return undefined;
  const context = frame + MCONTEXT;
  const fpState = memory.getUint64(context + 8 * SLOT_FPSTATE);
  if (fpState !== 0 && !memory.readable(fpState, FXSAVE_BYTES)) return undefined;
  // Read once: other threads may write there. A context without SSE state stands for the initial one.
  const mxcsr = fpState === 0 ? MXCSR_DEFAULT : memory.getUint32(fpState + FXSAVE_MXCSR);
  if ((mxcsr & ~MXCSR_MASK) !== 0) return undefined;
  slotRegisters.forEach((register, slot) => {
    cpu.gpr32[2 * register] = memory.getUint32(context + 8 * slot);
    cpu.gpr32[2 * register + 1] = memory.getUint32(context + 8 * slot + 4);
  });
  cpu.rip = memory.getUint64(context + 8 * SLOT_RIP);
  const flags = memory.getUint32(context + 8 * SLOT_FLAGS);
  cpu.rflags = (cpu.rflags & ~USER_RFLAGS) | (flags & USER_RFLAGS);
  const xmm = fpState - GUEST_BASE + FXSAVE_XMM;
  if (fpState === 0) cpu.xmm.fill(0);
  else cpu.xmm.set(memory.bytes.subarray(xmm, xmm + cpu.xmm.length));
  cpu.mxcsr = mxcsr;
  return {
    mask: { lo: memory.getInt32(frame + UC_MASK), hi: memory.getInt32(frame + UC_MASK + 4) },
    stackBase: memory.getUint64(frame + UC_STACK),
    stackFlags: memory.getUint32(frame + UC_STACK + 8),
    stackSize: memory.getUint64(frame + UC_STACK + 16),
  };
};
