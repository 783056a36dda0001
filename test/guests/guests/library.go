package main

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"container/heap"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"hash/fnv"
	"io/ioutil"
	"math/big"
	mathrand "math/rand"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"
)

func init() {
	register("maps", guestMaps)
	register("strings", guestStrings)
	register("sort", guestSort)
	register("json", guestJSON)
	register("fmt", guestFmt)
	register("regexp", guestRegexp)
	register("hashes", guestHashes)
	register("compress", guestCompress)
	register("bignum", guestBignum)
	register("time-format", guestTimeFormat)
}

func guestMaps(args []string) {
	counts := map[string]int{}
	for i := 0; i < 10000; i++ {
		counts[strconv.Itoa(i*i%1000)] += i
	}
	keys := sortedKeys(counts)
	fmt.Println(len(keys), keys[:10], counts["1"], counts["999"])
	floats := map[float64]string{0: "zero", 1.5: "x"}
	floats[-floats0()] = "minus zero"
	nan := 0.0
	nan /= floats0()
	floats[nan] = "nan"
	floats[nan] = "nan again"
	_, found := floats[nan]
	fmt.Println(len(floats), floats[0], found)
	mixed := map[interface{}]int{1: 1, int64(1): 2, "1": 3, 1.0: 4, [2]int{1, 2}: 5, struct{ a, b string }{"x", "y"}: 6, true: 7, nil: 8}
	fmt.Println(mixed[1], mixed[int64(1)], mixed["1"], mixed[1.0], mixed[[2]int{1, 2}], mixed[struct{ a, b string }{"x", "y"}], mixed[true], mixed[nil], mixed[uint(1)])
	big := map[[40]byte][200]byte{}
	for i := 0; i < 100; i++ {
		big[[40]byte{byte(i), 1}] = [200]byte{199: byte(i)}
	}
	sum := 0
	for k, v := range big {
		sum += int(k[0]) * int(v[199])
	}
	fmt.Println(len(big), sum)
	// Deleting and adding while iterating: what is deleted is not seen afterwards.
	m := map[int]bool{}
	for i := 0; i < 1000; i++ {
		m[i] = true
	}
	seen := map[int]bool{}
	for k := range m {
		if !m[k] {
			fmt.Println("deleted key seen")
		}
		seen[k] = true
		delete(m, k^1)
		delete(m, k)
	}
	fmt.Println(len(m), len(seen))
	order := map[string]bool{}
	for i := 0; i < 50; i++ {
		s := ""
		for k := range map[int]int{1: 1, 2: 2, 3: 3, 4: 4} {
			s += strconv.Itoa(k)
		}
		order[s] = true
	}
	check("iteration order varies", len(order) > 1)
}

//go:noinline
func floats0() float64 { return floatSink * 0 }

func guestStrings(args []string) {
	text := strings.Repeat("The quick brown fox jumps over the lazy dog. Ünïcödé — 世界 🙂; ", 50)
	fmt.Println(len(text), utf8.RuneCountInString(text), strings.Count(text, "o"), strings.Index(text, "世"), strings.LastIndex(text, "fox"))
	for n := 1; n < 70; n += 3 {
		needle := text[len(text)-n-200:][:n]
		fmt.Print(strings.Index(text, needle), ":", strings.LastIndex(text, needle), ":", bytes.Index([]byte(text), []byte(needle+"\x00")), " ")
	}
	fmt.Println()
	for n := 0; n < 300; n += 7 {
		a := strings.Repeat("a", n)
		b := a + "b"
		if a >= b || strings.IndexByte(b, 'b') != n || !bytes.Equal([]byte(a), []byte(b)[:n]) || strings.Compare(b+"c", b+"a") != 1 || bytes.IndexByte([]byte(a), 'z') != -1 {
			fmt.Println("wrong at", n)
		}
	}
	fmt.Println(strings.Fields("  a b\t c\n"), strings.Split("a,b,,c", ","), strings.Title("hello world"), strings.ToUpper("straße ünï"), strings.EqualFold("Σ", "ς"))
	fmt.Println(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return unicode.ToUpper(r)
		}
		return -1
	}, "a1b2-ç3"), strings.NewReplacer("a", "1", "b", "2", "abc", "3").Replace("abcab"), strings.TrimFunc("xxhixx", func(r rune) bool { return r == 'x' }))
	fmt.Printf("%q %v %x\n", []rune("a\xffb世"), utf8.ValidString("a\xff"), "a世")
	for i, r := range "x\xe4\xb8世\xf0\x9f\x99\x82" {
		fmt.Print(i, ":", r, " ")
	}
	fmt.Println()
	var b strings.Builder
	for i := 0; i < 1000; i++ {
		b.WriteString(strconv.Itoa(i))
		b.WriteByte(' ')
	}
	fmt.Printf("%d %x\n", b.Len(), md5.Sum([]byte(b.String())))
	for _, s := range []string{"0", "-9223372036854775808", "9223372036854775808", "0x1f", "12a", "", "+7", "1e3"} {
		n, err := strconv.ParseInt(s, 0, 64)
		fmt.Println(n, err)
	}
	fmt.Println(strconv.Quote("tab\t\"\x00é世\u2028"), strconv.FormatInt(-255, 36), strconv.FormatUint(1<<63, 2))
}

type record struct {
	name string
	key  int
	at   int
}

type intHeap []int

func (h intHeap) Len() int            { return len(h) }
func (h intHeap) Less(i, j int) bool  { return h[i] < h[j] }
func (h intHeap) Swap(i, j int)       { h[i], h[j] = h[j], h[i] }
func (h *intHeap) Push(x interface{}) { *h = append(*h, x.(int)) }
func (h *intHeap) Pop() interface{} {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

func guestSort(args []string) {
	state := uint32(7)
	next := func() int {
		state = state*1664525 + 1013904223
		return int(state >> 8)
	}
	ints := make([]int, 5000)
	floats := make([]float64, 1000)
	records := make([]record, 1000)
	for i := range ints {
		ints[i] = next() - 1<<23
	}
	for i := range floats {
		floats[i] = float64(next()) / 7
		records[i] = record{strconv.Itoa(next() % 50), next() % 10, i}
	}
	sort.Ints(ints)
	sort.Float64s(floats)
	fmt.Println(sort.IntsAreSorted(ints), ints[0], ints[2500], ints[4999], floats[0], floats[999])
	sort.SliceStable(records, func(i, j int) bool { return records[i].key < records[j].key })
	stable := true
	for i := 1; i < len(records); i++ {
		if records[i].key == records[i-1].key && records[i].at < records[i-1].at {
			stable = false
		}
	}
	fmt.Println("stable", stable, sort.SearchInts(ints, ints[777]))
	h := &intHeap{}
	for i := 0; i < 500; i++ {
		heap.Push(h, next()%1000)
	}
	last, ordered := -1, true
	for h.Len() > 0 {
		x := heap.Pop(h).(int)
		ordered = ordered && x >= last
		last = x
	}
	fmt.Println("heap", ordered, last)
	r := mathrand.New(mathrand.NewSource(42))
	fmt.Println(r.Intn(1000), r.Intn(1000), r.Float64(), r.Perm(8), r.NormFloat64())
}

type document struct {
	Name    string                 `json:"name"`
	Numbers []float64              `json:"numbers,omitempty"`
	Inner   *document              `json:"inner,omitempty"`
	Extra   map[string]interface{} `json:"extra,omitempty"`
	When    time.Duration          `json:"when"`
	Raw     []byte                 `json:"raw"`
	skipped int
	Any     interface{} `json:"any"`
}

func guestJSON(args []string) {
	d := document{Name: "outer <&> \u2028 é", Numbers: []float64{1, -0.5, 1e21, 1e-7, 123456789}, Raw: []byte{0, 1, 254}, Any: []interface{}{nil, true, "x", 1.5},
		Inner: &document{Extra: map[string]interface{}{"z": 1, "a": []int{1, 2}, "m": map[string]bool{"t": true}}}, When: time.Second}
	text, err := json.Marshal(d)
	fmt.Println(string(text), err)
	var back document
	fmt.Println(json.Unmarshal(text, &back), back.Inner.Extra["a"], back.Numbers, back.Raw, back.Any)
	var any interface{}
	fmt.Println(json.Unmarshal([]byte(`{"b":[1,2,{"c":null}],"a":"\u00e9\ud83d\ude42","n":1e3,"t":true}`), &any), any)
	indented, err := json.MarshalIndent(any, "", "  ")
	fmt.Println(string(indented), err)
	for _, bad := range []string{`{`, `{"a":}`, `[1,]`, `"\x"`, `{"name":3}`, `nul`, ``} {
		fmt.Println(json.Unmarshal([]byte(bad), &back))
	}
	_, err = json.Marshal(map[string]interface{}{"f": func() {}})
	fmt.Println(err)
	decoder := json.NewDecoder(strings.NewReader(`{"name":"a"} {"name":"b"} [`))
	for {
		var d document
		if err := decoder.Decode(&d); err != nil {
			fmt.Println(err)
			break
		}
		fmt.Println(d.Name)
	}
}

func guestFmt(args []string) {
	type point struct {
		X, Y int
		s    *string
	}
	var nothing *point
	fmt.Printf("%v %+v %#v %T\n", point{1, 2, nil}, point{1, 2, nil}, point{1, 2, nil}, point{})
	fmt.Printf("%5d|%-5d|%05d|%+d|%x|%X|%#x|%o|%b|%c|%q|%U\n", 42, 42, 42, 42, 255, 255, 255, 8, 5, 'ä', 'ä', 'ä')
	fmt.Printf("%6.2f|%-8.3f|%e|%g|%G|%08.3f|%+.1e\n", 3.14159, 2.5, 123456.789, 1e-7, 1e21, -3.14159, 0.00012345)
	fmt.Printf("%s|%10s|%-10s|%.2s|%q|%x|% x\n", "text", "text", "text", "text", "te\"xt", "text", "text")
	fmt.Printf("%t %v %v %v %p\n", true, nothing, nil, []interface{}{1, "a", nil}, nil)
	fmt.Printf("%v %v %v %v\n", map[string]int{"b": 2, "a": 1}, [3]bool{true}, struct{}{}, &[]int{1})
	fmt.Printf("%d %s %!|%z %d\n", "text", 5, 3)
	fmt.Printf("%[2]d %[1]d %*d %.*f\n", 1, 2, 6, 7, 2, 3.14159)
	fmt.Printf("%v %d %v %s\n", []byte("ab"), []byte("ab"), [2]byte{1, 2}, []string{"x", "y"})
	fmt.Printf("%v %.3v %8.1f\n", complex(1, -2), 3.14159, complex(1.25, 2.5))
	fmt.Printf("%v %v\n", customError{3}, time.Duration(3723004005006))
	var a, b int
	var s string
	n, err := fmt.Sscanf("12 abc 0x1f", "%d %s %v", &a, &s, &b)
	fmt.Println(n, err, a, s, b)
	n, err = fmt.Sscan("7 x", &a, &b)
	fmt.Println(n, err, a)
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 8, 2, ' ', tabwriter.AlignRight|tabwriter.Debug)
	fmt.Fprintln(w, "a\tbbb\tc")
	fmt.Fprintln(w, "aaaa\tb\tccccc")
	w.Flush()
	fmt.Print(out.String())
}

func guestRegexp(args []string) {
	re := regexp.MustCompile(`(?i)(\w+)@(\w+)\.(com|org)`)
	text := "Mail bob@example.com, ALICE@Site.ORG or nobody@nowhere.net; eve@x.com"
	fmt.Println(re.FindAllString(text, -1), re.FindStringSubmatchIndex(text))
	fmt.Println(re.ReplaceAllString(text, "<$2:$1>"), re.NumSubexp())
	fmt.Println(regexp.MustCompile(`^(a+)+$`).MatchString(strings.Repeat("a", 2000)+"b"), regexp.MustCompile(`\p{Greek}+|\d{2,3}`).FindAllString("αβγ 1 22 4444", -1))
	_, err := regexp.Compile(`a(b`)
	fmt.Println(err)
	fmt.Println(regexp.MustCompile(`[,;]\s*`).Split("a, b;c,  d", -1))
	long := strings.Repeat("xyz foo123 ", 3000)
	fmt.Println(len(regexp.MustCompile(`\b[a-z]+\d+\b`).FindAllStringIndex(long, -1)))
}

func guestHashes(args []string) {
	data := make([]byte, 100003)
	for i := range data {
		data[i] = byte(i*i>>5 ^ i)
	}
	for _, n := range []int{0, 1, 55, 56, 63, 64, 65, 1000, len(data)} {
		f := fnv.New64a()
		f.Write(data[:n])
		fmt.Printf("%d %x %x %x %x %08x %08x %08x %x\n", n, md5.Sum(data[:n]), sha1.Sum(data[:n]), sha256.Sum256(data[:n]), sha512.Sum512(data[:n]),
			crc32.ChecksumIEEE(data[:n]), crc32.Checksum(data[:n], crc32.MakeTable(crc32.Castagnoli)), adler32.Checksum(data[:n]), f.Sum64())
	}
	block, err := aes.NewCipher(data[:16])
	must(err)
	gcm, err := cipher.NewGCM(block)
	must(err)
	sealed := gcm.Seal(nil, data[100:112], data[:333], data[50:60])
	fmt.Println(hex.EncodeToString(sealed[300:]))
	opened, err := gcm.Open(nil, data[100:112], sealed, data[50:60])
	fmt.Println(bytes.Equal(opened, data[:333]), err)
	sealed[5] ^= 1
	_, err = gcm.Open(nil, data[100:112], sealed, data[50:60])
	fmt.Println(err)
	stream := cipher.NewCTR(block, data[16:32])
	stream.XORKeyStream(data[:1000], data[:1000])
	fmt.Println(base64.StdEncoding.EncodeToString(data[:60]))
	random := make([]byte, 100)
	_, err = rand.Read(random)
	check("random", err == nil && !bytes.Equal(random, make([]byte, 100)))
}

func guestCompress(args []string) {
	var text bytes.Buffer
	for i := 0; i < 5000; i++ {
		fmt.Fprintf(&text, "line %d: %s\n", i, strconv.FormatInt(int64(i)*7919, 7))
	}
	for _, level := range []int{flate.HuffmanOnly, 1, 6, 9} {
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, level)
		must(err)
		_, err = w.Write(text.Bytes())
		must(err)
		must(w.Close())
		r, err := gzip.NewReader(bytes.NewReader(packed.Bytes()))
		must(err)
		back, err := ioutil.ReadAll(r)
		fmt.Println(level, packed.Len(), bytes.Equal(back, text.Bytes()), err)
		packed.Bytes()[packed.Len()/2] ^= 0x55
		r, err = gzip.NewReader(bytes.NewReader(packed.Bytes()))
		must(err)
		_, err = ioutil.ReadAll(r)
		fmt.Println("damaged found:", err != nil)
	}
}

func guestBignum(args []string) {
	a, b := big.NewInt(1), big.NewInt(1)
	for i := 0; i < 2000; i++ {
		a.Add(a, b)
		a, b = b, a
	}
	fmt.Printf("%d digits, %x\n", len(b.String()), sha256.Sum256([]byte(b.String())))
	f := new(big.Int).MulRange(1, 500)
	fmt.Println(len(f.String()), f.String()[:30], f.TrailingZeroBits())
	p, _ := new(big.Int).SetString("170141183460469231731687303715884105727", 10)
	fmt.Println(p.ProbablyPrime(10), new(big.Int).Exp(big.NewInt(3), new(big.Int).Sub(p, big.NewInt(1)), p))
	q, r := new(big.Int).QuoRem(f, p, new(big.Int))
	fmt.Println(new(big.Int).Add(new(big.Int).Mul(q, p), r).Cmp(f), new(big.Int).Sqrt(f).BitLen(), new(big.Int).GCD(nil, nil, f, p), new(big.Int).ModInverse(big.NewInt(12345), p))
	fmt.Println(new(big.Rat).SetFrac64(355, 113).FloatString(30))
	x := new(big.Float).SetPrec(200).SetInt64(2)
	fmt.Println(x.Sqrt(x).Text('f', 50))
}

func guestTimeFormat(args []string) {
	t := time.Date(2024, time.February, 29, 23, 59, 58, 123456789, time.UTC)
	fmt.Println(t.Format(time.RFC3339Nano), t.Format(time.RFC1123), t.Weekday(), t.YearDay(), t.Unix(), t.UnixNano())
	fmt.Println(t.AddDate(1, 0, 1).Format("2006-01-02 Mon"), t.Add(-36*time.Hour).Format(time.Kitchen), t.Truncate(time.Hour).Format(time.Stamp))
	zone := time.FixedZone("X", -5*3600-1800)
	fmt.Println(t.In(zone), t.In(zone).Equal(t))
	for _, s := range []string{"2024-02-30T00:00:00Z", "2023-12-31T23:59:59+01:00", "bad"} {
		t, err := time.Parse(time.RFC3339, s)
		fmt.Println(t, err)
	}
	year, week := t.ISOWeek()
	fmt.Println(year, week, t.Sub(time.Unix(0, 0)))
	d, err := time.ParseDuration("1h2m3.5s")
	fmt.Println(d, err, d.Round(time.Minute))
}
