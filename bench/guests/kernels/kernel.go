package main

import (
	"io"
	"os"
	"syscall"
	"time"
)

// Kernels of system calls, as far as every system has them; an operation is one call.

func init() {
	register(
		kernel{name: "getpid", operations: 10000, run: getpids},
		kernel{name: "time-now", operations: 10000, run: readClock},
		kernel{name: "read-4KiB", operations: 200, run: readFile(4<<10, 200)},
		kernel{name: "write-4KiB", operations: 200, run: writeFile(4<<10, 200)},
		kernel{name: "read-1MiB", operations: 5, run: readFile(1<<20, 5)},
		kernel{name: "write-1MiB", operations: 5, run: writeFile(1<<20, 5)},
		kernel{name: "stat", operations: 200, run: stats},
	)
}

func getpids() uint64 {
	pid := syscall.Getpid()
	for i := 0; i < 10000; i++ {
		if syscall.Getpid() != pid {
			return 0
		}
	}
	return 1
}

func readClock() uint64 {
	before := time.Now()
	for i := 0; i < 10000; i++ {
		now := time.Now()
		if now.Before(before) {
			return 0
		}
		before = now
	}
	return 1
}

// openScratch opens a file of this size that has no name any more where the system allows that.
func openScratch(size int) *os.File {
	file, err := os.CreateTemp("", "kernels-")
	must(err)
	must(os.Remove(file.Name()))
	_, err = file.Write(make([]byte, size))
	must(err)
	return file
}

func readFile(size, times int) func() uint64 {
	var file *os.File
	buffer := make([]byte, size)
	return func() uint64 {
		if file == nil {
			file = openScratch(size)
		}
		sum := 0
		for i := 0; i < times; i++ {
			n, err := file.ReadAt(buffer, 0)
			if err != io.EOF {
				must(err)
			}
			sum += n
		}
		return uint64(sum)
	}
}

func writeFile(size, times int) func() uint64 {
	var file *os.File
	buffer := make([]byte, size)
	return func() uint64 {
		if file == nil {
			file = openScratch(size)
		}
		sum := 0
		for i := 0; i < times; i++ {
			n, err := file.WriteAt(buffer, 0)
			must(err)
			sum += n
		}
		return uint64(sum)
	}
}

func stats() uint64 {
	for i := 0; i < 200; i++ {
		info, err := os.Stat(".")
		must(err)
		if !info.IsDir() {
			return 0
		}
	}
	return 1
}
