package warc

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkWriter writes responses as a crawl spools them: text that compresses,
// and images that do not.
func BenchmarkWriter(b *testing.B) {
	noise := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	text := []byte(strings.Repeat("<li class=\"entry\"><a href=\"/details/1\">Name</a> <b>12</b></li>\n", 1<<15))
	for _, kind := range []struct {
		name    string
		content []byte
	}{{"Text", text}, {"Image", noise}} {
		for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%dKiB", kind.name, size>>10), func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "body")
				if err := os.WriteFile(path, kind.content[:size], 0o600); err != nil {
					b.Fatal(err)
				}
				w := NewWriter(io.Discard, WriterOptions{Level: 3})
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := w.Write(NewResponse("https://example.org/", when, head, File(path, int64(size)))); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkReader reads a file with all checks.
func BenchmarkReader(b *testing.B) {
	var records []*Record
	for range 100 {
		records = append(records, NewResponse("https://example.org/", when, head, Text(strings.Repeat("<p>Hello", 4<<10))))
	}
	file, _ := write(b, WriterOptions{}, records...)
	b.SetBytes(int64(len(records) * 32 << 10))
	b.ReportAllocs()
	for b.Loop() {
		if n, _, err := Intact(bytes.NewReader(file)); err != nil || n != len(records) {
			b.Fatal(n, err)
		}
	}
}
