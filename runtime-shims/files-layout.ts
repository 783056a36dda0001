/**
 * Layout of the part of kernel memory that belongs to files: descriptor table, open file descriptions, pipes, epoll
 * items, the rings of standard input and the terminal. Offsets are in bytes from the start of the files section. Nothing is committed until touched.
 */

/** Most descriptors of the process; RLIMIT_NOFILE cannot exceed it. */
export const FD_CAPACITY = 4096;
/** Most open file descriptions (ENFILE beyond). */
export const OPEN_FILE_CAPACITY = 4096;
export const OPEN_FILE_WORDS = 32;
/** Longest path including its NUL. */
export const PATH_MAX = 4096;
/** Room for the canonical path of an open file or of the working directory: relative paths lead deeper than PATH_MAX. */
export const STORED_PATH_BYTES = 8192;
/** Longest name without its NUL. */
export const NAME_MAX = 255;
export const PIPE_CAPACITY = 512;
export const PIPE_WORDS = 16;
/** Bytes that a pipe buffers. */
export const PIPE_BYTES = 65536;
/** Writes up to this size are atomic. */
export const PIPE_BUF = 4096;
/** Watched descriptors of all epoll instances. */
export const EPOLL_ITEM_CAPACITY = 8192;
export const EPOLL_ITEM_WORDS = 12;
/** Files whose times are known more exactly than the host keeps them. */
export const EXACT_TIME_CAPACITY = 4096;
export const EXACT_TIME_DOUBLES = 8;
/** Bytes of standard input, or of what was typed at the terminal, that may wait for the guest. */
export const INPUT_BYTES = 65536;
export const FILES_HEADER_WORDS = 64;

let end = 0;
const part = (bytes: number): number => {
  const start = end;
  end = (start + bytes + 63) & ~63;
  return start;
};

/** Byte offset of each part. */
export const filesParts = {
  header: part(4 * FILES_HEADER_WORDS),
  /** Path of the working directory: bytes; their number is in the header. */
  cwd: part(STORED_PATH_BYTES),
  /** One word for each fd: 0 free, otherwise (open file + 1) | CLOEXEC_BIT. */
  fds: part(4 * FD_CAPACITY),
  openFiles: part(4 * OPEN_FILE_WORDS * OPEN_FILE_CAPACITY),
  /** Guest path of each open file. */
  paths: part(STORED_PATH_BYTES * OPEN_FILE_CAPACITY),
  /** Last name that getdents64 gave out, for each open directory. */
  lastNames: part((NAME_MAX + 1) * OPEN_FILE_CAPACITY),
  pipes: part(4 * PIPE_WORDS * PIPE_CAPACITY),
  pipeBytes: part(PIPE_BYTES * PIPE_CAPACITY),
  /** See exact-times.ts. */
  exactTimes: part(8 * EXACT_TIME_DOUBLES * EXACT_TIME_CAPACITY),
  epollItems: part(4 * EPOLL_ITEM_WORDS * EPOLL_ITEM_CAPACITY),
  /** struct termios, see terminal.ts. */
  terminal: part(64),
  /** See host/input-ring.ts. */
  stdinInput: part(64 + INPUT_BYTES),
  terminalInput: part(64 + INPUT_BYTES),
} as const;

/** Size of the files section in bytes. */
export const FILES_BYTES = end;

/** Words of the files header. */
export const filesHeader = {
  /** Guards descriptor table, open file allocation, flock. */
  tableLock: 0,
  /** Held while a path is resolved and acted upon, so that no guest thread changes the tree in between. */
  treeLock: 16,
  /** Raised whenever a directory or symbolic link may have been replaced. */
  treeEpoch: 17,
  cwdLength: 18,
  /** Serial number of the next open file. */
  nextSerial: 19,
  /** 1 once the user was told which option would allow a refused path. */
  refusalReported: 20,
  /** 1 once the standard streams are open and the working directory is set. */
  started: 25,
  /** Files in the table of exact times, at some time. */
  exactTimes: 26,
  /** How often the guest set the terminal's modes. */
  terminalChanges: 27,
  /** How many of these changes the supervisor has followed, plus 1; 0 where none follows them. */
  terminalFollowed: 28,
  /** Size of the terminal, 0 when unknown. */
  terminalRows: 21,
  terminalColumns: 22,
  /** Threads in poll, select or epoll_wait, and the word that changes when readiness does. */
  pollWaiters: 23,
  pollEpoch: 24,
  epollLock: 32,
} as const;

/** Words of an open file description. */
export const openFile = {
  /** See `fileKind`; 0 is free. */
  kind: 0,
  /** Descriptors and calls in progress that hold it. */
  refs: 1,
  /** Flags as F_GETFL gives them. */
  flags: 2,
  /** Host handle, pipe, device or synthetic file: what the kind says. */
  handle: 3,
  /** Float64 (word 4 and 5): the file offset, or −1 while a stream keeps its own. */
  offset: 4,
  /** Held while the offset is in use. */
  lock: 6,
  /** Mount that the file is in, or −1. */
  mount: 7,
  serial: 8,
  pathLength: 9,
  /** Length of the last name given out by getdents64; −1 before any. */
  lastNameLength: 10,
  /** 0, LOCK_SH or LOCK_EX. */
  flock: 11,
  /** Float64 (word 12 and 13): inode number, the identity for flock. */
  inode: 12,
  /** Position of getdents64 among the entries: 0 at `.`, 1 at `..`, 2 in the names. */
  directoryStep: 14,
  /** Eventfd counter. */
  counterLo: 15,
  counterHi: 16,
  /** First epoll item of an epoll instance, as item + 1. */
  firstItem: 17,
  /** Raised at each event, for edge-triggered watchers. */
  readEdge: 18,
  writeEdge: 19,
  /** Bits whose meaning the kind defines. */
  streamFlags: 20,
  /** Epoll items that watch it. */
  watchers: 21,
} as const;

/** What an open file is. */
export const fileKind = {
  free: 0,
  /** Regular file or device of the host. */
  host: 1,
  directory: 2,
  pipeReader: 3,
  pipeWriter: 4,
  eventfd: 5,
  epoll: 6,
  /** /dev/null and its like. */
  device: 7,
  /** Text made on demand, as in /proc. */
  synthetic: 8,
  /** Standard input fed by the supervisor. */
  stdin: 9,
  /** Pipe or device of the host that is written, or read with its own position. */
  stream: 10,
  /** Opened with O_PATH. */
  path: 11,
  /** The terminal, on any descriptor. */
  terminal: 12,
} as const;

export const CLOEXEC_BIT = 1 << 30;
