package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

func init() {
	register("goroutines", guestGoroutines)
	register("channels", guestChannels)
	register("select", guestSelect)
	register("mutex", guestMutex)
	register("cond", guestCond)
	register("once", guestOnce)
	register("atomics", guestAtomics)
	register("timers", guestTimers)
	register("context", guestContext)
	register("threads", guestThreads)
	register("pipes", guestPipes)
}

func guestGoroutines(args []string) {
	var wg sync.WaitGroup
	results := make([]int, 1000)
	for i := range results {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			results[i] = i * i
		}(i)
	}
	wg.Wait()
	sum := 0
	for _, r := range results {
		sum += r
	}
	fmt.Println("sum of squares", sum)

	// A tree of goroutines.
	var tree func(depth int) int
	tree = func(depth int) int {
		if depth == 0 {
			return 1
		}
		left := make(chan int)
		right := make(chan int)
		go func() { left <- tree(depth - 1) }()
		go func() { right <- tree(depth - 1) }()
		return <-left + <-right
	}
	fmt.Println("tree leaves", tree(10))

	// The concurrent prime sieve.
	numbers := make(chan int)
	stop := make(chan struct{})
	go func() {
		for i := 2; ; i++ {
			select {
			case numbers <- i:
			case <-stop:
				return
			}
		}
	}()
	var primes []int
	in := numbers
	for i := 0; i < 60; i++ {
		prime := <-in
		primes = append(primes, prime)
		next := make(chan int)
		go func(in, next chan int, prime int) {
			for {
				select {
				case n := <-in:
					if n%prime != 0 {
						select {
						case next <- n:
						case <-stop:
							return
						}
					}
				case <-stop:
					return
				}
			}
		}(in, next, prime)
		in = next
	}
	close(stop)
	fmt.Println("primes", primes)

	// Gosched hands over between two goroutines.
	var turns int32
	wg.Add(2)
	for g := int32(0); g < 2; g++ {
		go func(g int32) {
			defer wg.Done()
			for i := 0; i < 500; i++ {
				for atomic.LoadInt32(&turns)%2 != g {
					runtime.Gosched()
				}
				atomic.AddInt32(&turns, 1)
			}
		}(g)
	}
	wg.Wait()
	fmt.Println("turns", turns)

	// Deep recursion in many goroutines: their stacks grow and are copied while they hold pointers into them.
	wg.Add(20)
	var total int64
	for g := 0; g < 20; g++ {
		go func(g int) {
			defer wg.Done()
			local := g
			atomic.AddInt64(&total, int64(recurse(200+g*50, &local))+int64(local))
		}(g)
	}
	wg.Wait()
	fmt.Println("recursion", total)
	waitForGoroutines(1)
}

//go:noinline
func recurse(depth int, p *int) int {
	var pad [16]int
	pad[depth%16] = depth
	*p++
	if depth == 0 {
		return pad[0]
	}
	return recurse(depth-1, p) + pad[depth%16]
}

// waitForGoroutines waits until at most n goroutines are left.
func waitForGoroutines(n int) {
	for i := 0; runtime.NumGoroutine() > n; i++ {
		if i == 2000 {
			fmt.Println("goroutines left:", runtime.NumGoroutine())
			os.Exit(1)
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Println("goroutines ended")
}

func guestChannels(args []string) {
	// Unbuffered ping-pong.
	ping, pong := make(chan int), make(chan int)
	go func() {
		for v := range ping {
			pong <- v + 1
		}
		close(pong)
	}()
	v := 0
	for i := 0; i < 2000; i++ {
		ping <- v
		v = <-pong
	}
	close(ping)
	_, open := <-pong
	fmt.Println("ping-pong", v, open)

	// Buffered, several producers and consumers.
	jobs := make(chan int, 16)
	sums := make(chan int)
	for c := 0; c < 4; c++ {
		go func() {
			sum := 0
			for job := range jobs {
				sum += job
			}
			sums <- sum
		}()
	}
	var producers sync.WaitGroup
	for p := 0; p < 4; p++ {
		producers.Add(1)
		go func(p int) {
			defer producers.Done()
			for i := 0; i < 500; i++ {
				jobs <- p*500 + i
			}
		}(p)
	}
	producers.Wait()
	close(jobs)
	fmt.Println("jobs", <-sums+<-sums+<-sums+<-sums)

	buffered := make(chan string, 3)
	buffered <- "a"
	buffered <- "b"
	fmt.Println("len cap", len(buffered), cap(buffered))
	close(buffered)
	for s := range buffered {
		fmt.Print(s, " ")
	}
	s, ok := <-buffered
	fmt.Printf("%q %v\n", s, ok)

	// Channels of channels, of functions, of large and of empty elements.
	replies := make(chan chan func() int)
	go func() {
		reply := <-replies
		reply <- func() int { return 7 }
	}()
	reply := make(chan func() int)
	replies <- reply
	fmt.Println("function", (<-reply)())
	type large struct{ data [300]int }
	larges := make(chan large, 2)
	go func() {
		for i := 0; i < 20; i++ {
			var l large
			l.data[i] = i
			larges <- l
		}
		close(larges)
	}()
	i, sum := 0, 0
	for l := range larges {
		sum += l.data[i]
		i++
	}
	fmt.Println("large", sum)
	empties := make(chan struct{}, 100)
	for i := 0; i < 100; i++ {
		empties <- struct{}{}
	}
	fmt.Println("empties", len(empties))

	// A semaphore limits how many run at once.
	limit := make(chan int, 3)
	var now, most int32
	var wg sync.WaitGroup
	for i := 0; i < 30; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			limit <- 1
			n := atomic.AddInt32(&now, 1)
			for old := atomic.LoadInt32(&most); n > old && !atomic.CompareAndSwapInt32(&most, old, n); {
				old = atomic.LoadInt32(&most)
			}
			time.Sleep(time.Millisecond)
			atomic.AddInt32(&now, -1)
			<-limit
		}()
	}
	wg.Wait()
	check("semaphore", most >= 1 && most <= 3)
	waitForGoroutines(1)
}

func guestSelect(args []string) {
	a, b, quit := make(chan int), make(chan int), make(chan bool)
	go func() {
		for i := 0; i < 1000; i++ {
			select {
			case a <- i:
			case b <- -i:
			}
		}
		close(quit)
	}()
	count, sum := 0, 0
loop:
	for {
		select {
		case v := <-a:
			count++
			sum += v
		case v := <-b:
			count++
			sum -= v
		case <-quit:
			break loop
		}
	}
	fmt.Println("received", count, sum)

	// Both ready: each is taken at some time.
	x, y := make(chan int, 1), make(chan int, 1)
	var fromX, fromY int
	for i := 0; i < 1000; i++ {
		x <- 1
		y <- 1
		select {
		case <-x:
			fromX++
			<-y
		case <-y:
			fromY++
			<-x
		}
	}
	check("fair", fromX > 300 && fromY > 300)

	var none chan int
	select {
	case <-none:
		fmt.Println("received from nil")
	case none <- 1:
		fmt.Println("sent to nil")
	default:
		fmt.Println("default")
	}
	select {
	case <-none:
	case <-time.After(3 * time.Millisecond):
		fmt.Println("timeout")
	}

	// Ten cases, in one goroutine; ten senders.
	var chans [10]chan int
	for i := range chans {
		chans[i] = make(chan int)
		go func(i int) {
			for n := 0; n < 50; n++ {
				chans[i] <- i
			}
		}(i)
	}
	var counts [10]int
	for n := 0; n < 500; n++ {
		var v int
		select {
		case v = <-chans[0]:
		case v = <-chans[1]:
		case v = <-chans[2]:
		case v = <-chans[3]:
		case v = <-chans[4]:
		case v = <-chans[5]:
		case v = <-chans[6]:
		case v = <-chans[7]:
		case v = <-chans[8]:
		case v = <-chans[9]:
		}
		counts[v]++
	}
	fmt.Println("counts", counts)

	// Send on a channel that is closed while select waits for a receiver.
	closing := make(chan int)
	recovered := make(chan interface{})
	go func() {
		defer func() { recovered <- recover() }()
		select {
		case closing <- 1:
		case <-none:
		}
	}()
	time.Sleep(2 * time.Millisecond)
	close(closing)
	fmt.Println("panic:", <-recovered)
	waitForGoroutines(1)
}

func guestMutex(args []string) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	counter := 0
	for g := 0; g < 8; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; i < 3000; i++ {
				mu.Lock()
				counter++
				if i%100 == 0 {
					runtime.Gosched()
				}
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	fmt.Println("counter", counter)

	// Readers must never see the writer's half-done work.
	var rw sync.RWMutex
	var left, right int
	torn := int32(0)
	for g := 0; g < 4; g++ {
		wg.Add(2)
		go func() {
			defer wg.Done()
			for i := 0; i < 300; i++ {
				rw.RLock()
				if left != right {
					atomic.AddInt32(&torn, 1)
				}
				rw.RUnlock()
			}
		}()
		go func() {
			defer wg.Done()
			for i := 0; i < 100; i++ {
				rw.Lock()
				left++
				runtime.Gosched()
				right++
				rw.Unlock()
			}
		}()
	}
	wg.Wait()
	fmt.Println("rwmutex", left, right, torn)

	// A mutex held over a sleep makes the others park.
	for g := 0; g < 5; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			mu.Lock()
			time.Sleep(time.Millisecond)
			counter++
			mu.Unlock()
		}()
	}
	wg.Wait()
	fmt.Println("parked", counter)

	var m sync.Map
	for g := 0; g < 4; g++ {
		wg.Add(1)
		go func(g int) {
			defer wg.Done()
			for i := 0; i < 200; i++ {
				m.Store(i, i*i)
				m.LoadOrStore(i+1000*g, g)
			}
		}(g)
	}
	wg.Wait()
	size := 0
	m.Range(func(k, v interface{}) bool { size++; return true })
	value, ok := m.Load(13)
	fmt.Println("sync.Map", size, value, ok)

	pool := sync.Pool{New: func() interface{} { return new([64]int) }}
	for g := 0; g < 4; g++ {
		wg.Add(1)
		go func(g int) {
			defer wg.Done()
			for i := 0; i < 500; i++ {
				p := pool.Get().(*[64]int)
				p[g] = i
				if p[g] != i {
					panic("pool element shared")
				}
				pool.Put(p)
			}
		}(g)
	}
	wg.Wait()
	fmt.Println("sync.Pool ok")
}

func guestCond(args []string) {
	var mu sync.Mutex
	cond := sync.NewCond(&mu)
	queue := []int{}
	sum := make(chan int)
	for c := 0; c < 3; c++ {
		go func() {
			s := 0
			for {
				mu.Lock()
				for len(queue) == 0 {
					cond.Wait()
				}
				v := queue[0]
				queue = queue[1:]
				mu.Unlock()
				if v < 0 {
					sum <- s
					return
				}
				s += v
			}
		}()
	}
	for i := 1; i <= 300; i++ {
		mu.Lock()
		queue = append(queue, i)
		mu.Unlock()
		cond.Signal()
	}
	mu.Lock()
	queue = append(queue, -1, -1, -1)
	mu.Unlock()
	cond.Broadcast()
	fmt.Println("cond", <-sum+<-sum+<-sum)

	// A barrier.
	const parties = 5
	arrived, round := 0, 0
	var wg sync.WaitGroup
	var behind int32
	for p := 0; p < parties; p++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for r := 0; r < 20; r++ {
				mu.Lock()
				if round != r {
					behind++
				}
				arrived++
				if arrived == parties {
					arrived = 0
					round++
					cond.Broadcast()
				} else {
					for round == r {
						cond.Wait()
					}
				}
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	fmt.Println("barrier", round, behind)
}

func guestOnce(args []string) {
	var once sync.Once
	var wg sync.WaitGroup
	var runs int32
	ready := false
	for g := 0; g < 50; g++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			once.Do(func() {
				time.Sleep(2 * time.Millisecond)
				atomic.AddInt32(&runs, 1)
				ready = true
			})
			if !ready {
				panic("Do returned before the call had")
			}
		}()
	}
	wg.Wait()
	fmt.Println("once", runs)

	var failing sync.Once
	for i := 0; i < 2; i++ {
		func() {
			defer func() { fmt.Println("recovered", recover()) }()
			failing.Do(func() { panic("in Do") })
		}()
	}

	func() {
		defer func() { fmt.Println("recovered", recover()) }()
		var bad sync.WaitGroup
		bad.Add(1)
		bad.Done()
		bad.Done()
	}()
}

func guestAtomics(args []string) {
	var i32, n32 int32
	var u32 uint32
	var i64, n64 int64
	var u64 uint64
	var up uintptr
	var wg sync.WaitGroup
	for g := 0; g < 8; g++ {
		wg.Add(1)
		go func(g int) {
			defer wg.Done()
			for i := 0; i < 2000; i++ {
				atomic.AddInt32(&i32, 3)
				atomic.AddInt64(&i64, -5)
				atomic.AddUint32(&u32, ^uint32(0))
				atomic.AddUint64(&u64, 1<<33)
				atomic.AddUintptr(&up, 2)
				for {
					old := atomic.LoadInt32(&n32)
					if atomic.CompareAndSwapInt32(&n32, old, old+1) {
						break
					}
				}
				for {
					old := atomic.LoadInt64(&n64)
					if atomic.CompareAndSwapInt64(&n64, old, old+1<<32) {
						break
					}
				}
			}
		}(g)
	}
	wg.Wait()
	fmt.Println(i32, i64, u32, u64, up, n32, n64)

	fmt.Println(atomic.SwapInt32(&i32, -1), i32, atomic.SwapInt64(&i64, -2), i64)
	fmt.Println(atomic.CompareAndSwapInt32(&i32, 5, 6), i32, atomic.CompareAndSwapInt64(&i64, -2, 1<<62), i64)
	atomic.StoreUint32(&u32, 77)
	atomic.StoreUint64(&u64, 1<<63)
	fmt.Println(atomic.LoadUint32(&u32), atomic.LoadUint64(&u64))

	// Values move between goroutines through swaps: none is lost or doubled.
	var slot int64
	var seen [4001]int32
	for g := 0; g < 4; g++ {
		wg.Add(1)
		go func(g int) {
			defer wg.Done()
			for i := 1; i <= 1000; i++ {
				seen[atomic.SwapInt64(&slot, int64(g*1000+i))]++
			}
		}(g)
	}
	wg.Wait()
	seen[slot]++
	lost := 0
	for _, n := range seen {
		if n != 1 {
			lost++
		}
	}
	fmt.Println("lost or doubled", lost)

	// Message passing: the data must be visible when the flag is.
	var data, flag, stale int64
	wg.Add(2)
	go func() {
		defer wg.Done()
		for i := int64(1); i <= 2000; i++ {
			atomic.StoreInt64(&data, i)
			atomic.StoreInt64(&flag, i)
		}
	}()
	go func() {
		defer wg.Done()
		for {
			f := atomic.LoadInt64(&flag)
			if atomic.LoadInt64(&data) < f {
				stale++
			}
			if f == 2000 {
				return
			}
			runtime.Gosched()
		}
	}()
	wg.Wait()
	fmt.Println("stale", stale)

	// Store buffering: with sequentially consistent operations not both may read 0.
	both := 0
	for i := 0; i < 300; i++ {
		var x, y, rx, ry int32
		wg.Add(2)
		go func() { atomic.StoreInt32(&x, 1); ry = atomic.LoadInt32(&y); wg.Done() }()
		go func() { atomic.StoreInt32(&y, 1); rx = atomic.LoadInt32(&x); wg.Done() }()
		wg.Wait()
		if rx == 0 && ry == 0 {
			both++
		}
	}
	fmt.Println("both zero", both)

	var value atomic.Value
	value.Store([]string{"a", "b"})
	fmt.Println(value.Load())
	func() {
		defer func() { fmt.Println("recovered", recover()) }()
		value.Store(1)
	}()
}

func guestTimers(args []string) {
	start := time.Now()
	time.Sleep(10 * time.Millisecond)
	check("sleep", time.Since(start) >= 10*time.Millisecond)

	var mu sync.Mutex
	var fired []int
	var early int
	var wg sync.WaitGroup
	for i := 20; i > 0; i-- {
		wg.Add(1)
		d := time.Duration(i) * time.Millisecond
		i := i
		begin := time.Now()
		time.AfterFunc(d, func() {
			mu.Lock()
			defer mu.Unlock()
			if time.Since(begin) < d {
				early++
			}
			fired = append(fired, i)
			wg.Done()
		})
	}
	wg.Wait()
	sort.Ints(fired)
	fmt.Println("fired", fired, "early", early)

	timer := time.NewTimer(time.Hour)
	fmt.Println("stop", timer.Stop(), timer.Stop())
	fmt.Println("reset", timer.Reset(time.Millisecond))
	<-timer.C
	fmt.Println("stop after it fired", timer.Stop())

	// Not that a tick is later than its predecessor: the runtime reads the clock when it sends one, maybe late.
	begin := time.Now()
	ticker := time.NewTicker(2 * time.Millisecond)
	for i := 0; i < 5; i++ {
		t := <-ticker.C
		if t.Sub(begin) < 2*time.Millisecond {
			fmt.Println("tick before its time")
		}
	}
	ticker.Stop()
	fmt.Println("5 ticks")
	ticker.Reset(time.Millisecond)
	<-ticker.C
	ticker.Stop()
	fmt.Println("tick after reset")

	// Many timers, some stopped.
	var count int32
	timers := make([]*time.Timer, 500)
	for i := range timers {
		timers[i] = time.AfterFunc(time.Duration(i%7+200)*time.Millisecond, func() { atomic.AddInt32(&count, 1) })
	}
	stopped := int32(0)
	for i := 0; i < len(timers); i += 2 {
		if timers[i].Stop() {
			stopped++
		}
	}
	for i := 0; atomic.LoadInt32(&count)+stopped < 500 && i < 5000; i++ {
		time.Sleep(time.Millisecond)
	}
	check("each timer fired or was stopped", atomic.LoadInt32(&count)+stopped == 500)

	// Sleeping goroutines wake in any order but all of them.
	for i := 0; i < 200; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			time.Sleep(time.Duration(i%10) * time.Millisecond)
		}(i)
	}
	wg.Wait()
	fmt.Println("all awake")
	// Both clocks advance together. The bound is wide: the machine may be busy.
	wall, mono := time.Now().Round(0), time.Now()
	time.Sleep(20 * time.Millisecond)
	difference := time.Now().Round(0).Sub(wall) - time.Since(mono)
	check("clocks agree", difference > -time.Second && difference < time.Second)
}

type contextKey string

func guestContext(args []string) {
	root, cancel := context.WithCancel(context.WithValue(context.Background(), contextKey("k"), "v"))
	var wg sync.WaitGroup
	var ended int32
	for i := 0; i < 20; i++ {
		child, stop := context.WithTimeout(root, time.Hour)
		defer stop()
		wg.Add(1)
		go func() {
			defer wg.Done()
			<-child.Done()
			if child.Err() == context.Canceled {
				atomic.AddInt32(&ended, 1)
			}
		}()
	}
	cancel()
	wg.Wait()
	fmt.Println("cancelled", ended, root.Err(), root.Value(contextKey("k")), root.Value(contextKey("x")))

	start := time.Now()
	short, stop := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer stop()
	select {
	case <-short.Done():
		fmt.Println("deadline", short.Err(), errors.Is(short.Err(), context.DeadlineExceeded))
	case <-time.After(time.Minute):
		fmt.Println("no deadline")
	}
	check("not early", time.Since(start) >= 5*time.Millisecond)
	past, stop2 := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer stop2()
	fmt.Println("past", past.Err())
}

// guestThreads uses goroutines locked to their threads; a thread whose goroutine ends while locked ends too.
func guestThreads(args []string) {
	for round := 0; round < 3; round++ {
		first, last := make(chan int), make(chan int)
		in := first
		for i := 0; i < 4; i++ {
			out := make(chan int)
			if i == 3 {
				out = last
			}
			go func(in, out chan int) {
				runtime.LockOSThread()
				for v := range in {
					out <- v + 1
				}
				close(out)
			}(in, out)
			in = out
		}
		sum := 0
		for i := 0; i < 50; i++ {
			first <- i
			sum += <-last
		}
		close(first)
		_, open := <-last
		fmt.Println("round", round, sum, open)
	}
	var wg sync.WaitGroup
	for i := 0; i < 8; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			runtime.LockOSThread()
			time.Sleep(time.Millisecond)
			runtime.UnlockOSThread()
			runtime.Gosched()
		}()
	}
	wg.Wait()
	// Each spins without a call, so that the next comes to its turn only when a signal has interrupted it.
	const many = 24
	var started, stop int32
	for i := 0; i < many; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			runtime.LockOSThread()
			atomic.AddInt32(&started, 1)
			for atomic.LoadInt32(&stop) == 0 {
			}
		}()
	}
	for atomic.LoadInt32(&started) < many {
		time.Sleep(time.Millisecond)
	}
	atomic.StoreInt32(&stop, 1)
	wg.Wait()
	fmt.Println("interrupted", started)
	waitForGoroutines(1)
}

// guestPipes has goroutines block in reads and writes of pipes.
func guestPipes(args []string) {
	reader, writer, err := os.Pipe()
	must(err)
	go func() {
		chunk := make([]byte, 1000)
		for i := 0; i < 300; i++ {
			for j := range chunk {
				chunk[j] = byte(i + j)
			}
			_, err := writer.Write(chunk)
			must(err)
		}
		must(writer.Close())
	}()
	sum, size := 0, 0
	chunk := make([]byte, 777)
	for {
		n, err := reader.Read(chunk)
		for _, c := range chunk[:n] {
			sum += int(c)
		}
		size += n
		if err != nil {
			fmt.Println("end", err)
			break
		}
	}
	fmt.Println("pipe", size, sum)
	must(reader.Close())
	_, err = reader.Read(chunk)
	fmt.Println("closed", errors.Is(err, os.ErrClosed))

	reader, writer, err = os.Pipe()
	must(err)
	must(reader.SetReadDeadline(time.Now().Add(5 * time.Millisecond)))
	_, err = reader.Read(chunk)
	fmt.Println("deadline", errors.Is(err, os.ErrDeadlineExceeded))
	must(reader.SetReadDeadline(time.Time{}))
	done := make(chan error)
	go func() { _, err := reader.Read(make([]byte, 1)); done <- err }()
	time.Sleep(2 * time.Millisecond)
	must(reader.Close())
	fmt.Println("close wakes the reader", errors.Is(<-done, os.ErrClosed))
	_, err = writer.Write([]byte("x"))
	fmt.Println("no reader:", err)
}
