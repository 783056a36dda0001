package main

import (
	"crypto/sha256"
	"math"
	"sort"
	"strconv"
	"strings"
	"sync"
)

// Kernels of guest bench that need more than a few lines.

type mutexed struct {
	mu  sync.Mutex
	sum uint64
}

//go:noinline
func (m *mutexed) add(i int) {
	m.mu.Lock()
	m.sum += uint64(i)
	m.mu.Unlock()
}

type body struct{ x, y, z, vx, vy, vz, mass float64 }

func benchNbody(n int) uint64 {
	bodies := []body{
		{0, 0, 0, 0, 0, 0, 39.47}, {4.84, -1.16, -0.1, 0.6, 2.81, -0.02, 0.037}, {8.34, 4.12, -0.4, -1.01, 1.81, 0.008, 0.011},
		{12.89, -15.1, -0.22, 1.08, 0.86, -0.01, 0.0017}, {15.37, -25.9, 0.179, 0.97, 0.59, -0.03, 0.002},
	}
	for ; n > 0; n-- {
		for i := range bodies {
			a := &bodies[i]
			for j := i + 1; j < len(bodies); j++ {
				b := &bodies[j]
				dx, dy, dz := a.x-b.x, a.y-b.y, a.z-b.z
				square := dx*dx + dy*dy + dz*dz
				pull := 0.001 / (square * math.Sqrt(square))
				a.vx -= dx * b.mass * pull
				a.vy -= dy * b.mass * pull
				a.vz -= dz * b.mass * pull
				b.vx += dx * a.mass * pull
				b.vy += dy * a.mass * pull
				b.vz += dz * a.mass * pull
			}
		}
		for i := range bodies {
			b := &bodies[i]
			b.x += 0.001 * b.vx
			b.y += 0.001 * b.vy
			b.z += 0.001 * b.vz
		}
	}
	return math.Float64bits(bodies[0].x)
}

func benchMandelbrot(n int) uint64 {
	inside := uint64(0)
	for py := 0; py < n; py++ {
		for px := 0; px < n; px++ {
			cr, ci := 2*float64(px)/float64(n)-1.5, 2*float64(py)/float64(n)-1
			zr, zi := 0.0, 0.0
			i := 0
			for ; i < 200 && zr*zr+zi*zi < 4; i++ {
				zr, zi = zr*zr-zi*zi+cr, 2*zr*zi+ci
			}
			inside += uint64(i)
		}
	}
	return inside
}

func benchFannkuch(n int) uint64 {
	perm, perm1, count := make([]int, n), make([]int, n), make([]int, n)
	for i := range perm1 {
		perm1[i] = i
	}
	flips, checksum, r := 0, 0, n
	for number := 0; ; number++ {
		for ; r != 1; r-- {
			count[r-1] = r
		}
		copy(perm, perm1)
		f := 0
		for k := perm[0]; k != 0; k = perm[0] {
			for i, j := 0, k; i < j; i, j = i+1, j-1 {
				perm[i], perm[j] = perm[j], perm[i]
			}
			f++
		}
		if f > flips {
			flips = f
		}
		if number&1 == 0 {
			checksum += f
		} else {
			checksum -= f
		}
		for {
			if r == n {
				return uint64(checksum)<<8 | uint64(flips)
			}
			first := perm1[0]
			copy(perm1[:r], perm1[1:r+1])
			perm1[r] = first
			count[r]--
			if count[r] > 0 {
				break
			}
			r++
		}
	}
}

type tree struct{ left, right *tree }

func bottomUp(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{bottomUp(depth - 1), bottomUp(depth - 1)}
}

func (t *tree) count() uint64 {
	if t.left == nil {
		return 1
	}
	return 1 + t.left.count() + t.right.count()
}

func benchBinaryTrees(n int) uint64 {
	long := bottomUp(n)
	sum := uint64(0)
	for depth := 4; depth <= n; depth += 4 {
		for i := 1 << uint(n-depth+4); i > 0; i-- {
			sum += bottomUp(depth).count()
		}
	}
	return sum + long.count()
}

func benchSort(n int) uint64 {
	sum := uint64(0)
	x := uint64(1)
	for ; n > 0; n-- {
		list := make([]int, 50000)
		for i := range list {
			x = x*6364136223846793005 + 1442695040888963407
			list[i] = int(x >> 33)
		}
		sort.Ints(list)
		sum += uint64(list[777])
	}
	return sum
}

func benchMap(n int) uint64 {
	m := map[int]int{}
	sum := uint64(0)
	for i := 0; i < n; i++ {
		key := i * 7919 % 100003
		m[key] += i
		sum += uint64(m[key^1])
	}
	return sum + uint64(len(m))
}

func benchStrings(n int) uint64 {
	sum := uint64(0)
	for i := 0; i < n; i++ {
		s := "item " + strconv.Itoa(i) + ",value " + strconv.Itoa(i*3)
		parts := strings.Split(s, ",")
		sum += uint64(len(strings.ToUpper(parts[1])) + strings.Index(s, "value"))
	}
	return sum
}

func benchSHA256(n int) uint64 {
	data := make([]byte, 1<<20)
	for ; n > 0; n-- {
		sum := sha256.Sum256(data)
		copy(data, sum[:])
	}
	return uint64(data[0])<<8 | uint64(data[1])
}

func benchMemmove(n int) uint64 {
	data := make([]byte, 1<<17)
	for i := range data {
		data[i] = byte(i)
	}
	for i := 0; i < n; i++ {
		copy(data[i%64:], data[1000+i%99:66000])
	}
	return uint64(data[12345])
}

type adder interface{ step(uint64) uint64 }
type plus struct{ n uint64 }
type times struct{ n uint64 }

func (p *plus) step(x uint64) uint64  { return x + p.n }
func (t *times) step(x uint64) uint64 { return x * t.n }

func benchInterface(n int) uint64 {
	steps := []adder{&plus{3}, &times{5}, &plus{7}, &times{9}}
	x := uint64(1)
	for i := 0; i < n; i++ {
		x = steps[i&3].step(x)
	}
	return x
}

func benchPanic(n int) uint64 {
	sum := uint64(0)
	for i := 0; i < n; i++ {
		func() {
			defer func() { sum += uint64(recover().(int)) }()
			panic(i)
		}()
	}
	return sum
}

func benchNilPanic(n int) uint64 {
	sum := uint64(0)
	for i := 0; i < n; i++ {
		func() {
			defer func() {
				if recover() != nil {
					sum++
				}
			}()
			intSink = int(nilLinked.value)
		}()
	}
	return sum
}
