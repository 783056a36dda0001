import { ENFILE } from "./errno.js";
import {
  CLOEXEC_BIT,
  FD_CAPACITY,
  filesHeader,
  fileKind,
  filesParts,
  NAME_MAX,
  OPEN_FILE_CAPACITY,
  OPEN_FILE_WORDS,
  openFile,
  STORED_PATH_BYTES,
} from "./files-layout.js";
import { type KernelMemory, sections } from "./kernel-memory.js";
import { acquireWord, releaseWord } from "./lock.js";
import { decodeName, encodeName } from "./names.js";

const headerBase = sections.files / 4;
const filesBase = (sections.files + filesParts.openFiles) / 4;
const fdBase = (sections.files + filesParts.fds) / 4;

/** Word index of a word of the files header. */
export const filesHeaderWord = (word: number): number => headerBase + word;

/**
 * Open file descriptions: what descriptors refer to, shared by all Workers. An open file lives as long as a descriptor
 * or a call in progress holds it, so a close in one thread never pulls a file away under a read in another.
 */
export class OpenFiles {
  readonly words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #bytes: Uint8Array;

  constructor(kernel: KernelMemory) {
    this.words = kernel.words;
    this.#doubles = kernel.doubles;
    this.#bytes = kernel.bytes;
  }

  /** Takes a free open file that the caller holds once. Returns its index or −ENFILE. */
  allocate(kind: number, flags: number, handle: number): number {
    const words = this.words;
    const lock = headerBase + filesHeader.tableLock;
    acquireWord(words, lock);
    let index = 0;
    while (index < OPEN_FILE_CAPACITY && words[filesBase + index * OPEN_FILE_WORDS + openFile.kind] !== 0) index++;
    if (index < OPEN_FILE_CAPACITY) {
      const base = filesBase + index * OPEN_FILE_WORDS;
      words.fill(0, base, base + OPEN_FILE_WORDS);
      words[base + openFile.kind] = kind;
      words[base + openFile.flags] = flags;
      words[base + openFile.handle] = handle;
      words[base + openFile.mount] = -1;
      words[base + openFile.serial] = ++words[headerBase + filesHeader.nextSerial];
      Atomics.store(words, base + openFile.refs, 1);
    }
    releaseWord(words, lock);
    return index < OPEN_FILE_CAPACITY ? index : -ENFILE;
  }

  /** Marks an open file free once its last holder let go and its kind was closed. */
  free(index: number): void {
    Atomics.store(this.words, filesBase + index * OPEN_FILE_WORDS + openFile.kind, fileKind.free);
  }

  /** Word index of an open file's words. */
  base(index: number): number {
    return filesBase + index * OPEN_FILE_WORDS;
  }

  get(index: number, word: number): number {
    return this.words[filesBase + index * OPEN_FILE_WORDS + word];
  }

  set(index: number, word: number, value: number): void {
    this.words[filesBase + index * OPEN_FILE_WORDS + word] = value;
  }

  offset(index: number): number {
    return this.#doubles[(filesBase + index * OPEN_FILE_WORDS + openFile.offset) >> 1];
  }

  setOffset(index: number, value: number): void {
    this.#doubles[(filesBase + index * OPEN_FILE_WORDS + openFile.offset) >> 1] = value;
  }

  inode(index: number): number {
    return this.#doubles[(filesBase + index * OPEN_FILE_WORDS + openFile.inode) >> 1];
  }

  setInode(index: number, value: number): void {
    this.#doubles[(filesBase + index * OPEN_FILE_WORDS + openFile.inode) >> 1] = value;
  }

  /** Holds the offset (Linux: f_pos_lock) until `unlock`. */
  lock(index: number): void {
    acquireWord(this.words, filesBase + index * OPEN_FILE_WORDS + openFile.lock);
  }

  unlock(index: number): void {
    releaseWord(this.words, filesBase + index * OPEN_FILE_WORDS + openFile.lock);
  }

  /** Holds an open file that the caller already holds once more. */
  retain(index: number): void {
    Atomics.add(this.words, filesBase + index * OPEN_FILE_WORDS + openFile.refs, 1);
  }

  /** Lets go. True when that was the last holder, who must close it. */
  drop(index: number): boolean {
    return Atomics.sub(this.words, filesBase + index * OPEN_FILE_WORDS + openFile.refs, 1) === 1;
  }

  /** The open file behind a descriptor, held for the caller, or −1. */
  acquire(fd: number): number {
    if (!(fd >= 0 && fd < FD_CAPACITY)) return -1;
    const words = this.words;
    for (;;) {
      const entry = Atomics.load(words, fdBase + fd);
      if (entry === 0) return -1;
      const index = (entry & ~CLOEXEC_BIT) - 1;
      const refsWord = filesBase + index * OPEN_FILE_WORDS + openFile.refs;
      const refs = Atomics.load(words, refsWord);
      // The slot may have been freed and taken again meanwhile: what counts is that the fd still names it once held.
      if (refs > 0 && Atomics.compareExchange(words, refsWord, refs, refs + 1) === refs) {
        if ((Atomics.load(words, fdBase + fd) & ~CLOEXEC_BIT) - 1 === index) return index;
        if (this.drop(index)) this.onLastDrop(index);
      }
    }
  }

  /** Closes an open file whose last holder let go during `acquire`; set by the files layer. */
  onLastDrop: (index: number) => void = (index) => this.free(index);

  /** Guest path under which the file was opened; pseudo paths such as `pipe:[3]` too. */
  path(index: number): string {
    const start = sections.files + filesParts.paths + index * STORED_PATH_BYTES;
    return decodeName(this.#bytes.subarray(start, start + this.get(index, openFile.pathLength)));
  }

  setPath(index: number, path: string): void {
    const start = sections.files + filesParts.paths + index * STORED_PATH_BYTES;
    this.set(index, openFile.pathLength, this.#storeName(path, start, STORED_PATH_BYTES));
  }

  /** The name after which getdents64 goes on. */
  lastName(index: number): string {
    const start = sections.files + filesParts.lastNames + index * (NAME_MAX + 1);
    return decodeName(this.#bytes.subarray(start, start + this.get(index, openFile.lastNameLength)));
  }

  setLastName(index: number, name: string): void {
    const start = sections.files + filesParts.lastNames + index * (NAME_MAX + 1);
    this.set(index, openFile.lastNameLength, this.#storeName(name, start, NAME_MAX + 1));
  }

  #storeName(name: string, start: number, limit: number): number {
    const encoded = encodeName(name).subarray(0, limit);
    this.#bytes.set(encoded, start);
    return encoded.length;
  }
}
