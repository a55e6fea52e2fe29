package snapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/workers/archive"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

const htmlType = "Content-Type: text/html; charset=utf-8\r\n"

// TestReadPages reads the pages of a chunk as a worker writes it: plain ones, one that redirects,
// two that end at one address at the same time, one that failed and one that was visited again.
func TestReadPages(t *testing.T) {
	t.Parallel()
	first := visit(t, 0, "https://www.site.test/rooms").get("https://www.site.test/rooms", "Document", "200 OK", htmlType, "rooms").
		get("https://cdn.other.test:8443/a.js", "Script", "200 OK", "Content-Type: text/javascript\r\n", "script").
		showing("Rooms to let", `<!DOCTYPE html><!-- a --><html class="x" lang="nl-NL"><body>Rooms`, screenshot(t, 8, 8),
			browser.Link{URL: "https://www.site.test/next", Kind: browser.LinkAnchor}, browser.Link{URL: "tel:+15550100", Kind: browser.LinkTel, NoFollow: true})
	moved := visit(t, 1, "https://www.site.test/old").get("https://www.site.test/old", "Document", "301 Moved Permanently", "Location: /login\r\n", "").
		get("https://www.site.test/login", "Document", "200 OK", htmlType, "log in").showing("Log in", "<p>Log in", screenshot(t, 8, 8))
	moved.page.FinalURL = "https://www.site.test/login"
	also := visit(t, 1, "https://www.site.test/other").get("https://www.site.test/other", "Document", "302 Found", "Location: /login\r\n", "").
		get("https://www.site.test/login", "Document", "200 OK", htmlType, "log in, please").showing("Log in, please", "<html lang=''>", "")
	also.page.FinalURL = "https://www.site.test/login"
	slow := visit(t, 2, "https://www.site.test/slow").get("https://www.site.test/slow", "Document", "200 OK", htmlType, "slow").showing("", "", "")
	slow.page.Outcome = browser.Outcome{State: browser.Failed, Reason: "TimedOut"}
	again := visit(t, 3, "https://www.site.test/rooms").get("https://www.site.test/rooms", "Document", "404 Not Found", htmlType, "gone").showing("Gone", "", "")
	again.page.Superseded, again.page.Status = true, 404
	file := visit(t, 4, "https://www.site.test/f.pdf").get("https://www.site.test/f.pdf", "Document", "200 OK", "Content-Type: application/pdf\r\n", "%PDF")
	file.page.MIME = "application/pdf"

	b := chunk(t, archive.Provenance{}, first, moved, also, slow, again, file)
	store := stored(t, b)
	got, hosts, err := Read(t.Context(), store, chunkKey, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	page := func(v *visited, at int, p Page) Page {
		p.Chunk, p.Time, p.Title, p.URL = chunkKey, v.page.Started.Add(time.Duration(at)*10*time.Millisecond), v.page.Title, v.page.URL
		if p.FinalURL == "" {
			p.FinalURL = p.URL
		}
		return p
	}
	web := func(p Page) Page { p.MIME, p.Kind = "text/html", Web; return p }
	want := []Content{
		{Page: web(page(first, 1, Page{Status: 200, Language: "nl", Digest: digest("rooms"), TextDigest: digest("Rooms to let"), Picture: true})), Text: "Rooms to let",
			Links: []Link{{URL: "https://www.site.test/next", Kind: "Anchor"}, {URL: "tel:+15550100", Kind: "Tel", NoFollow: true}}},
		{Page: web(page(moved, 1, Page{FinalURL: "https://www.site.test/login", Status: 200, Digest: digest("log in"), TextDigest: digest("Log in"), Picture: true})), Text: "Log in"},
		{Page: web(page(also, 1, Page{FinalURL: "https://www.site.test/login", Status: 200, Digest: digest("log in, please"), TextDigest: digest("Log in, please")})), Text: "Log in, please"},
		{Page: page(file, 1, Page{Status: 200, MIME: "application/pdf", Kind: Document, Digest: digest("%PDF")})},
		{Page: web(page(slow, 1, Page{Status: 200, Partial: true, Reason: "TimedOut", Digest: digest("slow"), TextDigest: digest("")}))},
		{Page: web(page(again, 1, Page{Status: 404, Partial: true, Reason: "Superseded", Digest: digest("gone"), TextDigest: digest("Gone")})), Text: "Gone"},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Page{}, "ID")); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Hosts{"test,other,cdn:8443", "test,site"}, hosts); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
	if n := store.requests.Load(); n != 1 {
		t.Errorf("a small file took %d requests", n)
	}
}

// TestReadInFewRequests: what pages loaded is not read.
func TestReadInFewRequests(t *testing.T) {
	t.Parallel()
	const pages = 10
	b, _ := large(t, pages)
	store := stored(t, b)
	got, _, err := Read(t.Context(), store, chunkKey, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range got {
		if !c.Picture || c.Language != "en" || c.Digest == "" || c.Text == "" {
			t.Errorf("%s was not read: %+v", c.URL, c.Page)
		}
	}
	requests, read := store.requests.Load(), store.bytes.Load()
	t.Logf("%d pages in %d bytes: %d requests, %d bytes", len(got), len(b), requests, read)
	if requests > pages+2 || read > int64(len(b))/3 {
		t.Errorf("%d pages in %d bytes took %d requests and %d bytes", len(got), len(b), requests, read)
	}
}

// large is a file of pages that each have much which nobody asks for.
func large(t testing.TB, pages int) ([]byte, []Content) {
	t.Helper()
	var all []*visited
	for n := range pages {
		address := fmt.Sprintf("https://www.site.test/%d", n)
		all = append(all, visit(t, n, address).get(address, "Document", "200 OK", htmlType, noise(uint64(n), 100<<10)).
			get(address+".jpg", "Image", "200 OK", "Content-Type: image/jpeg\r\n", noise(uint64(1000+n), 1<<20)).
			showing(strings.Repeat("words and words ", 1000), "<html lang=en>"+noise(uint64(2000+n), 300<<10), noise(uint64(3000+n), 700<<10)))
	}
	b := chunk(t, archive.Provenance{}, all...)
	contents, _, err := Read(t.Context(), stored(t, b), chunkKey, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return b, contents
}

// TestReadText: of a long text the beginning is read, and of the whole one the digest is known.
func TestReadText(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", maxText/2+5) // cut in the middle of nothing
	v := visit(t, 0, "https://www.site.test/").get("https://www.site.test/", "Document", "200 OK", htmlType, "x").showing("x"+long, "<html lang=fr>", "")
	b := chunk(t, archive.Provenance{}, v)
	got, _, err := Read(t.Context(), stored(t, b), chunkKey, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if c := got[0]; !c.Cut || c.Text != "x"+strings.Repeat("é", maxText/2-1) || c.TextDigest != digest("x"+long) {
		t.Errorf("cut %t, %d bytes, %s", c.Cut, len(c.Text), c.TextDigest)
	}
}

// TestBroken flips, cuts and takes away: what is not sound is told from a store that fails.
func TestBroken(t *testing.T) {
	t.Parallel()
	v := visit(t, 0, "https://www.site.test/").get("https://www.site.test/", "Document", "200 OK", htmlType, "x").showing("some text", "<html lang=fr>", "")
	sound := chunk(t, archive.Provenance{}, v)
	flipped := []byte(strings.Replace(string(sound), `"title":"Title 0"`, `"title":"Title 1"`, 1))
	for _, tc := range []struct {
		reason string
		file   []byte
		want   error
	}{
		{"cut off", sound[:len(sound)-100], ErrBroken},
		{"no ZIP file", []byte("PK no more"), ErrBroken},
		{"empty", nil, ErrBroken},
		{"a byte of a list is another", flipped, ErrBroken},
	} {
		if _, _, err := Read(t.Context(), stored(t, tc.file), chunkKey, int64(len(tc.file))); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.reason, err)
		}
	}
	store := stored(t, sound)
	if _, _, err := Read(t.Context(), store, "ns/job/run/chunks/no.wacz", int64(len(sound))); !errors.Is(err, blob.ErrNotFound) || errors.Is(err, ErrBroken) {
		t.Errorf("a file that is gone: %v", err)
	}
}
