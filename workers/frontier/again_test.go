package frontier

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// answered makes a page one whose document was answered that way.
func answered(p *browser.Page, status int, head string) {
	p.Status = status
	p.Frames = []browser.Frame{{ID: "F", URL: p.URL}}
	e := recorder.Exchange{
		ID: 1, URL: p.URL, Method: "GET", Started: p.Started, FirstByte: p.Started, Ended: p.Started,
		Request: recorder.Message{Head: []byte("GET / HTTP/1.1\r\n\r\n")}, Response: &recorder.Message{Head: []byte(head + "\r\n\r\n")},
	}
	if p.Recorder == browser.RecorderBrowser {
		e.Account = &recorder.Account{}
	}
	p.Exchanges = []recorder.Exchange{e}
	p.Ledger = []browser.Line{{URL: p.URL, Method: "GET", Type: "Document", FrameID: "F", Status: status, Outcome: browser.OutcomeRecord, Exchange: 1}}
}

// unanswered makes a page one that failed before there was an answer.
func unanswered(p *browser.Page, reason string) {
	answered(p, 0, "")
	e := &p.Exchanges[0]
	e.Response, e.Failure, e.Conn = nil, reason, &recorder.Connection{ID: 1, Opened: p.Started, TLS: &recorder.TLS{}}
	p.Outcome = browser.Outcome{State: browser.Failed, Reason: reason}
}

// captured are the pageinfo records of what is stored: who recorded it, and why twice.
func (r *rig) captured() []string {
	r.t.Helper()
	var out []string
	r.records(func(rec *warc.Record, body []byte) {
		if !strings.HasPrefix(rec.TargetURI, "urn:pageinfo:") {
			return
		}
		var info struct{ Recorder, RetryOf, Refusal, Outcome string }
		if err := json.Unmarshal(body, &info); err != nil {
			r.t.Fatal(err)
		}
		out = append(out, strings.TrimSuffix(strings.Join([]string{info.Recorder, info.Outcome, info.Refusal, info.RetryOf}, "; "), "; "))
	})
	slices.Sort(out)
	return out
}

// records reads all records of the chunks that are stored.
func (r *rig) records(yield func(rec *warc.Record, body []byte)) {
	r.t.Helper()
	for _, key := range r.store.Keys("/archive/ns/name/uid/chunks/") {
		raw := r.store.Object(key)
		z, err := wacz.Open(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			r.t.Fatal(err)
		}
		for _, name := range z.WARCs() {
			section, err := z.OpenWARC(name)
			if err != nil {
				r.t.Fatal(err)
			}
			records := warc.NewReader(section, warc.ReaderOptions{})
			for {
				rec, err := records.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					r.t.Fatal(err)
				}
				body, err := rec.Body.Open()
				if err != nil {
					r.t.Fatal(err)
				}
				data, err := io.ReadAll(body)
				if err != nil {
					r.t.Fatal(err)
				}
				yield(rec, data)
			}
		}
	}
}

func TestRefusedPagesAreTriedWithTheBrowser(t *testing.T) {
	t.Parallel()
	forbidden := func(p *browser.Page) { answered(p, 403, "HTTP/1.1 403 Forbidden") }
	fine := func(p *browser.Page) { answered(p, 200, "HTTP/1.1 200 OK") }
	tests := map[string]struct {
		reason        string
		job           string // its recorder
		url           string
		wire, browser func(*browser.Page)
		loads         int
		archived      int64
		captured      []string
	}{
		"Fine": {
			reason: "Who is not refused is not asked again.", wire: fine, loads: 1, archived: 1, captured: []string{"Wire; Archived; "},
		},
		"Forbidden": {
			reason: "Both are kept, and say of each other.", wire: forbidden, browser: fine, loads: 2, archived: 1,
			captured: []string{"Browser; Archived; ; it was answered 403 Forbidden", "Wire; Archived; it was answered 403 Forbidden"},
		},
		"ForbiddenTwice": {
			reason: "That is the page's answer, and is archived.", wire: forbidden, browser: forbidden, loads: 2, archived: 1,
			captured: []string{"Browser; Archived; ; it was answered 403 Forbidden", "Wire; Archived; it was answered 403 Forbidden"},
		},
		"HandshakeRefused": {
			reason: "The failure does not count where the browser gets through.", loads: 2, archived: 1,
			wire: func(p *browser.Page) { unanswered(p, browser.ReasonTLSFailed) }, browser: fine,
			captured: []string{"Browser; Archived; ; the TLS handshake failed", "Wire; Failed; the TLS handshake failed"},
		},
		"WorseWithTheBrowser": {
			reason: "The better one counts.", wire: forbidden, loads: 2, archived: 1,
			browser:  func(p *browser.Page) { unanswered(p, browser.ReasonPageTimeout) },
			captured: []string{"Browser; Failed; ; it was answered 403 Forbidden", "Wire; Archived; it was answered 403 Forbidden"},
		},
		"Challenge": {
			reason: "A challenge that names no time is a refusal.", loads: 2, archived: 1, browser: fine,
			wire: func(p *browser.Page) {
				answered(p, 503, "HTTP/1.1 503 Service Unavailable\r\ncf-mitigated: challenge")
				p.Challenge = "cf-mitigated: challenge"
			},
			captured: []string{"Browser; Archived; ; it was answered by a challenge (cf-mitigated: challenge)", "Wire; Archived; it was answered by a challenge (cf-mitigated: challenge)"},
		},
		"PlainHTTP": {
			reason: "Without TLS the browser's own is of no use.", url: "http://a.test/", wire: forbidden, loads: 1, archived: 1, captured: []string{"Wire; Archived; "},
		},
		"BrowserFromTheStart": {
			reason: "Browser never uses Wire.", job: "Browser", browser: forbidden, loads: 1, archived: 1, captured: []string{"Browser; Archived; "},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := tc.url
			if address == "" {
				address = "https://a.test/"
			}
			w := &web{links: map[string][]string{}}
			w.visit = func(_ context.Context, p *browser.Page) error {
				switch p.Recorder {
				case browser.RecorderBrowser:
					tc.browser(p)
				default:
					tc.wire(p)
				}
				return nil
			}
			r := newRig(t, w)
			r.job.Spec.Capture.Recorder = tc.job
			r.seed(address)
			out := r.run(1)
			if out.Counts.Archived != tc.archived || w.count(address) != tc.loads || len(w.rude) != 0 {
				t.Errorf("%s: %d archived, %d loads; want %d, %d", tc.reason, out.Counts.Archived, w.count(address), tc.archived, tc.loads)
			}
			if diff := cmp.Diff(tc.captured, r.captured()); diff != "" {
				t.Errorf("%s: what is stored (-want +got):\n%s", tc.reason, diff)
			}
			if sealed := r.seal(); !sealed.Balanced {
				t.Errorf("the books do not balance: %+v", sealed)
			}
		})
	}
}

// TestSecondCaptureIsPolite: it is a page load like any other, and waits.
func TestSecondCaptureIsPolite(t *testing.T) {
	t.Parallel()
	w := &web{links: map[string][]string{"https://a.test/0": {"https://a.test/1", "https://a.test/2", "https://a.test/3"}}} // the last two are one bundle's
	w.visit = func(_ context.Context, p *browser.Page) error {
		if p.Recorder == browser.RecorderBrowser {
			answered(p, 200, "HTTP/1.1 200 OK")
		} else {
			answered(p, 403, "HTTP/1.1 403 Forbidden")
		}
		return nil
	}
	r := newRig(t, w)
	r.job.Spec.Politeness.Delay = 300 * time.Millisecond
	r.seed("https://a.test/0")
	if out := r.run(1); out.Counts.Archived != 4 {
		t.Errorf("counts %+v", out.Counts)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pauses) != 7 {
		t.Errorf("%d pauses: %v", len(w.pauses), w.pauses)
	}
	for _, pause := range w.pauses {
		if pause < 300*time.Millisecond {
			t.Errorf("loaded again after %s", pause)
		}
	}
}

// TestSecondCaptureIsTooMuch: a host that asks to be left alone when it is asked once more is,
// by this run and by others, at once.
func TestSecondCaptureIsTooMuch(t *testing.T) {
	t.Parallel()
	w := &web{links: map[string][]string{}}
	for i := range 9 {
		w.links["https://a.test/0"] = append(w.links["https://a.test/0"], fmt.Sprintf("https://a.test/%d", i))
	}
	r := newRig(t, w)
	r.seed("https://a.test/0")
	ref := r.large(2)
	before := len(w.visits)
	w.visit = func(_ context.Context, p *browser.Page) error {
		if p.Recorder != browser.RecorderBrowser {
			answered(p, 403, "HTTP/1.1 403 Forbidden")
			return nil
		}
		answered(p, 429, "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600")
		p.Outcome.RetryAfter = time.Hour
		return nil
	}
	out, err := r.crawl(t.Context(), ref)
	if n := len(w.visits) - before; err != nil || n != 2 {
		t.Errorf("%+v, %v: %d loads, want one page twice", out, err, n)
	}
	if rests := r.store.Keys("/frontier/" + restsPrefix); len(rests) != 1 {
		t.Errorf("rests before the claim is given back: %v", rests)
	}
	next := r.plan(1, workflows.BundleDone{ID: ref.ID, Results: out.Results})
	if len(next.Bundles) != 0 || next.DueIn < 50*time.Minute {
		t.Errorf("the host is asked again after %s", next.DueIn)
	}
}

// TestSecondCaptureStandsBack: a bundle that ends leaves the first capture's outcome.
func TestSecondCaptureStandsBack(t *testing.T) {
	t.Parallel()
	w := &web{links: map[string][]string{}}
	r := newRig(t, w)
	r.job.Spec.Politeness.Delay = time.Hour
	w.visit = func(_ context.Context, p *browser.Page) error {
		answered(p, 403, "HTTP/1.1 403 Forbidden")
		return nil
	}
	r.seed("https://a.test/0")
	if out := r.run(1); out.Counts.Archived != 1 || w.count("https://a.test/0") != 1 {
		t.Errorf("counts %+v, %d loads", out.Counts, w.count("https://a.test/0"))
	}
	if got := r.captured(); len(got) != 1 || !strings.HasPrefix(got[0], "Wire; Archived") {
		t.Errorf("stored: %v", got)
	}
}

// TestPatienceIsNotRefusal: a host that asks for patience is not asked again at once.
func TestPatienceIsNotRefusal(t *testing.T) {
	t.Parallel()
	w := &web{links: map[string][]string{}}
	w.visit = func(_ context.Context, p *browser.Page) error {
		answered(p, 429, "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\ncf-mitigated: challenge")
		p.Challenge = "cf-mitigated: challenge"
		return nil
	}
	r := newRig(t, w)
	r.seed("https://a.test/0")
	if _, err := r.crawl(t.Context(), r.plan(1).Bundles[0]); err != nil {
		t.Fatal(err)
	}
	if n := w.count("https://a.test/0"); n != 1 {
		t.Errorf("%d loads", n)
	}
	if got := r.captured(); len(got) != 1 || got[0] != "Wire; Archived; " {
		t.Errorf("stored: %v", got)
	}
}
