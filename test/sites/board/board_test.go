package board_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/xml"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/test/sites"
	"crawlfleet.dev/crawlfleet/test/sites/board"
)

func serve(t *testing.T, o board.Options) (*board.Board, *sites.Server) {
	t.Helper()
	b := board.New(o)
	srv, err := sites.Start(sites.Options{Handler: b})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return b, srv
}

func fetch(t *testing.T, url string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

func TestWalkFindsTheAccount(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		reason string
		o      board.Options
		pages  int
	}{
		{"the demo has about eighty pages", board.Options{}, 83},
		{"a large board has longer lists", board.Options{Ads: 700, PageSize: 20, Seed: 7, External: "http://next.test/door"}, 0},
		{"a small board leaves categories out", board.Options{Ads: 2}, 0},
	} {
		b, srv := serve(t, tc.o)
		got, err := board.Walk(t.Context(), nil, srv.URL)
		if err != nil {
			t.Fatalf("%s: %v", tc.reason, err)
		}
		if diff := cmp.Diff(b.Account(), got); diff != "" {
			t.Errorf("%s (-account +walk):\n%s", tc.reason, diff)
		}
		if tc.pages != 0 && len(got.Pages) != tc.pages {
			t.Errorf("%s: got %d pages, want %d", tc.reason, len(got.Pages), tc.pages)
		}
		for _, e := range srv.Log.Entries(sites.Filter{Path: "/private"}) {
			t.Errorf("%s: the walk asked for %s", tc.reason, e.Path)
		}
	}
}

func TestWalkSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	srv, err := sites.Start(sites.Options{Handler: http.NotFoundHandler()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = srv.Close() }()
	if _, err := board.Walk(t.Context(), nil, srv.URL); err == nil || !strings.Contains(err.Error(), "/robots.txt: 404") {
		t.Errorf("got %v, want an error that names /robots.txt and 404", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := board.Walk(ctx, nil, srv.URL); err == nil {
		t.Error("no error from a cancelled walk")
	}
}

func TestSameSeedSameBoard(t *testing.T) {
	t.Parallel()
	a, sa := serve(t, board.Options{})
	b, sb := serve(t, board.Options{})
	c := board.New(board.Options{Seed: 2})
	if !slices.Equal(a.Pages(), b.Pages()) || slices.Equal(a.Pages(), c.Pages()) {
		t.Error("the pages do not depend on the seed alone")
	}
	for _, path := range []string{"/api/ads?page=2", "/api/ads/1010", "/img/1010/0-800.jpg", "/img/1010/1-400.png", "/img/1010/2-800.svg", "/static/app.js"} {
		ra, x := fetch(t, sa.URL+path)
		_, y := fetch(t, sb.URL+path)
		if ra.StatusCode != http.StatusOK || !bytes.Equal(x, y) {
			t.Errorf("%s: status %d, %d and %d bytes", path, ra.StatusCode, len(x), len(y))
		}
	}
}

func TestEveryPageHasItsStatusAndNoText(t *testing.T) {
	t.Parallel()
	b, srv := serve(t, board.Options{})
	for _, path := range b.Pages() {
		res, body := fetch(t, srv.URL+path)
		if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %s %s", path, res.Status, res.Header.Get("Content-Type"))
		}
		text := b.TextOf(path)
		if len(text) < 2 {
			t.Errorf("%s: text %q", path, text)
		}
		for _, s := range text {
			if strings.Count(s, " ") > 1 && bytes.Contains(body, []byte(s)) {
				t.Errorf("%s: %q is in the HTML and not only rendered", path, s)
			}
		}
	}
	for path, want := range map[string]int{
		"/ad/999-sold": 404, "/?page=1": 404, "/?page=99": 404, "/?page=x": 404, "/c/none": 404, "/s/nobody": 404,
		"/ad/1001": 404, "/ad/1001-other-title": 404, "/info/none": 404, "/nowhere": 404, "/promo": 302, "/private/members": 200,
		"/api/ads?page=0": 404, "/api/ads?page=99": 404, "/api/ads/1": 404, "/api/sellers/nobody": 404, "/api/info/none": 404,
		"/img/1001/0-800.png": 404, "/img/1001/3-800.jpg": 404, "/img/1/0-800.jpg": 404, "/img/1001/x.jpg": 404,
		"/static/shell.html": 404, "/static/none.js": 404, "/extra/0/0.svg": 404, "/favicon.ico": 301,
	} {
		if res, _ := fetch(t, srv.URL+path); res.StatusCode != want {
			t.Errorf("%s: got %d, want %d", path, res.StatusCode, want)
		}
		if b.TextOf(path) != nil {
			t.Errorf("TextOf(%q) is not nil", path)
		}
	}
}

func TestImagesDecode(t *testing.T) {
	t.Parallel()
	_, srv := serve(t, board.Options{})
	for path, want := range map[string]image.Point{
		"/img/1001/0-800.jpg": {X: 800, Y: 600}, "/img/1002/0-400.jpg": {X: 400, Y: 300},
		"/img/1003/1-800.png": {X: 800, Y: 600}, "/img/1060/1-400.png": {X: 400, Y: 300},
	} {
		_, body := fetch(t, srv.URL+path)
		img, _, err := image.Decode(bytes.NewReader(body))
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got := img.Bounds().Size(); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}

// reserved are the ranges that Ofcom and NANPA keep for fiction.
var reserved = regexp.MustCompile(`^\+(44 20 7946 0\d{3}|44 7700 900\d{3}|1 202 555 01\d{2})$`)

func TestTelephoneNumbersAreReserved(t *testing.T) {
	t.Parallel()
	b := board.New(board.Options{Ads: 5000})
	dialled := regexp.MustCompile(`^tel:\+(442079460\d{3}|447700900\d{3}|120255501\d{2})$`)
	handles := map[string]bool{}
	for _, path := range b.Pages() {
		if !strings.HasPrefix(path, "/s/") || strings.Contains(path, "?") {
			continue
		}
		text := b.TextOf(path)
		if handles[text[0]] || !reserved.MatchString(text[1]) {
			t.Errorf("seller %s has the number %s", text[0], text[1])
		}
		handles[text[0]] = true
	}
	for _, lead := range b.Account().Leads {
		if !dialled.MatchString(lead) && !strings.HasSuffix(lead, "@example.org") {
			t.Errorf("the lead %s is not reserved for examples", lead)
		}
	}
}

func TestRobotsAndSitemaps(t *testing.T) {
	t.Parallel()
	b, srv := serve(t, board.Options{CrawlDelay: 3 * time.Second})
	_, robots := fetch(t, srv.URL+"/robots.txt")
	want := "User-agent: *\nDisallow: /private/\nCrawl-delay: 3\n\nSitemap: " + srv.URL + "/sitemap.xml\n"
	if diff := cmp.Diff(want, string(robots)); diff != "" {
		t.Errorf("robots.txt (-want +got):\n%s", diff)
	}
	var index struct {
		Loc []string `xml:"sitemap>loc"`
	}
	_, body := fetch(t, srv.URL+"/sitemap.xml")
	if err := xml.Unmarshal(body, &index); err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, loc := range index.Loc {
		_, body := fetch(t, loc)
		if strings.HasSuffix(loc, ".gz") {
			z, err := gzip.NewReader(bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		var set struct {
			Loc []string `xml:"url>loc"`
		}
		if err := xml.Unmarshal(body, &set); err != nil {
			t.Fatal(err)
		}
		for _, l := range set.Loc {
			found = append(found, strings.TrimPrefix(l, srv.URL))
		}
	}
	slices.Sort(found)
	if diff := cmp.Diff(b.Pages(), found); diff != "" {
		t.Errorf("pages in the sitemaps (-want +got):\n%s", diff)
	}
}

func TestLatency(t *testing.T) {
	t.Parallel()
	_, srv := serve(t, board.Options{Latency: 30 * time.Millisecond})
	begin := time.Now()
	fetch(t, srv.URL+"/robots.txt")
	if took := time.Since(begin); took < 30*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
}
