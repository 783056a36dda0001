import { EXACT_TIME_CAPACITY, EXACT_TIME_DOUBLES, filesHeader, filesParts } from "./files-layout.js";
import { FileStat, type NewTime } from "./host/types.js";
import { type KernelMemory, sections } from "./kernel-memory.js";
import { filesHeaderWord } from "./open-files.js";

/** Float64 fields of a row: the file, what the host answers (in ns of its second), and what the guest had set. */
const field = {
  dev: 0,
  ino: 1,
  atimeSec: 2,
  atimeHostNsec: 3,
  atimeNsec: 4,
  mtimeSec: 5,
  mtimeHostNsec: 6,
  mtimeNsec: 7,
} as const;

/**
 * Times that the guest set, to the nanosecond. node:fs passes times as doubles, good for a quarter of a microsecond:
 * as long as a file still has the time that this left it with, the guest is told the one it asked for. A file's row
 * may be taken over by another one.
 */
export class ExactTimes {
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;

  constructor(kernel: KernelMemory) {
    this.#words = kernel.words;
    this.#doubles = kernel.doubles;
  }

  /** Notes what was set and what the host made of it. */
  note(stat: FileStat, atime: NewTime, mtime: NewTime): void {
    const row = this.#row(stat);
    const doubles = this.#doubles;
    doubles[row + field.dev] = stat.dev;
    doubles[row + field.ino] = stat.ino;
    doubles[row + field.atimeSec] = stat.atimeSec;
    doubles[row + field.atimeHostNsec] = stat.atimeNsec;
    doubles[row + field.atimeNsec] = exactNsec(atime, stat.atimeSec, stat.atimeNsec);
    doubles[row + field.mtimeSec] = stat.mtimeSec;
    doubles[row + field.mtimeHostNsec] = stat.mtimeNsec;
    doubles[row + field.mtimeNsec] = exactNsec(mtime, stat.mtimeSec, stat.mtimeNsec);
    Atomics.store(this.#words, filesHeaderWord(filesHeader.exactTimes), 1);
  }

  /** Puts the exact times of a file into what the host says of it. */
  refine(stat: FileStat): void {
    if (Atomics.load(this.#words, filesHeaderWord(filesHeader.exactTimes)) === 0) return;
    const row = this.#row(stat);
    const doubles = this.#doubles;
    if (doubles[row + field.ino] !== stat.ino || doubles[row + field.dev] !== stat.dev) return;
    if (doubles[row + field.atimeSec] === stat.atimeSec && doubles[row + field.atimeHostNsec] === stat.atimeNsec) {
      stat.atimeNsec = doubles[row + field.atimeNsec];
    }
    if (doubles[row + field.mtimeSec] === stat.mtimeSec && doubles[row + field.mtimeHostNsec] === stat.mtimeNsec) {
      stat.mtimeNsec = doubles[row + field.mtimeNsec];
    }
  }

  /** Float64 index of the row that a file uses. */
  #row(stat: FileStat): number {
    const start = (sections.files + filesParts.exactTimes) / 8;
    return start + (stat.ino % EXACT_TIME_CAPACITY) * EXACT_TIME_DOUBLES;
  }
}

/** The nanoseconds asked for, provided that the host stands within its rounding of them. */
const exactNsec = (asked: NewTime, hostSec: number, hostNsec: number): number =>
  typeof asked === "object" && asked.sec === hostSec && Math.abs(asked.nsec - hostNsec) < 1000 ? asked.nsec : hostNsec;
