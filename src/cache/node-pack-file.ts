/** Packs as files, on Node. */
import { closeSync, fstatSync, openSync, readSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import type { ArenaSnapshot, CodeArena } from "../../jit/code-arena.js";
import type { Records, RecordSnapshot } from "../../jit/interpreter/records.js";
import { readFully } from "./node-code-files.js";
import {
  PREFIX_BYTES,
  decodeDescription,
  decodePrefix,
  encodeDescription,
  encodePrefix,
  type PackDescription,
  type PackPrefix,
} from "./pack-format.js";

/** The file is no sound pack. */
export class BadPackError extends Error {}

/** What is written at a time. */
const CHUNK_BYTES = 1 << 20;

/** What a pack keeps. */
export interface KeptCode {
  readonly arena: CodeArena;
  readonly records: Records;
}

/**
 * Reads a pack into memories that are still empty, but for the code, which is read when it is linked: the file stays open
 * for as long as the process lives.
 * @returns false if there is no such file
 * @throws BadPackError if it is damaged or for another key, or the file system's error; the memories are empty still.
 */
export function readPack(file: string, key: Uint8Array, { arena, records }: KeptCode): boolean {
  const descriptor = openIfThere(file);
  if (descriptor < 0) return false;
  let loaded = false;
  try {
    const prefix = readPrefix(descriptor);
    if (prefix.key.some((byte, index) => byte !== key[index])) throw new BadPackError("it was made for another key");
    const views = arena.beginLoad(prefix.size);
    const recordViews = records.beginLoad(prefix.records);
    if (!views || !recordViews) throw new BadPackError("its sizes are impossible");
    const sections = [new Uint8Array(prefix.descriptionBytes), ...views, ...recordViews];
    const position = PREFIX_BYTES + byteLength(sections);
    if (fstatSync(descriptor).size !== position + prefix.size.codeBytes) {
      throw new BadPackError("it is not as long as it says");
    }
    try {
      const sound = readAll(descriptor, sections, PREFIX_BYTES) && checksum(sections) === prefix.crc;
      if (!sound) throw new BadPackError("its checksum is wrong");
      loaded =
        arena.finishLoad(prefix.size, { descriptor, position }) && records.finishLoad(prefix.records, recordViews);
      if (!loaded) throw new BadPackError("its tables make no sense");
    } finally {
      if (!loaded) {
        arena.abandonLoad(prefix.size);
        records.abandonLoad(recordViews);
      }
    }
    return true;
  } finally {
    if (!loaded) closeSync(descriptor);
  }
}

/** What a pack says of itself; its content is not checked. @throws BadPackError, or the file system's error */
export function readPackDescription(file: string): { prefix: PackPrefix; description: PackDescription } {
  const descriptor = openSync(file, "r");
  try {
    const prefix = readPrefix(descriptor);
    const bytes = new Uint8Array(prefix.descriptionBytes);
    const description = readAll(descriptor, [bytes], PREFIX_BYTES) ? decodeDescription(bytes) : undefined;
    if (!description) throw new BadPackError("it has no description");
    return { prefix, description };
  } finally {
    closeSync(descriptor);
  }
}

/** Writes a new file, which must not exist yet. @throws the file system's error */
export function writePack(
  file: string,
  key: Uint8Array,
  code: ArenaSnapshot,
  records: RecordSnapshot,
  program: string,
): void {
  const description = encodeDescription({ program, modules: code.modules });
  const descriptor = openSync(file, "wx", 0o600);
  try {
    let at = PREFIX_BYTES;
    let crc = 0;
    for (const chunk of chunks([description, ...code.tables, ...records.sections])) {
      crc = crc32(chunk, crc);
      writeAll(descriptor, chunk, at);
      at += chunk.length;
    }
    for (const chunk of chunks(code.code)) {
      writeAll(descriptor, chunk, at);
      at += chunk.length;
    }
    const prefix = { key, crc, descriptionBytes: description.length, size: code.size, records: records.size };
    writeAll(descriptor, encodePrefix(prefix), 0);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Copies of what follows each other, each valid until the next: threads may still count in the memory where it stands,
 * and the checksum has to be that of what is written.
 */
function* chunks(sections: Iterable<Uint8Array>): Generator<Uint8Array> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  let length = 0;
  for (const section of sections) {
    for (let done = 0; done < section.length;) {
      const part = section.subarray(done, done + CHUNK_BYTES - length);
      chunk.set(part, length);
      length += part.length;
      done += part.length;
      if (length < CHUNK_BYTES) continue;
      yield chunk;
      length = 0;
    }
  }
  yield chunk.subarray(0, length);
}

function openIfThere(file: string): number {
  try {
    return openSync(file, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return -1;
    throw error;
  }
}

function readPrefix(descriptor: number): PackPrefix {
  const bytes = new Uint8Array(PREFIX_BYTES);
  const length = readSync(descriptor, bytes, 0, PREFIX_BYTES, 0);
  const prefix = decodePrefix(bytes.subarray(0, length));
  if (!prefix) throw new BadPackError("it is no pack of this version");
  return prefix;
}

function readAll(descriptor: number, views: readonly Uint8Array[], position: number): boolean {
  let at = position;
  return views.every((view) => {
    const start = at;
    at += view.length;
    return readFully(descriptor, start, view);
  });
}

function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  let done = 0;
  while (done < bytes.length) done += writeSync(descriptor, bytes, done, bytes.length - done, position + done);
}

const byteLength = (views: readonly Uint8Array[]): number => views.reduce((sum, view) => sum + view.length, 0);

const checksum = (views: readonly Uint8Array[]): number => views.reduce((crc, view) => crc32(view, crc), 0);
