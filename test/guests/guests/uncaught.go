package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// The guests of this file end abnormally: status 2 and a report on stderr.
func init() {
	register("crash-nil", func(args []string) { crashNil(nilLinked) })
	register("crash-nil-func", func(args []string) { intSink = nilFunc(1) })
	register("crash-index", func(args []string) { intSink = someSlice[len(args)+5] })
	register("crash-divide", func(args []string) { intSink = 10 / zero })
	register("crash-error", func(args []string) {
		fmt.Println("stdout before the panic")
		panic(customError{7})
	})
	register("crash-wrapped", func(args []string) {
		panic(fmt.Errorf("outer: %w", errors.New("inner")))
	})
	register("crash-values", func(args []string) {
		defer func() { panic(fmt.Sprint("third, over ", intSink)) }()
		defer func() {
			defer func() { recover(); panic(square{2}) }()
			panic(errors.New("second"))
		}()
		panic("first")
	})
	register("crash-goroutine", func(args []string) {
		go func() { panic("in a goroutine") }()
		select {}
	})
	register("crash-deadlock", func(args []string) {
		fmt.Println("waiting for nobody")
		<-make(chan int)
	})
	register("crash-deadlock-mutex", func(args []string) {
		var mu sync.Mutex
		mu.Lock()
		mu.Lock()
	})
	register("crash-deadlock-many", func(args []string) {
		var wg sync.WaitGroup
		for i := 0; i < 3; i++ {
			wg.Add(1)
			go func() { select {} }()
		}
		wg.Wait()
	})
	register("crash-goexit-main", func(args []string) { runtime.Goexit() })
	register("crash-unlock", func(args []string) { new(sync.Mutex).Unlock() })
	register("crash-overflow", crashOverflow)
	register("crash-abort", func(args []string) {
		debug.SetTraceback("crash")
		panic("ends with SIGABRT")
	})
	register("crash-quit", func(args []string) {
		syscall.Kill(syscall.Getpid(), syscall.SIGQUIT)
		time.Sleep(10 * time.Second)
	})
	register("crash-segv-sent", func(args []string) {
		syscall.Kill(syscall.Getpid(), syscall.SIGSEGV)
		time.Sleep(10 * time.Second)
	})
	register("crash-oom", func(args []string) {
		sliceSink = make([]int, 1<<45)
		os.Exit(3)
	})
}

//go:noinline
func crashNil(p *linked) {
	defer fmt.Println("deferred calls still run")
	p.value = 3
}

// crashOverflow recurses without end; its argument is the stack limit in bytes (default: Go's own, 1 GB).
func crashOverflow(args []string) {
	if len(args) > 0 {
		limit, err := strconv.Atoi(args[0])
		must(err)
		debug.SetMaxStack(limit)
	}
	fmt.Println(overflow(0))
}

//go:noinline
func overflow(n int) int {
	return overflow(n+1) + n
}
