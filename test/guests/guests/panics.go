package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
)

func init() {
	register("panics", guestPanics)
	register("panic-storm", guestPanicStorm)
	register("defers", guestDefers)
	register("goexit", guestGoexit)
	register("traceback", guestTraceback)
	register("segv-fault", guestSegvFault)
}

type shape interface{ area() float64 }
type square struct{ side float64 }

func (s *square) area() float64 { return s.side * s.side }

type customError struct{ code int }

func (e customError) Error() string { return fmt.Sprintf("custom error %d", e.code) }

type wide struct {
	head [70000]byte // its later fields lie past the nil page
	tail int
}

type linked struct {
	next  *linked
	value int64
	small int8
	text  string
	list  []int
	f     float64
}

// The values behind a panic come from here, so that the compiler cannot know them.
var (
	nilLinked  *linked
	nilWide    *wide
	nilSquare  *square
	nilShape   shape
	nilFunc    func(int) int
	nilMap     map[string]int
	nilSlice   []int
	nilArray   *[8]int
	someSlice  = []int{1, 2, 3, 4, 5}
	someArray  [8]int
	someString = "héllo"
	zero       int
	zero8      int8
	zeroU32    uint32
	minusOne               = -1
	huge                   = int(^uint(0) >> 1)
	someAny    interface{} = "a string"
	noAny      interface{}
	intSink    int
	floatSink  float64
	anySink    interface{}
	textSink   string
	sliceSink  []int
)

type panicCase struct {
	name string
	run  func()
}

var panicCases = []panicCase{
	{"nil read", func() { intSink = int(nilLinked.value) }},
	{"nil read 8-bit", func() { intSink = int(nilLinked.small) }},
	{"nil read float", func() { floatSink = nilLinked.f }},
	{"nil read string", func() { textSink = nilLinked.text }},
	{"nil read slice", func() { sliceSink = nilLinked.list }},
	{"nil write", func() { nilLinked.value = 7 }},
	{"nil write 8-bit", func() { nilLinked.small++ }},
	{"nil write float", func() { nilLinked.f = 1.5 }},
	{"nil write pointer", func() { nilLinked.next = nilLinked }},
	{"nil add to memory", func() { nilLinked.value += 3 }},
	{"nil second hop", func() { intSink = int((&linked{}).next.value) }},
	{"nil past the first page", func() { intSink = nilWide.tail }},
	{"nil array element", func() { intSink = nilArray[zero+3] }},
	{"nil array range", func() {
		for _, v := range nilArray {
			intSink += v
		}
	}},
	{"nil copy", func() { someArray = *nilArray }},
	{"nil large copy", func() { anySink = *nilWide }},
	{"nil func", func() { intSink = nilFunc(3) }},
	{"nil interface method", func() { floatSink = nilShape.area() }},
	{"nil receiver", func() { floatSink = nilSquare.area() }},
	{"nil receiver in interface", func() { var s shape = nilSquare; floatSink = s.area() }},
	{"nil method value", func() { f := nilShape.area; floatSink = f() }},
	{"nil map write", func() { nilMap["x"] = 1 }},
	{"index", func() { intSink = someSlice[zero+5] }},
	{"index negative", func() { intSink = someSlice[minusOne] }},
	{"index huge", func() { intSink = someSlice[huge] }},
	{"index nil slice", func() { intSink = nilSlice[zero] }},
	{"index array", func() { intSink = someArray[zero+8] }},
	{"index string", func() { intSink = int(someString[zero+6]) }},
	{"index uint32", func() { intSink = someSlice[zeroU32-1] }},
	{"index write", func() { someSlice[zero+9] = 1 }},
	{"slice high", func() { sliceSink = someSlice[1 : zero+7] }},
	{"slice low above high", func() { sliceSink = someSlice[zero+4 : 2] }},
	{"slice low", func() { sliceSink = someSlice[zero+6:] }},
	{"slice negative", func() { sliceSink = someSlice[minusOne:] }},
	{"slice 3 max", func() { sliceSink = someSlice[0 : 2 : zero+9] }},
	{"slice 3 high", func() { sliceSink = someSlice[0 : zero+4 : 3] }},
	{"slice 3 low", func() { sliceSink = someSlice[zero+3 : 2 : 3] }},
	{"slice string", func() { textSink = someString[2 : zero+20] }},
	{"slice string low above high", func() { textSink = someString[zero+3 : 2] }},
	{"slice array", func() { sliceSink = someArray[3 : zero+9] }},
	{"divide int", func() { intSink = 1 / zero }},
	{"modulo int", func() { intSink = 1 % zero }},
	{"divide int8", func() { intSink = int(zero8 / zero8) }},
	{"modulo uint32", func() { intSink = int(7 % zeroU32) }},
	{"make slice length", func() { sliceSink = make([]int, minusOne) }},
	{"make slice huge", func() { sliceSink = make([]int, huge) }},
	{"make slice capacity", func() { sliceSink = make([]int, 5, zero+2) }},
	{"make chan", func() { anySink = make(chan int, minusOne) }},
	{"shift negative", func() { intSink = 1 << minusOne }},
	{"type assertion", func() { intSink = someAny.(int) }},
	{"type assertion nil", func() { intSink = noAny.(int) }},
	{"type assertion interface", func() { anySink = someAny.(shape) }},
	{"type assertion nil interface", func() { anySink = noAny.(shape) }},
	{"type assertion same name", func() {
		type square struct{ side float64 }
		anySink = interface{}(square{}).(*square)
	}},
	{"uncomparable", func() { var a, b interface{} = []int{1}, []int{1}; anySink = a == b }},
	{"unhashable key", func() { anySink = map[interface{}]int{[]int{1}[0]: 1}[interface{}(func() {})] }},
	{"close nil", func() { var c chan int; close(c) }},
	{"close twice", func() { c := make(chan int); close(c); close(c) }},
	{"send on closed", func() { c := make(chan int, 1); close(c); c <- 1 }},
	{"custom error", func() { panic(customError{42}) }},
	{"wrapped error", func() { panic(fmt.Errorf("wrapped: %w", customError{43})) }},
	{"string", func() { panic("just a string") }},
	{"number", func() { panic(6.5) }},
	{"pointer", func() { panic(&square{3}) }},
	{"nil", func() { panic(nil) }},
	{"in a deep call", func() { deepPanic(100) }},
	{"in a closure in a defer", func() {
		defer func() { panic(fmt.Sprint("second after ", recover())) }()
		panic("first")
	}},
	{"replaces another", func() {
		defer func() { intSink = someSlice[zero+5] }()
		panic("replaced")
	}},
	{"nested recover", func() {
		defer func() {
			func() {
				defer func() { fmt.Println("    inner:", recover()) }()
				intSink = int(nilLinked.value)
			}()
		}()
		panic("outer")
	}},
	{"runtime error re-panicked", func() {
		defer func() { panic(recover()) }()
		intSink = someSlice[zero+7]
	}},
	{"strings.Repeat", func() { textSink = strings.Repeat("x", minusOne) }},
	{"odd argument count", func() { anySink = strings.NewReplacer("odd") }},
}

//go:noinline
func deepPanic(depth int) int {
	defer func() { intSink++ }()
	if depth == 0 {
		return int(nilLinked.value)
	}
	return deepPanic(depth-1) + 1
}

func describe(value interface{}) string {
	switch v := value.(type) {
	case nil:
		return "nothing"
	case runtime.Error:
		return "runtime error: " + strings.TrimPrefix(v.Error(), "runtime error: ")
	case error:
		var custom customError
		return fmt.Sprintf("error %v, custom %v", v, errors.As(v, &custom))
	case *square:
		return fmt.Sprintf("square %v", v.side)
	}
	return fmt.Sprintf("%T %v", value, value)
}

func recoverFrom(run func()) (text string) {
	defer func() { text = describe(recover()) }()
	run()
	return "returned"
}

func guestPanics(args []string) {
	for _, c := range panicCases {
		fmt.Printf("  %s: %s\n", c.name, recoverFrom(c.run))
	}
	// The values in registers and on the stack survive a fault.
	a, b, c, d, e, f := 1, 2, 3, 4, 5, 6
	x, y, z := 1.5, 2.5, 3.5
	for i := 0; i < 10; i++ {
		recoverFrom(func() { intSink = nilArray[i&7] })
		a, b, c, d, e, f = b+i, c, d, e, f, a
		x, y, z = y, z, x+float64(i)
	}
	fmt.Println(a, b, c, d, e, f, x, y, z)
	fmt.Println("named result:", namedResult(3), namedResult(0))
}

func namedResult(n int) (result int) {
	result = 100
	defer func() {
		if recover() != nil {
			result += 11
		}
	}()
	result = 12 / n
	return result
}

// guestPanicStorm: many faults in many goroutines at once, with garbage collections between.
func guestPanicStorm(args []string) {
	var wg sync.WaitGroup
	counts := make([]map[string]int, 8)
	for g := range counts {
		counts[g] = map[string]int{}
		wg.Add(1)
		go func(count map[string]int, g int) {
			defer wg.Done()
			for i := 0; i < 60; i++ {
				for n, c := range panicCases[:45] {
					if (n+i+g)%4 == 0 {
						count[recoverFrom(c.run)]++
					}
				}
				if i%20 == g {
					runtime.GC()
				}
			}
		}(counts[g], g)
	}
	wg.Wait()
	total := map[string]int{}
	for _, count := range counts {
		for text, n := range count {
			total[text] += n
		}
	}
	for _, text := range sortedKeys(total) {
		fmt.Println(total[text], text)
	}
}

func guestDefers(args []string) {
	for i := 0; i < 4; i++ {
		defer fmt.Println("deferred in main", i)
	}
	func() {
		for i := 0; i < 3; i++ {
			defer func(n int) { fmt.Println("loop", n) }(i)
		}
		if zero == 0 {
			defer fmt.Println("conditional")
		}
		fmt.Println("body")
	}()
	fmt.Println(deferReturns(1), deferReturns(2))
	func() {
		defer func() { fmt.Println("recover in outer:", recover()) }()
		defer func() {
			defer func() { fmt.Println("recover in inner:", recover()) }()
			panic("two")
		}()
		panic("one")
	}()
	func() {
		defer fmt.Println("arguments are evaluated at once:", intText(&zero))
		defer func() { recover() }()
		defer panic("deferred panic")
	}()
	// recover works only when called by the deferred function itself.
	func() {
		defer func() { fmt.Println("directly:", recover()) }()
		func() {
			defer func() { func() { fmt.Println("one level too deep:", recover()) }() }()
			panic("p")
		}()
	}()
	fmt.Println("no panic:", recover())
	// Many defers in one frame, and in many frames.
	count := 0
	func() {
		for i := 0; i < 10000; i++ {
			defer func() { count++ }()
		}
	}()
	fmt.Println("count", count)
	fmt.Println("frames", deferFrames(1000, &count), count)
	// A method value and an interface method, deferred.
	s := &square{2}
	func() {
		defer s.grow(3)
		var m interface{ grow(float64) } = s
		defer m.grow(5)
	}()
	fmt.Println("side", s.side)
	panicInLoop()
}

func (s *square) grow(by float64) { s.side = s.side*2 + by }

func intText(p *int) string { return fmt.Sprint("v", *p) }

func deferReturns(n int) (r int) {
	defer func() { r *= 10 }()
	if n == 1 {
		return 1
	}
	defer func() { r += 5 }()
	return n
}

func deferFrames(n int, count *int) int {
	defer func() { *count++ }()
	if n == 0 {
		return 0
	}
	return 1 + deferFrames(n-1, count)
}

func panicInLoop() {
	results := []string{}
	for i := 0; i < 5; i++ {
		results = append(results, recoverFrom(func() {
			defer func() {
				if i%2 == 0 {
					panic(fmt.Sprint("even ", i))
				}
			}()
			if i > 2 {
				panic(fmt.Sprint("big ", i))
			}
		}))
	}
	fmt.Println(strings.Join(results, "; "))
}

func guestGoexit(args []string) {
	done := make(chan string, 4)
	go func() {
		defer func() { done <- fmt.Sprint("goexit, recover says ", recover()) }()
		defer func() { intSink++ }()
		func() { runtime.Goexit() }()
		done <- "not reached"
	}()
	fmt.Println(<-done)
	go func() {
		defer func() { done <- "goexit in a defer while panicking" }()
		defer runtime.Goexit()
		panic("lost")
	}()
	fmt.Println(<-done)
	go func() {
		defer func() { done <- fmt.Sprint("panic in a defer while exiting: ", recover()) }()
		defer func() { panic("late") }()
		runtime.Goexit()
	}()
	fmt.Println(<-done)
	waitForGoroutines(1)
}

// guestTraceback prints what the runtime knows about its own stack: symbolised frames, in stripped programs too.
func guestTraceback(args []string) {
	pcs := make([]uintptr, 10)
	var names []string
	func() {
		frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
		for {
			frame, more := frames.Next()
			names = append(names, fmt.Sprintf("%s:%d", frame.Function, frame.Line))
			if !more {
				break
			}
		}
	}()
	fmt.Println(strings.Join(names, "\n"))
	_, file, line, ok := runtime.Caller(0)
	fmt.Println(file, line, ok)
	defer func() {
		fmt.Println(recover())
		for _, line := range strings.Split(string(debug.Stack()), "\n") {
			if strings.HasPrefix(line, "main.") {
				fmt.Println(strings.SplitN(line, "(", 2)[0])
			}
		}
	}()
	tracebackFault(3)
}

//go:noinline
func tracebackFault(depth int) {
	if depth == 0 {
		nilLinked.value = 1
	}
	tracebackFault(depth - 1)
	intSink++
}

// guestSegvFault lets a fault at an unmapped non-nil address become a panic (debug.SetPanicOnFault).
// It is not part of the compared set for engines that do not trap such accesses.
func guestSegvFault(args []string) {
	debug.SetPanicOnFault(true)
	defer func() {
		err, ok := recover().(runtime.Error)
		fmt.Println(ok, err)
		os.Exit(0)
	}()
	intSink = int(*unmappedByte())
	fmt.Println("no fault")
}
