package frontier

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"crawlfleet.dev/crawlfleet/workflows"
)

func packed(t *testing.T, lines ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, strings.Join(lines, "\n")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSeed(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		base := "http://" + r.Host
		switch r.URL.Path {
		case "/gone.xml":
			w.WriteHeader(http.StatusGone)
		case "/cotton.xml":
			fmt.Fprintf(w, `<urlset><url><loc>%s/100%%-cotton</loc></url><url><loc>%s/p2</loc></url></urlset>`, base, base)
		case "/index.xml":
			fmt.Fprintf(w, `<sitemapindex><sitemap><loc>%s/one.xml</loc></sitemap><sitemap><loc>%s/index.xml</loc></sitemap></sitemapindex>`, base, base)
		case "/one.xml":
			fmt.Fprintf(w, `<urlset><url><loc>%s/p1</loc></url><url><loc>%s/p2</loc></url><url><loc>mailto:x@example.org</loc></url></urlset>`, base, base)
		case "/mixed.xml":
			fmt.Fprintf(w, `<sitemapindex><sitemap><loc>%s/none.xml</loc></sitemap><sitemap><loc>%s/one.xml</loc></sitemap></sitemapindex>`, base, base)
		case "/foreign.xml":
			fmt.Fprintf(w, `<urlset><url><loc>http://victim.test/</loc></url><url><loc>%s/p1</loc></url></urlset>`, base)
		case "/robots.txt":
			fmt.Fprint(w, "User-agent: *\nDisallow: /private\nSitemap: /one.xml\nSitemap: http://"+r.Host+"/none.xml\nSitemap: http://%zz/")
		case "/partly.xml":
			fmt.Fprintf(w, `<sitemapindex><sitemap><loc>%s/private.xml</loc></sitemap><sitemap><loc>%s/one.xml</loc></sitemap></sitemapindex>`, base, base)
		case "/feed.rss":
			fmt.Fprintf(w, `<rss><channel><link>%s/</link><item><link>%s/p1</link></item><item><link>http://victim.test/</link></item></channel></rss>`, base, base)
		case "/feed.atom":
			fmt.Fprint(w, `<feed><link rel="next" href="feed.rss"/><entry><link href="/p2"/></entry></feed>`)
		case "/private.xml":
			fmt.Fprintf(w, `<urlset><url><loc>%s/p3</loc></url></urlset>`, base)
		case "/empty.xml":
			fmt.Fprint(w, `<urlset></urlset>`)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(site.Close)
	cases := map[string]struct {
		reason string
		in     workflows.SeedInput
		pages  int64
		word   workflows.Reason
		says   string
		final  bool
	}{
		"URLs":     {reason: "each page once, in whatever spelling", in: workflows.SeedInput{Seeds: workflows.Seeds{URLs: []string{"http://a.test", "HTTP://A.test:80/#x", "http://a.test/b"}}}, pages: 2},
		"List":     {reason: "comments and empty lines are passed over", in: workflows.SeedInput{SeedList: packed(t, "# seeds", "", "http://a.test/", " http://b.test/ ")}, pages: 2},
		"BadLine":  {reason: "the error names the line", in: workflows.SeedInput{SeedList: packed(t, "http://a.test/", "", "not an address")}, word: workflows.ReasonInvalidSeeds, says: "line 3", final: true},
		"BadSeed":  {reason: "the error names the seed", in: workflows.SeedInput{Seeds: workflows.Seeds{URLs: []string{"http://a.test/", "ftp://a.test/"}}}, word: workflows.ReasonInvalidSeeds, says: "seed 2", final: true},
		"Windows":  {reason: "a byte order mark and CRLF are taken for what they are", in: workflows.SeedInput{SeedList: packed(t, "\ufeffhttp://a.test/\r", "http://a.test/\r", "http://b.test/\r")}, pages: 2},
		"Feed":     {reason: "a feed names the pages of its items", in: workflows.SeedInput{Seeds: workflows.Seeds{Sitemaps: []string{site.URL + "/feed.rss"}}}, pages: 1},
		"Atom":     {reason: "relative to where it is, and what follows", in: workflows.SeedInput{Seeds: workflows.Seeds{Sitemaps: []string{site.URL + "/feed.atom"}}}, pages: 2},
		"TooMuch":  {reason: "a list is not cut in silence", in: workflows.SeedInput{SeedList: packed(t, "http://a.test/", strings.Repeat("#"+strings.Repeat("x", 1022)+"\n", maxSeedList>>10)+"#"+strings.Repeat("x", 1022))}, word: workflows.ReasonInvalidSeeds, says: "larger than", final: true},
		"NotGzip":  {reason: "a list that cannot be read", in: workflows.SeedInput{SeedList: []byte("http://a.test/")}, word: workflows.ReasonInvalidSeeds, final: true},
		"Nothing":  {reason: "a crawl needs a seed", in: workflows.SeedInput{Seeds: workflows.Seeds{Sitemaps: []string{site.URL + "/empty.xml"}}}, word: workflows.ReasonInvalidSeeds, says: strings.TrimPrefix(site.URL, "http://") + " name no page", final: true},
		"BadPort":  {reason: "it says what to do", in: workflows.SeedInput{Seeds: workflows.Seeds{URLs: []string{"http://a.test:99999/"}}}, word: workflows.ReasonInvalidSeeds, says: "in a new CrawlJob", final: true},
		"Sitemap":  {reason: "indexes are followed, also in a circle", in: workflows.SeedInput{Seeds: workflows.Seeds{Sitemaps: []string{site.URL + "/index.xml"}}}, pages: 2},
		"Mixed":    {reason: "one that an index names and that is gone does not keep the others", in: workflows.SeedInput{Seeds: workflows.Seeds{Sitemaps: []string{site.URL + "/mixed.xml"}}}, pages: 2},
		"Foreign":  {reason: "a sitemap speaks for its own site", in: workflows.SeedInput{Seeds: workflows.Seeds{Sitemaps: []string{site.URL + "/foreign.xml"}}}, pages: 1},
		"Robots":   {reason: "a sitemap that robots.txt forbids is not loaded", in: workflows.SeedInput{Seeds: workflows.Seeds{Sitemaps: []string{site.URL + "/private.xml"}}}, word: workflows.ReasonInvalidSeeds, says: "robots.txt", final: true},
		"Partly":   {reason: "nor one of an index, which does not keep the others", in: workflows.SeedInput{Seeds: workflows.Seeds{Sitemaps: []string{site.URL + "/partly.xml"}}}, pages: 2},
		"InRobots": {reason: "robots.txt names one with two pages in scope, and one that is gone", in: workflows.SeedInput{Seeds: workflows.Seeds{URLs: []string{site.URL + "/p1"}, RobotsSitemaps: true}}, pages: 2},
		"NotAsked": {reason: "nobody wants what robots.txt names", in: workflows.SeedInput{Seeds: workflows.Seeds{URLs: []string{site.URL + "/p1"}}}, pages: 1},
		"OutOfIt":  {reason: "what is out of scope nobody ordered", in: workflows.SeedInput{Job: workflows.Job{Spec: workflows.Spec{Scope: workflows.Scope{Type: "Prefix"}}}, Seeds: workflows.Seeds{URLs: []string{site.URL + "/ads/"}, RobotsSitemaps: true}}, pages: 1},
		"Percent":  {reason: "an address with a bare percent sign is one", in: workflows.SeedInput{Seeds: workflows.Seeds{Sitemaps: []string{site.URL + "/cotton.xml"}}}, pages: 2},
		"Gone":     {reason: "a sitemap that is gone for good is named, with what to do", in: workflows.SeedInput{Seeds: workflows.Seeds{Sitemaps: []string{site.URL + "/one.xml", site.URL + "/gone.xml"}}}, word: workflows.ReasonInvalidSeeds, says: "the sitemap seeds.sitemaps[1] on " + strings.TrimPrefix(site.URL, "http://") + " is not there: it is answered with 410 Gone. Correct it in a new CrawlJob", final: true},
		"NotFound": {reason: "a sitemap may be there later", in: workflows.SeedInput{Seeds: workflows.Seeds{Sitemaps: []string{site.URL + "/none.xml"}}}, word: workflows.ReasonSeedUnreachable, says: "404"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, tree(1, "a.test"))
			r.planner.Robots.Client = &http.Client{Timeout: 10 * time.Second}
			if scope := tc.in.Job.Spec.Scope; scope.Type != "" {
				r.job.Spec.Scope = scope
			}
			tc.in.Job = r.job
			out, err := activityOf(r, r.planner.Seed, tc.in)
			if tc.word == "" {
				again, err2 := activityOf(r, r.planner.Seed, tc.in)
				if err := errors.Join(err, err2); err != nil || out.Counts.Queued != tc.pages || again.Counts.Queued != tc.pages {
					t.Errorf("%s: %+v, again %+v, %v, want %d pages", tc.reason, out, again, err, tc.pages)
				}
				return
			}
			var app *temporal.ApplicationError
			if !errors.As(err, &app) || app.Type() != string(tc.word) || app.NonRetryable() != tc.final || !strings.Contains(app.Error(), tc.says) {
				t.Errorf("%s: %v, want %s that says %q", tc.reason, err, tc.word, tc.says)
			}
		})
	}
}

// TestSitemapsOnAnotherHost: a site may keep its sitemaps elsewhere; that its robots.txt names them is
// the proof that they are its own. They speak for nobody else beside.
func TestSitemapsOnAnotherHost(t *testing.T) {
	t.Parallel()
	var own, other string
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Host + r.URL.Path {
		case own + "/robots.txt":
			fmt.Fprintf(w, "Sitemap: http://%s/index.xml\n", other)
		case other + "/index.xml":
			fmt.Fprintf(w, `<sitemapindex><sitemap><loc>http://%s/a.xml</loc></sitemap></sitemapindex>`, other)
		case other + "/a.xml":
			fmt.Fprintf(w, `<urlset><url><loc>http://%s/1</loc></url><url><loc>http://%s/2</loc></url><url><loc>http://third.test/3</loc></url></urlset>`, own, other)
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(site.Close)
	own = site.Listener.Addr().String()
	other = strings.Replace(own, "127.0.0.1", "localhost", 1)
	r := SeedReader{Robots: &RobotsCache{Client: http.DefaultClient, UserAgent: "test", Token: "test", Now: time.Now}}
	if err := r.Add("http://" + own + "/0"); err != nil {
		t.Fatal(err)
	}
	if err := r.FromRobots(t.Context(), workflows.Spec{Scope: workflows.Scope{Type: "Host"}}); err != nil {
		t.Fatal(err)
	}
	want := []string{"http://" + own + "/0", "http://" + own + "/1"}
	if got := r.Seeds(); !slices.Equal(got, want) {
		t.Errorf("seeds %q, want %q", got, want)
	}
}

// TestSitemapsAreReadPolitely: there is a pause between two, as between two pages.
func TestSitemapsAreReadPolitely(t *testing.T) {
	t.Parallel()
	const delay = 80 * time.Millisecond
	var loads []time.Time
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			http.NotFound(w, r)
			return
		}
		loads = append(loads, time.Now())
		fmt.Fprintf(w, `<sitemapindex><sitemap><loc>http://%s/%d.xml</loc></sitemap></sitemapindex>`, r.Host, len(loads))
		time.Sleep(delay / 4)
	}))
	t.Cleanup(site.Close)
	r := newRig(t, tree(1, "a.test"))
	r.planner.Robots.Client = http.DefaultClient
	r.job.Spec.Politeness.Delay = delay
	_, err := activityOf(r, r.planner.Seed, workflows.SeedInput{Job: r.job, Seeds: workflows.Seeds{URLs: []string{"http://a.test/"}, Sitemaps: []string{site.URL + "/0.xml"}}})
	if err != nil || len(loads) != maxSitemapDepth+1 {
		t.Fatalf("%d sitemaps were loaded: %v", len(loads), err)
	}
	for i := range loads[1:] {
		if pause := loads[i+1].Sub(loads[i]); pause < delay {
			t.Errorf("sitemap %d follows after %s, want %s", i+1, pause, delay)
		}
	}
}

// TestSitemapsAreAskedForAsWritten: also those whose address net/http refuses.
func TestSitemapsAreAskedForAsWritten(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"http://a.test/s.xml?x":               "GET /s.xml?x HTTP/1.1\r\nHost: a.test\r\n",
		"http://a.test:81/100%-cotton.xml?5%": "GET /100%-cotton.xml?5% HTTP/1.1\r\nHost: a.test:81\r\n",
	} {
		req, err := newRequest(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := req.Write(&b); err != nil || !strings.HasPrefix(b.String(), want) {
			t.Errorf("%s: %q, %v", address, b.String(), err)
		}
	}
}

func TestRobots(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason          string
		handler         http.HandlerFunc
		allowed, denied []string
		failure         workflows.Reason
		delay           time.Duration
	}{
		"None":    {reason: "without one all is allowed", handler: http.NotFound, allowed: []string{"/", "/private/x"}},
		"Rules":   {reason: "the rules hold", handler: text("User-agent: *\nDisallow: /private\nCrawl-delay: 3\n"), allowed: []string{"/"}, denied: []string{"/private/x"}, delay: 3 * time.Second},
		"Own":     {reason: "the group that names us goes before *", handler: text("User-agent: *\nDisallow: /\n\nUser-agent: crawlfleet\nDisallow: /x\n"), allowed: []string{"/"}, denied: []string{"/x"}},
		"Broken":  {reason: "a server that fails says no for now", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, failure: workflows.ReasonRobotsUnreachable},
		"Endless": {reason: "more than five redirects are no robots.txt", handler: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) }, allowed: []string{"/"}},
		"Redirected": {reason: "five redirects are followed", handler: func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "xxxxx") {
				text("User-agent: *\nDisallow: /private\n")(w, r)
				return
			}
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		}, allowed: []string{"/"}, denied: []string{"/private/x"}},
		"BrokenOff": {reason: "what is missing may forbid everything", handler: func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			text("User-agent: *\n")(w, r)
		}, failure: workflows.ReasonRobotsUnreachable},
		"HungUp":    {reason: "without an answer nothing is known", handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, failure: "ConnectFailed"},
		"Forbidden": {reason: "4xx is no robots.txt", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, allowed: []string{"/"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked++; tc.handler(w, r) }))
			defer site.Close()
			client := NewClient(nil)
			client.Transport = http.DefaultTransport
			c := RobotsCache{Client: client, UserAgent: "crawlfleet/test", Token: "crawlfleet", Now: time.Now}
			rules, failure := c.Rules(t.Context(), site.URL+"/page")
			if tc.failure != "" {
				if failure == nil || failure.Reason != tc.failure {
					t.Errorf("%s: %+v, want %s", tc.reason, failure, tc.failure)
				}
				return
			}
			if failure != nil {
				t.Fatalf("%s: %+v", tc.reason, failure)
			}
			for _, p := range slices.Concat(tc.allowed, tc.denied) {
				if got := rules.Allowed(p); got == slices.Contains(tc.denied, p) {
					t.Errorf("%s: %s allowed: %v", tc.reason, p, got)
				}
			}
			if rules.Delay != tc.delay {
				t.Errorf("%s: delay %s, want %s", tc.reason, rules.Delay, tc.delay)
			}
			before := asked
			if _, _ = c.Rules(t.Context(), site.URL+"/other"); asked != before {
				t.Errorf("robots.txt was asked for again")
			}
		})
	}
}

func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}
