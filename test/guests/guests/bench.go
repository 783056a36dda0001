package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"time"
)

func init() { register("bench", guestBench) }

// A benchmark runs n operations and returns a value that depends on all of them.
var benchmarks = map[string]struct {
	n   int // operations when none are asked for
	run func(n int) uint64
}{
	"fib":        {38, func(n int) uint64 { return uint64(fib(n)) }},
	"pingpong":   {200000, benchPingPong},
	"gosched":    {1000000, benchGosched},
	"buffered":   {1000000, benchBuffered},
	"spawn":      {200000, benchSpawn},
	"mutex":      {5000000, benchMutex},
	"sieve":      {20, benchSieve},
	"xorshift":   {100000000, benchXorshift},
	"matmul":     {4, benchMatmul},
	"nbody":      {1000000, benchNbody},
	"mandelbrot": {300, benchMandelbrot},
	"fannkuch":   {9, benchFannkuch},
	"bintrees":   {14, benchBinaryTrees},
	"sort":       {20, benchSort},
	"map":        {3000000, benchMap},
	"strings":    {300000, benchStrings},
	"sha256":     {40, benchSHA256},
	"memmove":    {20000, benchMemmove},
	"interface":  {50000000, benchInterface},
	"panic":      {200000, benchPanic},
	"nilpanic":   {20000, benchNilPanic},
}

// guestBench: bench NAME [N] [-r REPEAT]. Prints NAME, operations, ns per operation and the check value, one
// line a repetition; for fib the operations are calls. pingpong and gosched want GOMAXPROCS=1 and set it.
func guestBench(args []string) {
	if len(args) == 0 {
		for _, name := range benchNames() {
			fmt.Println(name)
		}
		return
	}
	bench, ok := benchmarks[args[0]]
	if !ok {
		fmt.Fprintln(os.Stderr, "no benchmark named", args[0])
		os.Exit(64)
	}
	n, repeat := bench.n, 1
	for i := 1; i < len(args); i++ {
		var err error
		if args[i] == "-r" && i+1 < len(args) {
			i++
			repeat, err = strconv.Atoi(args[i])
		} else {
			n, err = strconv.Atoi(args[i])
		}
		must(err)
	}
	for ; repeat > 0; repeat-- {
		start := time.Now()
		result := bench.run(n)
		elapsed := time.Since(start)
		operations := n
		if args[0] == "fib" {
			operations = 2*fibonacci(n+1) - 1
		}
		fmt.Printf("%s %d %.3f %x\n", args[0], operations, float64(elapsed.Nanoseconds())/float64(operations), result)
	}
}

func benchNames() []string {
	names := make([]string, 0, len(benchmarks))
	for name := range benchmarks {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

//go:noinline
func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

// fibonacci is fib without recursion: fib(n) makes 2*fibonacci(n+1)-1 calls.
func fibonacci(n int) int {
	a, b := 0, 1
	for ; n > 0; n-- {
		a, b = b, a+b
	}
	return a
}

func benchPingPong(n int) uint64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	ping, pong := make(chan uint64), make(chan uint64)
	go func() {
		for v := range ping {
			pong <- v + 1
		}
	}()
	v := uint64(0)
	for i := 0; i < n; i++ {
		ping <- v
		v = <-pong
	}
	close(ping)
	return v
}

func benchGosched(n int) uint64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	stop := false
	count := uint64(0)
	done := make(chan bool)
	go func() {
		for !stop {
			count++
			runtime.Gosched()
		}
		done <- true
	}()
	for i := 0; i < n; i++ {
		runtime.Gosched()
	}
	stop = true
	<-done
	return count / uint64(n)
}

func benchBuffered(n int) uint64 {
	c := make(chan int, 128)
	go func() {
		for i := 0; i < n; i++ {
			c <- i
		}
		close(c)
	}()
	sum := uint64(0)
	for v := range c {
		sum += uint64(v)
	}
	return sum
}

func benchSpawn(n int) uint64 {
	c := make(chan int, 1)
	sum := uint64(0)
	for i := 0; i < n; i++ {
		go func(i int) { c <- i }(i)
		sum += uint64(<-c)
	}
	return sum
}

func benchMutex(n int) uint64 {
	var once mutexed
	for i := 0; i < n; i++ {
		once.add(i)
	}
	return once.sum
}

func benchSieve(n int) uint64 {
	count := uint64(0)
	composite := make([]bool, 1<<20)
	for ; n > 0; n-- {
		for i := range composite {
			composite[i] = false
		}
		for i := 2; i < len(composite); i++ {
			if composite[i] {
				continue
			}
			count++
			for j := i * 2; j < len(composite); j += i {
				composite[j] = true
			}
		}
	}
	return count
}

func benchXorshift(n int) uint64 {
	x := uint64(88172645463325252)
	for i := 0; i < n; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
	}
	return x
}

func benchMatmul(n int) uint64 {
	const size = 200
	a, b, c := make([]float64, size*size), make([]float64, size*size), make([]float64, size*size)
	for i := range a {
		a[i], b[i] = float64(i%7), float64(i%5)
	}
	for ; n > 0; n-- {
		for i := 0; i < size; i++ {
			for j := 0; j < size; j++ {
				sum := 0.0
				for k := 0; k < size; k++ {
					sum += a[i*size+k] * b[k*size+j]
				}
				c[i*size+j] = sum
			}
		}
	}
	return uint64(c[777])
}
