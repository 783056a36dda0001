// generate writes the Go sources of the operation tables and of one very large function into a directory.
// build.sh runs it; its output is not kept in the repository.
package main

import (
	"bytes"
	"fmt"
	"go/format"
	"io/ioutil"
	"os"
	"path/filepath"
	"strings"
)

type integer struct {
	name   string
	width  int
	signed bool
}

var integers = []integer{
	{"int8", 8, true}, {"int16", 16, true}, {"int32", 32, true}, {"int64", 64, true},
	{"uint8", 8, false}, {"uint16", 16, false}, {"uint32", 32, false}, {"uint64", 64, false},
}

var out bytes.Buffer

func p(format string, args ...interface{}) { fmt.Fprintf(&out, format+"\n", args...) }

func main() {
	dir := os.Args[1]
	p("package main\n\nimport (\n\"math\"\n\"math/bits\"\n)\n")
	for _, t := range integers {
		integerTable(t)
	}
	p("func integerSections(t *table) {")
	for _, t := range integers {
		p("%sSections(t)", t.name)
	}
	p("}")
	for _, name := range []string{"float32", "float64"} {
		floatTable(name)
	}
	p("func floatSections(t *table) {\nfloat32Sections(t)\nfloat64Sections(t)\n}")
	source, err := format.Source(out.Bytes())
	if err != nil {
		fail(err)
	}
	write(dir, "operations_generated.go", source)
	out.Reset()
	bigFunction()
	write(dir, "big_generated_amd64.s", out.Bytes())
}

func write(dir, name string, source []byte) {
	if err := ioutil.WriteFile(filepath.Join(dir, name), source, 0o644); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// section emits one function that fills one table section.
type section struct{ functions []string }

func (s *section) unary(t, name, guard, result string) { s.emit(t, name, guard, result, false) }

func (s *section) binary(t, name, guard, result string) { s.emit(t, name, guard, result, true) }

func (s *section) emit(t, name, guard, result string, binary bool) {
	function := fmt.Sprintf("%s_%d", t, len(s.functions))
	s.functions = append(s.functions, function)
	p("func %s(t *table) {\nif !t.begin(%q) {\nreturn\n}\nfor _, a := range %sValues {", function, t+"."+name, t)
	if binary {
		p("for _, b := range %sValues {", t)
	}
	if guard != "" {
		p("if %s {\ncontinue\n}", guard)
	}
	for _, line := range strings.Split(result, "\n") {
		if strings.HasPrefix(line, "=") {
			p("t.put(uint64(%s))", line[1:])
		} else if strings.HasPrefix(line, "?") {
			p("t.put(truth(%s))", line[1:])
		} else {
			p("%s", line)
		}
	}
	if binary {
		p("}")
	}
	p("}\nt.end()\n}")
}

func (s *section) finish(t string) {
	p("func %sSections(t *table) {", t)
	for _, function := range s.functions {
		p("%s(t)", function)
	}
	p("}")
}

func integerTable(t integer) {
	s := &section{}
	n, w := t.name, t.width
	max := fmt.Sprint(uint64(1)<<uint(w) - 1)
	if w == 64 {
		max = "18446744073709551615"
	}
	// Values: powers of two and their neighbours, patterns, small numbers; for 8 bits more of them.
	p("var %sValues = []%s{", n, n)
	step := 1
	if w == 64 {
		step = 3
	} else if w == 32 {
		step = 2
	}
	seen := map[uint64]bool{}
	mask := uint64(1)<<uint(w) - 1
	if w == 64 {
		mask = ^uint64(0)
	}
	value := func(v uint64) {
		v &= mask
		if seen[v] {
			return
		}
		seen[v] = true
		if t.signed && v>>uint(w-1) == 1 {
			p("%d,", int64(v|^mask))
		} else {
			p("%d,", v)
		}
	}
	for i := uint64(0); i < 12; i++ {
		value(i)
		value(-i)
	}
	for bit := 3; bit < w; bit += step {
		value(1 << uint(bit))
		value(1<<uint(bit) - 1)
		value(-(1 << uint(bit)))
	}
	for _, v := range []uint64{1 << 31, 1<<31 - 1, 1 << 32, 1 << 63, 1<<63 - 1, 100, 1000, 0x5555555555555555, 0xaaaaaaaaaaaaaaaa, 0x0123456789abcdef, 0xfedcba9876543210, 0xdeadbeefcafebabe} {
		value(v)
	}
	p("}")
	_ = max

	for _, op := range []struct{ name, op string }{{"add", "+"}, {"sub", "-"}, {"mul", "*"}, {"and", "&"}, {"or", "|"}, {"xor", "^"}, {"andnot", "&^"}} {
		s.binary(n, op.name, "", "=a "+op.op+" b")
	}
	s.binary(n, "div", "b == 0", "=a / b")
	s.binary(n, "mod", "b == 0", "=a % b")
	s.binary(n, "divmod", "b == 0", "q, r := a / b, a % b\n=q\n=r")
	for _, count := range []string{"uint8", "uint16", "uint32", "uint64"} {
		s.binary(n, "shl."+count, "", "=a << "+count+"(b)")
		s.binary(n, "shr."+count, "", "=a >> "+count+"(b)")
	}
	m := w - 1
	s.binary(n, "shl.masked", "", fmt.Sprintf("=a << (uint(b) & %d)", m))
	s.binary(n, "shr.masked", "", fmt.Sprintf("=a >> (uint(b) & %d)", m))
	s.binary(n, "shift.double", "", fmt.Sprintf("c := uint(b) & %d\n=u%s(a) << c | u%s(a) >> (%d - c)", m, strings.TrimPrefix(n, "u"), strings.TrimPrefix(n, "u"), w))
	var constants []string
	for _, c := range []int{1, 2, 3, 7, 8, 15, 16, 31, 33, 63} {
		if c < w {
			constants = append(constants, fmt.Sprintf("=a << %d\n=a >> %d", c, c))
		}
	}
	s.unary(n, "shift.constant", "", strings.Join(constants, "\n"))
	s.unary(n, "neg.not", "", "=-a\n=^a\n=-a - 1\n=^a + 1")

	comparisons := []string{"<", "<=", "==", "!=", ">", ">="}
	var set, branch, constant []string
	for i, op := range comparisons {
		set = append(set, "?a "+op+" b")
		branch = append(branch, fmt.Sprintf("if a %s b {\nr |= %d\n}", op, 1<<uint(i)))
		constant = append(constant, "?a "+op+" 0", "?a "+op+" 100", "?a+b "+op+" 0", "?a&b "+op+" 0")
		if t.signed {
			constant = append(constant, "?a "+op+" -1", "?a-b "+op+" 0")
		}
	}
	s.binary(n, "compare.set", "", strings.Join(set, "\n"))
	s.binary(n, "compare.branch", "", "r := 0\n"+strings.Join(branch, "\n")+"\n=r")
	s.binary(n, "compare.constant", "", strings.Join(constant, "\n"))
	s.binary(n, "compare.select", "", "x, y := a, b\nif a < b {\nx = b\n}\nif b > a {\ny = a\n}\n=x\n=y")
	s.binary(n, "compare.memory", "", "t.cells."+n+"[1] = a\n?t.cells."+n+"[1] < b\n?t.cells."+n+"[1] == 7\n?b > t.cells."+n+"[1]")
	s.binary(n, "carry", "", "?a+b < a\n?a-b > a\nx := a + b\n?(a^x)&(b^x) < 0")

	var conversions []string
	for _, to := range integers {
		conversions = append(conversions, "="+to.name+"(a)", "="+to.name+"(a+1)")
	}
	conversions = append(conversions, "=math.Float64bits(float64(a))", "=math.Float32bits(float32(a))", "=math.Float64bits(float64(a-3))")
	s.unary(n, "convert", "", strings.Join(conversions, "\n"))

	var products, quotients []string
	for _, c := range []int{2, 3, 5, 7, 9, 10, 11, 13, 21, 25, 27, 37, 45, 64, 81, 100, 127, 1000, 4096, 65537, 1000003, -1, -3, -8, -10, -100} {
		if c < 0 && !t.signed || c > 0 && w < 64 && uint64(c) >= uint64(1)<<uint(w-1) || c < 0 && w == 8 && c < -128 {
			continue
		}
		products = append(products, fmt.Sprintf("=a * %d", c))
		quotients = append(quotients, fmt.Sprintf("=a / %d", c), fmt.Sprintf("=a %% %d", c), fmt.Sprintf("?a %% %d == 0", c))
	}
	s.unary(n, "multiply.constant", "", strings.Join(products, "\n"))
	s.unary(n, "divide.constant", "", strings.Join(quotients, "\n"))
	s.binary(n, "address", "", "=a + b*2 + 3\n=a + b*4\n=a + b*8 - 100\n=a*3 + b\n=a + b + 127\n=a*5 - b*9")
	cells := "t.cells." + n
	s.binary(n, "memory", "", "i := uint(b) & 3\n"+
		cells+"[i] += a\n="+cells+"[i]\n"+cells+"[i] -= b\n"+cells+"[2] &= a | 64\n"+cells+"[i] |= b & 15\n"+cells+"[3] ^= a\n"+
		"="+cells+"[i]\n"+cells+"[i]++\n"+cells+"[1]--\n"+cells+"[0] *= 3\n"+cells+"[i] <<= 1\n"+cells+"[i] += 100\n="+cells+"[0]\n="+cells+"[1] + "+cells+"[2] ^ "+cells+"[3]")
	s.binary(n, "bit", "", fmt.Sprintf("c := uint(b) & %d\n?a&(1<<c) != 0\n?a>>c&1 == 0\n=a | 1<<c\n=a &^ (1 << c)\n=a ^ 1<<c", m))
	s.unary(n, "bit.constant", "", fmt.Sprintf("?a&(1<<%d) != 0\n=a | 1<<%d\n=a &^ (1 << %d)\n=a ^ 1<<%d\n=a & (a - 1)\n=a & -a", w-2, w-2, w-2, w-2))
	if !t.signed {
		width := fmt.Sprint(w)
		if w == 8 {
			s.binary(n, "rotate", "", "=bits.RotateLeft8(a, int(b))\n=bits.RotateLeft8(a, -int(b))\n=bits.RotateLeft8(a, 3)")
		} else {
			s.binary(n, "rotate", "", fmt.Sprintf("=bits.RotateLeft%s(a, int(b))\n=bits.RotateLeft%s(a, -int(b))\n=bits.RotateLeft%s(a, %d)", width, width, width, w-5))
			s.unary(n, "reversebytes", "", "=bits.ReverseBytes"+width+"(a)")
		}
		s.unary(n, "bits", "", fmt.Sprintf("=bits.LeadingZeros%s(a)\n=bits.TrailingZeros%s(a)\n=bits.OnesCount%s(a)\n=bits.Reverse%s(a)\n=bits.Len%s(a)", width, width, width, width, width))
		if w >= 32 {
			s.binary(n, "wide", "", fmt.Sprintf("x, c := bits.Add%s(a, b, %s(b&1))\n=x\n=c\ny, d := bits.Sub%s(a, b, %s(a&1))\n=y\n=d\nhi, lo := bits.Mul%s(a, b)\n=hi\n=lo", width, n, width, n, width))
			s.binary(n, "wide.div", "b == 0", fmt.Sprintf("q, r := bits.Div%s(a%%b, a^b, b)\n=q\n=r\n=bits.Rem%s(a, b^a, b)", width, width))
			s.binary(n, "wide.chain", "", fmt.Sprintf("x, c := bits.Add%s(a, b, 0)\ny, c := bits.Add%s(b, a^b, c)\nz, c := bits.Add%s(a, a, c)\n=x ^ y ^ z\n=c\nx, c = bits.Sub%s(a, b, 0)\ny, c = bits.Sub%s(b, a^b, c)\n=x ^ y + c", width, width, width, width, width))
		}
	} else if w == 64 {
		s.binary(n, "wide.signed", "", "hi, lo := bits.Mul64(uint64(a), uint64(b))\nif a < 0 {\nhi -= uint64(b)\n}\nif b < 0 {\nhi -= uint64(a)\n}\n=hi\n=lo")
	}
	s.finish(n)
}

func floatTable(n string) {
	s := &section{}
	bitsOf := "t.f64"
	if n == "float32" {
		bitsOf = "t.f32"
	}
	b := func(e string) string { return bitsOf + "(" + e + ")" }
	for _, op := range []struct{ name, op string }{{"add", "+"}, {"sub", "-"}, {"mul", "*"}, {"div", "/"}} {
		s.binary(n, op.name, "", b("a "+op.op+" b"))
	}
	var set, branch []string
	for i, op := range []string{"<", "<=", "==", "!=", ">", ">="} {
		set = append(set, "?a "+op+" b", "?!(a "+op+" b)")
		branch = append(branch, fmt.Sprintf("if a %s b {\nr |= %d\n}", op, 1<<uint(i)))
	}
	s.binary(n, "compare.set", "", strings.Join(set, "\n"))
	s.binary(n, "compare.branch", "", "r := 0\n"+strings.Join(branch, "\n")+"\n=r")
	s.binary(n, "compare.select", "", "x := a\nif b < x {\nx = b\n}\n"+b("x"))
	s.unary(n, "compare.zero", "", "?a == 0\n?a < 0\n?a != a\n?a > 1")
	var conversions []string
	for _, to := range integers {
		conversions = append(conversions, "="+to.name+"(a)")
	}
	s.unary(n, "convert", "", strings.Join(conversions, "\n")+"\nt.f32(float32(a))\nt.f64(float64(a))")
	s.unary(n, "neg.abs", "", b("-a")+"\n"+b(n+"(math.Abs(float64(a)))")+"\n"+b("0 - a"))
	s.unary(n, "sqrt", "", b(n+"(math.Sqrt(float64(a)))"))
	s.binary(n, "fused", "", b("a*b + a")+"\n"+b("a - a*b")+"\n"+b(n+"(a*b) - b"))
	s.binary(n, "memory", "", "t.cells."+n+"[0] = a\nt.cells."+n+"[1] = b\nt.cells."+n+"[0] += t.cells."+n+"[1]\n"+b("t.cells."+n+"[0]")+"\nt.cells."+n+"[1] *= 0.5\n"+b("t.cells."+n+"[1]"))
	if n == "float64" {
		for _, f := range []string{"Floor", "Ceil", "Trunc", "Round", "RoundToEven", "Exp", "Exp2", "Expm1", "Log", "Log2", "Log10", "Log1p", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Tanh", "Asinh", "Acosh", "Atanh", "Cbrt", "Erf", "Erfc", "Gamma", "J0", "Y1", "Logb"} {
			s.unary(n, "math."+f, "", "t.f64(math."+f+"(a))")
		}
		for _, f := range []string{"Max", "Min", "Mod", "Remainder", "Pow", "Atan2", "Hypot", "Dim", "Copysign", "Nextafter"} {
			s.binary(n, "math."+f, "", "t.f64(math."+f+"(a, b))")
		}
		s.binary(n, "math.FMA", "", "t.f64(math.FMA(a, b, a))\nt.f64(math.FMA(a, b, -b))")
		s.unary(n, "math.parts", "", "f, e := math.Frexp(a)\nt.f64(f)\n=e\ni, g := math.Modf(a)\nt.f64(i)\nt.f64(g)\nt.f64(math.Ldexp(a, 3))\nt.f64(math.Ldexp(a, -1040))\n?math.IsNaN(a)\n?math.IsInf(a, 1)\n?math.Signbit(a)")
		s.binary(n, "complex", "", "c := complex(a, b)\nd := c * complex(b, 1.5)\nt.f64(real(d))\nt.f64(imag(d))\nd = c / complex(a, -2)\nt.f64(real(d))\nt.f64(imag(d))\n?c == d")
	}
	s.finish(n)
}

// bigFunction emits one function of more than 150,000 instructions, in many small blocks, with a loop around all of
// it. It is assembly, because the compiler needs minutes for such a function.
func bigFunction() {
	state := uint32(12345)
	next := func(n uint32) uint32 {
		state = state*1664525 + 1013904223
		return state >> 8 % n
	}
	registers := []string{"AX", "BX", "DX", "SI", "DI", "R8", "R9", "R10"}
	register := func() string { return registers[next(8)] }
	p("#include \"textflag.h\"\n\n// func bigFunction(a, b, c, d uint64) uint64\nTEXT ·bigFunction(SB), NOSPLIT, $0-40")
	p("MOVQ a+0(FP), AX\nMOVQ b+8(FP), BX\nMOVQ c+16(FP), DX\nMOVQ d+24(FP), SI\nMOVQ AX, DI\nMOVQ BX, R8\nMOVQ DX, R9\nMOVQ SI, R10\nMOVQ $3, CX\nround:")
	jumps := []string{"JEQ", "JNE", "JLT", "JGE", "JCS", "JCC", "JMI", "JPL", "JHI", "JLS", "JGT", "JLE"}
	for block := 0; block < 20000; block++ {
		p("ADDQ %s, %s", register(), register())
		p("IMULQ $%d, %s", next(1<<20)|1, register())
		p("XORQ %s, %s", register(), register())
		p("ROLQ $%d, %s", next(63)+1, register())
		p("SUBL %s, %s", register(), register())
		p("CMPQ %s, %s", register(), register())
		p("%s b%d", jumps[next(12)], block)
		p("LEAQ %d(%s)(%s*4), %s", next(1000), register(), register(), register())
		p("b%d:", block)
	}
	p("DECQ CX\nJNE round")
	for _, r := range registers[1:] {
		p("XORQ %s, AX", r)
	}
	p("MOVQ AX, ret+32(FP)\nRET")
}
