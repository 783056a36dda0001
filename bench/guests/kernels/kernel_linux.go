package main

import (
	"io"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Kernels of system calls that only Linux has.

func init() {
	register(
		kernel{name: "clock-gettime", operations: 5000, run: clockGettime},
		kernel{name: "pipe", operations: 500, run: pipePingPong}, // one byte there or back
		kernel{name: "futex", operations: 500, run: futexHandOff},
	)
}

// clockGettime makes the system call, not the call of the vDSO that time.Now makes.
func clockGettime() uint64 {
	var now syscall.Timespec
	for i := 0; i < 5000; i++ {
		if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&now)), 0); errno != 0 {
			return 0
		}
	}
	return 1
}

// pipePingPong sends a byte to and fro between two threads.
func pipePingPong() uint64 {
	var there, back [2]int
	must(syscall.Pipe(there[:]))
	must(syscall.Pipe(back[:]))
	go func() {
		runtime.LockOSThread()
		var b [1]byte
		for i := 0; i < 250; i++ {
			mustTransfer(syscall.Read(there[0], b[:]))
			b[0]++
			mustTransfer(syscall.Write(back[1], b[:]))
		}
	}()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var b [1]byte
	for i := 0; i < 250; i++ {
		mustTransfer(syscall.Write(there[1], b[:]))
		mustTransfer(syscall.Read(back[0], b[:]))
	}
	for _, fd := range []int{there[0], there[1], back[0], back[1]} {
		must(syscall.Close(fd))
	}
	return uint64(b[0])
}

func mustTransfer(n int, err error) {
	must(err)
	if n != 1 {
		must(io.ErrShortWrite)
	}
}

const (
	futexWait = 0 | 128
	futexWake = 1 | 128
)

// futexHandOff: two threads wait for each other's turn.
func futexHandOff() uint64 {
	turn := new(uint32)
	done := make(chan bool)
	go func() {
		takeTurns(turn, 1)
		done <- true
	}()
	takeTurns(turn, 0)
	<-done
	return uint64(atomic.LoadUint32(turn))
}

func takeTurns(turn *uint32, own uint32) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := 0; i < 250; i++ {
		for atomic.LoadUint32(turn) != own {
			_, _, errno := syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(turn)), futexWait, uintptr(1-own), 0, 0, 0)
			if errno != 0 && errno != syscall.EAGAIN && errno != syscall.EINTR {
				must(os.NewSyscallError("futex", errno))
			}
		}
		atomic.StoreUint32(turn, 1-own)
		_, _, errno := syscall.Syscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(turn)), futexWake, 1, 0, 0, 0)
		if errno != 0 {
			must(os.NewSyscallError("futex", errno))
		}
	}
}
