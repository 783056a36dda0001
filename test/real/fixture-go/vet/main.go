// What go vet finds fault with.
package main

import "fmt"

type pair struct {
	A int `json:"a" json:"b"`
}

func main() {
	x := 1
	x = x
	fmt.Printf("%d %s\n", "text", pair{A: x}.A, 3)
	if x == 1 || x == 1 {
		return
		fmt.Println("never")
	}
	for i := range 3 {
		defer func() { fmt.Println(&i == nil) }()
	}
}
