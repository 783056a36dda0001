package main

import (
	"runtime"
	"time"
)

// Kernels of memory; an operation is one allocation, copy, clearing or collection, as named.

func init() {
	register(
		kernel{name: "binary-trees", operations: 1, run: func() uint64 { return tree(13).count() }},
		kernel{name: "alloc-16B", operations: 20000, run: allocate(16, 20000)},
		kernel{name: "alloc-128B", operations: 20000, run: allocate(128, 20000)},
		kernel{name: "alloc-1KiB", operations: 4000, run: allocate(1<<10, 4000)},
		kernel{name: "alloc-64KiB", operations: 200, run: allocate(64<<10, 200)},
		kernel{name: "alloc-pointers", operations: 20000, run: allocatePointers},
		kernel{name: "gc-pause", operations: 1, run: prepared(collect), took: pause},
		kernel{name: "gc-throughput", operations: 1, run: prepared(collect)},
		kernel{name: "memmove-64B", operations: 100000, run: move(64, 100000)},
		kernel{name: "memmove-4KiB", operations: 10000, run: move(4<<10, 10000)},
		kernel{name: "memmove-1MiB", operations: 40, run: move(1<<20, 40)},
		kernel{name: "memclr-64B", operations: 100000, run: clear(64, 100000)},
		kernel{name: "memclr-4KiB", operations: 10000, run: clear(4<<10, 10000)},
		kernel{name: "memclr-1MiB", operations: 40, run: clear(1<<20, 40)},
		kernel{name: "stack-growth", operations: 20, run: growStacks},
	)
}

type node struct{ left, right *node }

func tree(depth int) *node {
	if depth == 0 {
		return &node{}
	}
	return &node{tree(depth - 1), tree(depth - 1)}
}

func (n *node) count() uint64 {
	if n.left == nil {
		return 1
	}
	return 1 + n.left.count() + n.right.count()
}

var sink []byte

func allocate(size, times int) func() uint64 {
	return func() uint64 {
		for i := 0; i < times; i++ {
			sink = make([]byte, size)
		}
		return uint64(len(sink))
	}
}

func allocatePointers() uint64 {
	var list *node
	for i := 0; i < 20000; i++ {
		list = &node{left: list}
		if i%100 == 0 {
			list = nil
		}
	}
	return 1
}

// collect collects a heap with a tree of some megabytes in it.
func collect() func() uint64 {
	live := tree(16)
	return func() uint64 {
		runtime.GC()
		runtime.KeepAlive(live)
		return 1
	}
}

// pause: the time that the last collection stopped the world.
func pause() time.Duration {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return time.Duration(stats.PauseNs[(stats.NumGC+255)%256])
}

func move(size, times int) func() uint64 {
	from, to := make([]byte, size), make([]byte, size)
	for i := range from {
		from[i] = byte(i%251 + 1)
	}
	return func() uint64 {
		for i := 0; i < times; i++ {
			copy(to, from)
			from, to = to, from
		}
		return uint64(from[size/2]) + uint64(to[size-1])
	}
}

func clear(size, times int) func() uint64 {
	block := make([]byte, size)
	return func() uint64 {
		for i := 0; i < times; i++ {
			block[i%size] = 1
			for j := range block {
				block[j] = 0
			}
		}
		return uint64(block[size/2])
	}
}

// growStacks grows a new goroutine's stack to 64 KiB and more, 20 times.
func growStacks() uint64 {
	c := make(chan uint64)
	sum := uint64(0)
	for i := 0; i < 20; i++ {
		go func() { c <- deep(500) }()
		sum += <-c
	}
	return sum
}

//go:noinline
func deep(n int) uint64 {
	var frame [16]uint64
	frame[n&15] = uint64(n)
	if n == 0 {
		return 0
	}
	return deep(n-1) + frame[n&15]
}
