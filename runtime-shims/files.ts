import { EACCES, EBADF, ENOENT, ENOTDIR, EROFS } from "./errno.js";
import { ExactTimes } from "./exact-times.js";
import { FdTable } from "./fd-table.js";
import { forgetWatched } from "./file-kinds/epoll.js";
import type { FileKind } from "./file-kinds/kind.js";
import { fileMapper } from "./file-mapper.js";
import { kinds } from "./file-kinds/kinds.js";
import { filesHeader, filesParts, openFile, STORED_PATH_BYTES } from "./files-layout.js";
import { unlock } from "./flock.js";
import { InputRing } from "./host/input-ring.js";
import { FileStat, type HostFiles, S_IFCHR } from "./host/types.js";
import { header, type KernelMemory, sections } from "./kernel-memory.js";
import { acquireWord, releaseWord } from "./lock.js";
import { type Mount, MountTree, type TreeNode } from "./mounts.js";
import { decodeName, encodeName } from "./names.js";
import { filesHeaderWord, OpenFiles } from "./open-files.js";
import { PathResolver, Resolution, splitCanonical } from "./paths.js";
import type { Process } from "./process.js";
import { openStandardStreams } from "./standard-streams.js";
import { contentBytes } from "./proc-files.js";
import { followTarget, statSynthetic, syntheticFiles } from "./synthetic.js";
import { Terminal } from "./terminal.js";
import type { Thread } from "./threads.js";

/** What a Worker needs to reach the guest's files; the same in every Worker of the process. */
export interface FilesParts {
  /** The host's files, whose roots are the mounts in the same order. */
  readonly host: HostFiles;
  readonly mounts: readonly Mount[];
  /** Guest path of the program, for /proc/self/exe. */
  readonly executable: string;
  /** Guest path of the working directory at the start. */
  readonly currentDirectory: string;
  /** Called for each path that no mount covers; says so to the user once (see `takeRefusalReport`). */
  readonly onRefused?: (files: Files, guestPath: string) => void;
}

/** Gives a process its files. Every Worker does it; the first one opens the standard streams. */
export const attachFiles = (process: Process, parts: FilesParts): Files => {
  const files = new Files(process, parts);
  process.files = files;
  process.fileMapper = fileMapper;
  const started = filesHeaderWord(filesHeader.started);
  files.withTree(() => {
    if (files.open.words[started] !== 0) return;
    files.open.words[started] = 1;
    files.cwd = parts.currentDirectory;
    openStandardStreams(files);
  });
  return files;
};

/** The guest's files as one Worker sees them: descriptors, open files, and the tree of names. */
export class Files {
  readonly process: Process;
  readonly host: HostFiles;
  readonly tree: MountTree;
  readonly open: OpenFiles;
  readonly fds: FdTable;
  readonly paths: PathResolver;
  readonly executable: string;
  readonly stdin: InputRing;
  readonly terminal: Terminal;
  /** What is typed at the terminal. */
  readonly terminalInput: InputRing;
  readonly exactTimes: ExactTimes;
  /** For the one or two paths of the call in progress. */
  readonly at = new Resolution();
  readonly to = new Resolution();
  readonly #openPlace = new Resolution();
  #holdsTree = false;
  readonly #stat = new FileStat();
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #onRefused: ((files: Files, guestPath: string) => void) | undefined;

  constructor(process: Process, parts: FilesParts) {
    const kernel: KernelMemory = process.kernel;
    this.process = process;
    this.host = parts.host;
    this.executable = parts.executable;
    this.stdin = new InputRing(kernel, "stdin");
    this.terminal = new Terminal(kernel);
    this.terminalInput = new InputRing(kernel, "terminal");
    this.exactTimes = new ExactTimes(kernel);
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

  /** What can be done with an open file. */
  kindOf(index: number): FileKind {
    return kinds[this.open.get(index, openFile.kind)];
  }

  #destroy(index: number): void {
    forgetWatched(this, index);
    if (this.open.get(index, openFile.flock) !== 0) unlock(this, index);
    this.kindOf(index).destroy(this, index);
    this.open.free(index);
  }

  /** Runs an operation on names while no other guest thread changes the tree; also inside another such operation. */
  withTree<T>(operation: () => T): T {
    if (this.#holdsTree) return operation();
    const lock = filesHeaderWord(filesHeader.treeLock);
    acquireWord(this.#words, lock);
    this.#holdsTree = true;
    try {
      return operation();
    } finally {
      this.#holdsTree = false;
      releaseWord(this.#words, lock);
    }
  }

  /**
   * Where an open file that has a path is now, with its attributes; −ENOENT once it was removed. A path alone must not
   * go to the host: a link may stand on it by now, and the host would follow that out of guest space. The caller
   * holds the tree lock; the next call overwrites the result.
   */
  placeOf(index: number): Resolution | number {
    return this.#placeAt(this.open.path(index), this.open.get(index, openFile.mount));
  }

  #placeAt(path: string, mount: number): Resolution | number {
    const place = this.#openPlace;
    const status = this.paths.resolve(...splitCanonical(path), false, place);
    if (status < 0) return status === -ENOTDIR ? -ENOENT : status;
    return place.exists && place.path === path && place.mount === mount ? place : -ENOENT;
  }

  /** Why the mount that holds a place cannot be written: −EROFS, −EACCES outside every mount, or 0. */
  writableMount(at: Resolution): number {
    if (at.mount < 0) {
      this.#refuse(at.path.slice(0, at.path.lastIndexOf("/")) || "/");
      return -EACCES;
    }
    return this.tree.mounts[at.mount].readOnly ? -EROFS : 0;
  }

  /** The mount that holds a canonical guest path, or −1. */
  mountOf(path: string): number {
    let node: TreeNode | undefined = this.tree.root;
    let mount = node.mount;
    for (const name of path.split("/")) {
      if (name === "" || node === undefined) continue;
      node = node.children.get(name) ?? node.dynamic?.child(name);
      if (node !== undefined && node.mount >= 0) mount = node.mount;
      else if (node?.synthetic !== undefined) mount = -1;
    }
    return mount;
  }

  /** Attributes of the file at a canonical guest path. */
  statPath(path: string, mount: number, out: FileStat): number {
    return this.withTree(() => {
      const place = this.#placeAt(path, mount);
      if (typeof place === "number") return place;
      Object.assign(out, place.stat);
      return 0;
    });
  }

  /** Attributes of something that has no name and no host: the identity's, made now. */
  statAnonymous(out: FileStat): number {
    out.mode = 0o600;
    out.ino = 1;
    out.dev = 13;
    out.rdev = 0;
    out.nlink = 1;
    out.uid = this.identity.uid;
    out.gid = this.identity.gid;
    out.size = 0;
    out.blockSize = 4096;
    out.blocks = 0;
    const now = this.process.clock.realtimeMs();
    const sec = Math.floor(now / 1000);
    const nsec = Math.floor((now - sec * 1000) * 1e6);
    out.atimeSec = out.mtimeSec = out.ctimeSec = sec;
    out.atimeNsec = out.mtimeNsec = out.ctimeNsec = nsec;
    return 0;
  }

  /** Attributes of a character device. */
  statDevice(major: number, minor: number, out: FileStat): number {
    this.statAnonymous(out);
    out.mode = S_IFCHR | 0o666;
    out.ino = major * 256 + minor;
    out.dev = 5;
    out.rdev = major * 256 + minor;
    out.uid = out.gid = 0;
    return 0;
  }

  /** Size of an open host file, or −errno. */
  sizeOf(index: number): number {
    const status = this.host.stat(this.open.get(index, openFile.handle), this.#stat);
    return status < 0 ? status : this.#stat.size;
  }

  /** What a synthetic file says now. */
  syntheticContent(path: string, thread: Thread): Uint8Array {
    const synthetic = this.tree.find(path)?.synthetic;
    return synthetic?.kind === "file" ? contentBytes(synthetic.content(thread)) : new Uint8Array();
  }

  /** The guest's user and group: owner of what the host does not attribute to anyone. */
  get identity(): { readonly uid: number; readonly gid: number } {
    return { uid: this.#words[header.uid], gid: this.#words[header.gid] };
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
    const encoded = encodeName(path).subarray(0, STORED_PATH_BYTES);
    this.#bytes.set(encoded, sections.files + filesParts.cwd);
    Atomics.store(this.#words, filesHeaderWord(filesHeader.cwdLength), encoded.length);
  }

  #refuse(path: string): void {
    if (this.#onRefused === undefined) return;
    const word = filesHeaderWord(filesHeader.refusalReported);
    if (Atomics.load(this.#words, word) === 0) {
      this.#onRefused(this, path);
    }
  }

  /** Notes that the user was told about a refused path. True for the first caller only. */
  takeRefusalReport(): boolean {
    return Atomics.compareExchange(this.#words, filesHeaderWord(filesHeader.refusalReported), 0, 1) === 0;
  }
}
