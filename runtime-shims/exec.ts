import { initClock } from "./clock.js";
import { MXCSR_DEFAULT } from "./cpu.js";
import { GUEST_BASE, GUEST_TOP } from "./guest-memory.js";
import type { HostClock, ThreadStart } from "./hooks.js";
import { GUEST_PAGES, header, type KernelMemory, MAX_PROGRAM_PARTS, MAX_THREADS } from "./kernel-memory.js";
import { EXEC, FILE, MAPPED, PAGE_SIZE, PageMap, pageCeil, pageFloor, READ, STACK, WRITE } from "./page-map.js";
import { initRlimits } from "./rlimits.js";
import { initSignals } from "./signals.js";
import { row, rowOf, threadState } from "./threads.js";
import { buildVdso } from "./vdso.js";

/** One loadable segment of the program. */
export interface Segment {
  readonly vaddr: number;
  /** Its content in the file; the rest up to `memSize` is zero. */
  readonly bytes: Uint8Array;
  /** Where that is in the file, in bytes; congruent to `vaddr` modulo the page size. */
  readonly fileOffset: number;
  readonly memSize: number;
  /** PF_X = 1, PF_W = 2, PF_R = 4. */
  readonly flags: number;
}

/** A program as it is to be started. */
export interface ExecImage {
  readonly segments: readonly Segment[];
  readonly entry: number;
  /** Guest address of the program headers, 0 when no segment holds them. */
  readonly programHeaders: number;
  readonly programHeaderCount: number;
}

export interface ExecOptions {
  readonly image: ExecImage;
  readonly argv: readonly string[];
  /** NAME=value. */
  readonly env: readonly string[];
  /** Guest path of the program (AT_EXECFN). */
  readonly path: string;
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  readonly cpus: number;
  /** Soft limit of open files (RLIMIT_NOFILE); the hard one is what there is room for. */
  readonly openFiles: number;
  /** CPUID leaf 1 EDX, for AT_HWCAP. */
  readonly hwcap: number;
}

/** The program cannot be started in this address space: the message says why and what to do. */
export class ExecError extends Error {}

const STACK_BYTES = 8 << 20;
/** Left free above the stack, so that no address computed from it wraps; the vDSO lives there. */
const TOP_GAP = 1 << 16;
/** Room kept for brk below the first mapping. */
const BRK_ROOM = 16 << 20;
const MMAP_ALIGN = 1 << 20;
const FIRST_ADDRESS = GUEST_BASE;
const INITIAL_RFLAGS = 0x202;

/** Sets up the kernel memory and the guest address space of a new process. Returns how its first thread starts. */
export const createProcess = (
  kernel: KernelMemory,
  guestBuffer: SharedArrayBuffer,
  clock: HostClock,
  options: ExecOptions,
): ThreadStart => {
  const { words } = kernel;
  const top = guestBuffer.byteLength + GUEST_BASE;
  words[header.pid] = options.pid;
  words[header.nextTid] = options.pid + 1;
  words[header.threadCount] = 1;
  words[header.cpus] = options.cpus;
  words[header.uid] = options.uid;
  words[header.gid] = options.gid;
  words[header.umask] = 0o022;
  words[header.dumpable] = 1;
  words[header.topPage] = Math.min(GUEST_PAGES, Math.floor(top / PAGE_SIZE));
  initSignals(kernel);
  initClock(kernel, clock);
  initRlimits(kernel, STACK_BYTES, options.openFiles, MAX_THREADS);

  const loader = new Loader(kernel, guestBuffer);
  loader.mapSegments(options.image);
  const stackTop = loader.mapStack();
  const vdso = loader.mapVdso(stackTop);
  const sp = loader.fillStack(stackTop, vdso, options, clock);

  const base = rowOf(0);
  words[base + row.tid] = options.pid;
  words[base + row.state] = threadState.running;
  const name = new Uint8Array(kernel.buffer, 4 * (base + row.name), 15);
  const program = new TextEncoder().encode(options.path.slice(options.path.lastIndexOf("/") + 1));
  name.set(program.subarray(0, 15));
  const gpr = new BigUint64Array(16);
  gpr[4] = BigInt(sp);
  return {
    slot: 0,
    gpr,
    xmm: new Uint8Array(256),
    rip: options.image.entry,
    rflags: INITIAL_RFLAGS,
    fsBase: 0,
    mxcsr: MXCSR_DEFAULT,
    clearChildTid: 0,
  };
};

/** Fills a fresh guest address space. */
class Loader {
  readonly #words: Int32Array;
  readonly #pages: PageMap;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(kernel: KernelMemory, guestBuffer: SharedArrayBuffer) {
    this.#words = kernel.words;
    this.#pages = new PageMap(kernel);
    this.#bytes = new Uint8Array(guestBuffer);
    this.#view = new DataView(guestBuffer);
  }

  #map(start: number, end: number, flags: number): void {
    this.#pages.set(start / PAGE_SIZE, end / PAGE_SIZE, MAPPED | flags);
    if ((flags & WRITE) !== 0) this.#pages.markDirty(start / PAGE_SIZE, end / PAGE_SIZE);
  }

  /** Maps the program and sets the program break behind it. Zero-filled parts are not touched. */
  mapSegments(image: ExecImage): void {
    const words = this.#words;
    const limit = words[header.topPage] * PAGE_SIZE - STACK_BYTES - TOP_GAP;
    let end = FIRST_ADDRESS;
    for (const { vaddr, bytes, fileOffset, memSize, flags } of image.segments) {
      const fileEnd = vaddr + bytes.length;
      const segmentEnd = vaddr + Math.max(memSize, bytes.length);
      if (!(vaddr >= FIRST_ADDRESS && segmentEnd <= limit)) {
        throw new ExecError(
          `a segment at 0x${vaddr.toString(16)} of ${segmentEnd - vaddr} bytes does not fit the guest memory; try a larger --memory`,
        );
      }
      const bits = (flags & 7 ? READ : 0) | (flags & 2 ? WRITE : 0) | (flags & 1 ? EXEC : 0);
      const fileMapEnd = bytes.length === 0 ? pageFloor(vaddr) : pageCeil(fileEnd);
      this.#map(pageFloor(vaddr), fileMapEnd, bits | FILE);
      this.#notePart(pageFloor(vaddr), fileMapEnd, pageFloor(fileOffset));
      if (pageCeil(segmentEnd) > fileMapEnd) this.#map(fileMapEnd, pageCeil(segmentEnd), bits);
      this.#pages.markDirty(Math.floor(vaddr / PAGE_SIZE), fileMapEnd / PAGE_SIZE);
      this.#bytes.set(bytes, vaddr - GUEST_BASE);
      if ((flags & 1) !== 0) this.#note(header.codeStart, vaddr, fileEnd);
      else if ((flags & 2) !== 0) this.#note(header.dataStart, vaddr, fileEnd);
      end = Math.max(end, segmentEnd);
    }
    const brk = pageCeil(end);
    words[header.brkStart] = brk;
    words[header.brk] = brk;
    words[header.mmapBasePage] = (Math.ceil((brk + BRK_ROOM) / MMAP_ALIGN) * MMAP_ALIGN) / PAGE_SIZE;
  }

  #notePart(...row: readonly [start: number, end: number, fileOffset: number]): void {
    const count = this.#words[header.programPartCount];
    if (count === MAX_PROGRAM_PARTS) return;
    this.#words.set(
      row.map((at) => at / PAGE_SIZE),
      header.programParts + 3 * count,
    );
    this.#words[header.programPartCount] = count + 1;
  }

  #note(index: number, start: number, end: number): void {
    this.#words[index] = start;
    this.#words[index + 1] = end;
  }

  /** Maps the main thread's stack; returns its top. */
  mapStack(): number {
    const top = this.#words[header.topPage] * PAGE_SIZE - TOP_GAP;
    this.#map(top - STACK_BYTES, top, READ | WRITE | STACK);
    this.#note(header.stackLow, top - STACK_BYTES, top);
    return top;
  }

  /** Maps the vDSO above the stack; returns its address. */
  mapVdso(stackTop: number): number {
    const image = buildVdso();
    const at = stackTop + PAGE_SIZE;
    if (at + PAGE_SIZE > GUEST_TOP) throw new RangeError("no room for the vDSO");
    this.#map(at, at + PAGE_SIZE, READ | EXEC);
    this.#pages.markDirty(at / PAGE_SIZE, at / PAGE_SIZE + 1);
    this.#bytes.set(image, at - GUEST_BASE);
    this.#words[header.vdso] = at;
    return at;
  }

  /** Lays out strings, auxiliary vector, environment and arguments as the kernel does; returns the stack pointer. */
  fillStack(stackTop: number, vdso: number, options: ExecOptions, clock: HostClock): number {
    const encoder = new TextEncoder();
    const strings = (texts: readonly string[]): Uint8Array[] => texts.map((text) => encoder.encode(`${text}\0`));
    const envStrings = strings(options.env);
    const argStrings = strings(options.argv);
    const total = [...envStrings, ...argStrings].reduce((sum, bytes) => sum + bytes.length + 8, 0);
    if (total > STACK_BYTES / 4) throw new ExecError("arguments and environment are too long (2 MiB is the limit)");

    let p = stackTop - 8;
    const push = (bytes: Uint8Array): number => {
      p -= bytes.length;
      this.#bytes.set(bytes, p - GUEST_BASE);
      return p;
    };
    const path = push(encoder.encode(`${options.path}\0`));
    const pushAll = (texts: readonly Uint8Array[]): number[] => texts.map(push).reverse();
    const envEnd = p;
    const envAt = pushAll(envStrings.reverse());
    const argEnd = p;
    const argAt = pushAll(argStrings.reverse());
    this.#note(header.argStart, p, argEnd);
    this.#note(header.envStart, argEnd, envEnd);
    const platform = push(encoder.encode("x86_64\0"));
    p -= 16;
    const random = p;
    clock.random(this.#bytes.subarray(p - GUEST_BASE, p - GUEST_BASE + 16));

    const auxv = this.#auxv(options, { vdso, random, path, platform });
    const items = [argAt.length, ...argAt, 0, ...envAt, 0, ...auxv];
    const sp = Math.floor((p - 8 * items.length) / 16) * 16;
    items.forEach((item, index) => {
      this.#view.setUint32(sp + 8 * index - GUEST_BASE, item, true);
      this.#view.setUint32(sp + 8 * index + 4 - GUEST_BASE, 0, true);
    });
    const auxvStart = sp + 8 * (items.length - auxv.length);
    this.#note(header.auxvStart, auxvStart, auxvStart + 8 * auxv.length);
    return sp;
  }

  #auxv(
    { image, uid, gid, hwcap }: ExecOptions,
    at: { readonly vdso: number; readonly random: number; readonly path: number; readonly platform: number },
  ): number[] {
    const entries: readonly (readonly [tag: number, value: number])[] = [
      [AT.SYSINFO_EHDR, at.vdso],
      [AT.HWCAP, hwcap],
      [AT.PAGESZ, PAGE_SIZE],
      [AT.CLKTCK, 100],
      [AT.PHDR, image.programHeaders],
      [AT.PHENT, 56],
      [AT.PHNUM, image.programHeaderCount],
      [AT.BASE, 0],
      [AT.FLAGS, 0],
      [AT.ENTRY, image.entry],
      [AT.UID, uid],
      [AT.EUID, uid],
      [AT.GID, gid],
      [AT.EGID, gid],
      [AT.SECURE, 0],
      [AT.RANDOM, at.random],
      [AT.HWCAP2, 0],
      [AT.EXECFN, at.path],
      [AT.PLATFORM, at.platform],
      [AT.NULL, 0],
    ];
    return entries.flat();
  }
}

/** Tags of the auxiliary vector. */
const AT = {
  NULL: 0,
  PHDR: 3,
  PHENT: 4,
  PHNUM: 5,
  PAGESZ: 6,
  BASE: 7,
  FLAGS: 8,
  ENTRY: 9,
  UID: 11,
  EUID: 12,
  GID: 13,
  EGID: 14,
  PLATFORM: 15,
  HWCAP: 16,
  CLKTCK: 17,
  SECURE: 23,
  RANDOM: 25,
  HWCAP2: 26,
  EXECFN: 31,
  SYSINFO_EHDR: 33,
} as const;
