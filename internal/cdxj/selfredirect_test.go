package cdxj

import (
	"testing"

	"crawlfleet.dev/crawlfleet/internal/warc"
)

func TestSelfRedirect(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		kind warc.Type
		head string
		want bool
	}{
		"Absolute":  {warc.Response, "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://www.example.org/a?b\r\n\r\n", true},
		"Relative":  {warc.Response, "HTTP/1.1 302 Found\r\nlocation: /a?b\r\n\r\n", true},
		"Fragment":  {warc.Response, "HTTP/1.1 302 Found\r\nLocation: a?b#c\r\n\r\n", true},
		"Elsewhere": {warc.Response, "HTTP/1.1 302 Found\r\nLocation: /a\r\n\r\n", false},
		"None":      {warc.Response, "HTTP/1.1 302 Found\r\n\r\n", false},
		"Empty":     {warc.Response, "HTTP/1.1 302 Found\r\nLocation:\r\n\r\n", false},
		"Malformed": {warc.Response, "HTTP/1.1 302 Found\r\nLocation: http://[a\r\n\r\n", false},
		"NoneAtAll": {warc.Response, "HTTP/1.1 200 OK\r\nLocation: /a?b\r\n\r\n", false},
		"Request":   {warc.Request, "HTTP/1.1 307 Temporary Redirect\r\nLocation: /a?b\r\n\r\n", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &warc.Record{Type: tc.kind, TargetURI: "https://www.example.org/a?b", Head: []byte(tc.head)}
			if got := SelfRedirect(r); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
