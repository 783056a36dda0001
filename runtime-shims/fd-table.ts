import { EMFILE } from "./errno.js";
import { CLOEXEC_BIT, FD_CAPACITY, filesHeader, filesParts } from "./files-layout.js";
import { type KernelMemory, sections } from "./kernel-memory.js";
import { acquireWord, releaseWord } from "./lock.js";
import { filesHeaderWord } from "./open-files.js";

const fdBase = (sections.files + filesParts.fds) / 4;
const RLIMIT_NOFILE = 7;

/** The descriptor table of the process: which open file each number names, and whether exec closes it. */
export class FdTable {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;

  constructor(kernel: KernelMemory) {
    this.#words = kernel.words;
    this.#doubles = kernel.doubles;
  }

  /** One above the highest descriptor that may be made (RLIMIT_NOFILE). */
  get limit(): number {
    const soft = this.#doubles[sections.rlimits / 8 + 2 * RLIMIT_NOFILE];
    return soft > 0 && soft < FD_CAPACITY ? soft : FD_CAPACITY;
  }

  /** Gives the lowest free descriptor ≥ `lowest` to an open file, whose hold passes to the table. Returns it or −EMFILE. */
  install(index: number, closeOnExec: boolean, lowest = 0): number {
    const words = this.#words;
    const lock = filesHeaderWord(filesHeader.tableLock);
    const limit = this.limit;
    acquireWord(words, lock);
    let fd = lowest;
    while (fd < limit && words[fdBase + fd] !== 0) fd++;
    if (fd < limit) Atomics.store(words, fdBase + fd, (index + 1) | (closeOnExec ? CLOEXEC_BIT : 0));
    releaseWord(words, lock);
    return fd < limit ? fd : -EMFILE;
  }

  /** Makes `fd` name an open file, whose hold passes to the table. Returns the open file that it named, or −1. */
  replace(fd: number, index: number, closeOnExec: boolean): number {
    return this.#exchange(fd, (index + 1) | (closeOnExec ? CLOEXEC_BIT : 0));
  }

  /** Frees a descriptor. Returns the open file that it named, which the caller now holds, or −1. */
  remove(fd: number): number {
    return fd >= 0 && fd < FD_CAPACITY ? this.#exchange(fd, 0) : -1;
  }

  #exchange(fd: number, entry: number): number {
    const lock = filesHeaderWord(filesHeader.tableLock);
    acquireWord(this.#words, lock);
    const old = Atomics.exchange(this.#words, fdBase + fd, entry);
    releaseWord(this.#words, lock);
    return (old & ~CLOEXEC_BIT) - 1;
  }

  isOpen(fd: number): boolean {
    return fd >= 0 && fd < FD_CAPACITY && Atomics.load(this.#words, fdBase + fd) !== 0;
  }

  closeOnExec(fd: number): boolean {
    return (Atomics.load(this.#words, fdBase + fd) & CLOEXEC_BIT) !== 0;
  }

  setCloseOnExec(fd: number, value: boolean): void {
    const lock = filesHeaderWord(filesHeader.tableLock);
    acquireWord(this.#words, lock);
    const entry = this.#words[fdBase + fd];
    if (entry !== 0) Atomics.store(this.#words, fdBase + fd, value ? entry | CLOEXEC_BIT : entry & ~CLOEXEC_BIT);
    releaseWord(this.#words, lock);
  }

  /** Every open descriptor, ascending. */
  list(): number[] {
    const fds: number[] = [];
    for (let fd = 0; fd < FD_CAPACITY; fd++) if (this.isOpen(fd)) fds.push(fd);
    return fds;
  }
}
