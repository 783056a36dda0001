package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func init() {
	register("args", guestArgs)
	register("env", guestEnv)
	register("stdin", guestStdin)
	register("stdin-lines", guestStdinLines)
	register("cat", guestCat)
	register("output", guestOutput)
	register("exit", guestExit)
	register("exit-busy", guestExitBusy)
	register("main-return", guestMainReturn)
	register("kill-self", guestKillSelf)
	register("signals", guestSignals)
	register("procinfo", guestProcinfo)
	register("unknown-syscall", guestUnknownSyscall)
}

func guestArgs(args []string) {
	fmt.Println(len(args))
	for i, arg := range args {
		fmt.Printf("%d %d %q\n", i, len(arg), arg)
	}
}

// guestEnv prints the variables named by its arguments.
func guestEnv(args []string) {
	for _, name := range args {
		value, set := os.LookupEnv(name)
		fmt.Printf("%s set=%v %q\n", name, set, value)
	}
	must(os.Setenv("GUEST_SET", "x=y"))
	fmt.Println(os.Getenv("GUEST_SET"), os.ExpandEnv("[$GUEST_SET]"))
	must(os.Unsetenv("GUEST_SET"))
	_, set := os.LookupEnv("GUEST_SET")
	fmt.Println(set)
}

// guestStdin reads stdin to its end and prints size, hash and the count of each byte class.
func guestStdin(args []string) {
	hash := sha256.New()
	var size, newlines, zeros, high int
	chunk := make([]byte, 1000)
	for {
		n, err := os.Stdin.Read(chunk)
		for _, c := range chunk[:n] {
			switch {
			case c == '\n':
				newlines++
			case c == 0:
				zeros++
			case c >= 0x80:
				high++
			}
		}
		size += n
		hash.Write(chunk[:n])
		if err == io.EOF {
			break
		}
		must(err)
	}
	fmt.Printf("%d bytes, %d newlines, %d zeros, %d high, sha256 %x\n", size, newlines, zeros, high, hash.Sum(nil))
	n, err := os.Stdin.Read(chunk)
	fmt.Println("after the end:", n, err)
}

func guestStdinLines(args []string) {
	scanner := bufio.NewScanner(os.Stdin)
	words := 0
	for line := 1; scanner.Scan(); line++ {
		fields := strings.Fields(scanner.Text())
		words += len(fields)
		fmt.Printf("%d: %q\n", line, fields)
	}
	must(scanner.Err())
	fmt.Println(words, "words")
}

// guestCat copies stdin to stdout, byte for byte.
func guestCat(args []string) {
	_, err := io.Copy(os.Stdout, os.Stdin)
	must(err)
}

// guestOutput writes N bytes (default 300,000) with every byte value to stdout, in odd-sized writes,
// and a line to stderr: binary-safe and with no lost tail.
func guestOutput(args []string) {
	size := 300000
	if len(args) > 0 {
		size, _ = strconv.Atoi(args[0])
	}
	data := make([]byte, size)
	state := uint32(1)
	for i := range data {
		state = state*1664525 + 1013904223
		data[i] = byte(state >> 24)
	}
	for step := 1; len(data) > 0; step = step*3 + 1 {
		if step > len(data) {
			step = len(data)
		}
		n, err := os.Stdout.Write(data[:step])
		must(err)
		data = data[n:]
	}
	fmt.Fprintln(os.Stderr, "wrote", size)
}

func guestExit(args []string) {
	code, err := strconv.Atoi(args[0])
	must(err)
	defer fmt.Println("os.Exit runs no deferred call")
	fmt.Print("no newline at the end")
	os.Exit(code)
}

// guestExitBusy exits from a goroutine while others compute, sleep, block on a channel and block in a read.
func guestExitBusy(args []string) {
	block := make(chan int)
	started := make(chan int)
	for i := 0; i < 2; i++ {
		go func() {
			started <- 0
			for x := 0; ; x++ {
				sink = x
			}
		}()
	}
	go func() { started <- 0; <-block }()
	go func() { started <- 0; time.Sleep(time.Hour) }()
	reader, _, err := os.Pipe()
	must(err)
	go func() { started <- 0; reader.Read(make([]byte, 1)) }()
	go func() {
		runtime.LockOSThread()
		started <- 0
		var ts = syscall.Timespec{Sec: 3600}
		syscall.Nanosleep(&ts, nil)
	}()
	for i := 0; i < 6; i++ {
		<-started
	}
	go func() {
		fmt.Println("leaving with 42")
		os.Exit(42)
	}()
	<-block
}

var sink int

// guestMainReturn returns from main while goroutines are blocked and running.
func guestMainReturn(args []string) {
	started := make(chan int)
	for i := 0; i < 3; i++ {
		go func() {
			started <- 0
			for {
				runtime.Gosched()
			}
		}()
	}
	for i := 0; i < 3; i++ {
		<-started
	}
	fmt.Println("main returns")
}

// guestKillSelf ends by the signal with the given number.
func guestKillSelf(args []string) {
	number, err := strconv.Atoi(args[0])
	must(err)
	fmt.Println("before")
	signal.Reset(syscall.Signal(number))
	must(syscall.Kill(syscall.Getpid(), syscall.Signal(number)))
	time.Sleep(10 * time.Second)
	fmt.Println("still alive")
}

func guestSignals(args []string) {
	got := make(chan os.Signal, 8)
	signal.Notify(got, syscall.SIGUSR1, syscall.SIGHUP, syscall.SIGTERM)
	self := syscall.Getpid()
	for _, number := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGUSR1} {
		must(syscall.Kill(self, number))
		fmt.Println("received", <-got)
	}
	signal.Ignore(syscall.SIGHUP)
	fmt.Println("ignored", signal.Ignored(syscall.SIGHUP))
	must(syscall.Kill(self, syscall.SIGHUP))
	signal.Stop(got)
	signal.Ignore(syscall.SIGTERM)
	must(syscall.Kill(self, syscall.SIGTERM))
	process, err := os.FindProcess(self)
	must(err)
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGUSR2)
	must(process.Signal(syscall.SIGUSR2))
	fmt.Println("received", <-again)
	fmt.Println("signal 0:", process.Signal(syscall.Signal(0)))
	fmt.Println("queued after stop:", len(got))
	signal.Reset()

	// Many signals while goroutines compute: none may disturb them.
	many := make(chan os.Signal, 1)
	signal.Notify(many, syscall.SIGUSR1)
	results := make(chan uint64)
	for g := 0; g < 4; g++ {
		go func(seed uint64) {
			for i := 0; i < 300000; i++ {
				seed = seed*6364136223846793005 + 1442695040888963407
			}
			results <- seed
		}(uint64(g))
	}
	for i := 0; i < 50; i++ {
		must(syscall.Kill(self, syscall.SIGUSR1))
		<-many
	}
	var sum uint64
	for g := 0; g < 4; g++ {
		sum += <-results
	}
	fmt.Printf("50 signals, sum %#x\n", sum)
}

// guestProcinfo checks what a process may know about itself, without printing what differs between machines.
func guestProcinfo(args []string) {
	fmt.Println(runtime.GOOS, runtime.GOARCH, runtime.Compiler, strconv.IntSize)
	check("pid", os.Getpid() > 0 && os.Getppid() >= 0)
	check("page size", os.Getpagesize() == 4096)
	check("cpus", runtime.NumCPU() >= 1 && runtime.GOMAXPROCS(0) >= 1)
	host, err := os.Hostname()
	check("hostname", err == nil && host != "")
	dir, err := os.Getwd()
	check("working directory", err == nil && strings.HasPrefix(dir, "/"))
	exe, err := os.Executable()
	check("executable", err == nil && strings.HasPrefix(exe, "/"))
	check("uid", os.Getuid() >= 0 && os.Getgid() >= 0 && os.Geteuid() == os.Getuid())
	before := time.Now()
	time.Sleep(5 * time.Millisecond)
	check("monotonic clock", time.Since(before) >= 5*time.Millisecond)
	check("wall clock", before.Unix() > 1600000000 && !time.Now().Before(before))
	var limit syscall.Rlimit
	check("rlimit", syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil && limit.Cur >= 64)
	var name syscall.Utsname
	check("uname", syscall.Uname(&name) == nil && name.Sysname[0] == 'L')
	var usage syscall.Rusage
	check("rusage", syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil)
}

// guestUnknownSyscall makes a system call that no kernel has.
func guestUnknownSyscall(args []string) {
	for i := 0; i < 2; i++ {
		_, _, errno := syscall.Syscall(9999, 1, 2, 3)
		fmt.Println(errno)
	}
}
