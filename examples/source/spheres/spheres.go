// spheres ray-traces a small scene in the terminal: one goroutine per CPU renders rows, a painter prints them in order.
//
//	spheres [-width COLUMNS] [-frames N] [-plain]
//
// With colours each character cell shows two pixels; -plain (or NO_COLOR, or output that is no terminal) draws with
// letters. At the end it says how the work was shared.
package main

import (
	"flag"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"
)

type vector struct{ x, y, z float64 }

func (a vector) plus(b vector) vector           { return vector{a.x + b.x, a.y + b.y, a.z + b.z} }
func (a vector) minus(b vector) vector          { return vector{a.x - b.x, a.y - b.y, a.z - b.z} }
func (a vector) scale(f float64) vector         { return vector{a.x * f, a.y * f, a.z * f} }
func (a vector) mul(b vector) vector            { return vector{a.x * b.x, a.y * b.y, a.z * b.z} }
func (a vector) dot(b vector) float64           { return a.x*b.x + a.y*b.y + a.z*b.z }
func (a vector) unit() vector                   { return a.scale(1 / math.Sqrt(a.dot(a))) }
func (a vector) mix(b vector, f float64) vector { return a.scale(1 - f).plus(b.scale(f)) }

// solid is something a ray can hit.
type solid interface {
	// hit returns the distance along the ray, or +Inf.
	hit(origin, direction vector) float64
	surface(at vector) (normal, colour vector, mirror float64)
}

type sphere struct {
	centre vector
	radius float64
	colour vector
	mirror float64
}

func (s *sphere) hit(origin, direction vector) float64 {
	to := origin.minus(s.centre)
	b := to.dot(direction)
	root := b*b - to.dot(to) + s.radius*s.radius
	if root < 0 {
		return math.Inf(1)
	}
	root = math.Sqrt(root)
	if near := -b - root; near > 1e-4 {
		return near
	}
	if far := -b + root; far > 1e-4 {
		return far
	}
	return math.Inf(1)
}

func (s *sphere) surface(at vector) (vector, vector, float64) {
	return at.minus(s.centre).unit(), s.colour, s.mirror
}

// floor is the checkered plane y = 0.
type floor struct{}

func (floor) hit(origin, direction vector) float64 {
	if t := -origin.y / direction.y; t > 1e-4 {
		return t
	}
	return math.Inf(1)
}

func (floor) surface(at vector) (vector, vector, float64) {
	colour := vector{0.85, 0.85, 0.8}
	if (int(math.Floor(at.x))+int(math.Floor(at.z)))&1 == 0 {
		colour = vector{0.15, 0.2, 0.25}
	}
	return vector{0, 1, 0}, colour, 0.15
}

var horizon, zenith = vector{0.6, 0.72, 0.92}, vector{0.06, 0.16, 0.5}

type scene struct {
	solids []solid
	light  vector
	eye    vector
}

func newScene(turn float64) *scene {
	s := &scene{light: vector{-4, 7, -5}, eye: vector{0, 1.7, -5.2}, solids: []solid{floor{}}}
	s.solids = append(s.solids, &sphere{vector{0, 1.1, 0.6}, 1.1, vector{0.9, 0.9, 0.95}, 0.6})
	for i := 0; i < 7; i++ {
		angle := turn + 2*math.Pi*float64(i)/7
		hue := 2 * math.Pi * float64(i) / 7
		colour := vector{0.55 + 0.45*math.Cos(hue), 0.55 + 0.45*math.Cos(hue-2.1), 0.55 + 0.45*math.Cos(hue+2.1)}
		s.solids = append(s.solids, &sphere{vector{2.1 * math.Cos(angle), 0.42, 0.6 + 2.1*math.Sin(angle)}, 0.42, colour, 0.2})
	}
	return s
}

func (s *scene) nearest(origin, direction vector) (solid, float64) {
	var found solid
	distance := math.Inf(1)
	for _, candidate := range s.solids {
		if t := candidate.hit(origin, direction); t < distance {
			found, distance = candidate, t
		}
	}
	return found, distance
}

func (s *scene) trace(origin, direction vector, depth int) vector {
	found, distance := s.nearest(origin, direction)
	if found == nil {
		return horizon.mix(zenith, math.Min(1, math.Max(0, 2.2*direction.y)))
	}
	at := origin.plus(direction.scale(distance))
	normal, colour, mirror := found.surface(at)
	toLight := s.light.minus(at)
	reach := math.Sqrt(toLight.dot(toLight))
	toLight = toLight.scale(1 / reach)
	shade, shine := 0.18, 0.0
	if _, blocked := s.nearest(at.plus(normal.scale(1e-3)), toLight); blocked > reach {
		shade += 0.9 * math.Max(0, normal.dot(toLight))
		shine = math.Pow(math.Max(0, toLight.minus(direction).unit().dot(normal)), 60)
	}
	colour = colour.scale(shade)
	if depth > 0 && mirror > 0 {
		reflected := direction.minus(normal.scale(2 * direction.dot(normal)))
		colour = colour.mix(s.trace(at, reflected, depth-1), mirror)
	}
	fog := math.Min(0.85, distance*distance/700)
	return colour.plus(vector{shine, shine, shine}).mix(horizon, fog)
}

// renderRow returns the pixels of row y, each the mean of 5 x 5 rays.
func (s *scene) renderRow(y, width, height int) []vector {
	row := make([]vector, width)
	for x := range row {
		sum := vector{}
		for sample := 0; sample < 25; sample++ {
			px := (float64(x) + (float64(sample%5)+0.5)/5 - float64(width)/2) / float64(height)
			py := (float64(height)/2 - float64(y) - (float64(sample/5)+0.5)/5) / float64(height)
			sum = sum.plus(s.trace(s.eye, vector{px, py - 0.2, 1.4}.unit(), 3))
		}
		row[x] = sum.scale(1.0 / 25)
	}
	return row
}

type renderedRow struct {
	y      int
	pixels []vector
}

// render shares the rows among workers and hands the picture to paint from top to bottom.
func (s *scene) render(width, height int, shares []int, paint func(y int, row []vector)) {
	rows, done := make(chan int), make(chan renderedRow, len(shares))
	var workers sync.WaitGroup
	for w := range shares {
		workers.Add(1)
		go func(w int) {
			defer workers.Done()
			for y := range rows {
				done <- renderedRow{y, s.renderRow(y, width, height)}
				shares[w]++
			}
		}(w)
	}
	go func() {
		for y := 0; y < height; y++ {
			rows <- y
		}
		close(rows)
		workers.Wait()
		close(done)
	}()
	waiting := map[int][]vector{}
	next := 0
	for row := range done {
		waiting[row.y] = row.pixels
		for waiting[next] != nil {
			paint(next, waiting[next])
			delete(waiting, next)
			next++
		}
	}
}

func level(f float64) int { return int(255 * math.Sqrt(math.Min(1, math.Max(0, f)))) }

// colourLine shows two rows of pixels in one line of half blocks.
func colourLine(upper, lower []vector) string {
	var line strings.Builder
	for x := range upper {
		u, l := upper[x], lower[x]
		fmt.Fprintf(&line, "\x1b[38;2;%d;%d;%d;48;2;%d;%d;%dm▀", level(u.x), level(u.y), level(u.z), level(l.x), level(l.y), level(l.z))
	}
	line.WriteString("\x1b[0m\n")
	return line.String()
}

func plainLine(upper, lower []vector) string {
	const ramp = " .,:;i1tfLCG08@"
	line := make([]byte, len(upper))
	for x := range upper {
		grey := upper[x].plus(lower[x]).dot(vector{0.3, 0.59, 0.11}) / 2
		line[x] = ramp[level(grey)*(len(ramp)-1)/255]
	}
	return string(line) + "\n"
}

func main() {
	width := flag.Int("width", 78, "picture width in columns")
	frames := flag.Int("frames", 1, "number of pictures; the ring of spheres turns")
	plain := flag.Bool("plain", false, "letters instead of colours")
	flag.Parse()
	if info, err := os.Stdout.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 || os.Getenv("NO_COLOR") != "" {
		*plain = true
	}
	if *width < 8 || *width > 400 || *frames < 1 {
		fmt.Fprintln(os.Stderr, "spheres: -width takes 8 to 400, -frames at least 1")
		os.Exit(2)
	}
	height := *width * 9 / 16 &^ 1
	shares := make([]int, runtime.GOMAXPROCS(0))
	start := time.Now()
	for frame := 0; frame < *frames; frame++ {
		if frame > 0 && !*plain {
			fmt.Printf("\x1b[%dA", height/2)
		}
		var upper []vector
		newScene(0.35+0.12*float64(frame)).render(*width, height, shares, func(y int, row []vector) {
			if y%2 == 0 {
				upper = row
			} else if *plain {
				fmt.Print(plainLine(upper, row))
			} else {
				fmt.Print(colourLine(upper, row))
			}
		})
	}
	elapsed := time.Since(start)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	rays := *width * height * 25 * *frames
	fmt.Printf("%s on %s/%s: %d x %d pixels, %d rays from the eye, %d collections, %v\n", runtime.Version(), runtime.GOOS, runtime.GOARCH,
		*width, height, rays, memory.NumGC, elapsed.Round(time.Millisecond))
	fmt.Printf("rows rendered by each of %d goroutines: %v\n", len(shares), shares)
}
