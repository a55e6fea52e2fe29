package browser

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/chromedp/cdproto"
	"github.com/google/go-cmp/cmp"
)

// TestPipe: messages are divided by zero bytes, and one that is too large costs nobody
// another's.
func TestPipe(t *testing.T) {
	t.Parallel()
	const limit = 300_000
	large := strings.Repeat("x", limit)
	tests := map[string]struct {
		reason, in string
		want       []string
		end        error
	}{
		"Messages": {"Two messages, with an empty one between them.", "{\"id\":1,\"result\":{\"a\":2}}\x00\n\x00{\"method\":\"B.c\"}\x00", []string{`1  {"a":2} false`, `0 B.c  false`}, io.EOF},
		"Large":    {"An answer that is too large is one that failed.", `{"id":7,"result":{"data":"` + large + "\"}}\x00{\"method\":\"B.c\"}\x00", []string{`7   true`, `0 B.c  false`}, io.EOF},
		"Event":    {"An event that is too large is lost.", `{"method":"A.b","params":{"data":"` + large + "\"}}\x00{\"method\":\"B.c\"}\x00", []string{`0 B.c  false`}, io.EOF},
		"Longest":  {"One of the largest size that is allowed.", `{"id":7,"result":"` + large[:limit-21] + "\"}\x00", []string{`7  "` + large[:limit-21] + `" false`}, io.EOF},
		"Broken":   {"A message without an end is none.", `{"id":1,"res`, nil, io.ErrUnexpectedEOF},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPipe(io.NopCloser(strings.NewReader(tc.in)), nil)
			p.limit = limit
			var got []string
			for {
				var m cdproto.Message
				if err := p.Read(t.Context(), &m); err != nil {
					if !errors.Is(err, tc.end) {
						t.Errorf("%s: ended with %v", tc.reason, err)
					}
					break
				}
				got = append(got, fmt.Sprintf("%d %s %s %v", m.ID, m.Method, []byte(m.Result), m.Error == errTooLarge))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s: -want, +got:\n%.500s", tc.reason, diff)
			}
		})
	}
}
