import * as errno from "../errno.js";

/** Errno of each `error-code` of `wasi:filesystem/types@0.2`, which a WASI host throws. */
const wasiErrors: Record<string, number> = {
  access: errno.EACCES,
  "would-block": errno.EAGAIN,
  already: errno.EALREADY,
  "bad-descriptor": errno.EBADF,
  busy: errno.EBUSY,
  deadlock: errno.EDEADLK,
  quota: errno.EDQUOT,
  exist: errno.EEXIST,
  "file-too-large": errno.EFBIG,
  "illegal-byte-sequence": errno.EILSEQ,
  "in-progress": errno.EINPROGRESS,
  interrupted: errno.EINTR,
  invalid: errno.EINVAL,
  io: errno.EIO,
  "is-directory": errno.EISDIR,
  loop: errno.ELOOP,
  "too-many-links": errno.EMLINK,
  "message-size": errno.EMSGSIZE,
  "name-too-long": errno.ENAMETOOLONG,
  "no-device": errno.ENODEV,
  "no-entry": errno.ENOENT,
  "no-lock": errno.ENOLCK,
  "insufficient-memory": errno.ENOMEM,
  "insufficient-space": errno.ENOSPC,
  "not-directory": errno.ENOTDIR,
  "not-empty": errno.ENOTEMPTY,
  "not-recoverable": errno.ENOTRECOVERABLE,
  unsupported: errno.EOPNOTSUPP,
  "no-tty": errno.ENOTTY,
  "no-such-device": errno.ENXIO,
  overflow: errno.EOVERFLOW,
  "not-permitted": errno.EPERM,
  pipe: errno.EPIPE,
  "read-only": errno.EROFS,
  "invalid-seek": errno.ESPIPE,
  "text-file-busy": errno.ETXTBSY,
  "cross-device": errno.EXDEV,
};

const names = errno as unknown as Record<string, number | undefined>;

/** The negated errno for what a host call threw: a WASI error code, or an error whose `code` names an errno. */
export const resultOfError = (thrown: unknown): number => {
  if (typeof thrown === "string") return -(wasiErrors[thrown] ?? errno.EIO);
  const { code, payload } = thrown as { code?: unknown; payload?: unknown };
  if (typeof payload === "string") return -(wasiErrors[payload] ?? errno.EIO);
  if (typeof code === "string") {
    const number = names[code];
    if (typeof number === "number") return -number;
    if (code === "ERR_INVALID_ARG_VALUE") return -errno.EINVAL;
  }
  return -errno.EIO;
};
