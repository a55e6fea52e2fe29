package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"crawlfleet.dev/crawlfleet/workers/dryrun"
)

// addOrderRoutes adds what plan and explain ask a site for. The site has several names.
func addOrderRoutes(mux *http.ServeMux) {
	mux.HandleFunc("/robots.txt", func(w http.ResponseWriter, r *http.Request) {
		switch host, _, _ := strings.Cut(r.Host, ":"); host {
		case "busy.example":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "mapped.example":
			fmt.Fprint(w, "Sitemap: /pages.xml\n")
		case "percent.example":
			fmt.Fprint(w, "User-agent: *\nDisallow: /private\n")
		case "careful.example", "www.careful.example":
			fmt.Fprint(w, "User-agent: *\nDisallow: /\n\nUser-agent: crawlfleet\nDisallow: /private/ # really\nAllow: /private/map\nCrawl-delay: 10\n")
		default:
			http.NotFound(w, r)
		}
	})
	mux.HandleFunc("/sitemap.xml", func(w http.ResponseWriter, r *http.Request) {
		base := "http://" + r.Host
		fmt.Fprintf(w, "<sitemapindex><sitemap><loc>%s/pages.xml</loc></sitemap><sitemap><loc>%s/gone.xml</loc></sitemap></sitemapindex>", base, base)
	})
	mux.HandleFunc("/percent.xml", func(w http.ResponseWriter, r *http.Request) {
		base := "http://" + r.Host
		fmt.Fprintf(w, "<urlset><url><loc>%s/100%%-cotton</loc></url><url><loc>%s/private/5%%</loc></url></urlset>", base, base)
	})
	mux.HandleFunc("/pages.xml", func(w http.ResponseWriter, r *http.Request) {
		base := "http://" + r.Host
		fmt.Fprintf(w, "<urlset><url><loc>%s/ads/1</loc></url><url><loc>%s/private/2</loc></url></urlset>", base, base)
	})
}

func TestPrintRow(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	printRow(&b, "name", strings.Repeat("word ", 60)+"\x1b[31m"+strings.Repeat("x", 150)+" end")
	for _, line := range strings.Split(b.String(), "\n") {
		if len(line) > lineWidth && !strings.Contains(line, "xxx") {
			t.Errorf("a line of %d bytes: %q", len(line), line)
		}
	}
	if strings.Contains(b.String(), "\x1b") || !strings.HasPrefix(b.String(), "  name       word word") || strings.Count(b.String(), "word") != 60 {
		t.Errorf("%q", b.String())
	}
}

// TestPlanIsReadable: whatever the names, no line of the table is longer than a page is wide.
func TestPlanIsReadable(t *testing.T) {
	t.Parallel()
	r := &dryrun.Report{Sites: []dryrun.Site{{
		Site: strings.Repeat("label.", 40) + "example", Seeds: 1_000_000, Disallowed: 999_999, Robots: dryrun.Allowed,
		Delay: dryrun.Delay{Seconds: 3600, Source: "Robots", Line: 10_000}, Seconds: 1e9, Shard: 255,
		Examples: []dryrun.Example{{URL: "http://a.example/" + strings.Repeat("x", 200), Robots: dryrun.Robots{Verdict: dryrun.Disallowed, Rule: "Disallow: /" + strings.Repeat("x", 200), Line: 1}}},
	}}}
	var b strings.Builder
	f := planFlags{rows: 20}
	if err := f.sites(&b, r); err != nil {
		t.Fatal(err)
	}
	f.disallowed(&b, r)
	for _, line := range strings.Split(b.String(), "\n") {
		if n := len([]rune(line)); n > lineWidth {
			t.Errorf("a line of %d: %s", n, line)
		}
	}
	if !strings.Contains(b.String(), "and 999998 more") {
		t.Errorf("it does not say what it leaves out:\n%s", b.String())
	}
}
