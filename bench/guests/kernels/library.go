package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Kernels of the standard library and of what the compiler makes calls for.

func init() {
	register(
		kernel{name: "sha256", operations: 1, run: sha256Sum},                 // 64 KiB
		kernel{name: "crc32", operations: 1, run: crc32Sum},                   // 256 KiB
		kernel{name: "gzip", operations: 1, run: prepared(compress)},          // 32 KiB of text
		kernel{name: "gunzip", operations: 1, run: prepared(expand)},          // the same back
		kernel{name: "json-encode", operations: 1, run: prepared(jsonEncode)}, // 100 records
		kernel{name: "json-decode", operations: 1, run: prepared(jsonDecode)}, // the same back
		kernel{name: "map-insert-int", operations: mapSize, run: mapInsertInt},
		kernel{name: "map-lookup-int", operations: 4 * mapSize, run: prepared(mapLookUpInt)},
		kernel{name: "map-insert-string", operations: mapSize, run: prepared(mapInsertString)},
		kernel{name: "map-lookup-string", operations: 4 * mapSize, run: prepared(mapLookUpString)},
		kernel{name: "strings", operations: 1, run: prepared(stringWork)}, // over 32 KiB of text
		kernel{name: "regexp", operations: 1, run: prepared(expression)},  // over 32 KiB of text
		kernel{name: "fmt", operations: 2000, run: format},                // one Fprintf of five values
	)
}

const mapSize = 5000

// makeText makes 32 KiB of lines of words, some of them addresses of mail.
func makeText() string {
	const size = 32 << 10
	words := strings.Fields("the quick brown fox jumps over a lazy dog while goroutines wait for channels and maps grow")
	r := random(3)
	var b strings.Builder
	for b.Len() < size {
		word := words[r.next()%uint64(len(words))]
		b.WriteString(word)
		switch r.next() % 16 {
		case 0:
			b.WriteString("@example.org ")
		case 1:
			b.WriteByte('\n')
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()[:size]
}

var block = bytes.Repeat([]byte("0123456789abcdef"), 256<<10/16)

func sha256Sum() uint64 {
	sum := sha256.Sum256(block[:64<<10])
	return binary.BigEndian.Uint64(sum[:])
}

func crc32Sum() uint64 { return uint64(crc32.ChecksumIEEE(block)) }

func pack(text string) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := io.WriteString(w, text)
	must(err)
	must(w.Close())
	return out.Bytes()
}

func compress() func() uint64 {
	text := makeText()
	// How it is compressed depends on the Go version, not on the machine.
	return func() uint64 { return uint64(crc32.ChecksumIEEE(pack(text))) }
}

func expand() func() uint64 {
	packed := pack(makeText())
	return func() uint64 {
		r, err := gzip.NewReader(bytes.NewReader(packed))
		must(err)
		all, err := io.ReadAll(r)
		must(err)
		return uint64(crc32.ChecksumIEEE(all))
	}
}

type record struct {
	ID     int               `json:"id"`
	Name   string            `json:"name"`
	Score  float64           `json:"score"`
	Active bool              `json:"active"`
	Tags   []string          `json:"tags"`
	Extra  map[string]string `json:"extra,omitempty"`
}

func makeRecords() []record {
	list := make([]record, 100)
	for i := range list {
		list[i] = record{i, "record number " + strconv.Itoa(i), float64(i) * 1.25, i%3 == 0, []string{"a", "b<c>", "ü"}, map[string]string{"key": "value"}}
	}
	return list
}

func encode(records []record) []byte {
	out, err := json.Marshal(records)
	must(err)
	return out
}

func decode(encoded []byte) uint64 {
	var list []record
	must(json.Unmarshal(encoded, &list))
	sum := uint64(len(list))
	for _, r := range list {
		sum += uint64(r.Score) + uint64(len(r.Tags)+len(r.Name))
	}
	return sum
}

func jsonEncode() func() uint64 {
	records := makeRecords()
	return func() uint64 { return uint64(crc32.ChecksumIEEE(encode(records))) }
}

func jsonDecode() func() uint64 {
	encoded := encode(makeRecords())
	return func() uint64 { return decode(encoded) }
}

func mapInsertInt() uint64 {
	m := map[uint64]uint64{}
	for i := uint64(0); i < mapSize; i++ {
		m[i*0x9e3779b1] += i
	}
	return uint64(len(m))
}

func mapLookUpInt() func() uint64 {
	m := map[uint64]uint64{}
	for i := uint64(0); i < mapSize; i++ {
		m[i*0x9e3779b1] = i
	}
	return func() uint64 {
		sum := uint64(0)
		for i := uint64(0); i < 4*mapSize; i++ {
			sum += m[i*0x9e3779b1]
		}
		return sum
	}
}

func makeKeys() []string {
	keys := make([]string, 4*mapSize)
	for i := range keys {
		keys[i] = "key-" + strconv.Itoa(i*7919)
	}
	return keys
}

func mapInsertString() func() uint64 {
	keys := makeKeys()[:mapSize]
	return func() uint64 {
		m := map[string]int{}
		for i, key := range keys {
			m[key] += i
		}
		return uint64(len(m))
	}
}

func mapLookUpString() func() uint64 {
	keys := makeKeys()
	m := map[string]int{}
	for i, key := range keys[:mapSize] {
		m[key] = i
	}
	return func() uint64 {
		sum := 0
		for _, key := range keys {
			sum += m[key]
		}
		return uint64(sum)
	}
}

func stringWork() func() uint64 {
	text := makeText()
	return func() uint64 { return workOn(text) }
}

func workOn(text string) uint64 {
	fields := strings.Fields(text)
	joined := strings.Join(fields, ",")
	replaced := strings.ReplaceAll(joined, "goroutines", "threads")
	upper := strings.ToUpper(replaced)
	sum := len(fields) + strings.Count(upper, "THREADS") + strings.Index(upper, "nowhere") + len(upper)
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "lazy dog") || strings.HasPrefix(line, "fox") {
			sum++
		}
	}
	return uint64(sum)
}

func expression() func() uint64 {
	text := makeText()
	address := regexp.MustCompile(`([a-z]+)@([a-z]+)\.(org|com)`)
	return func() uint64 {
		sum := uint64(0)
		for _, match := range address.FindAllStringSubmatchIndex(text, -1) {
			sum += uint64(match[2])
		}
		return sum
	}
}

func format() uint64 {
	var out bytes.Buffer
	for i := 0; i < 2000; i++ {
		fmt.Fprintf(&out, "%d %s %5.2f %v %x\n", i, "text", float64(i)/3, i%2 == 0, i*i)
	}
	return uint64(crc32.ChecksumIEEE(out.Bytes()))
}
