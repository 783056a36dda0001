// hello is what the start suite starts.
package main

import "fmt"

func main() {
	fmt.Println("hello, world")
}
