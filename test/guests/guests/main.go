// guests is a multi-call program: `guests NAME [ARG…]` runs one guest,
// `guests + NAME [ARG…] + NAME [ARG…]` runs several in one process, `guests list` names them.
// Output is deterministic (no addresses, no times, sorted maps), except for bench and for -time flags.
// It must compile with Go 1.15: no generics, no newer standard library.
package main

import (
	"fmt"
	"os"
	"sort"
)

var guests = map[string]func(args []string){}

// register makes a guest known under name; called from init functions.
func register(name string, run func(args []string)) {
	if guests[name] != nil {
		panic("guest registered twice: " + name)
	}
	guests[name] = run
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: guests NAME [ARG...] | + NAME [ARG...] + NAME [ARG...] | list")
		os.Exit(64)
	}
	if os.Args[1] == "list" {
		names := make([]string, 0, len(guests))
		for name := range guests {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			fmt.Println(name)
		}
		return
	}
	if os.Args[1] != "+" {
		runGuest(os.Args[1:])
		return
	}
	for rest := os.Args[1:]; len(rest) > 0; {
		end := 1
		for end < len(rest) && rest[end] != "+" {
			end++
		}
		if end > 1 {
			fmt.Println("==", rest[1])
			runGuest(rest[1:end])
		}
		rest = rest[end:]
	}
}

func runGuest(words []string) {
	run := guests[words[0]]
	if run == nil {
		fmt.Fprintf(os.Stderr, "guests: no guest named %q\n", words[0])
		os.Exit(64)
	}
	run(words[1:])
}

// check prints one line for a claim; a false one is visible in the output and in the exit status.
func check(name string, ok bool) {
	if !ok {
		fmt.Printf("%s: FAILED\n", name)
		os.Exit(1)
	}
	fmt.Printf("%s: ok\n", name)
}

// must ends the guest on an unexpected error.
func must(err error) {
	if err != nil {
		fmt.Println("unexpected error:", err)
		os.Exit(1)
	}
}
