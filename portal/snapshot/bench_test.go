package snapshot

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/workers/archive"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// memory is a store that takes no time.
type memory struct {
	blob.Store
	file []byte
}

func (m memory) GetRange(_ context.Context, _ blob.Key, offset, length int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(m.file[offset : offset+length])), nil
}

// BenchmarkRead reads a chunk of 20 pages with 80 answers, 60 links, 8 KiB of text and a picture
// each from memory. Every other page says in which language it is.
func BenchmarkRead(b *testing.B) {
	const pages = 20
	var all []*visited
	for n := range pages {
		address := fmt.Sprintf("https://www.site.test/%d", n)
		v := visit(b, n, address).get(address, "Document", "200 OK", htmlType, noise(uint64(n), 30<<10))
		var links []browser.Link
		for i := range 80 {
			v.get(fmt.Sprintf("https://cdn%d.site.test/%d/%d.png", i%7, n, i), "Image", "200 OK", "Content-Type: image/png\r\n", noise(uint64(100*n+i), 10<<10))
			links = append(links, browser.Link{URL: fmt.Sprintf("%s/%d", address, i), Kind: browser.LinkAnchor})
		}
		all = append(all, v.showing(strings.Repeat("Wij bieden u een gezellige kamer aan in een rustige buurt van de stad, dicht bij het station en de winkels. Bel ons als u meer wilt weten. ", 60), map[int]string{0: "<html lang=nl>", 1: "<html>"}[n%2]+noise(uint64(n), 60<<10), noise(uint64(n), 500<<10), links[:60]...))
	}
	file := chunk(b, archive.Provenance{}, all...)
	store := &counting{Store: memory{file: file}}
	for b.Loop() {
		contents, _, err := Read(b.Context(), store, chunkKey, int64(len(file)))
		if err != nil || len(contents) != pages || contents[3].Language != "nl" {
			b.Fatalf("%v: %d pages", err, len(contents))
		}
	}
	b.ReportMetric(float64(pages*b.N)/b.Elapsed().Seconds(), "pages/s")
	b.ReportMetric(float64(store.requests.Load())/float64(b.N), "requests/op")
	b.ReportMetric(float64(store.bytes.Load())/float64(b.N), "bytes/op")
	b.ReportMetric(float64(len(file)), "bytes/file")
}
