package main

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
)

func init() {
	register("integers", guestIntegers)
	register("floats", guestFloats)
	register("float-text", guestFloatText)
	register("nan-bits", guestNaNBits)
	register("big-function", func(args []string) { fmt.Printf("%016x\n", bigFunction(1, 2, 3, 4)) })
}

// table collects the results of one operation over all pairs of operands; each section is printed as its
// size, a hash and three samples. `integers NAME` and `floats NAME` print every result of that section instead.
type table struct {
	only   string
	name   string
	buffer []byte
	cells  struct {
		int8    [4]int8
		int16   [4]int16
		int32   [4]int32
		int64   [4]int64
		uint8   [4]uint8
		uint16  [4]uint16
		uint32  [4]uint32
		uint64  [4]uint64
		float32 [4]float32
		float64 [4]float64
	}
}

func newTable(args []string) *table {
	t := &table{buffer: make([]byte, 0, 1<<20)}
	if len(args) > 0 {
		t.only = args[0]
	}
	return t
}

func (t *table) begin(name string) bool {
	t.name = name
	t.buffer = t.buffer[:0]
	return t.only == "" || t.only == name
}

func (t *table) put(value uint64) {
	n := len(t.buffer)
	t.buffer = append(t.buffer, 0, 0, 0, 0, 0, 0, 0, 0)
	binary.LittleEndian.PutUint64(t.buffer[n:], value)
}

// f64 records a float; every NaN counts as the same (guest nan-bits looks at their bits).
func (t *table) f64(value float64) {
	if value != value {
		value = math.NaN()
	}
	t.put(math.Float64bits(value))
}

func (t *table) f32(value float32) {
	if value != value {
		t.put(0x7fc00000)
		return
	}
	t.put(uint64(math.Float32bits(value)))
}

func (t *table) at(i int) uint64 { return binary.LittleEndian.Uint64(t.buffer[i*8:]) }

func (t *table) end() {
	count := len(t.buffer) / 8
	if t.only != "" {
		for i := 0; i < count; i++ {
			fmt.Printf("%d %016x\n", i, t.at(i))
		}
		return
	}
	hash := sha256.Sum256(t.buffer)
	fmt.Printf("%s %d %x %x %x %x\n", t.name, count, hash[:6], t.at(count/3), t.at(count/2), t.at(count-1))
}

// bigFunction is generated assembly: one function of more than 150,000 instructions.
func bigFunction(a, b, c, d uint64) uint64

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func guestIntegers(args []string) { integerSections(newTable(args)) }

func guestFloats(args []string) { floatSections(newTable(args)) }

var float64Values = []float64{
	0, math.Copysign(0, -1), 1, -1, 2, 0.5, -0.5, 1.5, -1.5, 2.5, 3.5, 0.1, 1.0 / 3, math.Pi, -math.E, 10, 100, 1e10, 1e-10, 1e100, -1e300, 1.7e308,
	math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, 2.2250738585072009e-308, 2.2250738585072014e-308, 1e-310, math.MaxFloat64, -math.MaxFloat64,
	math.Inf(1), math.Inf(-1), math.NaN(), 127, 127.5, 128, -128, -128.5, -129, 255, 255.99, 256, 32767.5, 32768, -32769, 65535.5, 65536,
	1<<23 + 0.5, 1 << 24, 1<<24 + 1, 1<<31 - 1, 1<<31 - 0.5, 1 << 31, 1<<31 + 0.5, -(1 << 31), -(1 << 31) - 0.5, -(1 << 31) - 1, 1<<32 - 1, 1<<32 - 0.5, 1 << 32, 1<<32 + 1,
	1 << 52, 1<<52 + 0.5, 1<<53 - 1, 1 << 53, 1<<53 + 2, 1<<62 + 1024, 1<<63 - 1024, 1 << 63, 1<<63 + 2048, -(1 << 63), -(1 << 63) - 2048, 1<<64 - 2048, 1 << 64, 1 << 65,
	3.4028234663852886e38, 3.4028235677973366e38, 1.1754943508222875e-38, 1.401298464324817e-45, 7e-46, 0.49999999999999994, 4503599627370495.5, 709.78, -745.13, 1e22,
}

var float32Values = []float32{
	0, float32(math.Copysign(0, -1)), 1, -1, 2, 0.5, -0.5, 1.5, -2.5, 0.1, 1.0 / 3, math.Pi, 100, 1e10, 1e-10, 1e38, -3e38,
	math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, 1.1754942e-38, 1.17549435e-38, 1e-40, math.MaxFloat32, -math.MaxFloat32,
	float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 127.5, 128, -128.5, -129, 255.5, 256, 32768, -32769, 65536,
	1<<23 + 1, 1<<23 + 0.5, 1 << 24, 1<<31 - 128, 1 << 31, -(1 << 31), -(1 << 31) - 256, 1<<32 - 256, 1 << 32, 1<<63 - 1<<39, 1 << 63, -(1 << 63), 1<<64 - 1<<40, 1 << 64,
}

// guestFloatText formats and parses; the values are those of the tables and random ones.
func guestFloatText(args []string) {
	values := append([]float64(nil), float64Values...)
	state := uint64(88172645463325252)
	for i := 0; i < 3000; i++ {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		values = append(values, math.Float64frombits(state))
	}
	var text strings.Builder
	wrong := 0
	for _, v := range values {
		shortest := strconv.FormatFloat(v, 'g', -1, 64)
		back, err := strconv.ParseFloat(shortest, 64)
		if err != nil || math.Float64bits(back) != math.Float64bits(v) && v == v {
			wrong++
		}
		fmt.Fprintln(&text, shortest, strconv.FormatFloat(v, 'e', 17, 64), strconv.FormatFloat(v, 'g', -1, 32), strconv.FormatFloat(v, 'x', -1, 64))
		if v > -1e20 && v < 1e20 {
			fmt.Fprintf(&text, "%.3f %8.2f %+v\n", v, v, complex(v, -v))
		}
	}
	fmt.Fprintf(os.Stdout, "%d values, %d bytes, %d wrong, %x\n", len(values), text.Len(), wrong, sha256.Sum256([]byte(text.String())))
	for _, s := range []string{"1e400", "-1e400", "1e-400", "0x1p-1074", "0x1.fffffffffffff8p0", "123456789012345678901234567890", "9007199254740993", "4.9e-324", "nan", "-Inf", "1_000", "1..2", ""} {
		v, err := strconv.ParseFloat(s, 64)
		fmt.Println(s, math.Float64bits(v), err)
	}
}

//go:noinline
func addFloats(a, b float64) float64 { return a + b }

//go:noinline
func divideFloats(a, b float64) float64 { return a / b }

//go:noinline
func addFloat32s(a, b float32) float32 { return a + b }

// guestNaNBits prints the bits of the NaNs that operations give: x86 keeps an operand's payload, quietened, and
// makes its default NaN negative.
func guestNaNBits(args []string) {
	payload := math.Float64frombits(0x7ff8000000000123)
	signalling := math.Float64frombits(0x7ff0000000000456)
	negative := math.Float64frombits(0xfff8000000000789)
	for _, nan := range []float64{payload, signalling, negative} {
		fmt.Printf("%016x %016x %016x %08x %016x\n", math.Float64bits(addFloats(nan, 1)), math.Float64bits(addFloats(1, nan)),
			math.Float64bits(-nan), math.Float32bits(float32(nan)), math.Float64bits(math.Sqrt(nan)))
	}
	fmt.Printf("%016x %016x %016x\n", math.Float64bits(divideFloats(0, 0)), math.Float64bits(addFloats(math.Inf(1), math.Inf(-1))), math.Float64bits(math.Sqrt(-float64Values[2])))
	small := math.Float32frombits(0x7fa00001)
	fmt.Printf("%08x %08x %016x\n", math.Float32bits(small), math.Float32bits(addFloat32s(small, 1)), math.Float64bits(float64(small)))
	copied := []float64{signalling}
	copied = append(copied, copied...)
	fmt.Printf("%016x\n", math.Float64bits(copied[1]))
}
