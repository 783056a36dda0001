// What net/http does without a socket: requests and answers in memory.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "1", Path: "/", HttpOnly: true})
		fmt.Fprintf(w, "%s %s %q %v\n", r.Method, r.URL.Query().Encode(), body, err)
	})
	mux.Handle("/old", http.RedirectHandler("/echo?from=old", http.StatusMovedPermanently))
	requests := []string{
		"POST /echo?b=2&a=%20 HTTP/1.1\r\nHost: example\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
		"GET /old HTTP/1.0\r\n\r\n",
		"GET /none HTTP/1.1\r\nHost: example\r\n\r\n",
		"nonsense\r\n\r\n",
	}
	for _, text := range requests {
		request, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text)))
		if err != nil {
			fmt.Println("error:", err)
			continue
		}
		recorder := httptest.NewRecorder()
		mux.ServeHTTP(recorder, request)
		if err := recorder.Result().Write(os.Stdout); err != nil {
			fmt.Println("error:", err)
		}
	}
}
