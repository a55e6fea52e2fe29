package load

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workers/frontier"
)

// tabs are the browsers' stand-in: as many tabs as a pool has, each of which takes its time with a page.
type tabs struct {
	web   web
	slots chan struct{}
	// waiting counts those who wait for a tab, pages the captures that ended well.
	waiting, pages, connections atomic.Int64
}

func newTabs(w web, n int) *tabs { return &tabs{web: w, slots: make(chan struct{}, n)} }

// Tab implements frontier.Tabs.
func (t *tabs) Tab(ctx context.Context, o browser.StayOptions) (frontier.Tab, error) {
	t.waiting.Add(1)
	defer t.waiting.Add(-1)
	select {
	case t.slots <- struct{}{}:
		return &tab{tabs: t, viewport: o.Viewport, connection: t.connections.Add(1)}, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Wanted implements frontier.Tabs.
func (t *tabs) Wanted() bool { return t.waiting.Load() > 0 }

// tab is one stay at a host.
type tab struct {
	tabs       *tabs
	viewport   browser.Viewport
	connection int64
	closed     bool
}

// ClearCache implements frontier.Tab: there is no cache.
func (t *tab) ClearCache(context.Context) error { return nil }

// Close implements frontier.Tab.
func (t *tab) Close() error {
	if !t.closed {
		t.closed = true
		<-t.tabs.slots
	}
	return nil
}

const (
	standIn   = "TimedStandIn/1.0"
	userAgent = "Mozilla/5.0 (compatible; crawlfleet)"
	frame     = "main"
)

// Capture implements frontier.Tab. The page that it makes has all that one of a real tab has, of one document: the
// exchange with its body on disk, the browser's account of it, the document as text and as it was drawn, and the links.
func (t *tab) Capture(ctx context.Context, v browser.Visit) (*browser.Page, error) {
	w := t.tabs.web
	host, number, ok := w.find(v.URL)
	if !ok {
		return nil, fmt.Errorf("the web has no page %s", v.URL)
	}
	p := &browser.Page{
		ID: v.ID, URL: v.URL, FinalURL: v.URL, Title: fmt.Sprintf("%d of %s", number, name(host)), Status: 200, MIME: "text/html",
		Started: time.Now(), Outcome: browser.Outcome{State: browser.Archived}, Dir: v.Dir, Cache: t.connection,
		Browser: standIn, Viewport: t.viewport, UserAgent: userAgent,
		Frames: []browser.Frame{{ID: frame, URL: v.URL}}, Completeness: browser.Completeness{Expected: 1, Matched: 1, Ratio: 1},
	}
	takes := w.takes(host, number)
	for _, step := range []struct {
		phase browser.Phase
		share float64
		done  *time.Duration
	}{{browser.PhaseNavigating, .2, &p.Timings.Response}, {browser.PhaseLoading, .4, &p.Timings.Load}, {browser.PhaseSettling, .4, &p.Timings.Settled}} {
		v.Track.Enter(step.phase)
		if err := sleep(ctx, time.Duration(step.share*float64(takes))); err != nil {
			return nil, err
		}
		*step.done = time.Since(p.Started)
	}
	v.Track.Enter(browser.PhaseOutputs)
	if err := t.fill(p, v, host, number); err != nil {
		return nil, err
	}
	p.Ended = time.Now()
	t.tabs.pages.Add(1)
	return p, nil
}

// fill writes what a page brings.
func (t *tab) fill(p *browser.Page, v browser.Visit, host, number int) error {
	if err := os.MkdirAll(v.Dir, 0o700); err != nil {
		return err
	}
	links := t.tabs.web.to(host, number)
	html := t.tabs.web.html(host, number, links)
	write := func(file, content string) (string, error) {
		path := filepath.Join(v.Dir, file)
		return path, os.WriteFile(path, []byte(content), 0o600)
	}
	body, err := write("body", html)
	if err != nil {
		return err
	}
	if v.DOM {
		if p.DOMFile, err = write("dom.html", html); err != nil {
			return err
		}
	}
	if v.Text {
		if p.TextFile, err = write("text.txt", p.Title+"\n"+filler); err != nil {
			return err
		}
	}
	for _, l := range links {
		p.Links = append(p.Links, browser.Link{URL: l, Kind: browser.LinkAnchor})
	}
	sum := sha256.Sum256([]byte(html))
	ended := p.Started.Add(p.Timings.Load)
	p.Exchanges = []recorder.Exchange{{
		ID: 1, URL: p.URL, Method: "GET", Started: p.Started, FirstByte: p.Started.Add(p.Timings.Response), Ended: ended,
		Request: recorder.Message{Head: fmt.Appendf(nil, "GET /%d HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n\r\n", number, name(host), userAgent)},
		Response: &recorder.Message{
			Head: fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n", len(html)),
			Body: recorder.Body{Path: body, Size: int64(len(html)), SHA256: hex.EncodeToString(sum[:])},
		},
		Conn: &recorder.Connection{ID: t.connection, Remote: netip.MustParseAddrPort("127.0.0.1:80"), Protocol: "http/1.1", Opened: p.Started},
	}}
	p.Ledger = []browser.Line{{
		RequestID: "1", URL: p.URL, Method: "GET", Type: "Document", FrameID: frame, Status: 200, MIME: p.MIME,
		Outcome: browser.OutcomeRecord, Exchange: 1, Ended: p.Timings.Load,
	}}
	p.Bytes = int64(len(html))
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// between is the duration at a share of the way from one to another, by their magnitudes.
func between(from, to time.Duration, share float64) time.Duration {
	if from <= 0 || to <= from {
		return from
	}
	return time.Duration(float64(from) * math.Pow(float64(to)/float64(from), share))
}
