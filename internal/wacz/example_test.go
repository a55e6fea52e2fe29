package wacz_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"time"

	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// A page is recorded, indexed, packed, checked and found again.
func Example() {
	var records bytes.Buffer
	w := warc.NewWriter(&records, warc.WriterOptions{})
	index := cdxj.NewIndexer("data.warc.gz")
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	response := warc.NewResponse("https://example.org/", at,
		[]byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"), warc.Text("<title>Hello</title>"))
	written, err := w.Write(response)
	if err != nil {
		log.Fatal(err)
	}
	if err := index.Add(response, written); err != nil {
		log.Fatal(err)
	}

	var file bytes.Buffer
	if err := wacz.Create(&file, wacz.Contents{
		Title: "Example", Software: "example", Created: at,
		WARCs: []wacz.File{{Path: "archive/data.warc.gz", Content: warc.Bytes(records.Bytes())}},
		Index: index.Entries(),
		Pages: []wacz.Page{{ID: "1", URL: "https://example.org/", Time: at, Title: "Hello"}},
	}); err != nil {
		log.Fatal(err)
	}

	src := bytes.NewReader(file.Bytes())
	findings, err := wacz.Validate(context.Background(), src, src.Size(), nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(findings), "findings")
	r, err := wacz.Open(src, src.Size())
	if err != nil {
		log.Fatal(err)
	}
	captures, err := r.Lookup("https://www.example.org")
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range captures {
		fmt.Println(c.Key, cdxj.FormatTime(c.Time), c.Status, c.Mime)
	}
	// Output:
	// 0 findings
	// org,example)/ 20260304050607000 200 text/html
}
