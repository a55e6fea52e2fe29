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
		"Text": {reason: "a list of lines", in: "\ufeffhttps://a.example/1\r\n\r\nhttps://a.example/2\n", want: []string{"0 https://a.example/1", "0 https://a.example/2"}},
		"Pieces": {reason: "an address is one, in however many pieces it is written",
			in: "<urlset><url><loc>https://a.example/<!-- x -->1?a=<![CDATA[1&b=2]]></loc></url></urlset>", want: []string{"0 https://a.example/1?a=1&b=2"}},
		"Charset": {reason: "not everything is in UTF-8",
			in: "<?xml version='1.0' encoding='ISO-8859-1'?><urlset><url><loc>https://a.example/\xe9</loc></url></urlset>", want: []string{"0 https://a.example/\u00e9"}},
		"RSS": {reason: "the items of a feed, not the feed's own page, and the part that follows",
			in: `<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>x</title><link>https://a.example/</link>
<atom:link rel="self" href="https://a.example/feed"/><atom:link rel="next" href="https://a.example/feed?page=2"/>
<item><title>One</title><link>https://a.example/1</link><guid>https://a.example/?p=1</guid><description>&lt;a href="/no"&gt;</description></item>
<item><link><![CDATA[https://a.example/2]]></link><atom:link href="https://a.example/no"/></item></channel></rss>`,
			want: []string{"1 https://a.example/feed?page=2", "0 https://a.example/1", "0 https://a.example/2"}},
		"Atom": {reason: "the pages of entries, at their bases",
			in: `<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://a.example/blog/"><link href="https://a.example/"/><link rel="prev-archive" href="2025"/>
<entry><link href="1"/><link rel="enclosure" href="no.mp3"/><content type="xhtml"><div><a href="no"/><link href="no"/></div></content></entry>
<entry xml:base="/shop/"><link rel="alternate" href="2"/></entry><entry><link rel="alternate"/></entry></feed>`,
			want: []string{"1 https://a.example/blog/2025", "0 https://a.example/blog/1", "0 https://a.example/shop/2"}},
		"AtomSign": {reason: "a percent sign that starts no escape is one",
			in: `<feed xml:base="https://a.example/100%/"><entry xml:base="more/"><link href="5%-off"/></entry></feed>`, want: []string{"0 https://a.example/100%/more/5%-off"}},
		"AtomPage": {reason: "without a base the reader of the feed knows it", in: `<feed><entry><link href="/1"/></entry></feed>`, want: []string{"0 /1"}},
		"Deep":     {reason: "nesting has a bound", in: strings.Repeat("<a>", 10_000), bad: true},
		"Bomb":     {reason: "so has what is unpacked", in: packed("<urlset>" + strings.Repeat(" ", MaxSize) + "<url><loc>https://a.example/</loc></url></urlset>"), bad: true},
		"Empty":    {reason: "nothing is nothing", in: ""},
		"Cut":      {reason: "what is there is taken, and the error told", in: urlset[:len(urlset)-12], want: []string{"0 https://a.example/1?x=1&y=2", "0 https://a.example/2"}, bad: true},
		"Page":     {reason: "a page that a server sends instead is not a sitemap without entries", in: "<html><body><p>Welcome<br></body></html>", bad: true},
		"After":    {reason: "what follows it does not harm", in: "<urlset><url><loc>https://a.example/</loc></url></urlset><script></script>", want: []string{"0 https://a.example/"}},
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
	f.Add([]byte(`<rss><channel><item><link>https://a.example/</link></item></channel></rss>`))
	f.Add([]byte(`<?xml version="1.0" encoding="latin1"?><feed xml:base="https://a.example/"><entry><link href="1"/></entry></feed>`))
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = Read(bytes.NewReader(data), func(_ Kind, address string) bool { // whatever it finds in the end
			if address == "" || len(address) > maxAddress {
				t.Errorf("an address of %d bytes", len(address))
			}
			return true
		})
	})
}

// endless is a urlset that is never in memory as a whole; it counts what is read of it.
type endless struct{ read int64 }

func (e *endless) Read(p []byte) (int, error) {
	const entry = "<url><loc>https://a.example/page</loc></url>\n"
	n := 0
	if e.read == 0 {
		n = copy(p, "<urlset>")
	}
	for n < len(p) {
		n += copy(p[n:], entry[(e.read+int64(n)+int64(len(entry)-len("<urlset>")))%int64(len(entry)):])
	}
	e.read += int64(n)
	return n, nil
}

// TestStream: a sitemap is taken as it comes, and no more of it is read than it may hold.
func TestStream(t *testing.T) {
	t.Parallel()
	source, taken, behind := &endless{}, int64(0), int64(0)
	err := Read(source, func(Kind, string) bool {
		taken++
		behind = max(behind, source.read-taken*45)
		return true
	})
	if !errors.Is(err, ErrTooLarge) || taken != MaxEntries || behind > 64<<10 {
		t.Errorf("%d entries, %d bytes read ahead, %v", taken, behind, err)
	}
	if source.read > 2*MaxEntries*45 {
		t.Errorf("%d bytes were read", source.read)
	}
}
