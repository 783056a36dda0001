import { EINVAL, EISDIR, ENOENT, ENOTDIR } from "./errno.js";
import { openFile } from "./files-layout.js";
import type { Files } from "./files.js";
import { type DirectoryEntry, FileStat, S_IFDIR, S_IFMT } from "./host/types.js";
import type { TreeNode } from "./mounts.js";
import { encodeName } from "./names.js";
import { pathInode } from "./synthetic.js";
import type { Thread } from "./threads.js";

/** Entries of the directory last listed by this Worker, in name order; other calls go on from it. */
let snapshot: { readonly serial: number; readonly entries: readonly DirectoryEntry[] } = { serial: -1, entries: [] };

const scratch = new FileStat();
const ENTRY_HEADER = 19;
/** `directoryStep` behind the last name. */
const AT_END = 4;

/** Order of names in a listing: any fixed one serves. */
const byName = (a: DirectoryEntry, b: DirectoryEntry): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

const nodeEntries = (files: Files, node: TreeNode): DirectoryEntry[] => {
  const names = [...node.children.keys(), ...(node.dynamic?.list() ?? [])];
  return names.map((name) => {
    const path = node.path === "/" ? `/${name}` : `${node.path}/${name}`;
    const mode = files.statPath(path, files.mountOf(path), scratch) === 0 ? scratch.mode & S_IFMT : 0;
    return { name, type: mode };
  });
};

/** All entries but `.` and `..`: those of the host, and those of the skeleton over them. */
const listDirectory = (files: Files, index: number): DirectoryEntry[] | number =>
  files.withTree(() => {
    const place = files.placeOf(index);
    if (typeof place === "number") return place;
    if (!place.isDirectory) return -ENOENT;
    const { mount, node, relative } = place;
    const hostEntries = mount < 0 ? [] : files.host.readDirectory(mount, relative);
    if (typeof hostEntries === "number" && node === undefined) return hostEntries;
    const byKey = new Map((typeof hostEntries === "number" ? [] : hostEntries).map((entry) => [entry.name, entry]));
    if (node !== undefined) for (const entry of nodeEntries(files, node)) byKey.set(entry.name, entry);
    return [...byKey.values()].sort(byName);
  });

/** Index of the first entry after `name`. */
const after = (entries: readonly DirectoryEntry[], name: string): number => {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle].name <= name) low = middle + 1;
    else high = middle;
  }
  return low;
};

/** The d_type of a file type. */
const typeByte = (type: number): number => type >>> 12;

/** Writes one struct linux_dirent64. Returns its length, or 0 when it does not fit. */
const storeEntry = (
  thread: Thread,
  at: number,
  room: number,
  inode: number,
  cookie: number,
  type: number,
  name: string,
): number => {
  const bytes = encodeName(name);
  const length = (ENTRY_HEADER + bytes.length + 1 + 7) & ~7;
  if (length > room) return 0;
  const { memory } = thread.process;
  memory.setUint64(at, inode);
  memory.setUint64(at + 8, cookie);
  memory.setUint16(at + 16, length);
  memory.setUint8(at + 18, typeByte(type));
  memory.store(at + ENTRY_HEADER, bytes);
  memory.fill(at + ENTRY_HEADER + bytes.length, length - ENTRY_HEADER - bytes.length, 0);
  return length;
};

/**
 * getdents64(2). The stream remembers the last name given out, so that it goes on rightly in any Worker and while
 * names come and go. `address` was checked for `size` bytes.
 */
export const readEntries = (files: Files, thread: Thread, index: number, address: number, size: number): number => {
  const { open } = files;
  const serial = open.get(index, openFile.serial);
  const path = open.path(index);
  const step = open.get(index, openFile.directoryStep);
  if (step === 0 || snapshot.serial !== serial) {
    const listed = listDirectory(files, index);
    if (typeof listed === "number") return listed === -ENOENT || listed === -ENOTDIR ? -ENOENT : listed;
    snapshot = { serial, entries: listed };
  }
  const { entries } = snapshot;
  let cookie = open.offset(index);
  let done = 0;
  for (let dots = step; dots < 2; dots++) {
    const inode = pathInode(dots === 0 ? path : parentOf(path));
    const length = storeEntry(thread, address + done, size - done, inode, cookie + 1, S_IFDIR, dots === 0 ? "." : "..");
    if (length === 0) return finish(files, index, cookie, done);
    done += length;
    cookie++;
    open.set(index, openFile.directoryStep, dots + 1);
  }
  let next = step < 3 || open.get(index, openFile.lastNameLength) === 0 ? 0 : after(entries, open.lastName(index));
  const prefix = path === "/" ? "/" : `${path}/`;
  while (next < entries.length) {
    const { name, type } = entries[next];
    const inode = pathInode(prefix + name);
    const length = storeEntry(thread, address + done, size - done, inode, cookie + 1, type, name);
    if (length === 0) return finish(files, index, cookie, done);
    done += length;
    cookie++;
    next++;
    open.set(index, openFile.directoryStep, 3);
    open.setLastName(index, name);
  }
  open.set(index, openFile.directoryStep, AT_END);
  open.setOffset(index, cookie);
  return done;
};

/** The next entry does not fit: an error only when nothing fitted. */
const finish = (files: Files, index: number, cookie: number, done: number): number => {
  files.open.setOffset(index, cookie);
  return done > 0 ? done : -EINVAL;
};

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/";

/**
 * What read(2) says of a directory. At the end of its listing ext4 has the largest offset there is, and the check of
 * offset plus length comes first.
 */
export const readOfDirectory = (files: Files, index: number, length: number): number =>
  length > 0 && files.open.get(index, openFile.directoryStep) === AT_END ? -EINVAL : -EISDIR;

/** lseek(2) on a directory: back to the start, or to a position that getdents64 gave. */
export const rewindDirectory = (files: Files, index: number, offset: number, whence: number): number => {
  const { open } = files;
  const target = whence === 0 ? offset : whence === 1 ? open.offset(index) + offset : -1;
  if (target < 0) return -EINVAL;
  if (target === open.offset(index)) return target;
  const listed = target > 2 ? listDirectory(files, index) : [];
  if (typeof listed === "number") return listed;
  const last = Math.min(target - 2, listed.length);
  open.set(index, openFile.directoryStep, last > 0 ? 3 : Math.min(target, 2));
  if (last > 0) open.setLastName(index, listed[last - 1].name);
  open.setOffset(index, target);
  return target;
};
