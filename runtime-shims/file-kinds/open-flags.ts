/** Flags of open(2) and fcntl(2), asm-generic values. */
export const O_ACCMODE = 3;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0o100;
export const O_EXCL = 0o200;
export const O_NOCTTY = 0o400;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;
export const O_NONBLOCK = 0o4000;
export const O_DSYNC = 0o10000;
export const O_ASYNC = 0o20000;
export const O_DIRECT = 0o40000;
export const O_LARGEFILE = 0o100000;
export const O_DIRECTORY = 0o200000;
export const O_NOFOLLOW = 0o400000;
export const O_NOATIME = 0o1000000;
export const O_CLOEXEC = 0o2000000;
/** O_SYNC without the O_DSYNC bit that it contains. */
export const O_SYNC_BIT = 0o4000000;
export const O_PATH = 0o10000000;
/** O_TMPFILE without O_DIRECTORY. */
export const O_TMPFILE_BIT = 0o20000000;

/** Names for --strace. */
export const openFlagNames = {
  O_RDWR,
  O_WRONLY,
  O_CREAT,
  O_EXCL,
  O_NOCTTY,
  O_TRUNC,
  O_APPEND,
  O_NONBLOCK,
  O_SYNC: O_SYNC_BIT | O_DSYNC,
  O_DSYNC,
  O_ASYNC,
  O_DIRECT,
  O_LARGEFILE,
  O_TMPFILE: O_TMPFILE_BIT | O_DIRECTORY,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_NOATIME,
  O_CLOEXEC,
  O_PATH,
};
