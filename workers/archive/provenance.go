package archive

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
	"crawlfleet.dev/crawlfleet/workers/browser"
)

// CapturePath is the file in a chunk that says how it came to be.
const CapturePath = "capture.json"

// The format of capture.json. Members are added, never renamed; docs/reference/capture.schema.json
// describes them.
const (
	captureFormat  = "crawlfleet-capture"
	captureVersion = 1
)

// Provenance is what a chunk's maker knows of how it comes to be; the rest of capture.json
// follows from the pages. What is not known is left out.
type Provenance struct {
	Software Software `json:"software"`
	Machine  Machine  `json:"machine"`
	// Order is the crawl, nil when nobody ordered one, as with crawlctl capture.
	Order         *Order         `json:"order,omitempty"`
	Authorization *Authorization `json:"authorization,omitempty"`
	Clock         *ClockCheck    `json:"clock,omitempty"`
}

// Software is the program that made the chunk.
type Software struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	// Commit is the revision that it was built from, "+dirty" when it was changed since.
	Commit string `json:"commit,omitempty"`
	// Go is the compiler, Platform what it was built for, such as "linux/amd64".
	Go       string `json:"go,omitempty"`
	Platform string `json:"platform,omitempty"`
	// Executable is the SHA-256 of the file that ran, "sha256:…".
	Executable string `json:"executable,omitempty"`
}

// Machine is where it ran.
type Machine struct {
	Hostname string `json:"hostname,omitempty"`
	// Sandbox is how Chrome's sandbox stood, see browser.Pool.
	Sandbox string `json:"sandbox,omitempty"`
}

// Order is the crawl that the chunk belongs to, and the lease under which it was made.
type Order struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// UID and Generation are those of the CrawlJob; the run has its UID.
	UID        string `json:"uid"`
	Generation int64  `json:"generation,omitempty"`
	// Schedule is the CrawlSchedule that made the job.
	Schedule string `json:"schedule,omitempty"`
	// Workflow and WorkflowRun are Temporal's IDs of what handed out the bundle, Attempt
	// counts its attempts from 1.
	Workflow    string `json:"workflow,omitempty"`
	WorkflowRun string `json:"workflowRun,omitempty"`
	Bundle      string `json:"bundle"`
	Attempt     int    `json:"attempt"`
}

// Authorization is what the capture was made under, as the order gave it when it began.
type Authorization struct {
	Reference   string     `json:"reference"`
	Purpose     string     `json:"purpose"`
	Basis       string     `json:"basis"`
	NotBefore   *time.Time `json:"notBefore,omitempty"`
	NotAfter    *time.Time `json:"notAfter,omitempty"`
	RequestedBy string     `json:"requestedBy"`
	// Approvals are those that the crawl began with.
	Approvals []Approval `json:"approvals,omitempty"`
}

// Approval is another person's approval of the order, whom the API server vouches for.
type Approval struct {
	// UID is that of the CrawlApproval.
	UID      string    `json:"uid"`
	Approver string    `json:"approver"`
	At       time.Time `json:"at"`
	// Digest is of what was approved, and begun.
	Digest string `json:"digest,omitempty"`
}

// ClockCheck compares the machine's clock with another one.
type ClockCheck struct {
	// With is whose clock it was, At when it was compared by the machine's own.
	With string    `json:"with"`
	At   time.Time `json:"at"`
	// AheadMs is how many milliseconds the machine's clock was ahead of the other one; the
	// time that a message takes is in it, so that a little more than 0 is what is to be
	// expected of clocks that agree.
	AheadMs int64 `json:"aheadMs"`
}

// capture is capture.json.
type capture struct {
	Format  string    `json:"format"`
	Version int       `json:"version"`
	Begun   time.Time `json:"begun"`
	Sealed  time.Time `json:"sealed"`
	Provenance
	Records  int           `json:"records"`
	Browsers []browserUsed `json:"browsers"`
	Egress   []egress      `json:"egress"`
	Pages    []pageCapture `json:"pages"`
}

// browserUsed is a browser as it was set up for pages.
type browserUsed struct {
	Product     string              `json:"product,omitempty"`
	Flags       []string            `json:"flags,omitempty"`
	Viewport    browser.Viewport    `json:"viewport"`
	UserAgent   string              `json:"userAgent"`
	Environment browser.Environment `json:"environment"`
}

func (b browserUsed) equal(c browserUsed) bool {
	return b.Product == c.Product && slices.Equal(b.Flags, c.Flags) && b.Viewport == c.Viewport && b.UserAgent == c.UserAgent &&
		b.Environment.UserAgent == c.Environment.UserAgent && slices.Equal(b.Environment.Languages, c.Environment.Languages) &&
		b.Environment.Locale == c.Environment.Locale && b.Environment.TimeZone == c.Environment.TimeZone
}

// egress is an address of this machine that sites were asked from.
type egress struct {
	// Local is the machine's own address, behind which a gateway may show another one.
	Local string `json:"local,omitempty"`
	// Proxy is the host:port of the proxy that asked for us.
	Proxy       string `json:"proxy,omitempty"`
	Connections int    `json:"connections"`
}

// pageCapture is how a page came to be in the chunk.
type pageCapture struct {
	// ID is that of its records (WARC-Page-ID), Visit names it in the queue.
	ID    string `json:"id"`
	Visit string `json:"visit"`
	URL   string `json:"url"`
	// FinalURL is where it was in the end.
	FinalURL string        `json:"finalUrl,omitempty"`
	Outcome  browser.State `json:"outcome"`
	Reason   string        `json:"reason,omitempty"`
	Started  time.Time     `json:"started"`
	Ended    time.Time     `json:"ended"`
	// Browser is the place of its browser among those of the chunk.
	Browser int `json:"browser"`
	// Recorder is who took down what it loaded, Wire or Browser.
	Recorder string              `json:"recorder"`
	Profile  *browser.ProfileUse `json:"profile,omitempty"`
	Why      browser.Why         `json:"why"`
	// Superseded is set for a capture that another one of the same visit counts instead of.
	Superseded bool `json:"superseded,omitempty"`
	// Main is the ID of the main document's record, Info that of the page's own record
	// (urn:pageinfo:), which has everything else.
	Main string `json:"main,omitempty"`
	Info string `json:"info"`
}

// history gathers what capture.json says of pages.
type history struct {
	begun    time.Time
	browsers []browserUsed
	pages    []pageCapture
	routes   map[egress]map[int64]bool // the recorder's connection IDs
}

// note takes down a page whose records are written.
func (h *history) note(w *pageWriter) {
	p := w.page
	used := browserUsed{Product: p.Browser, Flags: p.BrowserFlags, Viewport: p.Viewport, UserAgent: p.UserAgent, Environment: p.Environment}
	n := slices.IndexFunc(h.browsers, used.equal)
	if n < 0 {
		n = len(h.browsers)
		h.browsers = append(h.browsers, used)
	}
	h.pages = append(h.pages, pageCapture{
		ID: w.id, Visit: p.ID, URL: p.URL, FinalURL: p.FinalURL, Outcome: p.Outcome.State, Reason: p.Outcome.Reason,
		Started: p.Started.UTC(), Ended: p.Ended.UTC(), Browser: n, Recorder: RecorderName(p), Profile: p.Profile, Why: p.Why,
		Superseded: p.Superseded, Main: w.mainID, Info: w.infoID,
	})
	h.travelled(p.Exchanges)
	for i := range p.Tunnels {
		h.route(p.Tunnels[i].Conn)
	}
}

// travelled takes down from where sites were asked.
func (h *history) travelled(exchanges []recorder.Exchange) {
	for i := range exchanges {
		h.route(exchanges[i].Conn)
	}
}

// route takes down from where a connection was made, as far as that is known.
func (h *history) route(c *recorder.Connection) {
	if c == nil || c.Proxy == "" && !c.Local.IsValid() {
		return
	}
	route := egress{Proxy: c.Proxy}
	if c.Local.IsValid() {
		route.Local = c.Local.Addr().String()
	}
	if h.routes == nil {
		h.routes = map[egress]map[int64]bool{}
	}
	if h.routes[route] == nil {
		h.routes[route] = map[int64]bool{}
	}
	h.routes[route][c.ID] = true
}

// file is capture.json.
func (h *history) file(known Provenance, records int, sealed time.Time) (wacz.File, error) {
	c := capture{
		Format: captureFormat, Version: captureVersion, Begun: h.begun.UTC(), Sealed: sealed.UTC(), Provenance: known, Records: records,
		Browsers: append([]browserUsed{}, h.browsers...), Egress: []egress{}, Pages: append([]pageCapture{}, h.pages...),
	}
	for route, connections := range maps.All(h.routes) {
		route.Connections = len(connections)
		c.Egress = append(c.Egress, route)
	}
	slices.SortFunc(c.Egress, func(a, b egress) int { return cmp.Or(cmp.Compare(a.Local, b.Local), cmp.Compare(a.Proxy, b.Proxy)) })
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(c); err != nil {
		return wacz.File{}, fmt.Errorf("write %s: %w", CapturePath, err)
	}
	return wacz.File{Path: CapturePath, Content: warc.Bytes(b.Bytes())}, nil
}
