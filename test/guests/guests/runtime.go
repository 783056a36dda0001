package main

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func init() {
	register("gc", guestGC)
	register("gc-concurrent", guestGCConcurrent)
	register("deep-stack", guestDeepStack)
	register("preempt", guestPreempt)
	register("parallel", guestParallel)

}

func sortedKeys(m map[string]int) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

type node struct {
	left, right *node
	value       int
	payload     []byte
}

func buildTree(depth, value int) *node {
	n := &node{value: value, payload: make([]byte, value%50)}
	for i := range n.payload {
		n.payload[i] = byte(value + i)
	}
	if depth > 0 {
		n.left = buildTree(depth-1, value*2)
		n.right = buildTree(depth-1, value*2+1)
	}
	return n
}

func (n *node) sum() uint64 {
	if n == nil {
		return 0
	}
	s := uint64(n.value)
	for i, b := range n.payload {
		if b != byte(n.value+i) {
			panic("payload damaged")
		}
		s = s*31 + uint64(b)
	}
	return s + 3*n.left.sum() + 7*n.right.sum()
}

// guestGC collects almost at every allocation and checks that what is reachable survives unchanged.
func guestGC(args []string) {
	debug.SetGCPercent(1)
	kept := buildTree(10, 1)
	before := kept.sum()
	for i := 0; i < 10; i++ {
		garbage := buildTree(8, i+1)
		if garbage.sum() == 0 {
			fmt.Println("empty")
		}
	}
	fmt.Println("tree", before, kept.sum() == before)

	// Maps of many kinds, growing and shrinking.
	ints := map[int]int{}
	texts := map[string][]string{}
	structs := map[[3]int]*node{}
	anys := map[interface{}]interface{}{}
	for i := 0; i < 3000; i++ {
		ints[i*7919] = i
		key := fmt.Sprint("key", i%300)
		texts[key] = append(texts[key], strings.Repeat("v", i%13))
		structs[[3]int{i % 100, i % 7, i}] = &node{value: i}
		anys[i] = key
		anys[key] = float64(i)
		if i%3 == 0 {
			delete(ints, (i/2)*7919)
			delete(structs, [3]int{(i / 3) % 100, (i / 3) % 7, i / 3})
		}
	}
	sum, length := 0, 0
	for k, v := range ints {
		sum += k ^ v
	}
	for _, list := range texts {
		for _, s := range list {
			length += len(s)
		}
	}
	for k, n := range structs {
		sum += k[2] - n.value
	}
	fmt.Println("maps", len(ints), len(texts), len(structs), len(anys), sum, length)

	// Big objects come and go.
	hash := sha256.New()
	var big [][]byte
	for i := 0; i < 30; i++ {
		block := make([]byte, 1<<20+i*4096)
		for _, b := range block[len(block)-4096:] {
			if b != 0 {
				panic("fresh memory is not zero")
			}
		}
		for j := 0; j < len(block); j += 512 {
			block[j] = byte(i + j>>9)
		}
		if i%3 == 0 {
			big = append(big, block)
		}
	}
	for _, block := range big {
		hash.Write(block)
	}
	fmt.Printf("big %d %x\n", len(big), hash.Sum(nil)[:8])
	big = nil

	// Small objects of every size class, with and without pointers; freed memory must come back zeroed.
	for round := 0; round < 3; round++ {
		for size := 1; size <= 2048; size += 1 + size/8 {
			plain := make([]byte, size)
			pointers := make([]*int, 1+size/8)
			for _, b := range plain {
				if b != 0 {
					panic("fresh memory is not zero")
				}
			}
			for _, p := range pointers {
				if p != nil {
					panic("fresh memory is not zero")
				}
			}
			for i := range plain {
				plain[i] = 0xff
			}
			for i := range pointers {
				pointers[i] = &round
			}
		}
		runtime.GC()
	}
	fmt.Println("size classes ok")

	// Finalizers run, once each; a resurrected object lives on.
	debug.SetGCPercent(50)
	var finalized int32
	var mu sync.Mutex
	var saved []*node
	func() {
		for i := 0; i < 100; i++ {
			n := &node{value: i, payload: make([]byte, 100)}
			runtime.SetFinalizer(n, func(n *node) {
				atomic.AddInt32(&finalized, 1)
				if n.value%10 == 0 {
					mu.Lock()
					saved = append(saved, n)
					mu.Unlock()
				}
			})
		}
	}()
	clobberStack(0)
	for i := 0; i < 200 && atomic.LoadInt32(&finalized) < 98; i++ {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	mu.Lock()
	check("finalizers", atomic.LoadInt32(&finalized) >= 98 && len(saved) >= 9)
	mu.Unlock()

	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	check("statistics", stats.NumGC > 10 && stats.HeapAlloc > 0 && stats.HeapSys >= stats.HeapInuse && stats.Mallocs > stats.Frees)
	debug.FreeOSMemory()
	fmt.Println("still", kept.sum() == before)
	runtime.KeepAlive(kept)
}

//go:noinline
func clobberStack(n int) int {
	var pad [512]int
	pad[n%512] = n
	if n > 20 {
		return pad[(n*7)%512]
	}
	return clobberStack(n+1) + pad[n%512]
}

// guestGCConcurrent: goroutines allocate, exchange and check data while collections run.
func guestGCConcurrent(args []string) {
	debug.SetGCPercent(5)
	var wg sync.WaitGroup
	exchange := make(chan *node, 32)
	sums := make([]uint64, 4)
	for g := range sums {
		wg.Add(1)
		go func(g int) {
			defer wg.Done()
			var ring [64]*node
			texts := []string{}
			for i := 0; i < 1500; i++ {
				n := &node{value: i + g, payload: []byte(fmt.Sprint(g, ":", i))}
				n.left = ring[(i*31)%64]
				if n.left != nil {
					n.left.left = nil
				}
				ring[i%64] = n
				select {
				case exchange <- n:
				default:
					select {
					case other := <-exchange:
						if len(other.payload) == 0 {
							panic("damaged")
						}
					default:
					}
				}
				texts = append(texts, string(n.payload))
				if len(texts) > 200 {
					texts = append([]string(nil), texts[100:]...)
				}
				if i%500 == 250 {
					runtime.GC()
				}
			}
			hash := sha256.Sum256([]byte(strings.Join(texts, ",")))
			sums[g] = uint64(hash[0])<<16 | uint64(hash[1])<<8 | uint64(hash[2])
		}(g)
	}
	wg.Wait()
	fmt.Printf("%x\n", sums)

	// Pointers on growing stacks are adjusted while the collector scans them.
	results := make(chan int)
	for g := 0; g < 4; g++ {
		go func(g int) {
			local := 0
			for i := 0; i < 5; i++ {
				recurse(1500, &local)
			}
			results <- local
		}(g)
	}
	runtime.GC()
	total := 0
	for g := 0; g < 4; g++ {
		total += <-results
	}
	fmt.Println("stacks", total)
}

//go:noinline
func deepFrame(depth int, above *int) int {
	var pad [100]int
	pad[depth%100] = depth
	here := depth
	if depth == 0 {
		return *above
	}
	below := deepFrame(depth-1, &here)
	return below + pad[depth%100] - here + *above - depth
}

// guestDeepStack grows a goroutine's stack past 100 MB (to 128 MB), lets it shrink, and grows it again.
func guestDeepStack(args []string) {
	for round := 0; round < 2; round++ {
		done := make(chan int)
		go func() {
			top := 110000
			done <- deepFrame(110000, &top)
		}()
		fmt.Println("depth 110000:", <-done)
		runtime.GC()
	}
	var local int
	fmt.Println("and in main:", deepFrame(20000, &local))
}

var stopSpin, spinning int32

// guestPreempt: the collector and the timers must interrupt loops that never call anything.
func guestPreempt(args []string) {
	old := runtime.GOMAXPROCS(0)
	for _, procs := range []int{1, 2} {
		runtime.GOMAXPROCS(procs)
		for spinners := 1; spinners <= 3; spinners++ {
			var wg sync.WaitGroup
			started := make(chan bool)
			flag := new(int32)
			counters := make([]uint64, spinners)
			for g := 0; g < spinners; g++ {
				wg.Add(1)
				go func(g int) {
					defer wg.Done()
					started <- true
					x := uint64(g)
					a, b, c, d := x+1, x+2, x+3, x+4
					for atomic.LoadInt32(flag) == 0 {
						x++
						a, b, c, d = b^x, c+a, d-b, a*3
					}
					counters[g] = a ^ b ^ c ^ d | 1
				}(g)
			}
			for g := 0; g < spinners; g++ {
				<-started
			}
			runtime.GC()
			time.Sleep(time.Millisecond)
			runtime.GC()
			atomic.StoreInt32(flag, 1)
			wg.Wait()
			for _, c := range counters {
				if c == 0 {
					fmt.Println("a spinner did not run")
				}
			}
			fmt.Println("procs", procs, "spinners", spinners, "collected")
		}
	}
	// The values in registers, flags included, survive being interrupted anywhere.
	results := make(chan [2]uint64, 4)
	for g := 0; g < 4; g++ {
		go func() { a, b := busyLoop(2000000); results <- [2]uint64{a, b} }()
	}
	for i := 0; i < 10; i++ {
		runtime.GC()
	}
	first := <-results
	same := true
	for g := 1; g < 4; g++ {
		same = <-results == first && same
	}
	fmt.Printf("%x %x %v\n", first[0], first[1], same)
	runtime.GOMAXPROCS(old)
}

//go:noinline
func busyLoop(n int) (uint64, uint64) {
	a, b, f := uint64(1), uint64(2), 1.0
	for i := 0; i < n; i++ {
		a = a*6364136223846793005 + 1442695040888963407
		if a>>63 != 0 {
			b += a >> 7
		} else if int64(b) < int64(a) {
			b ^= a << 3
		}
		f = f*0.5 + float64(i&15)
		if f > 10 {
			b++
		}
	}
	return a, b + uint64(f*1000)
}

// guestParallel computes the same on one goroutine and on several; -time also prints the speed-up.
func guestParallel(args []string) {
	const parts, steps = 4, 3000000
	run := func(parallel bool) (uint64, time.Duration) {
		start := time.Now()
		var wg sync.WaitGroup
		var sums [parts]uint64
		for p := 0; p < parts; p++ {
			work := func(p int) {
				x := uint64(p)*2654435761 + 88172645463325252
				for i := 0; i < steps; i++ {
					x ^= x << 13
					x ^= x >> 7
					x ^= x << 17
				}
				sums[p] = x
			}
			if !parallel {
				work(p)
				continue
			}
			wg.Add(1)
			go func(p int) { defer wg.Done(); work(p) }(p)
		}
		wg.Wait()
		return sums[0] ^ sums[1]*3 ^ sums[2]*5 ^ sums[3]*7, time.Since(start)
	}
	serial, serialTime := run(false)
	parallel, parallelTime := run(true)
	fmt.Printf("%x %v\n", serial, serial == parallel)
	if len(args) > 0 && args[0] == "-time" {
		fmt.Printf("serial %v parallel %v speed-up %.2f\n", serialTime, parallelTime, serialTime.Seconds()/parallelTime.Seconds())
	}
}
