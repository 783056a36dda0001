import type { Files } from "../files.js";
import { openFile } from "../files-layout.js";
import { FileStat } from "../host/types.js";
import { afterFileWrite, beforeFileRead } from "../shared-mappings.js";
import { type FileKind, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "./kind.js";
import { O_APPEND } from "./open-flags.js";

const scratch = new FileStat();

/** Whether the host appends by itself (the file was opened with O_APPEND), in `streamFlags`. */
export const HOST_APPENDS = 1;

const append = (files: Files, index: number, from: Uint8Array): number => {
  const handle = files.open.get(index, openFile.handle);
  if (files.open.get(index, openFile.streamFlags) & HOST_APPENDS) {
    const result = files.host.append(handle, from);
    if (result > 0) afterFileWrite(files, handle, from.subarray(0, result), files.sizeOf(index) - result);
    return result;
  }
  const status = files.host.stat(handle, scratch);
  return status < 0 ? status : writeAt(files, handle, from, scratch.size);
};

const writeAt = (files: Files, handle: number, from: Uint8Array, offset: number): number => {
  const result = files.host.write(handle, from, offset);
  if (result > 0 && offset >= 0) afterFileWrite(files, handle, from.subarray(0, result), offset);
  return result;
};

/** A regular file of the host. */
export const hostFile: FileKind = {
  seekable: true,
  watchable: false,
  read: (files, _thread, index, into, offset) => {
    const handle = files.open.get(index, openFile.handle);
    beforeFileRead(files, handle);
    return files.host.read(handle, into, offset);
  },
  write: (files, _thread, index, from, offset) =>
    files.open.get(index, openFile.flags) & O_APPEND
      ? append(files, index, from)
      : writeAt(files, files.open.get(index, openFile.handle), from, offset),
  stat: (files, index, out) => files.host.stat(files.open.get(index, openFile.handle), out),
  ready: () => POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM,
  readEdge: () => 0,
  writeEdge: () => 0,
  destroy: (files, index) => {
    const handle = files.open.get(index, openFile.handle);
    // The standard streams are not ours to close.
    if (handle > 2) files.host.close(handle);
  },
};
