package snapshot

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/verify/verifytest"
	"crawlfleet.dev/crawlfleet/internal/visits"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/archive"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// over is a connection to a server that shows a certificate.
func over(t *testing.T, id int64) *recorder.Connection {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(0x2a), Subject: pkix.Name{CommonName: "www.site.test"}, NotBefore: noon, NotAfter: noon.AddDate(0, 3, 0),
		DNSNames: []string{"www.site.test"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &recorder.Connection{ID: id, Remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(id)}), 443), Local: netip.MustParseAddrPort("192.0.2.99:4000"),
		Opened: noon, Protocol: "h2", TLS: &recorder.TLS{Version: "TLS 1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", ServerName: "www.site.test",
			VerifyError: "signed by nobody who is known", Chain: [][]byte{der, []byte("no certificate")}}}
}

var known = archive.Provenance{
	Software: archive.Software{Name: "crawlfleet", Version: "v1", Commit: "abc", Go: "go1.26", Platform: "linux/amd64", Executable: "sha256:00"},
	Machine:  archive.Machine{Hostname: "worker-1", Sandbox: "on"},
	Order:    &archive.Order{Namespace: "ns", Name: "job", UID: "0b6c1f5e", Generation: 2, Schedule: "daily", Workflow: "w", WorkflowRun: "r", Bundle: "b1", Attempt: 3},
	Authorization: &archive.Authorization{Reference: "case 17", Purpose: "Testing", Basis: "its own site", RequestedBy: "office",
		Approvals: []archive.Approval{{UID: "a", Approver: "bob", At: noon, Digest: "sha256:01"}}},
	Clock: &archive.ClockCheck{With: "the Temporal server", At: noon, AheadMs: 4},
}

// TestOpen reads one page of three of which two were loaded at the same time.
func TestOpen(t *testing.T) {
	t.Parallel()
	before := visit(t, 1, "https://www.site.test/before")
	before.conn = over(t, 1)
	before.get("https://www.site.test/before", "Document", "200 OK", htmlType, "before").showing("before", "<html lang=en>", screenshot(t, 4, 4))
	before.page.FinalURL = "https://www.site.test/"
	v := visit(t, 1, "https://www.site.test/old")
	v.conn = over(t, 2)
	v.get("https://www.site.test/old", "Document", "302 Found", "Location: /\r\n", "").get("https://www.site.test/", "Document", "200 OK", htmlType, "rooms").
		get("https://www.site.test/a.png", "Image", "200 OK", "Content-Type: image/png\r\n", "a picture").
		showing("Rooms to let", "<html lang=nl>", screenshot(t, 64, 48), browser.Link{URL: "mailto:x@site.test", Kind: browser.LinkMailto})
	v.page.FinalURL, v.page.Redirects = "https://www.site.test/", []browser.Redirect{{From: "https://www.site.test/old", To: "https://www.site.test/", Status: 302}}
	v.page.Exchanges = append(v.page.Exchanges, recorder.Exchange{ID: 4, URL: "https://www.site.test/gone", Method: "GET", Started: v.page.Started.Add(40 * time.Millisecond),
		Failure: "Reset", Detail: "the server hung up", Request: recorder.Message{Head: []byte("GET / HTTP/1.1\r\n\r\n")}})
	v.page.Ledger = append(v.page.Ledger,
		browser.Line{URL: "https://www.site.test/gone", Method: "GET", Type: "Script", Outcome: browser.OutcomeFailed, Reason: "CONNECTION_RESET", Exchange: 4, Started: 40 * time.Millisecond},
		browser.Line{URL: "https://ads.test/", Method: "POST", Type: "Fetch", Outcome: browser.OutcomeBlocked, Reason: "Form", Started: 5 * time.Millisecond})
	v.page.Why, v.page.Limits = browser.Why{Seed: "https://www.site.test/", Depth: 1, Via: strings.Repeat("0", 32)}, []browser.Limit{{Name: "Scroll", Detail: "it does not end"}}
	v.page.Profile = &browser.ProfileUse{Name: "login", SHA256: "00", Cookies: 2}
	v.page.Robots = []browser.RobotsUse{{URL: "https://www.site.test/robots.txt", Fetched: noon, Address: "https://www.site.test/old", Rule: "Allow: /"}}
	v.page.Earlier = &visits.Earlier{Run: visits.Run{Run: "earlier", Name: "job-1"}}
	v.page.Browser, v.page.BrowserFlags, v.page.UserAgent = "HeadlessChrome/1", []string{"--x"}, "agent"
	v.page.Environment.Locale = "nl-NL"
	other := visit(t, 9, "https://www.site.test/")
	other.get("https://www.site.test/", "Document", "200 OK", htmlType, "later").showing("later", "<html lang=en>", screenshot(t, 4, 4))
	b := chunk(t, known, before, v, other)
	store := stored(t, b)
	pages, _, err := Read(t.Context(), store, chunkKey, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), store, chunkKey, int64(len(b)), pages[1].ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(pages[1].Page, s.Page); diff != "" {
		t.Errorf("the page is another one than in the list (-list +page):\n%s", diff)
	}
	at := func(ms int) time.Time { return v.page.Started.Add(time.Duration(ms) * time.Millisecond) }
	want := &Snapshot{
		Account: Account{
			Outcome: "Archived", Started: at(0), Ended: at(900), Recorder: "Wire", Redirects: []Redirect{{"https://www.site.test/old", "https://www.site.test/", 302}},
			Frames:   []Frame{{ID: "F", URL: "https://www.site.test/old"}},
			Robots:   []Robots{{URL: "https://www.site.test/robots.txt", Fetched: noon, Address: "https://www.site.test/old", Rule: "Allow: /"}},
			Compared: &Comparison{Verdict: "New"},
			Limits:   []Limit{{"Scroll", "it does not end"}}, Completeness: &Completeness{Ratio: 1}, Profile: &Profile{Name: "login", SHA256: "00", Cookies: 2}, TimingsMs: map[string]int64{"outputs": 500},
		},
		Server: &Server{Remote: "192.0.2.2:443", Local: "192.0.2.99:4000", Protocol: "h2", Opened: noon, TLS: &TLS{Version: "TLS 1.3", CipherSuite: "TLS_AES_128_GCM_SHA256",
			ServerName: "www.site.test", VerifyError: "signed by nobody who is known", Certificates: []Certificate{
				{Subject: "CN=www.site.test", Issuer: "CN=www.site.test", Serial: "2a", NotBefore: noon, NotAfter: noon.AddDate(0, 3, 0), Names: []string{"www.site.test"}},
				{Problem: "x509: malformed certificate"}}}},
		Why:     &Why{Seed: "https://www.site.test/", Depth: 1, Via: strings.Repeat("0", 32)},
		Browser: &Browser{Product: "HeadlessChrome/1", Flags: []string{"--x"}, UserAgent: "agent", Viewport: Viewport{1280, 800}},
		Links:   []Link{{URL: "mailto:x@site.test", Kind: "Mailto"}},
		Exchanges: []Exchange{
			{URL: "https://ads.test/", Method: "POST", Type: "Fetch", Time: at(5), Outcome: "blocked", Failure: "Form", NotCaptured: "blocked: Form"},
			{URL: "https://www.site.test/old", Method: "GET", Type: "Document", Status: 302, Time: at(10), Outcome: "record", Digest: digest("")},
			{URL: "https://www.site.test/", Method: "GET", Type: "Document", Status: 200, MIME: "text/html", Time: at(20), Outcome: "record", Digest: digest("rooms")},
			{URL: "https://www.site.test/a.png", Method: "GET", Type: "Image", Status: 200, MIME: "image/png", Time: at(30), Outcome: "record", Digest: digest("a picture")},
			{URL: "https://www.site.test/gone", Method: "GET", Type: "Script", Time: at(40), Outcome: "failed", Failure: "Reset", Detail: "the server hung up", NotCaptured: "there was no answer: CONNECTION_RESET"},
		},
		Provenance: Provenance{
			Begun: noon, Sealed: noon, Software: &Software{"crawlfleet", "v1", "abc", "go1.26", "linux/amd64", "sha256:00"}, Machine: &Machine{"worker-1", "on"},
			Order:         &Order{"ns", "job", "0b6c1f5e", 2, "daily", "w", "r", "b1", 3},
			Authorization: &Authorization{Reference: "case 17", Purpose: "Testing", Basis: "its own site", RequestedBy: "office", Approvals: []Approval{{"a", "bob", noon, "sha256:01"}}},
			Clock:         &Clock{"the Temporal server", noon, 4}, Egress: []Egress{{Local: "192.0.2.99", Connections: 2}},
		},
	}
	want.Compared.With.Run, want.Compared.With.Name, want.Browser.Environment.Locale = "earlier", "job-1", "nl-NL"
	ignored := cmp.Options{cmpopts.IgnoreFields(Snapshot{}, "Page", "PictureDigest"), cmpopts.IgnoreUnexported(Snapshot{}), cmpopts.IgnoreFields(Exchange{}, "Bytes", "Record"),
		cmpopts.IgnoreFields(Certificate{}, "SHA256")}
	if diff := cmp.Diff(want, s, ignored); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
	for _, e := range s.Exchanges {
		if answered := e.Outcome == "record"; (e.Bytes > 0) != answered || (e.Record != "") != answered {
			t.Errorf("%s: %d bytes, record %q", e.URL, e.Bytes, e.Record)
		}
	}
	checkBody(t, s.OpenText, "Rooms to let")
	checkBody(t, s.OpenPicture, screenshot(t, 64, 48))
	if s.PictureDigest != digest(screenshot(t, 64, 48)) {
		t.Errorf("the picture has the digest %s", s.PictureDigest)
	}
	checkNames(t, s)
	if _, err := Open(t.Context(), store, chunkKey, int64(len(b)), "urn:uuid:0"); !errors.Is(err, ErrNoPage) {
		t.Errorf("a page that is not there: %v", err)
	}
}

// openFunc opens what belongs to a page.
type openFunc func(context.Context) (io.ReadCloser, int64, error)

// checkBody reads what belongs to a page.
func checkBody(t *testing.T, open openFunc, want string) {
	t.Helper()
	r, n, err := open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil || string(b) != want || n != int64(len(want)) {
		t.Errorf("%v: %d bytes, %d were said, want %d", err, len(b), n, len(want))
	}
}

// checkNames holds the names of what the API gives.
func checkNames(t *testing.T, s *Snapshot) {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	want := "authorization begun browser chunk clock compared completeness digest egress ended exchanges finalUrl frames kind language limits links machine mime order outcome page " +
		"picture pictureDigest profile recorder redirects robots sealed server software started status textDigest time timingsMs title url why"
	if diff := cmp.Diff(strings.Fields(want), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// TestOpenInFewRequests: one page of a large file costs a handful of requests, and little more
// than what is told of it.
func TestOpenInFewRequests(t *testing.T) {
	t.Parallel()
	b, pages := large(t, 10)
	store := stored(t, b)
	s, err := Open(t.Context(), store, chunkKey, int64(len(b)), pages[4].ID)
	if err != nil {
		t.Fatal(err)
	}
	requests, read := store.requests.Load(), store.bytes.Load()
	t.Logf("a page of a file of %d bytes: %d requests, %d bytes", len(b), requests, read)
	if requests > 6 || read > 2<<20 || s.Language != "en" || !s.Picture {
		t.Errorf("took %d requests and %d bytes, language %q", requests, read, s.Language)
	}
	store.requests.Store(0)
	r, n, err := s.OpenPicture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.Copy(io.Discard, r); err != nil || n != 700<<10 || store.requests.Load() != 1 {
		t.Errorf("the picture: %v, %d bytes, %d requests", err, n, store.requests.Load())
	}
}

// TestDamagedPicture: a flipped byte is found when the picture has been read.
func TestDamagedPicture(t *testing.T) {
	t.Parallel()
	picture := noise(7, 100<<10)
	v := visit(t, 0, "https://www.site.test/").get("https://www.site.test/", "Document", "200 OK", htmlType, "x").showing("text", "", picture)
	b := chunk(t, archive.Provenance{}, v)
	i := bytes.Index(b, []byte(picture[1000:1100])) // it is stored as it is: noise does not get smaller
	if i < 0 {
		t.Fatal("the picture was not found in the file")
	}
	b[i] ^= 1
	store := stored(t, b)
	pages, _, err := Read(t.Context(), store, chunkKey, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), store, chunkKey, int64(len(b)), pages[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	r, _, err := s.OpenPicture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var mismatch *warc.DigestError
	if _, err := io.Copy(io.Discard, r); !errors.As(err, &mismatch) {
		t.Errorf("the picture was read with %v", err)
	}
}

// TestOtherTools reads a file that has no records of ours.
func TestOtherTools(t *testing.T) {
	t.Parallel()
	var records bytes.Buffer
	w := warc.NewWriter(&records, warc.WriterOptions{})
	document := warc.NewResponse("https://www.site.test/", noon, []byte("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n"), warc.Text("<html lang=de-AT>"))
	document.Connection(netip.MustParseAddr("192.0.2.7"), []string{"http/1.1", "tls/1.2"}, "TLS_X")
	info := warc.NewResource("urn:pageinfo:https://www.site.test/", noon.Add(time.Second), "application/json", warc.Text(`{"pageid":"p1","urls":{"https://www.site.test/":{"status":200}},"status":"ok"}`))
	view := warc.NewResource("urn:view:https://www.site.test/", noon.Add(time.Second), "image/png", warc.Text("PNG"))
	for _, r := range []*warc.Record{document, info, view} {
		if _, err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	err := wacz.Create(&out, wacz.Contents{Title: "other", Software: "other", Created: noon, WARCs: []wacz.File{{Path: "archive/a.warc.gz", Content: warc.Bytes(records.Bytes())}},
		Pages: []wacz.Page{{URL: "https://www.site.test/", Time: noon, Title: "A page", Text: "Zimmer frei"}}})
	if err != nil {
		t.Fatal(err)
	}
	store := stored(t, out.Bytes())
	got, _, err := Read(t.Context(), store, chunkKey, int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	page := Page{Chunk: chunkKey, ID: "page-1", URL: "https://www.site.test/", FinalURL: "https://www.site.test/", Time: noon, Title: "A page", Status: 200, MIME: "text/html",
		Language: "de", Kind: Web, Digest: digest("<html lang=de-AT>"), Picture: true}
	if diff := cmp.Diff([]Content{{Page: page, Text: "Zimmer frei"}}, got); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	s, err := Open(t.Context(), store, chunkKey, int64(out.Len()), "page-1")
	if err != nil {
		t.Fatal(err)
	}
	server := &Server{Remote: "192.0.2.7", Protocol: "http/1.1", TLS: &TLS{Version: "TLS 1.2", CipherSuite: "TLS_X"}}
	if diff := cmp.Diff(&Snapshot{Page: page, Server: server}, s, cmpopts.IgnoreUnexported(Snapshot{}), cmpopts.IgnoreFields(Snapshot{}, "PictureDigest")); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
	checkBody(t, s.OpenText, "Zimmer frei")
	checkBody(t, s.OpenPicture, "PNG")
}

// TestOpenSample reads a file in which a page's own record comes first.
func TestOpenSample(t *testing.T) {
	t.Parallel()
	b := verifytest.NewPages(3).Pack(t)
	s, err := Open(t.Context(), stored(t, b), chunkKey, int64(len(b)), "urn:uuid:p2")
	if err != nil {
		t.Fatal(err)
	}
	if s.Server == nil || s.Server.Remote != "192.0.2.1:443" || len(s.Exchanges) != 3 || !s.Picture || s.Order.UID != "run" {
		t.Errorf("%+v", s)
	}
	_, _, err = Read(t.Context(), stored(t, b), blob.Key("ns/job/run/chunks/other.wacz"), int64(len(b)))
	if !errors.Is(err, blob.ErrNotFound) {
		t.Error(err)
	}
}
