/**
 * Layout of the kernel memory: one SharedArrayBuffer that holds all process-wide state of the personality.
 * Every Worker and the supervisor map it, compute the same offsets, and guard what they change with the locks in it.
 * All offsets are in bytes; a word is an Int32.
 */
import { FILES_BYTES } from "./files-layout.js";

/** Most guest threads alive at once; clone answers EAGAIN beyond it. */
export const MAX_THREADS = 512;
/** Words of one thread's row in the thread table (see threads.ts). */
export const THREAD_WORDS = 32;
/** Queued signals of the whole process (see signals.ts). */
export const MAX_QUEUED_SIGNALS = 1024;
export const QUEUED_SIGNAL_WORDS = 12;
/** Words of one sigaction: handler lo/hi, flags lo/hi, restorer lo/hi, mask lo/hi. */
export const SIGACTION_WORDS = 8;
export const SIGNALS = 64;
/** Wait queues are hashed over this many buckets of [lock, head, tail, unused]. */
export const WAIT_BUCKETS = 256;
export const WAIT_BUCKET_WORDS = 4;
/** Pages of 4 KiB in the 4 GiB guest address space. */
export const GUEST_PAGES = 1 << 20;
export const MAX_TIMERS = 64;
export const TIMER_WORDS = 16;
/** Bytes of a thread's stored context (see thread-context.ts). */
export const CONTEXT_BYTES = 576;
export const MAX_SHARED_MAPPINGS = 256;
export const SHARED_MAPPING_WORDS = 16;

let end = 0;
const section = (bytes: number): number => {
  const start = end;
  end = (start + bytes + 63) & ~63;
  return start;
};

/** Byte offset of every section. The files layer appends its sections here. */
export const sections = {
  /** See `header`. */
  header: section(4096),
  /** See `locks`; each lock has a cache line of its own. */
  locks: section(64 * 16),
  sigactions: section(4 * SIGACTION_WORDS * (SIGNALS + 1)),
  threads: section(4 * THREAD_WORDS * MAX_THREADS),
  contexts: section(CONTEXT_BYTES * MAX_THREADS),
  waitBuckets: section(4 * WAIT_BUCKET_WORDS * WAIT_BUCKETS),
  queuedSignals: section(4 * QUEUED_SIGNAL_WORDS * MAX_QUEUED_SIGNALS),
  timers: section(4 * TIMER_WORDS * MAX_TIMERS),
  /** Resource limits: 16 × {soft, hard} as float64; Infinity is RLIM_INFINITY. */
  rlimits: section(16 * 16),
  /** One byte of flags for each guest page (see page-map.ts). */
  pageFlags: section(GUEST_PAGES),
  /** One byte for each guest page: 1 when its content may be other than zero. */
  pageDirty: section(GUEST_PAGES),
  /** See shared-mappings.ts: a row that counts, then one for each mapping. */
  sharedMappings: section(4 * SHARED_MAPPING_WORDS * (MAX_SHARED_MAPPINGS + 1)),
  /** See files-layout.ts. */
  files: section(FILES_BYTES),
} as const;

/** Size of the kernel memory in bytes. */
export const KERNEL_MEMORY_BYTES = end;

/** Word index (from the start) of each lock. */
export const locks = {
  memory: sections.locks / 4,
  signals: sections.locks / 4 + 16,
  files: sections.locks / 4 + 32,
  timers: sections.locks / 4 + 48,
  mappings: sections.locks / 4 + 64,
} as const;

/** Word index of each process-wide variable. */
export const header = {
  pid: 0,
  nextTid: 1,
  /** Threads alive. */
  threadCount: 2,
  /** 0 while running, then 1 + wait status. */
  exitStatus: 3,
  /** Exit code of the main thread, should it end before the others. */
  leaderExitCode: 4,
  /** Process-directed pending signals. */
  pendingLo: 5,
  pendingHi: 6,
  pendingHead: 7,
  pendingTail: 8,
  queuedFreeHead: 9,
  cpus: 10,
  /** First guest page above the address space (from --memory). */
  topPage: 11,
  /** Page from which addresses are chosen upwards. */
  mmapBasePage: 12,
  brkStart: 13,
  brk: 14,
  umask: 15,
  stackLow: 16,
  stackTop: 17,
  codeStart: 18,
  codeEnd: 19,
  dataStart: 20,
  dataEnd: 21,
  argStart: 22,
  argEnd: 23,
  envStart: 24,
  envEnd: 25,
  auxvStart: 26,
  auxvEnd: 27,
  vdso: 28,
  timerNextId: 29,
  dumpable: 30,
  uid: 31,
  gid: 32,
  noNewPrivs: 33,
  /** 1 once the user was told that processes are out of scope. */
  processRefused: 34,
  /** Low half of the latest CLOCK_MONOTONIC that a Worker has read, µs, where the host's clock needs it. */
  latestUs: 35,
  /** How many rows of `programParts` are used. */
  programPartCount: 36,
  /** How often the process was stopped and goes on. */
  stops: 37,
  /** Threads that could run but have no Worker; the machine counts them. */
  runnable: 38,
  /** Where the program's file is mapped: rows of first page, end page and the file's page at the first. */
  programParts: 40,
} as const;

/** Segments of the program that /proc/self/maps can name. */
export const MAX_PROGRAM_PARTS = 64;

/** Float64 index (from the start) of process-wide times (see clock.ts). */
export const headerTimes = {
  /** CLOCK_REALTIME minus CLOCK_MONOTONIC, µs. */
  realtimeOffsetUs: 128,
  /** CLOCK_MONOTONIC when that was last compared with the host, ns. */
  realtimeSyncedNs: 129,
  /** CLOCK_MONOTONIC when the process started, ns. */
  startMonotonicNs: 130,
} as const;

/** Word index of a bit set of 512 system call numbers that were reported as unknown. */
export const REPORTED_SYSCALLS = 512;

/** Typed views of one kernel memory. */
export class KernelMemory {
  readonly buffer: SharedArrayBuffer;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly doubles: Float64Array;

  constructor(buffer: SharedArrayBuffer) {
    if (buffer.byteLength < KERNEL_MEMORY_BYTES) throw new RangeError("kernel memory is too small");
    this.buffer = buffer;
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.doubles = new Float64Array(buffer);
  }

  /** A zeroed kernel memory. */
  static create(): KernelMemory {
    return new KernelMemory(new SharedArrayBuffer(KERNEL_MEMORY_BYTES));
  }
}
