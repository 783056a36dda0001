package main

import (
	"fmt"
	"math"
	"reflect"
	"sort"
	"strings"
	"syscall"
	"unsafe"
)

func init() {
	register("unsafe", guestUnsafe)
	register("reflect", guestReflect)
}

// unmappedByte returns a pointer into a mapping that has been removed.
func unmappedByte() *byte {
	mem, err := syscall.Mmap(-1, 0, 1<<16, syscall.PROT_READ, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	must(err)
	p := &mem[100]
	must(syscall.Munmap(mem))
	return p
}

type mixed struct {
	a int8
	b int64
	c uint16
	d float32
	e string
	f []byte
	g [3]int16
	h interface{}
}

func guestUnsafe(args []string) {
	var m mixed
	fmt.Println(unsafe.Sizeof(m), unsafe.Alignof(m), unsafe.Offsetof(m.b), unsafe.Offsetof(m.c), unsafe.Offsetof(m.d),
		unsafe.Offsetof(m.e), unsafe.Offsetof(m.f), unsafe.Offsetof(m.g), unsafe.Offsetof(m.h))
	*(*int64)(unsafe.Pointer(uintptr(unsafe.Pointer(&m)) + unsafe.Offsetof(m.b))) = -77
	*(*float32)(unsafe.Pointer(uintptr(unsafe.Pointer(&m)) + unsafe.Offsetof(m.d))) = 2.5
	fmt.Println(m.b, m.d)

	// Unaligned accesses of every width at every offset, over a cache line boundary too.
	buffer := make([]byte, 256)
	for i := range buffer {
		buffer[i] = byte(i*37 + 11)
	}
	base := unsafe.Pointer(&buffer[0])
	var sum uint64
	for offset := uintptr(0); offset < 200; offset++ {
		p := unsafe.Pointer(uintptr(base) + offset)
		sum = sum*31 + uint64(*(*uint16)(p))
		sum = sum*31 + uint64(*(*uint32)(p))
		sum = sum*31 + *(*uint64)(p)
		sum = sum*31 + math.Float64bits(*(*float64)(p))
		sum = sum*31 + uint64(math.Float32bits(*(*float32)(p)))
		pair := *(*[2]uint64)(p)
		sum = sum*31 + pair[0] ^ pair[1]
	}
	fmt.Printf("unaligned %016x\n", sum)
	for offset := uintptr(0); offset < 64; offset += 7 {
		*(*uint64)(unsafe.Pointer(uintptr(base) + offset)) += 0x0102030405060708
		*(*uint16)(unsafe.Pointer(uintptr(base) + offset + 3)) ^= 0xffff
	}
	fmt.Printf("% x\n", buffer[:72])

	text := "immutable"
	bytes := *(*[]byte)(unsafe.Pointer(&struct {
		s string
		c int
	}{text, len(text)}))
	fmt.Println(string(bytes), len(bytes), cap(bytes))
	float := 1.5
	fmt.Printf("%016x\n", *(*uint64)(unsafe.Pointer(&float)))

	// Overlapping copies of many lengths, both directions.
	ring := make([]byte, 600)
	for i := range ring {
		ring[i] = byte(i)
	}
	for n := 0; n < 300; n += 1 + n/9 {
		copy(ring[5:], ring[:n])
		copy(ring[100:], ring[100+n%37:100+n%37+n])
	}
	var check uint32
	for _, b := range ring {
		check = check*16777619 ^ uint32(b)
	}
	fmt.Printf("copies %08x\n", check)

	// Memory of our own: map, write, protect, unmap.
	mem, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	must(err)
	for _, b := range mem {
		if b != 0 {
			panic("fresh mapping is not zero")
		}
	}
	for i := range mem {
		mem[i] = byte(i >> 8)
	}
	must(syscall.Mprotect(mem, syscall.PROT_READ))
	fmt.Println(mem[300], mem[1<<20-1])
	must(syscall.Munmap(mem))
}

type animal interface {
	Sound(times int) string
	Name() string
}

type dog struct {
	Age  int `json:"age" unit:"years"`
	name string
	Tags []string
	Map  map[string]float64
	base
}

type base struct{ ID uint32 }

func (b base) Ident() uint32         { return b.ID }
func (d dog) Sound(times int) string { return strings.Repeat("woof", times) }
func (d dog) Name() string           { return d.name }
func (d *dog) Rename(n string) *dog  { d.name = n; return d }
func (d dog) Mixed(a int8, b float32, c string, e []int, f [3]uint16, g bool, h complex128, i animal) (string, float64, error) {
	return fmt.Sprint(d.name, a, b, c, e, f, g, h, i.Name()), float64(a) * float64(b), fmt.Errorf("code %d", f[1])
}

func manyArguments(a, b, c, d, e, f, g, h, i, j, k, l int, x, y, z, w float64, s string, p *int) (int, float64, string, int) {
	return a + 2*b + 3*c + 4*d + 5*e + 6*f + 7*g + 8*h + 9*i + 10*j + 11*k + 12*l, x + 2*y + 3*z + 4*w, s + "!", *p
}

func guestReflect(args []string) {
	d := dog{7, "rex", []string{"a", "b"}, map[string]float64{"x": 1.5}, base{99}}
	t := reflect.TypeOf(d)
	for i := 0; i < t.NumField(); i++ {
		f := t.Field(i)
		fmt.Println(f.Name, f.Type, f.Tag.Get("unit"), f.Offset, f.Anonymous)
	}
	for i := 0; i < reflect.TypeOf(&d).NumMethod(); i++ {
		m := reflect.TypeOf(&d).Method(i)
		fmt.Println(m.Name, m.Type)
	}
	v := reflect.ValueOf(&d).Elem()
	v.Field(0).SetInt(8)
	v.FieldByName("Map").SetMapIndex(reflect.ValueOf("y"), reflect.ValueOf(2.5))
	v.FieldByName("ID").SetUint(100)
	fmt.Println(d, v.Field(1).CanSet())

	// Calls: functions, methods, method values, variadic, through interfaces.
	number := 5
	out := reflect.ValueOf(manyArguments).Call([]reflect.Value{
		reflect.ValueOf(1), reflect.ValueOf(2), reflect.ValueOf(3), reflect.ValueOf(4), reflect.ValueOf(5), reflect.ValueOf(6),
		reflect.ValueOf(7), reflect.ValueOf(8), reflect.ValueOf(9), reflect.ValueOf(10), reflect.ValueOf(11), reflect.ValueOf(12),
		reflect.ValueOf(0.5), reflect.ValueOf(1.5), reflect.ValueOf(2.5), reflect.ValueOf(3.5), reflect.ValueOf("s"), reflect.ValueOf(&number),
	})
	fmt.Println(out[0].Int(), out[1].Float(), out[2].String(), out[3].Int())
	out = v.MethodByName("Mixed").Call([]reflect.Value{
		reflect.ValueOf(int8(-3)), reflect.ValueOf(float32(1.25)), reflect.ValueOf("c"), reflect.ValueOf([]int{1, 2}),
		reflect.ValueOf([3]uint16{4, 5, 6}), reflect.ValueOf(true), reflect.ValueOf(complex(1, -2)), reflect.ValueOf(animal(d)),
	})
	fmt.Println(out[0], out[1], out[2])
	v.Addr().MethodByName("Rename").Call([]reflect.Value{reflect.ValueOf("max")})
	sound := v.MethodByName("Sound").Interface().(func(int) string)
	fmt.Println(d.name, sound(2))
	fmt.Println(reflect.ValueOf(fmt.Sprintf).Call([]reflect.Value{reflect.ValueOf("%d-%s"), reflect.ValueOf(3), reflect.ValueOf("x")})[0])
	fmt.Println(reflect.ValueOf(fmt.Sprintf).CallSlice([]reflect.Value{reflect.ValueOf("%v+%v"), reflect.ValueOf([]interface{}{"p", 2})})[0])

	// MakeFunc: integers, floats, strings, structs, in and out.
	swap := reflect.MakeFunc(reflect.TypeOf(func(int, string) (string, int) { return "", 0 }),
		func(in []reflect.Value) []reflect.Value { return []reflect.Value{in[1], in[0]} }).Interface().(func(int, string) (string, int))
	s, n := swap(1, "one")
	fmt.Println(s, n)
	many := reflect.MakeFunc(reflect.TypeOf(manyArguments), func(in []reflect.Value) []reflect.Value {
		sum, fsum := int64(0), 0.0
		for i := 0; i < 12; i++ {
			sum += in[i].Int() * int64(i)
		}
		for i := 12; i < 16; i++ {
			fsum += in[i].Float() * float64(i)
		}
		return []reflect.Value{reflect.ValueOf(int(sum)), reflect.ValueOf(fsum), in[16], in[17].Elem()}
	}).Interface().(func(a, b, c, d, e, f, g, h, i, j, k, l int, x, y, z, w float64, s string, p *int) (int, float64, string, int))
	fmt.Println(many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0.5, 1.5, 2.5, 3.5, "text", &number))
	bound := d.Sound
	boundTo := (*dog).Rename
	fmt.Println(bound(1), boundTo(&d, "bo").Name(), animal.Name(d))

	// Types made at run time.
	structType := reflect.StructOf([]reflect.StructField{
		{Name: "A", Type: reflect.TypeOf(0), Tag: `k:"v"`}, {Name: "B", Type: reflect.TypeOf("")},
	})
	made := reflect.New(structType).Elem()
	made.Field(0).SetInt(3)
	made.Field(1).SetString("three")
	fmt.Printf("%+v %v\n", made.Interface(), structType)
	mapType := reflect.MapOf(reflect.TypeOf(""), reflect.SliceOf(reflect.TypeOf(0)))
	m := reflect.MakeMap(mapType)
	for i, key := range []string{"z", "y", "x"} {
		m.SetMapIndex(reflect.ValueOf(key), reflect.Append(reflect.MakeSlice(mapType.Elem(), 0, 1), reflect.ValueOf(i)))
	}
	keys := m.MapKeys()
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	for _, key := range keys {
		fmt.Print(key, m.MapIndex(key), " ")
	}
	fmt.Println(reflect.DeepEqual(m.Interface(), map[string][]int{"x": {2}, "y": {1}, "z": {0}}))

	// Channels and select by reflection.
	c := reflect.MakeChan(reflect.ChanOf(reflect.BothDir, reflect.TypeOf(0)), 1)
	c.Send(reflect.ValueOf(11))
	chosen, received, ok := reflect.Select([]reflect.SelectCase{
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(make(chan int))}, {Dir: reflect.SelectRecv, Chan: c},
	})
	fmt.Println(chosen, received, ok)
	fmt.Println(recoverFrom(func() { reflect.ValueOf(d).Field(0).SetInt(1) }))
	fmt.Println(recoverFrom(func() { reflect.ValueOf(3).Len() }))
	fmt.Println(recoverFrom(func() { reflect.ValueOf(strings.ToUpper).Call(nil) }))
	swapper := reflect.Swapper(d.Tags)
	swapper(0, 1)
	fmt.Println(d.Tags, reflect.ValueOf(int32(-5)).Convert(reflect.TypeOf(uint8(0))).Uint())
}
