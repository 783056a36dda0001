import { EACCES } from "../errno.js";
import type { Files } from "../files.js";
import { openFile } from "../files-layout.js";
import type { Thread } from "../threads.js";
import { type FileKind, POLLIN, POLLRDNORM } from "./kind.js";

/** Text of open synthetic files, by serial number: made at the first read at offset 0 and kept for the rest. */
const contents = new Map<number, Uint8Array>();

const contentOf = (files: Files, thread: Thread, index: number, offset: number): Uint8Array => {
  const serial = files.open.get(index, openFile.serial);
  const known = offset > 0 ? contents.get(serial) : undefined;
  if (known !== undefined) return known;
  const content = files.syntheticContent(files.open.path(index), thread);
  if (contents.size > 64) contents.clear();
  contents.set(serial, content);
  return content;
};

/** A file whose content is made on demand, as in /proc. */
export const syntheticFile: FileKind = {
  seekable: true,
  watchable: false,
  read: (files, thread, index, into, offset) => {
    const content = contentOf(files, thread, index, offset).subarray(offset, offset + into.length);
    into.set(content);
    return content.length;
  },
  write: () => -EACCES,
  stat: (files, index, out) => files.statPath(files.open.path(index), -1, out),
  ready: () => POLLIN | POLLRDNORM,
  readEdge: () => 0,
  writeEdge: () => 0,
  destroy: (files, index) => {
    contents.delete(files.open.get(index, openFile.serial));
  },
};
