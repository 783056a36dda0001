package main

import (
	"runtime"
	"sync"
	"time"
)

// What changes of goroutine cost. An operation is one value, one yield, one hand-off or one goroutine, as said.

func init() {
	register(
		kernel{name: "chan", operations: 2 * pingPongs, run: pingPong},           // one change of goroutine
		kernel{name: "chan-buffered", operations: 20000, run: buffered},          // one value
		kernel{name: "select-2", operations: 6000, run: selectOver2},             // one value
		kernel{name: "select-8", operations: 6000, run: selectOver8},             // one value
		kernel{name: "gosched-2", operations: 20000, run: gosched(2, 10000)},     // one yield
		kernel{name: "gosched-100", operations: 20000, run: gosched(100, 200)},   // one yield
		kernel{name: "gosched-10000", operations: 50000, run: gosched(10000, 5)}, // one yield
		kernel{name: "mutex", operations: 10000, run: mutexHandOff},              // one hand-off
		kernel{name: "cond", operations: 10000, run: condHandOff},                // one hand-off
		kernel{name: "waitgroup", operations: 5000, run: fanOut},                 // one goroutine
		kernel{name: "spawn", operations: 5000, run: spawn},                      // one goroutine
		kernel{name: "timer", operations: 500, run: timers},                      // one timer that is due at once
		kernel{name: "sleep", operations: 20, run: sleeps},                       // one Sleep of a millisecond
		kernel{name: "ring", operations: ringHops, run: ring},                    // one hop
		kernel{name: "threads", operations: 2 * threadPingPongs, run: lockedPingPong},
	)
}

const (
	pingPongs       = 5000
	threadPingPongs = 500
	ringSize        = 1000
	ringHops        = 20 * ringSize
)

func pingPong() uint64 { return exchange(pingPongs, func() {}) }

// lockedPingPong changes threads: both goroutines keep theirs.
func lockedPingPong() uint64 {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return exchange(threadPingPongs, runtime.LockOSThread)
}

func exchange(times int, prepare func()) uint64 {
	there, back := make(chan uint64), make(chan uint64)
	go func() {
		prepare()
		for v := range there {
			back <- v + 1
		}
		close(back)
	}()
	v := uint64(0)
	for i := 0; i < times; i++ {
		there <- v
		v = <-back
	}
	close(there)
	<-back
	return v
}

func buffered() uint64 {
	c := make(chan uint64, 128)
	go func() {
		for i := uint64(0); i < 20000; i++ {
			c <- i
		}
		close(c)
	}()
	sum := uint64(0)
	for v := range c {
		sum += v
	}
	return sum
}

// feed sends to each channel in turn.
func feed(channels []chan uint64, times int) {
	for i := 0; i < times; i++ {
		channels[i%len(channels)] <- uint64(i)
	}
}

func selectOver2() uint64 {
	c := []chan uint64{make(chan uint64), make(chan uint64)}
	go feed(c, 6000)
	sum := uint64(0)
	for i := 0; i < 6000; i++ {
		select {
		case v := <-c[0]:
			sum += v
		case v := <-c[1]:
			sum += 3 * v
		}
	}
	return sum
}

func selectOver8() uint64 {
	c := make([]chan uint64, 8)
	for i := range c {
		c[i] = make(chan uint64)
	}
	go feed(c, 6000)
	sum := uint64(0)
	for i := 0; i < 6000; i++ {
		var v uint64
		select {
		case v = <-c[0]:
		case v = <-c[1]:
		case v = <-c[2]:
		case v = <-c[3]:
		case v = <-c[4]:
		case v = <-c[5]:
		case v = <-c[6]:
		case v = <-c[7]:
		}
		sum += v
	}
	return sum
}

// gosched: as many goroutines yield so often each.
func gosched(goroutines, yields int) func() uint64 {
	return func() uint64 {
		var all sync.WaitGroup
		all.Add(goroutines)
		for g := 0; g < goroutines; g++ {
			go func() {
				for i := 0; i < yields; i++ {
					runtime.Gosched()
				}
				all.Done()
			}()
		}
		all.Wait()
		return uint64(goroutines * yields)
	}
}

// mutexHandOff: the one who has the lock yields, so that the other has to wait for it.
func mutexHandOff() uint64 {
	var lock sync.Mutex
	var all sync.WaitGroup
	sum := uint64(0)
	all.Add(2)
	for g := 0; g < 2; g++ {
		go func() {
			for i := 0; i < 5000; i++ {
				lock.Lock()
				sum += uint64(i)
				runtime.Gosched()
				lock.Unlock()
			}
			all.Done()
		}()
	}
	all.Wait()
	return sum
}

func condHandOff() uint64 {
	var lock sync.Mutex
	var all sync.WaitGroup
	changed := sync.NewCond(&lock)
	turn, sum := 0, uint64(0)
	all.Add(2)
	for g := 0; g < 2; g++ {
		go func(own int) {
			lock.Lock()
			for i := 0; i < 5000; i++ {
				for turn != own {
					changed.Wait()
				}
				sum += uint64(i)
				turn = 1 - own
				changed.Signal()
			}
			lock.Unlock()
			all.Done()
		}(g)
	}
	all.Wait()
	return sum
}

// fanOut starts 100 goroutines and waits for all, 50 times.
func fanOut() uint64 {
	var results [100]uint64
	sum := uint64(0)
	for round := 0; round < 50; round++ {
		var all sync.WaitGroup
		all.Add(len(results))
		for g := range results {
			go func(g int) {
				results[g] = uint64(g * round)
				all.Done()
			}(g)
		}
		all.Wait()
		for _, v := range results {
			sum += v
		}
	}
	return sum
}

func spawn() uint64 {
	c := make(chan uint64)
	sum := uint64(0)
	for i := uint64(0); i < 5000; i++ {
		go func(i uint64) { c <- i }(i)
		sum += <-c
	}
	return sum
}

func timers() uint64 {
	for i := 0; i < 500; i++ {
		<-time.NewTimer(1).C
	}
	return 500
}

func sleeps() uint64 {
	for i := 0; i < 20; i++ {
		time.Sleep(time.Millisecond)
	}
	return 20
}

// ring: a token goes round through a thousand goroutines.
func ring() uint64 {
	var all sync.WaitGroup
	first := make(chan uint64)
	in := first
	all.Add(ringSize)
	for g := 0; g < ringSize; g++ {
		out := make(chan uint64)
		go func(in, out chan uint64) {
			for v := range in {
				out <- v + 1
			}
			close(out)
			all.Done()
		}(in, out)
		in = out
	}
	v := uint64(0)
	for round := 0; round < ringHops/ringSize; round++ {
		first <- v
		v = <-in
	}
	close(first)
	<-in
	all.Wait()
	return v
}
