package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/ioutil"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

// The file guests work below a fresh directory inside the working directory (or the one given as argument)
// and leave only what is listed as a case's result.
func init() {
	register("files", guestFiles)
	register("files-dirs", guestFilesDirs)
	register("files-links", guestFilesLinks)
	register("files-modes", guestFilesModes)
	register("files-errors", guestFilesErrors)
	register("files-parallel", guestFilesParallel)
	register("files-result", guestFilesResult)
	register("files-mmap", guestFilesMmap)
	register("devices", guestDevices)
}

// inDir runs body inside a new directory and removes the directory afterwards.
func inDir(args []string, body func()) {
	top := "."
	if len(args) > 0 {
		top = args[0]
	}
	dir, err := ioutil.TempDir(top, "guest-files-")
	must(err)
	back, err := os.Getwd()
	must(err)
	must(os.Chdir(dir))
	body()
	must(os.Chdir(back))
	must(os.RemoveAll(dir))
	_, err = os.Stat(dir)
	fmt.Println("removed:", os.IsNotExist(err))
}

func show(name string) {
	data, err := ioutil.ReadFile(name)
	if err != nil {
		fmt.Println(name, err)
	} else if len(data) > 60 {
		fmt.Printf("%s: %d bytes, sha256 %x\n", name, len(data), sha256.Sum256(data))
	} else {
		fmt.Printf("%s: %q\n", name, data)
	}
}

func guestFiles(args []string) {
	inDir(args, func() {
		must(ioutil.WriteFile("a", []byte("first\n"), 0o644))
		show("a")
		f, err := os.OpenFile("a", os.O_APPEND|os.O_WRONLY, 0)
		must(err)
		fmt.Fprintln(f, "second")
		n, err := f.WriteString("third\n")
		fmt.Println("wrote", n, err)
		must(f.Close())
		fmt.Println("closed:", errors.Is(f.Close(), os.ErrClosed))
		show("a")

		f, err = os.OpenFile("b", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		must(err)
		fmt.Fprint(f, "0123456789abcdef")
		for _, seek := range []struct {
			offset int64
			whence int
		}{{4, io.SeekStart}, {-2, io.SeekEnd}, {-6, io.SeekCurrent}, {30, io.SeekStart}, {-1, io.SeekStart}} {
			at, err := f.Seek(seek.offset, seek.whence)
			buffer := make([]byte, 4)
			n, rerr := f.Read(buffer)
			fmt.Println("seek", at, err, "read", n, rerr, string(buffer[:n]))
		}
		n, err = f.WriteAt([]byte("XY"), 20)
		fmt.Println("write past the end", n, err)
		buffer := make([]byte, 30)
		n, err = f.ReadAt(buffer, 10)
		fmt.Printf("%d %v %q\n", n, err, buffer[:n])
		must(f.Truncate(5))
		info, err := f.Stat()
		must(err)
		fmt.Println(info.Name(), info.Size(), info.Mode(), info.IsDir())
		must(f.Truncate(9))
		must(f.Sync())
		must(f.Close())
		show("b")
		must(os.Truncate("b", 2))
		show("b")

		must(os.Rename("b", "c"))
		_, err = os.Stat("b")
		fmt.Println(err)
		must(os.Rename("a", "c"))
		show("c")
		must(os.Remove("c"))
		show("c")

		// A file stays usable after its name is gone.
		f, err = os.Create("gone")
		must(err)
		must(os.Remove("gone"))
		fmt.Fprint(f, "still here")
		_, err = f.Seek(0, io.SeekStart)
		must(err)
		data, err := ioutil.ReadAll(f)
		fmt.Println(string(data), err)
		must(f.Close())

		// Truncation when opening; buffered writing and scanning of a large file.
		f, err = os.Create("large")
		must(err)
		w := bufio.NewWriter(f)
		for i := 0; i < 20000; i++ {
			fmt.Fprintln(w, "line", i, strings.Repeat("x", i%37))
		}
		must(w.Flush())
		must(f.Close())
		show("large")
		f, err = os.Open("large")
		must(err)
		lines, longest := 0, 0
		for s := bufio.NewScanner(f); s.Scan(); lines++ {
			if len(s.Text()) > longest {
				longest = len(s.Text())
			}
		}
		fmt.Println(lines, longest)
		must(f.Close())
		src, err := os.Open("large")
		must(err)
		dst, err := os.Create("copy")
		must(err)
		copied, err := io.Copy(dst, src)
		fmt.Println("copied", copied, err)
		must(src.Close())
		must(dst.Close())
		show("copy")
		must(ioutil.WriteFile("large", []byte("short"), 0o600))
		show("large")

		// A file with a hole; names that need care.
		f, err = os.Create("hole")
		must(err)
		_, err = f.WriteAt([]byte("end"), 1<<20)
		must(err)
		must(f.Close())
		show("hole")
		for _, name := range []string{"with space", "ünï-çødé", "new\nline", ".hidden", strings.Repeat("n", 255)} {
			must(ioutil.WriteFile(name, []byte(name), 0o644))
			data, err := ioutil.ReadFile("./" + name)
			fmt.Println(len(name), string(data) == name, err)
		}
		temp, err := ioutil.TempFile(".", "temp-*-x")
		must(err)
		fmt.Println(strings.HasPrefix(filepath.Base(temp.Name()), "temp-"), strings.HasSuffix(temp.Name(), "-x"))
		must(temp.Close())
	})
}

func list(dir string) {
	var names []string
	must(filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		kind := "file"
		if info.IsDir() {
			kind = "dir"
		} else if info.Mode()&os.ModeSymlink != 0 {
			kind = "link"
		}
		names = append(names, path+"="+kind)
		return nil
	}))
	fmt.Println(names)
}

func guestFilesDirs(args []string) {
	inDir(args, func() {
		must(os.MkdirAll("a/b/c", 0o755))
		must(os.MkdirAll("a/b/c", 0o755))
		must(os.Mkdir("a/d", 0o700))
		must(ioutil.WriteFile("a/b/file", []byte("x"), 0o644))
		list("a")
		must(os.Rename("a/b", "a/e"))
		list("a")
		must(os.Chdir("a/e"))
		dir, err := os.Getwd()
		must(err)
		fmt.Println(filepath.Base(filepath.Dir(dir)), filepath.Base(dir))
		show("file")
		show("../e/./file")
		must(os.Chdir("../.."))

		for i := 0; i < 500; i++ {
			must(ioutil.WriteFile(fmt.Sprintf("a/d/file-%03d", i), nil, 0o644))
		}
		f, err := os.Open("a/d")
		must(err)
		var names []string
		for {
			some, err := f.Readdirnames(77)
			names = append(names, some...)
			if err == io.EOF {
				break
			}
			must(err)
		}
		sort.Strings(names)
		fmt.Println(len(names), names[0], names[499])
		_, err = f.Seek(0, io.SeekStart)
		must(err)
		all, err := f.Readdir(-1)
		fmt.Println("again", len(all), err)
		_, err = f.Seek(0, io.SeekStart)
		must(err)
		_, err = f.Read(make([]byte, 1))
		fmt.Println(err)
		must(f.Close())
		infos, err := ioutil.ReadDir("a")
		must(err)
		for _, info := range infos {
			fmt.Println(info.Name(), info.IsDir(), info.Mode())
		}
		must(os.RemoveAll("a/d"))
		matches, err := filepath.Glob("a/*/f*")
		fmt.Println(matches, err)
		var stat syscall.Statfs_t
		fmt.Println("statfs", syscall.Statfs(".", &stat) == nil && stat.Bsize > 0)
	})
}

func guestFilesLinks(args []string) {
	inDir(args, func() {
		must(os.Mkdir("dir", 0o755))
		must(ioutil.WriteFile("dir/target", []byte("data"), 0o644))
		must(os.Symlink("dir/target", "link"))
		must(os.Symlink("dir", "dirlink"))
		must(os.Symlink("missing", "dangling"))
		must(os.Symlink("loop", "loop"))
		for _, name := range []string{"link", "dirlink", "dangling", "dirlink/target"} {
			text, err := os.Readlink(name)
			fmt.Printf("%q %v\n", text, err)
			info, err := os.Lstat(name)
			fmt.Println(info.Mode().String()[:1], err)
			_, err = os.Stat(name)
			fmt.Println(err)
		}
		show("link")
		show("dirlink/target")
		show("loop")
		list(".")
		must(os.Link("dir/target", "hard"))
		must(ioutil.WriteFile("hard", []byte("changed"), 0o644))
		show("link")
		a, err := os.Stat("hard")
		must(err)
		b, err := os.Stat("link")
		must(err)
		fmt.Println("same file", os.SameFile(a, b), a.Sys().(*syscall.Stat_t).Nlink)
		must(os.Remove("dir/target"))
		show("link")
		show("hard")
		must(os.Rename("dirlink", "renamed"))
		text, err := os.Readlink("renamed")
		fmt.Println(text, err)
		real, err := filepath.EvalSymlinks("renamed")
		fmt.Println(real, err)
		fmt.Println(os.Symlink("x", "link"))
		fmt.Println(os.Link("missing", "y"))
		must(os.Remove("renamed"))
		_, err = os.Stat("dir")
		fmt.Println("directory kept", err == nil)
	})
}

func guestFilesModes(args []string) {
	inDir(args, func() {
		old := syscall.Umask(0o027)
		must(ioutil.WriteFile("masked", nil, 0o666))
		must(os.Mkdir("maskeddir", 0o777))
		syscall.Umask(old)
		for _, name := range []string{"masked", "maskeddir"} {
			info, err := os.Stat(name)
			must(err)
			fmt.Println(name, info.Mode())
		}
		for _, mode := range []os.FileMode{0o600, 0o755, 0o444, 0o111, 0o755 | os.ModeSetuid, 0o777} {
			must(os.Chmod("masked", mode))
			info, err := os.Stat("masked")
			must(err)
			fmt.Println(info.Mode())
		}
		at := time.Unix(1234567890, 123456789)
		must(os.Chtimes("masked", at, at))
		info, err := os.Stat("masked")
		must(err)
		fmt.Println(info.ModTime().UTC())
		stat := info.Sys().(*syscall.Stat_t)
		fmt.Println(stat.Ino != 0, stat.Nlink, stat.Size, stat.Blksize > 0, int(stat.Uid) == os.Getuid())
		before := time.Now().Add(-2 * time.Second)
		must(ioutil.WriteFile("masked", []byte("new"), 0))
		info, err = os.Stat("masked")
		must(err)
		fmt.Println("modified now", info.ModTime().After(before))
		must(os.Chmod("masked", 0))
		_, err = ioutil.ReadFile("masked")
		fmt.Println("unreadable", os.Geteuid() == 0 && err == nil || os.IsPermission(err))
		f, err := os.Open("maskeddir")
		must(err)
		must(f.Chmod(0o711))
		info, err = f.Stat()
		must(err)
		fmt.Println(info.Mode(), os.Chown("masked", -1, -1))
		must(f.Close())
	})
}

func guestFilesErrors(args []string) {
	inDir(args, func() {
		report := func(what string, err error) {
			var number syscall.Errno
			errors.As(err, &number)
			text := fmt.Sprint(err)
			if len(text) > 100 {
				text = text[:20] + "..." + text[len(text)-40:]
			}
			fmt.Printf("%s: %v [%d exist=%v notexist=%v permission=%v]\n", what, text, int(number), os.IsExist(err), os.IsNotExist(err), os.IsPermission(err))
		}
		second := func(_ interface{}, err error) error { return err }
		must(ioutil.WriteFile("file", []byte("abc"), 0o644))
		must(os.MkdirAll("dir/sub", 0o755))
		must(ioutil.WriteFile("dir/inner", nil, 0o644))
		report("open missing", second(os.Open("missing")))
		report("open in missing", second(os.Create("no/such")))
		report("open empty name", second(os.Open("")))
		report("open below a file", second(os.Open("file/x")))
		report("open with slash", second(os.Open("file/")))
		report("create directory", second(os.OpenFile("dir", os.O_WRONLY, 0)))
		report("exclusive", second(os.OpenFile("file", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o644)))
		report("mkdir existing", os.Mkdir("dir", 0o755))
		report("mkdir over file", os.Mkdir("file", 0o755))
		report("mkdir deep", os.Mkdir("x/y", 0o755))
		report("mkdirall through file", os.MkdirAll("file/y", 0o755))
		report("remove not empty", os.Remove("dir"))
		report("remove missing", os.Remove("missing"))
		report("removeall missing", os.RemoveAll("missing"))
		report("rename missing", os.Rename("missing", "other"))
		report("rename file over dir", os.Rename("file", "dir"))
		report("rename dir over file", os.Rename("dir", "file"))
		report("rename into itself", os.Rename("dir", "dir/sub/x"))
		report("rmdir file", syscall.Rmdir("file"))
		report("unlink dir", syscall.Unlink("dir"))
		report("readlink of a file", second(os.Readlink("file")))
		report("chdir file", os.Chdir("file"))
		report("chdir missing", os.Chdir("missing"))
		report("chmod missing", os.Chmod("missing", 0))
		report("truncate missing", os.Truncate("missing", 0))
		report("truncate negative", os.Truncate("file", -1))
		report("truncate dir", os.Truncate("dir", 0))
		report("readdir of a file", second(ioutil.ReadDir("file")))
		report("long name", second(os.Open(strings.Repeat("n", 256))))
		report("long path", second(os.Open(strings.Repeat("n/", 2100))))
		report("zero byte", second(os.Open("a\x00b")))
		f, err := os.Open("file")
		must(err)
		report("write to read-only", second(f.Write([]byte("x"))))
		report("truncate read-only", f.Truncate(0))
		report("read at negative", second(f.ReadAt(make([]byte, 1), -1)))
		report("chdir through a file", f.Chdir())
		_, _, errno := syscall.Syscall(syscall.SYS_READ, f.Fd(), 1, 10)
		report("read to a bad address", errno)
		must(f.Close())
		report("read closed", second(f.Read(make([]byte, 1))))
		f, err = os.OpenFile("file", os.O_WRONLY, 0)
		must(err)
		report("read write-only", second(f.Read(make([]byte, 1))))
		must(f.Close())
		report("bad descriptor", second(syscall.Read(987, make([]byte, 1))))
		report("close bad descriptor", syscall.Close(987))
		report("seek bad descriptor", second(syscall.Seek(987, 0, 0)))
		_, _, errno = syscall.Syscall(syscall.SYS_OPEN, 1, 0, 0)
		report("name at a bad address", errno)
		_, _, errno = syscall.Syscall(syscall.SYS_WRITE, 1, ^uintptr(0)-10, 5)
		report("write from a bad address", errno)
	})
}

func guestFilesParallel(args []string) {
	inDir(args, func() {
		var wg sync.WaitGroup
		sums := make([]int, 8)
		for g := range sums {
			wg.Add(1)
			go func(g int) {
				defer wg.Done()
				dir := fmt.Sprintf("d%d", g)
				must(os.Mkdir(dir, 0o755))
				for i := 0; i < 30; i++ {
					name := filepath.Join(dir, fmt.Sprint("f", i%10))
					f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644)
					must(err)
					fmt.Fprintf(f, "%d:%d\n", g, i)
					info, err := f.Stat()
					must(err)
					sums[g] += int(info.Size())
					must(f.Close())
				}
				infos, err := ioutil.ReadDir(dir)
				must(err)
				sums[g] += 1000 * len(infos)
			}(g)
		}
		wg.Wait()
		fmt.Println(sums)
		// Appends to one file from many goroutines: whole lines.
		f, err := os.OpenFile("log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		must(err)
		for g := 0; g < 4; g++ {
			wg.Add(1)
			go func(g int) {
				defer wg.Done()
				for i := 0; i < 100; i++ {
					fmt.Fprintf(f, "%d %03d\n", g, i)
				}
			}(g)
		}
		wg.Wait()
		must(f.Close())
		data, err := ioutil.ReadFile("log")
		must(err)
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		sort.Strings(lines)
		fmt.Printf("%d lines %x\n", len(lines), sha256.Sum256([]byte(strings.Join(lines, "\n"))))
	})
}

// guestFilesResult leaves files in the working directory, which the tests compare.
func guestFilesResult(args []string) {
	must(os.MkdirAll("result/deep/er", 0o755))
	must(ioutil.WriteFile("result/text", []byte("some text\n"), 0o644))
	must(ioutil.WriteFile("result/deep/empty", nil, 0o644))
	data := make([]byte, 70000)
	for i := range data {
		data[i] = byte(i * i >> 3)
	}
	must(ioutil.WriteFile("result/deep/er/binary", data, 0o644))
	f, err := os.OpenFile("result/text", os.O_APPEND|os.O_WRONLY, 0)
	must(err)
	fmt.Fprintln(f, "appended")
	must(f.Close())
}

func guestFilesMmap(args []string) {
	inDir(args, func() {
		data := make([]byte, 3*4096+100)
		for i := range data {
			data[i] = byte(i % 251)
		}
		must(ioutil.WriteFile("data", data, 0o644))
		f, err := os.OpenFile("data", os.O_RDWR, 0)
		must(err)
		mem, err := syscall.Mmap(int(f.Fd()), 4096, 2*4096+100, syscall.PROT_READ, syscall.MAP_PRIVATE)
		must(err)
		fmt.Printf("%x\n", sha256.Sum256(mem))
		must(syscall.Munmap(mem))
		mem, err = syscall.Mmap(int(f.Fd()), 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE)
		must(err)
		mem[0] = 99
		must(syscall.Munmap(mem))
		must(f.Close())
		data, err = ioutil.ReadFile("data")
		must(err)
		fmt.Println("private", data[0])
	})
}

func guestDevices(args []string) {
	f, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	must(err)
	n, err := f.Write([]byte("dropped"))
	fmt.Println(n, err)
	n, err = f.Read(make([]byte, 4))
	fmt.Println(n, err)
	info, err := f.Stat()
	must(err)
	fmt.Println(info.Mode()&os.ModeCharDevice != 0)
	must(f.Close())
	random := make([]byte, 64)
	f, err = os.Open("/dev/urandom")
	must(err)
	_, err = io.ReadFull(f, random)
	must(err)
	must(f.Close())
	fmt.Println(string(random) != string(make([]byte, 64)))
}
