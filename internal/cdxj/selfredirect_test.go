package cdxj

import (
	"cmp"
	"testing"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

func TestSelfRedirect(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		kind warc.Type
		head string
		want bool
		of   string // "https://www.example.org/a?b" where it is empty
	}{
		"Absolute":  {kind: warc.Response, head: "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://www.example.org/a?b\r\n\r\n", want: true},
		"Relative":  {kind: warc.Response, head: "HTTP/1.1 302 Found\r\nlocation: /a?b\r\n\r\n", want: true},
		"Fragment":  {kind: warc.Response, head: "HTTP/1.1 302 Found\r\nLocation: a?b#c\r\n\r\n", want: true},
		"Percent":   {kind: warc.Response, head: "HTTP/1.1 302 Found\r\nLocation: /100%-cotton\r\n\r\n", want: true, of: "http://www.example.org/100%-cotton"},
		"Escape":    {kind: warc.Response, head: "HTTP/1.1 302 Found\r\nLocation: /~ada\r\n\r\n", of: "http://www.example.org/%7Eada"},
		"Elsewhere": {kind: warc.Response, head: "HTTP/1.1 302 Found\r\nLocation: /a\r\n\r\n"},
		"None":      {kind: warc.Response, head: "HTTP/1.1 302 Found\r\n\r\n"},
		"Empty":     {kind: warc.Response, head: "HTTP/1.1 302 Found\r\nLocation:\r\n\r\n"},
		"Malformed": {kind: warc.Response, head: "HTTP/1.1 302 Found\r\nLocation: http://[a\r\n\r\n"},
		"NoneAtAll": {kind: warc.Response, head: "HTTP/1.1 200 OK\r\nLocation: /a?b\r\n\r\n"},
		"Request":   {kind: warc.Request, head: "HTTP/1.1 307 Temporary Redirect\r\nLocation: /a?b\r\n\r\n"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &warc.Record{Type: tc.kind, TargetURI: cmp.Or(tc.of, "https://www.example.org/a?b"), Head: []byte(tc.head)}
			if got := SelfRedirect(r); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
