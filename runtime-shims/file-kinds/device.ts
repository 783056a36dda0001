import { EINVAL, ENOSPC } from "../errno.js";
import { openFile } from "../files-layout.js";
import { type FileKind, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "./kind.js";

/** Devices by the handle of their open file: minor number of character device major 1. */
export const device = { null: 3, zero: 5, full: 7, random: 8, urandom: 9 } as const;

/** Character devices that answer without a host. */
export const memoryDevice: FileKind = {
  // lseek succeeds on them and stays at 0; what is read never depends on the offset.
  seekable: true,
  watchable: false,
  read: (files, _thread, index, into) => {
    switch (files.open.get(index, openFile.handle)) {
      case device.null:
        return 0;
      case device.zero:
      case device.full:
        into.fill(0);
        return into.length;
      case device.random:
      case device.urandom:
        for (let at = 0; at < into.length; at += 65536) {
          files.process.clock.random(into.subarray(at, Math.min(at + 65536, into.length)));
        }
        return into.length;
      default:
        return -EINVAL;
    }
  },
  write: (files, _thread, index, from) =>
    files.open.get(index, openFile.handle) === device.full ? -ENOSPC : from.length,
  stat: (files, index, out) => files.statDevice(1, files.open.get(index, openFile.handle), out),
  ready: () => POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM,
  readEdge: () => 0,
  writeEdge: () => 0,
  destroy: () => {},
};
