import { EFAULT, EINVAL, ENOTTY, ESRCH } from "../errno.js";
import { storeInt } from "../fd-io.js";
import { filesHeader } from "../files-layout.js";
import type { Files } from "../files.js";
import { filesHeaderWord } from "../open-files.js";
import { TERMIOS_BYTES } from "../terminal.js";
import type { Thread } from "../threads.js";

/** Requests of ioctl(2) that a terminal answers; include/uapi/asm-generic/ioctls.h. */
export const TERMINAL_IOCTL = {
  TCGETS: 0x5401,
  TCSETS: 0x5402,
  TCSETSW: 0x5403,
  TCSETSF: 0x5404,
  TCSBRK: 0x5409,
  TCXONC: 0x540a,
  TCFLSH: 0x540b,
  TIOCGPGRP: 0x540f,
  TIOCSPGRP: 0x5410,
  TIOCOUTQ: 0x5411,
  TIOCGWINSZ: 0x5413,
  TCSBRKP: 0x5425,
  TIOCGSID: 0x5429,
  // A command is an int.
  TCGETS2: 0x802c542a | 0,
  TCSETS2: 0x402c542b,
  TCSETSW2: 0x402c542c,
  TCSETSF2: 0x402c542d,
} as const;

const TCIFLUSH = 0;
const TCIOFLUSH = 2;
/** What TCXONC and TCFLSH can do. */
const TCION = 3;

/** struct termios2 is struct termios and two speeds. */
const TERMIOS2_BYTES = TERMIOS_BYTES + 8;
/** The speed that `SANE` in ../terminal.ts stands for. */
const BAUD = 38400;

const getModes = (files: Files, thread: Thread, at: number, size: number): number => {
  const { memory } = thread.process;
  if (!memory.writable(at, size)) return -EFAULT;
  memory.store(at, files.terminal.modes);
  for (let speed = TERMIOS_BYTES; speed < size; speed += 4) memory.setUint32(at + speed, BAUD);
  return 0;
};

const setModes = (files: Files, thread: Thread, at: number, size: number, discardInput: boolean): number => {
  const { memory } = thread.process;
  if (!memory.readable(at, size)) return -EFAULT;
  if (discardInput) files.terminalInput.discard();
  files.terminal.modes = memory.load(at, TERMIOS_BYTES);
  return 0;
};

const getSize = (files: Files, thread: Thread, at: number): number => {
  const { memory } = thread.process;
  if (!memory.writable(at, 8)) return -EFAULT;
  memory.setUint16(at, files.open.words[filesHeaderWord(filesHeader.terminalRows)]);
  memory.setUint16(at + 2, files.open.words[filesHeaderWord(filesHeader.terminalColumns)]);
  memory.setUint32(at + 4, 0);
  return 0;
};

/** The guest's process group is the only one that it knows, and has the terminal. */
const setForeground = (thread: Thread, at: number): number => {
  const { memory, pid } = thread.process;
  if (!memory.readable(at, 4)) return -EFAULT;
  const group = memory.getInt32(at);
  if (group < 0) return -EINVAL;
  return group === pid ? 0 : -ESRCH;
};

const flush = (files: Files, what: number): number => {
  if (what < TCIFLUSH || what > TCIOFLUSH) return -EINVAL;
  // Output is the host's as soon as it is written.
  if (what === TCIFLUSH || what === TCIOFLUSH) files.terminalInput.discard();
  return 0;
};

/** ioctl(2) on a terminal, but for the requests that all files know. */
export const controlTerminal = (files: Files, thread: Thread, request: number, argument: number): number => {
  switch (request) {
    case TERMINAL_IOCTL.TCGETS:
      return getModes(files, thread, argument, TERMIOS_BYTES);
    case TERMINAL_IOCTL.TCGETS2:
      return getModes(files, thread, argument, TERMIOS2_BYTES);
    case TERMINAL_IOCTL.TCSETS:
    case TERMINAL_IOCTL.TCSETSW:
    case TERMINAL_IOCTL.TCSETSF:
      return setModes(files, thread, argument, TERMIOS_BYTES, request === TERMINAL_IOCTL.TCSETSF);
    case TERMINAL_IOCTL.TCSETS2:
    case TERMINAL_IOCTL.TCSETSW2:
    case TERMINAL_IOCTL.TCSETSF2:
      return setModes(files, thread, argument, TERMIOS2_BYTES, request === TERMINAL_IOCTL.TCSETSF2);
    case TERMINAL_IOCTL.TIOCGWINSZ:
      return getSize(files, thread, argument);
    case TERMINAL_IOCTL.TIOCGPGRP:
    case TERMINAL_IOCTL.TIOCGSID:
      return storeInt(thread, argument, thread.process.pid);
    case TERMINAL_IOCTL.TIOCSPGRP:
      return setForeground(thread, argument);
    case TERMINAL_IOCTL.TIOCOUTQ:
      return storeInt(thread, argument, 0);
    case TERMINAL_IOCTL.TCSBRK:
    case TERMINAL_IOCTL.TCSBRKP:
      return 0;
    case TERMINAL_IOCTL.TCXONC:
      return argument <= TCION ? 0 : -EINVAL;
    case TERMINAL_IOCTL.TCFLSH:
      return flush(files, argument);
    default:
      return -ENOTTY;
  }
};
