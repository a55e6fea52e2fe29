package warc_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"time"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

// A response and its request, written and read.
func Example() {
	var file bytes.Buffer
	w := warc.NewWriter(&file, warc.WriterOptions{})
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

	head := []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n")
	response := warc.NewResponse("https://example.org/", at, warc.DechunkedHead(head), warc.Text("<p>Hello"))
	written, err := w.Write(response)
	if err != nil {
		log.Fatal(err)
	}
	request := warc.NewRequest("https://example.org/", at, []byte("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"), nil, written.ID)
	if _, err := w.Write(request); err != nil {
		log.Fatal(err)
	}

	r := warc.NewReader(&file, warc.ReaderOptions{Verify: true})
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(rec.Type, rec.TargetURI, warc.StartLine(rec.Head), rec.Body.Size())
	}
	// Output:
	// response https://example.org/ HTTP/1.1 200 OK 8
	// request https://example.org/ GET / HTTP/1.1 0
}
