package cdx

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/http/httpguts"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

const (
	originalPrefix = "X-Archive-Orig-"
	// maxFields and maxHead bound what is told of a header: clients refuse more.
	maxFields = 64
	maxHead   = 16 << 10
)

// codings are the content codings that clients take off (RFC 9110 section 8.4.1).
var codings = []string{"gzip", "x-gzip", "deflate", "br", "zstd", "compress", "identity"}

// describe tells what is sent, with no more of the archived header than that takes; all
// else of it is told under another name, under which no client acts on it. The head is that
// of the capture, rec the record that has the body: of a revisit they are two.
func describe(out http.Header, head []byte, rec *warc.Record) {
	kind := rec.ContentType
	if len(head) > 0 {
		kind = warc.HTTPField(head, "Content-Type")
		if kind == "" {
			kind = warc.HTTPField(rec.Head, "Content-Type") // a revisit may not repeat it
		}
		tellOriginal(out, head)
	}
	if kind == "" || !httpguts.ValidHeaderFieldValue(kind) {
		kind = "application/octet-stream"
	}
	out.Set("Content-Type", kind)
	if coding := warc.HTTPField(rec.Head, "Content-Encoding"); coding != "" && areCodings(coding) {
		out.Set("Content-Encoding", coding)
	}
	if part := warc.HTTPField(head, "Content-Range"); part != "" && statusOf(head) == http.StatusPartialContent && httpguts.ValidHeaderFieldValue(part) {
		out.Set("Content-Range", part)
	}
	if why, ok := rec.Get(warc.FieldTruncated); ok && httpguts.ValidHeaderFieldValue(why) {
		out.Set("X-Crawlfleet-Truncated", why)
	}
}

func areCodings(value string) bool {
	for coding := range strings.SplitSeq(value, ",") {
		if !slices.Contains(codings, strings.ToLower(strings.TrimSpace(coding))) {
			return false
		}
	}
	return true
}

// tellOriginal adds the fields of an archived header as X-Archive-Orig-*, and says how many
// could not be told.
func tellOriginal(out http.Header, head []byte) {
	size, told, left := 0, 0, 0
	_, lines, _ := strings.Cut(string(head), "\n")
	for line := range strings.Lines(lines) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if strings.EqualFold(name, warc.OriginalTransferEncoding) {
			name = "Transfer-Encoding"
		}
		fits := told < maxFields && size+len(line) <= maxHead
		if !ok || !fits || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value) {
			left++
			continue
		}
		out.Add(originalPrefix+name, value)
		told, size = told+1, size+len(line)
	}
	if left > 0 {
		out.Set("X-Crawlfleet-Note", fmt.Sprintf("%d lines of the original header are left out; the record has them", left))
	}
}

// statusOf is the status in the first line of a head, 0 when there is none.
func statusOf(head []byte) int {
	fields := strings.Fields(warc.StartLine(head))
	if len(fields) < 2 {
		return 0
	}
	n, err := strconv.Atoi(fields[1])
	if err != nil {
		return 0
	}
	return n
}
