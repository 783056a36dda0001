package main

import (
	"sort"
	"sync"
)

// The same work for any number of processors, in 16 parts.

const parts = 16

func init() {
	register(
		kernel{name: "parallel-mandelbrot", operations: 1, run: parallel(func(p int) uint64 { return mandelbrotRows(p*4, p*4+4) })},
		kernel{name: "parallel-matmul", operations: 1, run: prepared(parallelMatmul)},
		kernel{name: "parallel-sort", operations: 1, run: parallel(sortPart)},
		kernel{name: "parallel-json", operations: 1, run: prepared(parallelJSON)},
		kernel{name: "parallel-trees", operations: 1, run: parallel(func(int) uint64 { return tree(10).count() })},
	)
}

// parallel runs the 16 parts in goroutines of their own.
func parallel(part func(p int) uint64) func() uint64 {
	return func() uint64 {
		var all sync.WaitGroup
		var results [parts]uint64
		all.Add(parts)
		for p := 0; p < parts; p++ {
			go func(p int) {
				results[p] = part(p)
				all.Done()
			}(p)
		}
		all.Wait()
		sum := uint64(0)
		for _, v := range results {
			sum += v
		}
		return sum
	}
}

func parallelMatmul() func() uint64 {
	m := newMatrices(160)
	run := parallel(func(p int) uint64 {
		m.multiplyRows(p*10, p*10+10)
		return 0
	})
	return func() uint64 { return run() + uint64(m.c[777]) }
}

func sortPart(p int) uint64 {
	r := random(p + 1)
	list := make([]int, 2000)
	for i := range list {
		list[i] = int(r.next() >> 40)
	}
	sort.Ints(list)
	return uint64(list[len(list)/2])
}

func parallelJSON() func() uint64 {
	encoded := encode(makeRecords())
	return parallel(func(int) uint64 { return decode(encoded) })
}
