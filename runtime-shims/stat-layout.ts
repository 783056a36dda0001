import type { FileStat } from "./host/types.js";
import type { GuestMemory } from "./guest-memory.js";

/** Size of the x86-64 struct stat. */
export const STAT_BYTES = 144;
/** Size of struct statx. */
export const STATX_BYTES = 256;
/** Size of the x86-64 struct statfs. */
export const STATFS_BYTES = 120;

/** Stores a struct stat. */
export const storeStat = (memory: GuestMemory, at: number, stat: FileStat): void => {
  memory.setUint64(at, stat.dev);
  memory.setUint64(at + 8, stat.ino);
  memory.setUint64(at + 16, stat.nlink);
  memory.setUint32(at + 24, stat.mode);
  memory.setUint32(at + 28, stat.uid);
  memory.setUint32(at + 32, stat.gid);
  memory.setUint32(at + 36, 0);
  memory.setUint64(at + 40, stat.rdev);
  memory.setUint64(at + 48, stat.size);
  memory.setUint64(at + 56, stat.blockSize);
  memory.setUint64(at + 64, stat.blocks);
  memory.setUint64(at + 72, stat.atimeSec);
  memory.setUint64(at + 80, stat.atimeNsec);
  memory.setUint64(at + 88, stat.mtimeSec);
  memory.setUint64(at + 96, stat.mtimeNsec);
  memory.setUint64(at + 104, stat.ctimeSec);
  memory.setUint64(at + 112, stat.ctimeNsec);
  memory.fill(at + 120, 24, 0);
};

const STATX_BASIC_STATS = 0x7ff;

export const majorOf = (dev: number): number => Math.floor(dev / 256) % 4096;
export const minorOf = (dev: number): number => (dev % 256) + Math.floor(dev / 0x100000) * 256;

/** Stores a struct statx with the basic fields. */
export const storeStatx = (memory: GuestMemory, at: number, stat: FileStat): void => {
  memory.fill(at, STATX_BYTES, 0);
  memory.setUint32(at, STATX_BASIC_STATS);
  memory.setUint32(at + 4, stat.blockSize);
  memory.setUint32(at + 16, stat.nlink);
  memory.setUint32(at + 20, stat.uid);
  memory.setUint32(at + 24, stat.gid);
  memory.setUint16(at + 28, stat.mode);
  memory.setUint64(at + 32, stat.ino);
  memory.setUint64(at + 40, stat.size);
  memory.setUint64(at + 48, stat.blocks);
  memory.setUint64(at + 64, stat.atimeSec);
  memory.setUint32(at + 72, stat.atimeNsec);
  memory.setUint64(at + 96, stat.ctimeSec);
  memory.setUint32(at + 104, stat.ctimeNsec);
  memory.setUint64(at + 112, stat.mtimeSec);
  memory.setUint32(at + 120, stat.mtimeNsec);
  memory.setUint32(at + 128, majorOf(stat.rdev));
  memory.setUint32(at + 132, minorOf(stat.rdev));
  memory.setUint32(at + 136, majorOf(stat.dev));
  memory.setUint32(at + 140, minorOf(stat.dev));
};
