// Package sitemap reads sitemaps: XML sitemaps and sitemap indexes, feeds (RSS 2.0, Atom) and
// plain lists of addresses, each packed with gzip or not (sitemaps.org, "Sitemaps XML format"
// and "Other Sitemap formats").
//
// A sitemap is read as a stream and within the protocol's bounds; what is beyond them
// is left out and told.
package sitemap

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The bounds of the protocol: entries and unpacked bytes of one sitemap.
const (
	MaxEntries = 50_000
	MaxSize    = 50 << 20
)

// maxAddress is the length in bytes of an address that is taken (the protocol: 2,048).
const maxAddress = 2048

// Kind says what an entry points to.
type Kind int

// The kinds of entries.
const (
	Page Kind = iota
	Sitemap
)

// ErrTooLarge means that the sitemap has more entries or bytes than the protocol allows; what was
// within the bounds has been read.
var ErrTooLarge = errors.New("sitemap is larger than the protocol allows")

// Read calls visit for each address in a sitemap, until it returns false.
func Read(r io.Reader, visit func(kind Kind, address string) bool) error {
	buffered := bufio.NewReader(r)
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return fmt.Errorf("unpack the sitemap: %w", err)
		}
		defer z.Close()
		buffered = bufio.NewReader(z)
	}
	limited := &io.LimitedReader{R: buffered, N: MaxSize}
	count := 0
	counted := func(kind Kind, address string) bool {
		address = strings.TrimSpace(address)
		if address == "" || len(address) > maxAddress {
			return true
		}
		if count++; count > MaxEntries {
			return false
		}
		return visit(kind, address)
	}
	body := bufio.NewReader(limited)
	err := readText(body, counted)
	if errors.Is(err, errXML) {
		err = readXML(body, counted)
	}
	if count > MaxEntries || limited.N == 0 {
		return ErrTooLarge
	}
	return err
}

var errXML = errors.New("this is XML")

// readText reads a list of addresses, one a line, unless it is XML.
func readText(r *bufio.Reader, visit func(Kind, string) bool) error {
	start, _ := r.Peek(512)
	start = bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\xef\xbb\xbf")), " \t\r\n")
	if len(start) == 0 || start[0] == '<' {
		return errXML
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 4<<10), 64<<10)
	for lines.Scan() {
		if !visit(Page, strings.TrimPrefix(lines.Text(), "\ufeff")) {
			return nil
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the sitemap: %w", err)
	}
	return nil
}
