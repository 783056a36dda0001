import { device } from "./file-kinds/device.js";
import { O_RDONLY, O_RDWR, O_WRONLY } from "./file-kinds/open-flags.js";
import { STREAM_WATCHABLE } from "./file-kinds/stream.js";
import { fileKind, openFile } from "./files-layout.js";
import type { Files } from "./files.js";
import { FileStat, S_IFCHR, S_IFMT, S_IFREG } from "./host/types.js";

/** makedev(1, 3) */
const NULL_DEVICE = 0x103;

/**
 * Opens descriptors 0, 1 and 2 on the host's standard streams. Once per process, before the guest starts.
 * A stream that the host does not have stays closed.
 */
export const openStandardStreams = (files: Files): void => {
  const stats: FileStat[] = [];
  for (let handle = 0; handle < 3; handle++) {
    const stat = new FileStat();
    stats.push(stat);
    if (files.host.stat(handle, stat) < 0) continue;
    const sharedWith = stats.findIndex(
      (other, index) => index > 0 && index < handle && sameStream(files, index, stat, other),
    );
    const index = sharedWith > 0 ? files.open.acquire(sharedWith) : openStream(files, handle, stat);
    if (index >= 0) files.fds.replace(handle, index, false);
  }
};

/** stdout and stderr that go to one place are one open file, as after `2>&1`. */
const sameStream = (files: Files, index: number, stat: FileStat, other: FileStat): boolean =>
  files.fds.isOpen(index) && stat.ino === other.ino && stat.dev === other.dev && stat.rdev === other.rdev;

const openStream = (files: Files, handle: number, stat: FileStat): number => {
  const { open } = files;
  const type = stat.mode & S_IFMT;
  if (files.host.isTerminal(handle)) return open.allocate(fileKind.terminal, O_RDWR, handle);
  const flags = handle === 0 ? O_RDONLY : O_WRONLY;
  if (type === S_IFCHR && stat.rdev === NULL_DEVICE) {
    const index = open.allocate(fileKind.device, O_RDWR, device.null);
    open.setPath(index, "/dev/null");
    return index;
  }
  if (type === S_IFREG) {
    const index = open.allocate(fileKind.host, flags, handle);
    // The file may be shared with other processes of the shell: let the host move its offset.
    open.setOffset(index, -1);
    return index;
  }
  const isDevice = type === S_IFCHR;
  const index = open.allocate(handle === 0 && !isDevice ? fileKind.stdin : fileKind.stream, flags, handle);
  open.set(index, openFile.streamFlags, isDevice ? 0 : STREAM_WATCHABLE);
  return index;
};
