import { EAFNOSUPPORT, EINVAL, ENOSYS, ENOTSOCK, EOPNOTSUPP } from "../errno.js";
import { withFd } from "../fd-io.js";
import { fd } from "./kinds.js";
import { refuse, type SyscallRow } from "./table.js";

const NO_SOCKETS = "sockets come later";
const NO_XATTR = "neither node:fs nor WASI has extended attributes";

/** A socket call on a descriptor: no descriptor is a socket. */
const notSocket = (nr: number, name: string): SyscallRow => ({
  nr,
  name,
  args: [fd],
  reason: NO_SOCKETS,
  run: (thread, number) => withFd(thread, number, () => -ENOTSOCK),
});

/** Calls that are known and refused, each with its reason. */
export const refusedFileCalls: readonly SyscallRow[] = [
  refuse(41, "socket", EAFNOSUPPORT, NO_SOCKETS),
  refuse(53, "socketpair", EAFNOSUPPORT, NO_SOCKETS),
  notSocket(42, "connect"),
  notSocket(43, "accept"),
  notSocket(44, "sendto"),
  notSocket(45, "recvfrom"),
  notSocket(46, "sendmsg"),
  notSocket(47, "recvmsg"),
  notSocket(48, "shutdown"),
  notSocket(49, "bind"),
  notSocket(50, "listen"),
  notSocket(51, "getsockname"),
  notSocket(52, "getpeername"),
  notSocket(54, "setsockopt"),
  notSocket(55, "getsockopt"),
  notSocket(288, "accept4"),
  notSocket(299, "recvmmsg"),
  notSocket(307, "sendmmsg"),
  refuse(78, "getdents", ENOSYS, "the 32-bit inode form; Go uses getdents64"),
  ...[
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "getxattr",
    "lgetxattr",
    "fgetxattr",
    "listxattr",
    "llistxattr",
    "flistxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
  ].map((name, index) => refuse(188 + index, name, EOPNOTSUPP, NO_XATTR)),
  refuse(253, "inotify_init", ENOSYS, "no host interface watches files synchronously"),
  refuse(294, "inotify_init1", ENOSYS, "no host interface watches files synchronously"),
  refuse(254, "inotify_add_watch", ENOSYS, "there is no inotify descriptor"),
  refuse(255, "inotify_rm_watch", ENOSYS, "there is no inotify descriptor"),
  refuse(301, "fanotify_mark", ENOSYS, "there is no fanotify descriptor"),
  refuse(282, "signalfd", ENOSYS, "Go uses handlers"),
  refuse(289, "signalfd4", ENOSYS, "Go uses handlers"),
  refuse(283, "timerfd_create", ENOSYS, "Go keeps its timers itself"),
  refuse(286, "timerfd_settime", ENOSYS, "there is no timerfd"),
  refuse(287, "timerfd_gettime", ENOSYS, "there is no timerfd"),
  refuse(319, "memfd_create", ENOSYS, "files without a name are not modelled"),
  refuse(437, "openat2", ENOSYS, "callers go on with openat"),
  // EINVAL, not ENOSYS: that is how Go's own copy loops learn that these descriptors cannot be spliced.
  refuse(275, "splice", EINVAL, "no pipe is backed by host pages; callers copy"),
  refuse(276, "tee", EINVAL, "no pipe is backed by host pages; callers copy"),
  refuse(278, "vmsplice", EINVAL, "no pipe is backed by host pages; callers copy"),
];
