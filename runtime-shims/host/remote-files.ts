import { EIO } from "../errno.js";
import { acquireWord, releaseWord } from "../lock.js";
import { type DirectoryEntry, FileStat, type FileSystemSpace, type HostFiles, type NewTime } from "./types.js";

/**
 * HostFiles across Workers, for hosts whose descriptors live in one realm: a Worker posts a request in shared memory
 * and waits; the owner's event loop answers. One request is under way at a time.
 *
 * The channel is a header of 16 words, then the request or the reply: JSON, then raw bytes.
 */

const word = {
  /** Held by the Worker whose request is under way. */
  lock: 0,
  /** IDLE, REQUEST, REPLY or CLOSED. */
  state: 1,
  jsonBytes: 2,
  rawBytes: 3,
} as const;
const IDLE = 0;
const REQUEST = 1;
const REPLY = 2;
/** The owner serves no more. */
const CLOSED = 3;

const HEADER_BYTES = 64;
/** Most raw bytes of one message; longer transfers take several. */
const RAW_BYTES = 1 << 20;
const CHANNEL_BYTES = HEADER_BYTES + 2 * RAW_BYTES;

/** A channel for `serveFiles` and `RemoteFiles`. */
export const createFilesChannel = (): SharedArrayBuffer => new SharedArrayBuffer(CHANNEL_BYTES);

type Argument = number | string | boolean | NewTime;
/** Calls whose last argument is a buffer to fill, one to take bytes from, or a FileStat. */
type Transfer = "read" | "write" | "stat" | "none";

interface Request {
  readonly method: keyof HostFiles;
  readonly args: readonly Argument[];
  readonly transfer: Transfer;
  /** Room for a read. */
  readonly room: number;
}

class Channel {
  readonly words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder();

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer, 0, HEADER_BYTES / 4);
    this.#bytes = new Uint8Array(buffer, HEADER_BYTES);
  }

  /** Stores a message. False when it is too long. */
  put(message: unknown, raw: Uint8Array | undefined): boolean {
    const json = this.#encoder.encode(JSON.stringify(message));
    if (json.length + (raw?.length ?? 0) > this.#bytes.length) return false;
    this.#bytes.set(json);
    if (raw !== undefined) this.#bytes.set(raw, json.length);
    this.words[word.jsonBytes] = json.length;
    this.words[word.rawBytes] = raw?.length ?? 0;
    return true;
  }

  message(): unknown {
    return JSON.parse(this.#decoder.decode(this.#bytes.slice(0, this.words[word.jsonBytes])));
  }

  /** The raw bytes, still in the channel. */
  raw(): Uint8Array {
    const start = this.words[word.jsonBytes];
    return this.#bytes.subarray(start, start + this.words[word.rawBytes]);
  }

  /** Moves on to a state and wakes the other side. */
  enter(state: number): void {
    Atomics.store(this.words, word.state, state);
    Atomics.notify(this.words, word.state);
  }
}

/** Answers requests from other Workers with `host`, from the event loop of the calling realm, until `closeFiles`. */
export const serveFiles = async (buffer: SharedArrayBuffer, host: HostFiles): Promise<void> => {
  const channel = new Channel(buffer);
  for (;;) {
    const state = Atomics.load(channel.words, word.state);
    if (state === REQUEST) {
      answer(channel, host);
      continue;
    }
    if (state === CLOSED) return;
    const wait = Atomics.waitAsync(channel.words, word.state, state);
    if (wait.async) await wait.value;
  }
};

/** Ends `serveFiles`, once every Worker that might ask has ended. */
export const closeFiles = (buffer: SharedArrayBuffer): void => new Channel(buffer).enter(CLOSED);

const answer = (channel: Channel, host: HostFiles): void => {
  const { method, args, transfer, room } = channel.message() as Request;
  const call = host[method] as (...args: unknown[]) => unknown;
  const stat = new FileStat();
  const raw = transfer === "read" ? new Uint8Array(room) : transfer === "write" ? channel.raw().slice() : undefined;
  // The bytes stand after the handle, a FileStat comes last.
  const [first, ...rest] = args;
  const ordered = raw !== undefined ? [first, raw, ...rest] : transfer === "stat" ? [...args, stat] : args;
  let result: unknown;
  try {
    result = call.apply(host, [...ordered]);
  } catch {
    // Hosts do not throw. If one does, the guest has to get an answer all the same.
    result = -EIO;
  }
  const filled = transfer === "read" ? raw?.subarray(0, Math.max(0, result as number)) : undefined;
  const reply = { result, stat: transfer === "stat" ? stat : undefined };
  if (!channel.put(reply, filled)) channel.put({ result: -EIO }, undefined);
  channel.enter(REPLY);
};

/** The host's files as another Worker sees them, through a channel that the owner serves. Blocks in Atomics.wait. */
export class RemoteFiles implements HostFiles {
  readonly #channel: Channel;

  constructor(buffer: SharedArrayBuffer) {
    this.#channel = new Channel(buffer);
  }

  /** Sends a request and hands the reply to `take` while the channel is still this Worker's. */
  #call<T>(
    method: keyof HostFiles,
    args: readonly Argument[],
    transfer: Transfer,
    raw: Uint8Array | undefined,
    room: number,
    take: (reply: { result: unknown; stat?: FileStat }, raw: Uint8Array) => T,
  ): T {
    const { words } = this.#channel;
    acquireWord(words, word.lock);
    try {
      const request: Request = { method, args, transfer, room };
      if (!this.#channel.put(request, raw)) return take({ result: -EIO }, new Uint8Array());
      this.#channel.enter(REQUEST);
      while (Atomics.load(words, word.state) !== REPLY) Atomics.wait(words, word.state, REQUEST);
      return take(this.#channel.message() as { result: unknown; stat?: FileStat }, this.#channel.raw());
    } finally {
      Atomics.store(words, word.state, IDLE);
      releaseWord(words, word.lock);
    }
  }

  #number(method: keyof HostFiles, ...args: readonly Argument[]): number {
    return this.#call(method, args, "none", undefined, 0, ({ result }) => result as number);
  }

  #stat(method: "stat" | "statAt", out: FileStat, ...args: readonly Argument[]): number {
    return this.#call(method, args, "stat", undefined, 0, ({ result, stat }) => {
      if (stat !== undefined) Object.assign(out, stat);
      return result as number;
    });
  }

  /** Transfers in portions until one falls short. */
  #portions(length: number, portion: (start: number, size: number) => number): number {
    let done = 0;
    do {
      const size = Math.min(RAW_BYTES, length - done);
      const result = portion(done, size);
      if (result < 0) return done > 0 ? done : result;
      done += result;
      if (result < size) break;
    } while (done < length);
    return done;
  }

  read(handle: number, into: Uint8Array, offset: number): number {
    return this.#portions(into.length, (start, size) =>
      this.#call("read", [handle, offset < 0 ? offset : offset + start], "read", undefined, size, (reply, raw) => {
        into.set(raw, start);
        return reply.result as number;
      }),
    );
  }

  write(handle: number, from: Uint8Array, offset: number): number {
    return this.#portions(from.length, (start, size) =>
      this.#call(
        "write",
        [handle, offset < 0 ? offset : offset + start],
        "write",
        from.subarray(start, start + size),
        0,
        ({ result }) => result as number,
      ),
    );
  }

  append(handle: number, from: Uint8Array): number {
    return this.#portions(from.length, (start, size) =>
      this.#call("append", [handle], "write", from.subarray(start, start + size), 0, ({ result }) => result as number),
    );
  }

  stat(handle: number, out: FileStat): number {
    return this.#stat("stat", out, handle);
  }

  statAt(root: number, path: string, out: FileStat): number {
    return this.#stat("statAt", out, root, path);
  }

  openAt(root: number, path: string, openFlags: number, access: number, mode: number): number {
    return this.#number("openAt", root, path, openFlags, access, mode);
  }

  reopen(handle: number, openFlags: number, access: number): number {
    return this.#number("reopen", handle, openFlags, access);
  }

  close(handle: number): number {
    return this.#number("close", handle);
  }

  readlinkAt(root: number, path: string): string | number {
    return this.#call("readlinkAt", [root, path], "none", undefined, 0, ({ result }) => result as string | number);
  }

  readDirectory(root: number, path: string): DirectoryEntry[] | number {
    const take = ({ result }: { result: unknown }): DirectoryEntry[] | number => result as DirectoryEntry[] | number;
    return this.#call("readDirectory", [root, path], "none", undefined, 0, take);
  }

  createDirectoryAt(root: number, path: string, mode: number): number {
    return this.#number("createDirectoryAt", root, path, mode);
  }

  removeDirectoryAt(root: number, path: string): number {
    return this.#number("removeDirectoryAt", root, path);
  }

  unlinkFileAt(root: number, path: string): number {
    return this.#number("unlinkFileAt", root, path);
  }

  renameAt(oldRoot: number, oldPath: string, newRoot: number, newPath: string): number {
    return this.#number("renameAt", oldRoot, oldPath, newRoot, newPath);
  }

  linkAt(oldRoot: number, oldPath: string, newRoot: number, newPath: string): number {
    return this.#number("linkAt", oldRoot, oldPath, newRoot, newPath);
  }

  symlinkAt(target: string, root: number, path: string): number {
    return this.#number("symlinkAt", target, root, path);
  }

  setSize(handle: number, size: number): number {
    return this.#number("setSize", handle, size);
  }

  setTimes(handle: number, atime: NewTime, mtime: NewTime): number {
    return this.#number("setTimes", handle, atime, mtime);
  }

  setTimesAt(root: number, path: string, atime: NewTime, mtime: NewTime): number {
    return this.#number("setTimesAt", root, path, atime, mtime);
  }

  sync(handle: number, dataOnly: boolean): number {
    return this.#number("sync", handle, dataOnly);
  }

  setMode(handle: number, mode: number): number {
    return this.#number("setMode", handle, mode);
  }

  setModeAt(root: number, path: string, mode: number): number {
    return this.#number("setModeAt", root, path, mode);
  }

  setOwner(handle: number, uid: number, gid: number): number {
    return this.#number("setOwner", handle, uid, gid);
  }

  setOwnerAt(root: number, path: string, uid: number, gid: number): number {
    return this.#number("setOwnerAt", root, path, uid, gid);
  }

  accessAt(root: number, path: string, mode: number): number {
    return this.#number("accessAt", root, path, mode);
  }

  space(root: number, path: string): FileSystemSpace | number {
    const take = ({ result }: { result: unknown }): FileSystemSpace | number => result as FileSystemSpace | number;
    return this.#call("space", [root, path], "none", undefined, 0, take);
  }

  isTerminal(handle: number): boolean {
    return this.#call("isTerminal", [handle], "none", undefined, 0, ({ result }) => result === true);
  }

  position(handle: number): number {
    return this.#number("position", handle);
  }
}
