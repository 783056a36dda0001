// hello is the smallest guest that still starts the whole Go runtime.
package main

import "fmt"

func main() {
	fmt.Println("hello, world")
}
