package browser

import (
	"encoding/json"
	"image/png"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/recorder"
)

const boardPage = `<!doctype html><html lang="en"><head><title>  A   board </title><link rel="icon" href="data:,"></head>
<body><h1>Board</h1><ul id="list"></ul>
<a href="/about#team">About</a> <a href="/about#team">About again</a> <a href="mailto:lead@example.org">Mail</a>
<a href="tel:+15550100">Call</a> <a rel="nofollow" href="https://example.org/out">Out</a> <a href="javascript:void 0">No</a>
<iframe src="/frame"></iframe>
<div id="host"></div>
<script>
const root = document.getElementById('host').attachShadow({mode: 'open'});
root.innerHTML = '<p>In the shadow <a href="/shadow">link</a></p>';
document.querySelectorAll = () => { throw new Error('overridden'); };
fetch('/api/ads').then(r => r.json()).then(async ads => {
  for (const ad of ads) {
    const detail = await (await fetch('/api/ads/' + ad)).json();
    const li = document.createElement('li');
    li.innerHTML = '<a href="/ads/' + ad + '">' + detail.title + '</a>';
    document.getElementById('list').append(li);
  }
});
</script></body></html>`

func boardSite(t testing.TB) string {
	api := func(v any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if err := json.NewEncoder(w).Encode(v); err != nil {
				t.Error(err)
			}
		}
	}
	return serve(t, map[string]any{
		"/{$}":       boardPage,
		"/frame":     `<p>Inside the frame <a href="/framed">framed</a></p>`,
		"/api/ads":   api([]int{1, 2}),
		"/api/ads/1": api(map[string]string{"title": "Bicycle"}),
		"/api/ads/2": api(map[string]string{"title": "Grüße 🚲"}),
	}).URL
}

func TestCaptureDynamicPage(t *testing.T) {
	t.Parallel()
	base := boardSite(t)
	s := newStay(t, newPool(t), StayOptions{})
	p := visit(t, s, base+"/")

	if want := (Outcome{State: Archived}); p.Outcome != want {
		t.Fatalf("outcome %+v, want %+v", p.Outcome, want)
	}
	want := []string{"GET / record", "GET /frame record", "GET /api/ads record", "GET /api/ads/1 record", "GET /api/ads/2 record"}
	got := requested(p, base)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
	if want := (Completeness{Expected: 5, Matched: 5, Ratio: 1}); p.Completeness != want {
		t.Errorf("completeness %+v, want %+v", p.Completeness, want)
	}
	if p.Title != "A board" || p.Status != 200 || p.MIME != "text/html" || p.FinalURL != base+"/" {
		t.Errorf("title %q status %d MIME %q final %q", p.Title, p.Status, p.MIME, p.FinalURL)
	}
	wantLinks := []Link{
		{URL: base + "/ads/1", Kind: LinkAnchor}, {URL: base + "/ads/2", Kind: LinkAnchor},
		{URL: base + "/about#team", Kind: LinkAnchor},
		{URL: "mailto:lead@example.org", Kind: LinkMailto}, {URL: "tel:+15550100", Kind: LinkTel},
		{URL: "https://example.org/out", Kind: LinkAnchor, NoFollow: true},
		{URL: base + "/frame", Kind: LinkFrame}, {URL: base + "/framed", Kind: LinkAnchor}, {URL: base + "/shadow", Kind: LinkAnchor},
	}
	if diff := cmp.Diff(wantLinks, p.Links); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
	text := read(t, p.TextFile)
	for _, want := range []string{"Board", "Bicycle", "Grüße 🚲", "Inside the frame", "In the shadow link"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	dom := read(t, p.DOMFile)
	for _, want := range []string{"<!DOCTYPE html>", `<html lang="en">`, "Bicycle", `<template shadowrootmode="open">`, "</html>"} {
		if !strings.Contains(dom, want) {
			t.Errorf("the DOM lacks %q:\n%s", want, dom)
		}
	}
	if len(p.Frames) != 2 || p.Frames[0].URL != base+"/" || p.Frames[1].URL != base+"/frame" {
		t.Errorf("frames %+v", p.Frames)
	}
	checkPicture(t, p, DefaultViewport.Width, DefaultViewport.Height)
	if p.MainExchange() == nil || p.MainExchange().URL != base+"/" {
		t.Errorf("main exchange %+v", p.MainExchange())
	}
}

func checkPicture(t *testing.T, p *Page, width, height int) {
	t.Helper()
	f, err := os.Open(p.ScreenshotFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.DecodeConfig(f)
	if err != nil {
		t.Fatal(err)
	}
	if img.Width != width || img.Height != height || p.ScreenshotWidth != width || p.ScreenshotHeight != height {
		t.Errorf("picture of %dx%d (page says %dx%d), want %dx%d", img.Width, img.Height, p.ScreenshotWidth, p.ScreenshotHeight, width, height)
	}
}

func TestLargeOutputsComeInPieces(t *testing.T) {
	t.Parallel()
	site := serve(t, map[string]any{"/": `<p id=p></p><script>p.textContent = 'x' + '🚲'.repeat(2000000) + 'end'</script>`})
	p := visit(t, newStay(t, newPool(t), StayOptions{}), site.URL, func(v *Visit) { v.Screenshot = ScreenshotNone })
	want := "x" + strings.Repeat("🚲", 2_000_000) + "end"
	if got := read(t, p.TextFile); got != want {
		t.Errorf("text of %d bytes, want %d", len(got), len(want))
	}
	if got := read(t, p.DOMFile); !strings.Contains(got, want) {
		t.Errorf("DOM of %d bytes", len(got))
	}
}

// TestSiteSpeaksForItself: what a site writes into its headers is not taken for
// the recorder's word.
func TestSiteSpeaksForItself(t *testing.T) {
	t.Parallel()
	base := serve(t, map[string]any{
		"/{$}": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(recorder.ReasonHeader, recorder.ReasonAddressBlocked)
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<link rel=icon href=data:,><p>All is well</p>"))
		},
	}).URL
	p := visit(t, newStay(t, newPool(t), StayOptions{}), base+"/")
	if len(p.Ledger) != 1 || p.Ledger[0].Outcome != OutcomeRecord || p.Ledger[0].Reason != "" || p.Completeness.Matched != 1 {
		t.Errorf("ledger %+v, completeness %+v", p.Ledger, p.Completeness)
	}
	if want := (Outcome{State: Archived}); p.Outcome != want {
		t.Errorf("outcome %+v, want %+v", p.Outcome, want)
	}
}
