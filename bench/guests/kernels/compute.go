package main

import (
	"math"
	"math/big"
	"sort"
)

// Kernels of plain computation; an operation is what their comment says.

func init() {
	register(
		kernel{name: "fib", operations: 2*832040 - 1, run: func() uint64 { return uint64(fib(29)) }}, // one call
		kernel{name: "calls", operations: 3 * 100000, run: calls},                                    // one indirect call
		kernel{name: "sieve", operations: 1, run: prepared(sieve)},                                   // the primes below 2^18
		kernel{name: "matmul", operations: 1, run: prepared(matmul)},                                 // one product
		kernel{name: "nbody", operations: 10000, run: nbody},                                         // one step
		kernel{name: "spectral-norm", operations: 1, run: spectralNorm},
		kernel{name: "fannkuch", operations: 1, run: fannkuch},
		kernel{name: "mandelbrot", operations: 1, run: func() uint64 { return mandelbrotRows(0, mandelbrotSize) }},
		kernel{name: "sort", operations: 1, run: prepared(sorted)}, // 20,000 numbers
		kernel{name: "pidigits", operations: 1, run: piDigits},
		kernel{name: "math-sqrt", operations: 100000, run: mathSqrt},
		kernel{name: "math-sin", operations: 20000, run: mathOf(math.Sin)},
		kernel{name: "math-exp", operations: 20000, run: mathOf(math.Exp)},
	)
}

//go:noinline
func fib(n int) int {
	if n < 2 {
		return n
	}
	return fib(n-1) + fib(n-2)
}

type shape interface{ area(x uint64) uint64 }
type square uint64
type circle uint64

//go:noinline
func (s square) area(x uint64) uint64 { return x + uint64(s)*uint64(s) }

//go:noinline
func (c circle) area(x uint64) uint64 { return x ^ uint64(c) }

// calls through an interface, a closure and a method value.
func calls() uint64 {
	shapes := [2]shape{square(3), circle(5)}
	sum, offset := uint64(0), uint64(7)
	closures := [2]func(uint64) uint64{
		func(x uint64) uint64 { return x + offset },
		func(x uint64) uint64 { return x*3 - offset },
	}
	methods := [2]func(uint64) uint64{shapes[0].area, shapes[1].area}
	for i := 0; i < 100000; i++ {
		sum = shapes[i&1].area(sum)
		sum = closures[i&1](sum)
		sum = methods[i&1](sum)
	}
	return sum
}

func sieve() func() uint64 {
	composite := make([]bool, 1<<18)
	return func() uint64 {
		for i := range composite {
			composite[i] = false
		}
		count := uint64(0)
		for i := 2; i < len(composite); i++ {
			if composite[i] {
				continue
			}
			count++
			for j := i * 2; j < len(composite); j += i {
				composite[j] = true
			}
		}
		return count
	}
}

type matrices struct {
	size    int
	a, b, c []float64
}

func newMatrices(size int) *matrices {
	m := &matrices{size, make([]float64, size*size), make([]float64, size*size), make([]float64, size*size)}
	for i := range m.a {
		m.a[i], m.b[i] = float64(i%7), float64(i%5)
	}
	return m
}

func (m *matrices) multiplyRows(from, to int) {
	size, a, b, c := m.size, m.a, m.b, m.c
	for i := from; i < to; i++ {
		for j := 0; j < size; j++ {
			sum := 0.0
			for k := 0; k < size; k++ {
				sum += a[i*size+k] * b[k*size+j]
			}
			c[i*size+j] = sum
		}
	}
}

func matmul() func() uint64 {
	m := newMatrices(120)
	return func() uint64 {
		m.multiplyRows(0, m.size)
		return uint64(m.c[777])
	}
}

type body struct{ x, y, z, vx, vy, vz, mass float64 }

const solarMass, daysPerYear = 4 * math.Pi * math.Pi, 365.24

func solarSystem() []body {
	return []body{
		{0, 0, 0, 0, 0, 0, solarMass},
		{4.84143144246472090e+00, -1.16032004402742839e+00, -1.03622044471123109e-01, 1.66007664274403694e-03 * daysPerYear, 7.69901118419740425e-03 * daysPerYear, -6.90460016972063023e-05 * daysPerYear, 9.54791938424326609e-04 * solarMass},
		{8.34336671824457987e+00, 4.12479856412430479e+00, -4.03523417114321381e-01, -2.76742510726411899e-03 * daysPerYear, 4.99852801234917238e-03 * daysPerYear, 2.30417297573763929e-05 * daysPerYear, 2.85885980666130812e-04 * solarMass},
		{1.28943695621391310e+01, -1.51111514016986312e+01, -2.23307578892655734e-01, 2.96460137564761618e-03 * daysPerYear, 2.37847173959480950e-03 * daysPerYear, -2.96589568540237556e-05 * daysPerYear, 4.36624404335156298e-05 * solarMass},
		{1.53796971148509165e+01, -2.59193146099879641e+01, 1.79258772950371181e-01, 2.68067772490389322e-03 * daysPerYear, 1.62824170038242295e-03 * daysPerYear, -9.51592254519715870e-05 * daysPerYear, 5.15138902046611451e-05 * solarMass},
	}
}

func nbody() uint64 {
	bodies := solarSystem()
	const dt = 0.001
	for step := 0; step < 10000; step++ {
		for i := range bodies {
			a := &bodies[i]
			for j := i + 1; j < len(bodies); j++ {
				b := &bodies[j]
				dx, dy, dz := a.x-b.x, a.y-b.y, a.z-b.z
				squared := dx*dx + dy*dy + dz*dz
				magnitude := dt / (squared * math.Sqrt(squared))
				a.vx -= dx * b.mass * magnitude
				a.vy -= dy * b.mass * magnitude
				a.vz -= dz * b.mass * magnitude
				b.vx += dx * a.mass * magnitude
				b.vy += dy * a.mass * magnitude
				b.vz += dz * a.mass * magnitude
			}
		}
		for i := range bodies {
			a := &bodies[i]
			a.x += dt * a.vx
			a.y += dt * a.vy
			a.z += dt * a.vz
		}
	}
	return math.Float64bits(bodies[0].x)
}

func spectralNorm() uint64 {
	const n = 100
	u, v, t := make([]float64, n), make([]float64, n), make([]float64, n)
	for i := range u {
		u[i] = 1
	}
	at := func(i, j int) float64 { return 1 / float64((i+j)*(i+j+1)/2+i+1) }
	multiply := func(from, to []float64, transposed bool) {
		for i := range to {
			sum := 0.0
			for j := range from {
				if transposed {
					sum += at(j, i) * from[j]
				} else {
					sum += at(i, j) * from[j]
				}
			}
			to[i] = sum
		}
	}
	for i := 0; i < 10; i++ {
		multiply(u, t, false)
		multiply(t, v, true)
		multiply(v, t, false)
		multiply(t, u, true)
	}
	above, below := 0.0, 0.0
	for i := range u {
		above += u[i] * v[i]
		below += v[i] * v[i]
	}
	return uint64(math.Sqrt(above/below) * 1e9)
}

func fannkuch() uint64 {
	const n = 8
	var permutation, first, count [n]int
	for i := range first {
		first[i] = i
	}
	flipsMost, checksum, r, even := 0, 0, n, true
	for {
		for ; r != 1; r-- {
			count[r-1] = r
		}
		permutation = first
		flips := 0
		for k := permutation[0]; k != 0; k = permutation[0] {
			for i, j := 0, k; i < j; i, j = i+1, j-1 {
				permutation[i], permutation[j] = permutation[j], permutation[i]
			}
			flips++
		}
		if flips > flipsMost {
			flipsMost = flips
		}
		if even {
			checksum += flips
		} else {
			checksum -= flips
		}
		even = !even
		for ; ; r++ {
			if r == n {
				return uint64(checksum)<<8 | uint64(flipsMost)
			}
			moved := first[0]
			copy(first[:r], first[1:r+1])
			first[r] = moved
			count[r]--
			if count[r] > 0 {
				break
			}
		}
	}
}

const mandelbrotSize = 64

func mandelbrotRows(from, to int) uint64 {
	inside := uint64(0)
	for y := from; y < to; y++ {
		for x := 0; x < mandelbrotSize; x++ {
			cr, ci := 2*float64(x)/mandelbrotSize-1.5, 2*float64(y)/mandelbrotSize-1
			zr, zi, i := 0.0, 0.0, 0
			for ; i < 100 && zr*zr+zi*zi <= 4; i++ {
				zr, zi = zr*zr-zi*zi+cr, 2*zr*zi+ci
			}
			inside += uint64(i)
		}
	}
	return inside
}

func sorted() func() uint64 {
	r := random(1)
	numbers := make([]int, 20000)
	for i := range numbers {
		numbers[i] = int(r.next() >> 20)
	}
	list := make([]int, len(numbers))
	return func() uint64 {
		copy(list, numbers)
		sort.Ints(list)
		return uint64(list[len(list)/2])
	}
}

// piDigits is the spigot of Gibbons with big integers: 150 digits.
func piDigits() uint64 {
	var numerator, accumulator, denominator, scratch, scratch2 big.Int
	numerator.SetInt64(1)
	denominator.SetInt64(1)
	digit := func(times int64) int64 {
		scratch.Mul(&numerator, scratch2.SetInt64(times))
		scratch.Add(&scratch, &accumulator)
		scratch.Div(&scratch, &denominator)
		return scratch.Int64()
	}
	hash := uint64(0)
	for digits, k := 0, int64(1); digits < 150; k++ {
		y := k*2 + 1
		scratch.Lsh(&numerator, 1)
		accumulator.Add(&accumulator, &scratch)
		accumulator.Mul(&accumulator, scratch2.SetInt64(y))
		numerator.Mul(&numerator, scratch2.SetInt64(k))
		denominator.Mul(&denominator, scratch2.SetInt64(y))
		if numerator.Cmp(&accumulator) > 0 {
			continue
		}
		d := digit(3)
		if d != digit(4) {
			continue
		}
		hash = hash*31 + uint64(d)
		scratch.Mul(&denominator, scratch2.SetInt64(d))
		accumulator.Sub(&accumulator, &scratch)
		accumulator.Mul(&accumulator, scratch2.SetInt64(10))
		numerator.Mul(&numerator, &scratch2)
		digits++
	}
	return hash
}

func mathSqrt() uint64 {
	x := 2.0
	for i := 0; i < 100000; i++ {
		x = math.Sqrt(x) + float64(i&7)
	}
	return uint64(x * 1e6)
}

// mathOf: the last bits of a result depend on the processor, so only some digits count.
func mathOf(f func(float64) float64) func() uint64 {
	return func() uint64 {
		sum := 0.0
		for i := 0; i < 20000; i++ {
			sum += f(float64(i) / 4000)
		}
		return uint64(math.Abs(sum) * 1e3)
	}
}
