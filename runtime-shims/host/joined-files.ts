import { EXDEV } from "../errno.js";
import type { DirectoryEntry, FileStat, FileSystemSpace, HostFiles, NewTime } from "./types.js";

const FIRST_HANDLE = 3;

/** Which host a root belongs to, and its number there. */
export interface JoinedRoot {
  readonly host: number;
  readonly root: number;
}

/** Several hosts as one. The first has the standard streams. */
export class JoinedFiles implements HostFiles {
  readonly #hosts: readonly HostFiles[];
  readonly #roots: readonly JoinedRoot[];

  /** @param roots in the order of the mounts */
  constructor(hosts: readonly HostFiles[], roots: readonly JoinedRoot[]) {
    this.#hosts = hosts;
    this.#roots = roots;
  }

  openAt(root: number, path: string, openFlags: number, access: number, mode: number): number {
    const { host, root: inner } = this.#roots[root];
    return this.#joined(host, this.#hosts[host].openAt(inner, path, openFlags, access, mode));
  }

  reopen(handle: number, openFlags: number, access: number): number {
    const host = handle < FIRST_HANDLE ? 0 : (handle - FIRST_HANDLE) % this.#hosts.length;
    return this.#joined(
      host,
      this.#of(handle, (files, inner) => files.reopen(inner, openFlags, access)),
    );
  }

  close(handle: number): number {
    return this.#of(handle, (host, inner) => host.close(inner));
  }

  read(handle: number, into: Uint8Array, offset: number): number {
    return this.#of(handle, (host, inner) => host.read(inner, into, offset));
  }

  write(handle: number, from: Uint8Array, offset: number): number {
    return this.#of(handle, (host, inner) => host.write(inner, from, offset));
  }

  append(handle: number, from: Uint8Array): number {
    return this.#of(handle, (host, inner) => host.append(inner, from));
  }

  stat(handle: number, out: FileStat): number {
    return this.#of(handle, (host, inner) => host.stat(inner, out));
  }

  statAt(root: number, path: string, out: FileStat): number {
    return this.#at(root, (host, inner) => host.statAt(inner, path, out));
  }

  readlinkAt(root: number, path: string): string | number {
    return this.#at(root, (host, inner) => host.readlinkAt(inner, path));
  }

  readDirectory(root: number, path: string): DirectoryEntry[] | number {
    return this.#at(root, (host, inner) => host.readDirectory(inner, path));
  }

  createDirectoryAt(root: number, path: string, mode: number): number {
    return this.#at(root, (host, inner) => host.createDirectoryAt(inner, path, mode));
  }

  removeDirectoryAt(root: number, path: string): number {
    return this.#at(root, (host, inner) => host.removeDirectoryAt(inner, path));
  }

  unlinkFileAt(root: number, path: string): number {
    return this.#at(root, (host, inner) => host.unlinkFileAt(inner, path));
  }

  renameAt(oldRoot: number, oldPath: string, newRoot: number, newPath: string): number {
    return this.#both(oldRoot, newRoot, (host, from, to) => host.renameAt(from, oldPath, to, newPath));
  }

  linkAt(oldRoot: number, oldPath: string, newRoot: number, newPath: string): number {
    return this.#both(oldRoot, newRoot, (host, from, to) => host.linkAt(from, oldPath, to, newPath));
  }

  symlinkAt(target: string, root: number, path: string): number {
    return this.#at(root, (host, inner) => host.symlinkAt(target, inner, path));
  }

  setSize(handle: number, size: number): number {
    return this.#of(handle, (host, inner) => host.setSize(inner, size));
  }

  setTimes(handle: number, atime: NewTime, mtime: NewTime): number {
    return this.#of(handle, (host, inner) => host.setTimes(inner, atime, mtime));
  }

  setTimesAt(root: number, path: string, atime: NewTime, mtime: NewTime): number {
    return this.#at(root, (host, inner) => host.setTimesAt(inner, path, atime, mtime));
  }

  sync(handle: number, dataOnly: boolean): number {
    return this.#of(handle, (host, inner) => host.sync(inner, dataOnly));
  }

  setMode(handle: number, mode: number): number {
    return this.#of(handle, (host, inner) => host.setMode(inner, mode));
  }

  setModeAt(root: number, path: string, mode: number): number {
    return this.#at(root, (host, inner) => host.setModeAt(inner, path, mode));
  }

  setOwner(handle: number, uid: number, gid: number): number {
    return this.#of(handle, (host, inner) => host.setOwner(inner, uid, gid));
  }

  setOwnerAt(root: number, path: string, uid: number, gid: number): number {
    return this.#at(root, (host, inner) => host.setOwnerAt(inner, path, uid, gid));
  }

  accessAt(root: number, path: string, mode: number): number {
    return this.#at(root, (host, inner) => host.accessAt(inner, path, mode));
  }

  space(root: number, path: string): FileSystemSpace | number {
    return this.#at(root, (host, inner) => host.space(inner, path));
  }

  isTerminal(handle: number): boolean {
    return this.#of(handle, (host, inner) => host.isTerminal(inner));
  }

  position(handle: number): number {
    return this.#of(handle, (host, inner) => host.position(inner));
  }

  /** The number here of a handle that a host gave out; an error as it is. */
  #joined(host: number, handle: number): number {
    return handle < 0 ? handle : FIRST_HANDLE + (handle - FIRST_HANDLE) * this.#hosts.length + host;
  }

  #of<T>(handle: number, operation: (host: HostFiles, handle: number) => T): T {
    if (handle < FIRST_HANDLE) return operation(this.#hosts[0], handle);
    const { length } = this.#hosts;
    const inner = FIRST_HANDLE + Math.floor((handle - FIRST_HANDLE) / length);
    return operation(this.#hosts[(handle - FIRST_HANDLE) % length], inner);
  }

  #at<T>(root: number, operation: (host: HostFiles, root: number) => T): T {
    const { host, root: inner } = this.#roots[root];
    return operation(this.#hosts[host], inner);
  }

  #both(from: number, to: number, operation: (host: HostFiles, from: number, to: number) => number): number {
    const source = this.#roots[from];
    const target = this.#roots[to];
    if (source.host !== target.host) return -EXDEV;
    return operation(this.#hosts[source.host], source.root, target.root);
  }
}
