package sitemap

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func packed(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return b.String()
}

func TestRead(t *testing.T) {
	t.Parallel()
	urlset := `<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:i="http://example.org/image">
<url><loc> https://a.example/1?x=1&amp;y=2 </loc><lastmod>2026-01-01</lastmod><i:image><i:loc>https://a.example/pic.png</i:loc></i:image></url>
<url><loc>https://a.example/2</loc></url></urlset>`
	cases := map[string]struct {
		reason string
		in     string
		want   []string
		bad    bool
	}{
		"URLSet": {reason: "pages, and nothing of the extensions", in: urlset, want: []string{"0 https://a.example/1?x=1&y=2", "0 https://a.example/2"}},
		"Packed": {reason: "gzip", in: packed(urlset), want: []string{"0 https://a.example/1?x=1&y=2", "0 https://a.example/2"}},
		"Index": {reason: "further sitemaps", in: "\ufeff<sitemapindex><sitemap><loc>https://a.example/s.xml.gz</loc></sitemap></sitemapindex>",
			want: []string{"1 https://a.example/s.xml.gz"}},
		"Text":  {reason: "a list of lines", in: "\ufeffhttps://a.example/1\r\n\r\nhttps://a.example/2\n", want: []string{"0 https://a.example/1", "0 https://a.example/2"}},
		"Empty": {reason: "nothing is nothing", in: ""},
		"Cut":   {reason: "what is there is taken, and the error told", in: urlset[:len(urlset)-12], want: []string{"0 https://a.example/1?x=1&y=2", "0 https://a.example/2"}, bad: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			err := Read(strings.NewReader(tc.in), func(k Kind, a string) bool {
				got = append(got, fmt.Sprint(int(k), " ", a))
				return true
			})
			if (err != nil) != tc.bad {
				t.Errorf("%s: error %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestTooManyEntries(t *testing.T) {
	t.Parallel()
	n := 0
	err := Read(strings.NewReader(strings.Repeat("https://a.example/\n", MaxEntries+1)), func(Kind, string) bool { n++; return true })
	if !errors.Is(err, ErrTooLarge) || n != MaxEntries {
		t.Errorf("%d entries, %v", n, err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("<urlset><url><loc>https://a.example/</loc></url></urlset>"))
	f.Add([]byte(packed("https://a.example/\n")))
	f.Fuzz(func(_ *testing.T, data []byte) {
		_ = Read(bytes.NewReader(data), func(Kind, string) bool { return true }) // it must come back
	})
}
