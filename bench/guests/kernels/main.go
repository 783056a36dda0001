// kernels measures one kernel at a time: `kernels [options] NAME`; `kernels` alone lists the names.
//
// A kernel's unit is a fixed amount of work with a check value that does not depend on the machine. After a warm-up
// that goes on for as long as units become faster, units are timed in samples; for each sample one line is printed:
//
//	NAME GOMAXPROCS NS-PER-OPERATION CHECK
//
// Several values of -procs take turns, sample by sample. With -units nothing is timed: as many units run, and the
// line says 0 ns.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"
)

// A kernel is one thing to measure.
type kernel struct {
	name string
	// Operations in a unit.
	operations int
	// Runs a unit and returns its check value. It is called once before all, untimed.
	run func() uint64
	// For kernels that know better than the wall clock what counts: the time that the last unit took.
	took func() time.Duration
}

var kernels = map[string]kernel{}

func register(list ...kernel) {
	for _, k := range list {
		kernels[k.name] = k
	}
}

// prepared makes run when its kernel is chosen, not before.
func prepared(makeRun func() func() uint64) func() uint64 {
	var run func() uint64
	return func() uint64 {
		if run == nil {
			run = makeRun()
		}
		return run()
	}
}

var (
	procs    = flag.String("procs", "1", "values of GOMAXPROCS, separated by commas")
	warmUp   = flag.Duration("warm", 200*time.Millisecond, "first part of the warm-up")
	warmMost = flag.Duration("warm-most", 8*time.Second, "longest warm-up")
	sample   = flag.Duration("sample", 30*time.Millisecond, "shortest sample")
	samples  = flag.Int("samples", 5, "how many samples")
	units    = flag.Int("units", 0, "run as many units, without a clock")
)

func main() {
	flag.Parse()
	if flag.NArg() == 0 {
		for _, name := range names() {
			fmt.Println(name)
		}
		return
	}
	k, ok := kernels[flag.Arg(0)]
	if !ok {
		fmt.Fprintf(os.Stderr, "kernels: there is no kernel %q\n", flag.Arg(0))
		os.Exit(2)
	}
	var counts []int
	for _, text := range strings.Split(*procs, ",") {
		count, err := strconv.Atoi(text)
		if err != nil || count < 1 {
			fmt.Fprintf(os.Stderr, "kernels: -procs: %q is no number from 1 on\n", text)
			os.Exit(2)
		}
		counts = append(counts, count)
	}
	runtime.GOMAXPROCS(counts[0])
	m := measurement{kernel: k, check: k.run()}
	if *units > 0 {
		for n := 0; n < *units; n++ {
			m.unit()
		}
		m.print(counts[0], 0)
		return
	}
	for _, count := range counts {
		runtime.GOMAXPROCS(count)
		m.warmUp()
	}
	for n := 0; n < *samples; n++ {
		for _, count := range counts {
			if len(counts) > 1 {
				runtime.GOMAXPROCS(count)
			}
			m.print(count, m.sample(*sample))
		}
	}
}

func names() []string {
	list := make([]string, 0, len(kernels))
	for name := range kernels {
		list = append(list, name)
	}
	sort.Strings(list)
	return list
}

type measurement struct {
	kernel
	check uint64
}

// unit runs one unit, which must give the same check value as the first one.
func (m *measurement) unit() {
	if check := m.run(); check != m.check {
		fmt.Fprintf(os.Stderr, "kernels: %s: a unit gave %x after one that gave %x\n", m.name, check, m.check)
		os.Exit(1)
	}
}

// sample runs units for at least as long as asked for, and gives ns per operation.
func (m *measurement) sample(atLeast time.Duration) float64 {
	var own time.Duration
	start := time.Now()
	done := 0
	elapsed := time.Duration(0)
	for elapsed < atLeast {
		m.unit()
		done++
		if m.took != nil {
			own += m.took()
		}
		elapsed = time.Since(start)
	}
	if m.took != nil {
		elapsed = own
	}
	return float64(elapsed.Nanoseconds()) / float64(done) / float64(m.operations)
}

// warmUp takes samples in parts, each twice as long as the one before, until one is hardly better than those before it.
func (m *measurement) warmUp() {
	const hardly = 0.95
	best := m.best(*warmUp)
	for part := 2 * *warmUp; part < *warmMost; part *= 2 {
		recent := m.best(part)
		if recent > best*hardly {
			return
		}
		best = recent
	}
}

// best gives the least ns per operation of the samples that are taken in a time.
func (m *measurement) best(during time.Duration) float64 {
	start := time.Now()
	best := m.sample(*sample)
	for time.Since(start) < during {
		if ns := m.sample(*sample); ns < best {
			best = ns
		}
	}
	return best
}

func (m *measurement) print(procs int, ns float64) {
	fmt.Printf("%s %d %.3f %x\n", m.name, procs, ns, m.check)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "kernels:", err)
		os.Exit(1)
	}
}

// random is a xorshift generator: the same numbers everywhere.
type random uint64

func (r *random) next() uint64 {
	x := uint64(*r)
	x ^= x << 13
	x ^= x >> 7
	x ^= x << 17
	*r = random(x)
	return x
}
