"""Replays the steps of data/files-cases.json on this machine's kernel and records what it answers.

usage: python3 test/record-files.py        (as any user, on linux/x86-64; writes data/files-expected.json)

A step is [call, arg..., "=name"?]. Strings are paths; "$name" is the result of an earlier step; "#text" is bytes to
write; "@N" is a buffer of N zero bytes. Calls that start with "?" read something back in readable form.
"""
import ctypes, json, os, shutil, struct, sys, tempfile

libc = ctypes.CDLL(None, use_errno=True)
NR = dict(read=0, write=1, open=2, close=3, stat=4, fstat=5, lstat=6, poll=7, lseek=8, ioctl=16, pread64=17, pwrite64=18,
          access=21, pipe=22, dup=32, dup2=33, sendfile=40, fcntl=72, flock=73, fsync=74, fdatasync=75, truncate=76,
          ftruncate=77, getcwd=79, chdir=80, fchdir=81, rename=82, mkdir=83, rmdir=84, creat=85, link=86, unlink=87,
          symlink=88, readlink=89, chmod=90, fchmod=91, umask=95, utime=132, getdents64=217, fadvise64=221,
          epoll_ctl=233, openat=257, mkdirat=258, newfstatat=262, unlinkat=263, renameat=264, linkat=265, symlinkat=266,
          readlinkat=267, fchmodat=268, faccessat=269, utimensat=280, fallocate=285, eventfd2=290, epoll_create1=291,
          dup3=292, pipe2=293, renameat2=316, copy_file_range=326, close_range=436, faccessat2=439)


def call(name, *args):
    raw = []
    for a in args:
        if isinstance(a, (bytes, bytearray)):
            raw.append(ctypes.c_char_p(bytes(a)) if isinstance(a, bytes) else (ctypes.c_char * len(a)).from_buffer(a))
        else:
            raw.append(ctypes.c_long(a))
    ctypes.set_errno(0)
    r = libc.syscall(ctypes.c_long(NR[name]), *raw)
    return -ctypes.get_errno() if r == -1 else r


def stat_text(buf, r):
    if r < 0:
        return r
    mode, size, nlink = struct.unpack_from("I", buf, 24)[0], struct.unpack_from("q", buf, 48)[0], struct.unpack_from("Q", buf, 16)[0]
    return "dir %o" % mode if mode >> 12 == 4 else "%o size %d links %d" % (mode, size, nlink)


def query(name, args):
    if name == "?stat":
        buf = bytearray(144)
        return stat_text(buf, call("newfstatat", -100, args[0], buf, 0x100))
    if name == "?fstat":
        buf = bytearray(144)
        return stat_text(buf, call("fstat", args[0], buf))
    if name == "?read":
        buf = bytearray(args[1])
        r = call("read", args[0], buf, args[1])
        return r if r < 0 else bytes(buf[:r]).decode("latin1")
    if name == "?pread":
        buf = bytearray(args[1])
        r = call("pread64", args[0], buf, args[1], args[2])
        return r if r < 0 else bytes(buf[:r]).decode("latin1")
    if name == "?readlink":
        buf = bytearray(4096)
        r = call("readlink", args[0], buf, 4096)
        return r if r < 0 else bytes(buf[:r]).decode()
    if name == "?ls":
        buf = bytearray(args[1] if len(args) > 1 else 65536)
        names = []
        while True:
            r = call("getdents64", args[0], buf, len(buf))
            if r < 0:
                return r
            if r == 0:
                return " ".join(sorted(names))
            at = 0
            while at < r:
                length, kind = struct.unpack_from("HB", buf, at + 16)
                names.append("%s:%d" % (bytes(buf[at + 19:at + length]).split(b"\0")[0].decode(), kind))
                at += length
    if name == "?pipe":
        buf = bytearray(8)
        r = call("pipe2", buf, args[0])
        return r if r < 0 else list(struct.unpack("ii", buf))
    if name == "?poll":
        buf = bytearray(struct.pack("ihH", args[0], args[1], 0))
        r = call("poll", buf, 1, 0)
        return r if r < 0 else struct.unpack("ihH", buf)[2]
    if name == "?mtime":
        buf = bytearray(144)
        r = call("newfstatat", -100, args[0], buf, 0)
        return r if r < 0 else struct.unpack_from("q", buf, 88)[0]
    if name == "?utime":
        return call("utimensat", -100, args[0], bytearray(struct.pack("qqqq", args[1], 0, args[2], 0)), 0)
    if name == "?utimens":
        return call("utimensat", -100, args[0], bytearray(struct.pack("qqqq", *args[1:5])), 0)
    if name == "?ns":
        buf = bytearray(144)
        r = call("newfstatat", -100, args[0], buf, 0)
        return r if r < 0 else "%d.%09d %d.%09d" % struct.unpack_from("qqqq", buf, 72)
    if name == "?watch":
        return call("epoll_ctl", args[0], args[1], args[2], bytearray(struct.pack("IQ", args[3], 1)))
    raise KeyError(name)


def run(case):
    variables, results = {}, []
    for step in case["steps"]:
        name, args = step[0], list(step[1:])
        target = args.pop()[1:] if args and isinstance(args[-1], str) and args[-1].startswith("=") else None
        values = []
        for a in args:
            if isinstance(a, str):
                if a.startswith("$"):
                    key, _, index = a[1:].partition(".")
                    a = variables[key][int(index)] if index else variables[key]
                elif a.startswith("#"):
                    a = bytearray(a[1:].encode())
                elif a.startswith("@"):
                    a = bytearray(int(a[1:]))
                else:
                    a = a.replace("%LONG%", "n" * 256).replace("%DEEP%", "d" * 200).replace("%PATH%", "p/" * 2100).encode() + b"\0"
            values.append(a)
        result = query(name, values) if name.startswith("?") else call(name, *values)
        if target:
            variables[target] = result
        results.append(result)
    return results


def main():
    here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
    cases = json.load(open(os.path.join(here, "files-cases.json")))
    expected = {}
    for case in cases:
        directory = tempfile.mkdtemp()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(writer, 900)
            os.closerange(3, 900)
            os.closerange(901, 1024)
            os.chdir(directory)
            os.umask(0o022)
            try:
                os.write(900, json.dumps(run(case)).encode())
            except BaseException as error:
                os.write(900, json.dumps("%s: %r" % (case["name"], error)).encode())
            os._exit(0)
        os.close(writer)
        expected[case["name"]] = json.loads(os.fdopen(reader).read())
        os.waitpid(child, 0)
        shutil.rmtree(directory)
        if isinstance(expected[case["name"]], str):
            sys.exit(expected[case["name"]])
    lines = ",\n".join("%s: %s" % (json.dumps(k), json.dumps(v)) for k, v in expected.items())
    open(os.path.join(here, "files-expected.json"), "w").write("{\n%s\n}\n" % lines)


main()
