import { EEXIST, EINVAL, ENOENT, ENOSPC } from "../errno.js";
import type { Files } from "../files.js";
import { EPOLL_ITEM_CAPACITY, EPOLL_ITEM_WORDS, fileKind, filesHeader, filesParts, openFile } from "../files-layout.js";
import { sections } from "../kernel-memory.js";
import { acquireWord, releaseWord } from "../lock.js";
import { filesHeaderWord } from "../open-files.js";
import { wakeAll } from "../wait-queue.js";
import {
  type FileKind,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRNORM,
} from "./kind.js";
import { pollKey } from "./notify.js";

export const EPOLLET = 0x8000_0000 | 0;
export const EPOLLONESHOT = 0x4000_0000;

/** Words of an item: one descriptor that one epoll instance watches. */
const item = {
  /** Open file of the epoll instance + 1; 0 is free. */
  owner: 0,
  target: 1,
  fd: 2,
  events: 3,
  dataLo: 4,
  dataHi: 5,
  readEdge: 6,
  writeEdge: 7,
  /** Next item of the same instance, as item + 1. */
  next: 8,
  /** 1 until reported once since it was added or modified: an edge by itself. */
  fresh: 9,
} as const;

const IN_BITS = POLLIN | POLLPRI | POLLRDHUP | POLLRDNORM;
const OUT_BITS = POLLOUT | POLLWRNORM;

const itemBase = (index: number): number => (sections.files + filesParts.epollItems) / 4 + index * EPOLL_ITEM_WORDS;

const locked = <T>(files: Files, step: (words: Int32Array) => T): T => {
  const words = files.open.words;
  const lock = filesHeaderWord(filesHeader.epollLock);
  acquireWord(words, lock);
  try {
    return step(words);
  } finally {
    releaseWord(words, lock);
  }
};

/** The item of `fd` and its open file in an instance, or −1. */
const find = (files: Files, words: Int32Array, epollIndex: number, fd: number, target: number): number => {
  let link = files.open.get(epollIndex, openFile.firstItem);
  while (link !== 0) {
    const base = itemBase(link - 1);
    if (words[base + item.fd] === fd && words[base + item.target] === target) return link - 1;
    link = words[base + item.next];
  }
  return -1;
};

const arm = (files: Files, words: Int32Array, index: number, events: number, lo: number, hi: number): void => {
  const base = itemBase(index);
  words[base + item.events] = events | POLLERR | POLLHUP;
  words[base + item.dataLo] = lo;
  words[base + item.dataHi] = hi;
  words[base + item.fresh] = 1;
  if (Atomics.load(words, filesHeaderWord(filesHeader.pollWaiters)) > 0) wakeAll(files.process.kernel, pollKey);
};

/** EPOLL_CTL_ADD. The caller holds both open files. */
export const epollAdd = (
  files: Files,
  epollIndex: number,
  fd: number,
  target: number,
  events: number,
  lo: number,
  hi: number,
): number =>
  locked(files, (words) => {
    if (find(files, words, epollIndex, fd, target) >= 0) return -EEXIST;
    let index = 0;
    while (index < EPOLL_ITEM_CAPACITY && words[itemBase(index) + item.owner] !== 0) index++;
    if (index === EPOLL_ITEM_CAPACITY) return -ENOSPC;
    const base = itemBase(index);
    words[base + item.owner] = epollIndex + 1;
    words[base + item.target] = target;
    words[base + item.fd] = fd;
    words[base + item.next] = files.open.get(epollIndex, openFile.firstItem);
    files.open.set(epollIndex, openFile.firstItem, index + 1);
    Atomics.add(words, files.open.base(target) + openFile.watchers, 1);
    arm(files, words, index, events, lo, hi);
    return 0;
  });

/** EPOLL_CTL_MOD. */
export const epollModify = (
  files: Files,
  epollIndex: number,
  fd: number,
  target: number,
  events: number,
  lo: number,
  hi: number,
): number =>
  locked(files, (words) => {
    const index = find(files, words, epollIndex, fd, target);
    if (index < 0) return -ENOENT;
    arm(files, words, index, events, lo, hi);
    return 0;
  });

const unlink = (files: Files, words: Int32Array, epollIndex: number, index: number): void => {
  const base = itemBase(index);
  const next = words[base + item.next];
  const first = files.open.get(epollIndex, openFile.firstItem);
  if (first === index + 1) {
    files.open.set(epollIndex, openFile.firstItem, next);
  } else {
    let link = first;
    while (words[itemBase(link - 1) + item.next] !== index + 1) link = words[itemBase(link - 1) + item.next];
    words[itemBase(link - 1) + item.next] = next;
  }
  Atomics.sub(words, files.open.base(words[base + item.target]) + openFile.watchers, 1);
  words[base + item.owner] = 0;
};

/** EPOLL_CTL_DEL. */
export const epollDelete = (files: Files, epollIndex: number, fd: number, target: number): number =>
  locked(files, (words) => {
    const index = find(files, words, epollIndex, fd, target);
    if (index < 0) return -ENOENT;
    unlink(files, words, epollIndex, index);
    return 0;
  });

/** Drops every item that watches an open file which is about to go. */
export const forgetWatched = (files: Files, target: number): void => {
  if (files.open.get(target, openFile.watchers) === 0) return;
  locked(files, (words) => {
    for (let index = 0; index < EPOLL_ITEM_CAPACITY; index++) {
      const base = itemBase(index);
      const owner = words[base + item.owner];
      if (owner !== 0 && words[base + item.target] === target) unlink(files, words, owner - 1, index);
    }
  });
};

/** What to report of an item now: 0 for nothing. An edge is used up only when `take` is set. */
const reportable = (files: Files, words: Int32Array, index: number, take: boolean): number => {
  const base = itemBase(index);
  const events = words[base + item.events];
  const target = words[base + item.target];
  const kind = files.kindOf(target);
  const edgeTriggered = (events & EPOLLET) !== 0;
  // Edges first: what happens after they are read counts as a new one.
  const readEdge = edgeTriggered ? kind.readEdge(files, target) | 0 : 0;
  const writeEdge = edgeTriggered ? kind.writeEdge(files, target) | 0 : 0;
  const ready = kind.ready(files, target) & events;
  if (edgeTriggered) {
    const readNews = readEdge !== words[base + item.readEdge] && (events & (IN_BITS | POLLHUP)) !== 0;
    const writeNews = writeEdge !== words[base + item.writeEdge] && (events & (OUT_BITS | POLLERR)) !== 0;
    if (words[base + item.fresh] === 0 && !readNews && !writeNews) return 0;
  }
  if (ready === 0 || !take) return ready;
  words[base + item.readEdge] = readEdge;
  words[base + item.writeEdge] = writeEdge;
  words[base + item.fresh] = 0;
  if (events & EPOLLONESHOT) words[base + item.events] = events & (EPOLLET | EPOLLONESHOT);
  return ready;
};

/**
 * Takes up to `limit` events off an instance.
 * @param store receives number, events and data of each
 * @returns how many there were
 */
export const epollCollect = (
  files: Files,
  epollIndex: number,
  limit: number,
  store: (position: number, events: number, lo: number, hi: number) => void,
): number =>
  locked(files, (words) => {
    let count = 0;
    let link = files.open.get(epollIndex, openFile.firstItem);
    let last = 0;
    while (link !== 0 && count < limit) {
      const base = itemBase(link - 1);
      const lo = words[base + item.dataLo];
      const hi = words[base + item.dataHi];
      const ready = reportable(files, words, link - 1, true);
      if (ready !== 0) store(count++, ready, lo, hi);
      last = link;
      link = words[base + item.next];
    }
    if (link !== 0) rotate(files, words, epollIndex, last);
    return count;
  });

/** Moves everything up to and including item `last` to the end, so that the rest has its turn next time. */
const rotate = (files: Files, words: Int32Array, epollIndex: number, last: number): void => {
  const first = files.open.get(epollIndex, openFile.firstItem);
  const next = words[itemBase(last - 1) + item.next];
  let tail = next;
  while (words[itemBase(tail - 1) + item.next] !== 0) tail = words[itemBase(tail - 1) + item.next];
  files.open.set(epollIndex, openFile.firstItem, next);
  words[itemBase(tail - 1) + item.next] = first;
  words[itemBase(last - 1) + item.next] = 0;
};

/** Whether an instance watches another one, be it through a third. */
export const epollWatches = (files: Files, epollIndex: number, other: number, depth = 0): boolean => {
  if (depth > MAX_NESTING) return true;
  const words = files.open.words;
  let link = files.open.get(epollIndex, openFile.firstItem);
  while (link !== 0) {
    const target = words[itemBase(link - 1) + item.target];
    if (target === other) return true;
    const nested = files.open.get(target, openFile.kind) === fileKind.epoll;
    if (nested && epollWatches(files, target, other, depth + 1)) return true;
    link = words[itemBase(link - 1) + item.next];
  }
  return false;
};

/** How deep epoll instances watch one another at most; deeper ones never look ready. */
const MAX_NESTING = 5;
let nesting = 0;

/** An epoll instance, itself readable when it has something to report. */
export const epoll: FileKind = {
  seekable: false,
  watchable: true,
  read: () => -EINVAL,
  write: () => -EINVAL,
  stat: (files, _index, out) => files.statAnonymous(out),
  ready: (files, index) => {
    if (nesting >= MAX_NESTING) return 0;
    nesting++;
    const words = files.open.words;
    let ready = 0;
    let link = files.open.get(index, openFile.firstItem);
    while (link !== 0 && ready === 0) {
      if (reportable(files, words, link - 1, false) !== 0) ready = POLLIN | POLLRDNORM;
      link = words[itemBase(link - 1) + item.next];
    }
    nesting--;
    return ready;
  },
  readEdge: (files) => Atomics.add(files.open.words, filesHeaderWord(filesHeader.pollEpoch), 1),
  writeEdge: () => 0,
  destroy: (files, index) =>
    locked(files, (words) => {
      let link = files.open.get(index, openFile.firstItem);
      while (link !== 0) {
        const base = itemBase(link - 1);
        link = words[base + item.next];
        Atomics.sub(words, files.open.base(words[base + item.target]) + openFile.watchers, 1);
        words[base + item.owner] = 0;
      }
    }),
};
