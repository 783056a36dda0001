import { EACCES, EBADF, EROFS } from "./errno.js";
import { FdTable } from "./fd-table.js";
import { kinds } from "./file-kinds/kinds.js";
import { filesHeader, filesParts, openFile, PATH_MAX } from "./files-layout.js";
import type { HostFiles } from "./host/types.js";
import { header, type KernelMemory, sections } from "./kernel-memory.js";
import { acquireWord, releaseWord } from "./lock.js";
import { type Mount, MountTree } from "./mounts.js";
import { decodeName, encodeName } from "./names.js";
import { filesHeaderWord, OpenFiles } from "./open-files.js";
import { PathResolver, Resolution } from "./paths.js";
import type { Process } from "./process.js";
import { followTarget, statSynthetic, syntheticFiles } from "./synthetic.js";

/** What a Worker needs to reach the guest's files; the same in every Worker of the process. */
export interface FilesParts {
  /** The host's files, whose roots are the mounts in the same order. */
  readonly host: HostFiles;
  readonly mounts: readonly Mount[];
  /** Guest path of the program, for /proc/self/exe. */
  readonly executable: string;
  /** Reports that a path was refused which an option would allow; at most once per process. */
  readonly onRefused?: (guestPath: string) => void;
}

/** The guest's files as one Worker sees them: descriptors, open files, and the tree of names. */
export class Files {
  readonly process: Process;
  readonly host: HostFiles;
  readonly tree: MountTree;
  readonly open: OpenFiles;
  readonly fds: FdTable;
  readonly paths: PathResolver;
  readonly executable: string;
  /** For the one or two paths of the call in progress. */
  readonly at = new Resolution();
  readonly to = new Resolution();
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #onRefused: ((guestPath: string) => void) | undefined;

  constructor(process: Process, parts: FilesParts) {
    const kernel: KernelMemory = process.kernel;
    this.process = process;
    this.host = parts.host;
    this.executable = parts.executable;
    this.#words = kernel.words;
    this.#bytes = kernel.bytes;
    this.#onRefused = parts.onRefused;
    this.tree = new MountTree(parts.mounts, syntheticFiles(this));
    this.open = new OpenFiles(kernel);
    this.open.onLastDrop = (index) => this.#destroy(index);
    this.fds = new FdTable(kernel);
    this.paths = new PathResolver(
      this.tree,
      this.host,
      kernel.words,
      (node, out) => statSynthetic(this, node, out),
      (node) => followTarget(this, node),
      (path) => this.#refuse(path),
    );
  }

  /** The open file behind a descriptor, held until `release`, or −EBADF. */
  acquire(fd: number): number {
    const index = this.open.acquire(fd);
    return index < 0 ? -EBADF : index;
  }

  /** Lets go of an open file; the last holder closes it. */
  release(index: number): void {
    if (this.open.drop(index)) this.#destroy(index);
  }

  /** Closes a descriptor: 0 or −EBADF. */
  close(fd: number): number {
    const index = this.fds.remove(fd);
    if (index < 0) return -EBADF;
    this.release(index);
    return 0;
  }

  #destroy(index: number): void {
    kinds[this.open.get(index, openFile.kind)].destroy(this, index);
    this.open.free(index);
  }

  /** Runs an operation on names while no other guest thread changes the tree. */
  withTree<T>(operation: () => T): T {
    const lock = filesHeaderWord(filesHeader.treeLock);
    acquireWord(this.#words, lock);
    try {
      return operation();
    } finally {
      releaseWord(this.#words, lock);
    }
  }

  /** Why the mount that holds a place cannot be written: −EROFS, −EACCES outside every mount, or 0. */
  writableMount(at: Resolution): number {
    if (at.mount < 0) return -EACCES;
    return this.tree.mounts[at.mount].readOnly ? -EROFS : 0;
  }

  get umask(): number {
    return this.#words[header.umask];
  }

  /** Canonical guest path of the working directory. */
  get cwd(): string {
    const start = sections.files + filesParts.cwd;
    const length = Atomics.load(this.#words, filesHeaderWord(filesHeader.cwdLength));
    return length === 0 ? "/" : decodeName(this.#bytes.subarray(start, start + length));
  }

  set cwd(path: string) {
    const encoded = encodeName(path).subarray(0, PATH_MAX);
    this.#bytes.set(encoded, sections.files + filesParts.cwd);
    Atomics.store(this.#words, filesHeaderWord(filesHeader.cwdLength), encoded.length);
  }

  #refuse(path: string): void {
    if (this.#onRefused === undefined) return;
    const word = filesHeaderWord(filesHeader.refusalReported);
    if (Atomics.load(this.#words, word) === 0) {
      this.#onRefused(path);
    }
  }

  /** Notes that the user was told about a refused path. True for the first caller only. */
  takeRefusalReport(): boolean {
    return Atomics.compareExchange(this.#words, filesHeaderWord(filesHeader.refusalReported), 0, 1) === 0;
  }
}
