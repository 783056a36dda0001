/** The directory of packs, on Node. Every operation leaves a directory that concurrent runs can use. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import path from "node:path";
import { DamagedCodeError, FIRST_MODULE, type ArenaSnapshot } from "../../jit/code-arena.js";
import type { RecordSnapshot } from "../../jit/interpreter/records.js";
import { nodeCodeFiles } from "./node-code-files.js";
import { BadPackError, readPack, readPackDescription, writePack, type KeptCode } from "./node-pack-file.js";
import type { PackDescription } from "./pack-format.js";

/** Bytes that all packs together may have. */
export const DEFAULT_LIMIT_BYTES = 2 ** 30;
/** A temporary file that is older than this was left by a run that was killed. */
const ABANDONED_MS = 10 * 60_000;

const PACK = ".pack";
const PART = ".part";

/** One pack as `gojit cache ls` shows it. */
export interface CacheEntry extends PackDescription {
  readonly file: string;
  readonly bytes: number;
  /** When it was last used, ms since 1970. */
  readonly usedMs: number;
}

/** What was there at a run's start. */
export interface KnownCode {
  /** Modules translated. */
  readonly modules: number;
  /** Instructions decoded. */
  readonly instructions: number;
}
export const NOTHING_KNOWN: KnownCode = { modules: 0, instructions: 0 };

/** No pack is written for new instructions alone that are less than this share of those known: nearly every run has some. */
const FEW = 1 / 256;

export class CodeCache {
  readonly directory: string;
  private readonly limitBytes: number;
  private readonly report: (problem: string) => void;

  /** `report` gets one sentence, at most once, when the cache cannot be read or written; the run goes on without. */
  constructor(directory: string, report: (problem: string) => void, limitBytes = DEFAULT_LIMIT_BYTES) {
    this.directory = directory;
    this.limitBytes = limitBytes;
    let reported = false;
    this.report = (problem) => {
      if (!reported) report(problem);
      reported = true;
    };
  }

  /**
   * Loads the code that was kept under `key` into memories that are still empty.
   * @returns how much that was, nothing if nothing was kept. A damaged pack is reported and removed.
   */
  load(key: Uint8Array, code: KeptCode): KnownCode {
    const file = this.fileOf(key);
    try {
      if (!readPack(file, key, code)) return NOTHING_KNOWN;
      const now = new Date();
      // Which pack is the oldest is decided by this.
      utimesSync(file, now, now);
    } catch (error) {
      this.discard(file, error, "read");
    }
    return { modules: code.arena.moduleCount - FIRST_MODULE, instructions: code.records.count };
  }

  /**
   * When the process has ended: keeps code under `key` if there is enough beyond what is `known` (a module, or more than
   * a few instructions), unless another run has kept more in the meantime.
   * @param isProgram true for addresses whose code comes from the program's file
   */
  save(
    key: Uint8Array,
    { arena, records }: KeptCode,
    known: KnownCode,
    program: string,
    isProgram: (pc: number) => boolean,
  ): void {
    if (arena.fileIsDamaged) {
      this.discard(this.fileOf(key), new DamagedCodeError("a module cannot be read"), "read");
      known = NOTHING_KNOWN;
    }
    const enough = known.instructions * (1 + FEW);
    if (arena.moduleCount <= FIRST_MODULE + known.modules && records.count <= enough) return;
    records.snapshot(
      (pc) => isProgram(pc) && !arena.wasChanged(pc),
      (decoded) => {
        const code = arena.snapshot(known.modules, nodeCodeFiles);
        if (code.fresh || decoded.size.count > enough) this.keep(key, code, decoded, program);
      },
    );
  }
  private keep(key: Uint8Array, code: ArenaSnapshot, decoded: RecordSnapshot, program: string): void {
    const file = this.fileOf(key);
    if (bytesOf(file) > code.size.codeBytes + decoded.size.bytes) return;
    const part = path.join(
      this.directory,
      `${path.basename(file, PACK)}.${process.pid}.${randomBytes(6).toString("hex")}${PART}`,
    );
    try {
      mkdirSync(this.directory, { recursive: true, mode: 0o700 });
      try {
        writePack(part, key, code, decoded, program);
        renameSync(part, file);
      } catch (error) {
        rmSync(part, { force: true });
        throw error;
      }
      this.tidy(file);
    } catch (error) {
      this.discard(file, error, "written");
    }
  }

  /** All packs, the last used first. What is no pack of this version shows as such. */
  list(): CacheEntry[] {
    const entries = this.files(PACK).map(({ file, bytes, changedMs }) => {
      let description: PackDescription;
      try {
        description = readPackDescription(file).description;
      } catch {
        description = { program: "(damaged, or of another version of gojit)", modules: 0 };
      }
      return { file, bytes, usedMs: changedMs, ...description };
    });
    return entries.sort((a, b) => b.usedMs - a.usedMs);
  }

  /** Removes everything that gojit keeps in the directory. @returns how many files that were */
  clear(): number {
    const files = [...this.files(PACK), ...this.files(PART)];
    for (const { file } of files) rmSync(file, { force: true });
    return files.length;
  }

  /** Removes what killed runs have left, and the oldest packs beyond the limit; never `newest`. */
  private tidy(newest: string): void {
    for (const { file, changedMs } of this.files(PART)) {
      if (changedMs < Date.now() - ABANDONED_MS) rmSync(file, { force: true });
    }
    const packs = this.files(PACK).sort((a, b) => a.changedMs - b.changedMs);
    let total = packs.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const { file, bytes } of packs) {
      if (total <= this.limitBytes) return;
      if (file === newest) continue;
      rmSync(file, { force: true });
      total -= bytes;
    }
  }

  private files(suffix: string): { file: string; bytes: number; changedMs: number }[] {
    let names: string[];
    try {
      names = readdirSync(this.directory);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
    return names
      .filter((name) => name.endsWith(suffix))
      .flatMap((name) => {
        const file = path.join(this.directory, name);
        const status = statSync(file, { throwIfNoEntry: false });
        return status?.isFile() ? [{ file, bytes: status.size, changedMs: status.mtimeMs }] : [];
      });
  }

  private fileOf(key: Uint8Array): string {
    return path.join(this.directory, `${Buffer.from(key).toString("hex").slice(0, 40)}${PACK}`);
  }

  /** Removes a pack that is damaged, and reports it or another problem. */
  private discard(file: string, error: unknown, what: "read" | "written"): void {
    if (error instanceof BadPackError || error instanceof DamagedCodeError) {
      rmSync(file, { force: true });
      this.report(`a file of the code cache in ${this.directory} was damaged (${error.message}) and is made again`);
      return;
    }
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    this.report(`the code cache in ${this.directory} cannot be ${what} (${code}); the program runs without it`);
  }
}

/** Bytes of code and records in a pack, 0 if there is none. */
function bytesOf(file: string): number {
  try {
    const { size, records } = readPackDescription(file).prefix;
    return size.codeBytes + records.bytes;
  } catch {
    return 0;
  }
}
