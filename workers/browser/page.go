package browser

import (
	"time"

	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/visits"
)

// State says whether a page counts as archived.
type State string

// The states of a captured page.
const (
	// Archived: the main document arrived and what it loaded was recorded.
	// An HTTP error status is an archived page.
	Archived State = "Archived"
	// Failed: the main document did not arrive, or could not be rendered.
	Failed State = "Failed"
)

// The reasons of failed pages. They are the fleet's vocabulary, see package
// workflows.
const (
	ReasonDNSFailed         = "DNSFailed"
	ReasonConnectFailed     = "ConnectFailed"
	ReasonTLSFailed         = "TLSFailed"
	ReasonConnectionReset   = "ConnectionReset"
	ReasonPageTimeout       = "PageTimeout"
	ReasonRendererCrashed   = "RendererCrashed"
	ReasonBrowserCrashed    = "BrowserCrashed"
	ReasonAddressBlocked    = "AddressBlocked"
	ReasonNavigationBlocked = "NavigationBlocked"
	ReasonTooManyRedirects  = "TooManyRedirects"
	ReasonDiskFull          = "DiskFull"
	ReasonAborted           = "Aborted"
	ReasonKnownIllegalImage = recorder.ReasonKnownIllegalImage
	ReasonImageNotJudged    = recorder.ReasonImageNotJudged
	ReasonImagesOff         = recorder.ReasonImagesOff
)

// Outcome is what became of a page.
type Outcome struct {
	State State `json:"state"`
	// Reason is empty for an archived page and one of the Reason words
	// otherwise.
	Reason string `json:"reason,omitempty"`
	// Detail says in words what happened, for people. It holds no page content.
	Detail string `json:"detail,omitempty"`
	// RetryAfter is how long the server asked to be left alone (Retry-After of
	// a 429 or 503, RFC 9110 section 10.2.3), zero when it did not.
	RetryAfter time.Duration `json:"retryAfter,omitempty"`
}

// Page is everything that is known about one captured page. Large things are
// files in the visit's folder; the paths are absolute, and empty where the
// thing was not asked for or could not be had (Limits says why).
type Page struct {
	// ID is the visit's ID.
	ID string
	// URL is the address that was asked for, FinalURL the address of the
	// document that was shown in the end.
	URL, FinalURL string
	// Title is the document's title, at most 1,000 bytes.
	Title string
	// Status and MIME are those of the final main document's response; 0 and
	// "" when none arrived.
	Status int
	MIME   string
	// Started and Ended bound the capture.
	Started, Ended time.Time
	// Outcome is what became of the page.
	Outcome Outcome
	// Download is set when the browser treated the main document as a file to
	// keep rather than a page to show: there is nothing rendered then.
	Download bool
	// Redirects is the chain from URL to FinalURL, each with its status (0 for
	// a redirect by script or meta refresh).
	Redirects []Redirect
	// Links are the addresses that the document points to, in document order,
	// each once per kind.
	Links []Link
	// Recorder is who took down what was loaded over TLS: with RecorderBrowser,
	// Exchanges with an Account are the browser's, and Tunnels are the connections that
	// they went over. RetryOf says why the page was captured a second time that way.
	Recorder Recorder
	RetryOf  string
	// Superseded is for the caller to set on a page that was captured again, with a
	// better outcome: it is kept beside that one.
	Superseded bool
	// Earlier is for the caller to set: what the run knows of the page that the order
	// compares with, nil when it names none.
	Earlier *visits.Earlier
	Tunnels []recorder.Tunnel
	// Challenge is the sign by which the answer is known to be a challenge to visitors
	// rather than the page, empty when there is none.
	Challenge string
	// Exchanges are the proxy's records, in order of start.
	Exchanges []recorder.Exchange
	// Robots is for the caller to set: what was asked before the page was.
	Robots []RobotsUse
	// Ledger is the browser's own account, in order of start.
	Ledger []Line
	// Completeness is the agreement of Exchanges and Ledger.
	Completeness Completeness
	// Frames are the frames that the page had, the main frame first.
	Frames []Frame
	// Actions are the things that were done to the page, Limits the bounds
	// that it hit.
	Actions []Action
	Limits  []Limit
	// Behaviors are those that were switched on: "scroll", "media" and so on.
	Behaviors []string
	// Scripts are the scripts of the visit that were run.
	Scripts []ScriptRun
	// TextFile (UTF-8), DOMFile (UTF-8 HTML) and ScreenshotFile (PNG) are the
	// derived outputs.
	TextFile, DOMFile, ScreenshotFile string
	// ScreenshotWidth and ScreenshotHeight are the picture's size in pixels.
	ScreenshotWidth, ScreenshotHeight int
	document                          string // ID of the request for the document that is shown in the end
	// Cache numbers the browser's cache that the page used: pages with the same number shared it.
	Cache int64
	// Browser is the product that showed the page, such as "HeadlessChrome/156.0.8078.79".
	Browser string
	// BrowserFlags is its command line, without the profile folder.
	BrowserFlags []string
	// Refused are the requests that the recorder let nowhere since the page before, as
	// they belonged to no page: what the browser itself sends, such as reports.
	Refused []recorder.Refusal
	// Viewport and UserAgent are what the page was shown with.
	Viewport  Viewport
	UserAgent string
	// Environment is what scripts of pages are told of the browser.
	Environment Environment
	// Why is for the caller to set: how the page came to be visited.
	Why Why
	// Timings are the steps of the capture.
	Timings Timings
	// Profile says with which stored state the page was visited, nil for none.
	Profile *ProfileUse
	// Bytes is the sum of the response bodies as they came over the wire.
	Bytes int64
	// Dir is the folder that holds all files of this page. It belongs to the
	// caller, who removes it when the page has been archived.
	Dir string
}

// Environment is what the scripts of a page are told of the browser that it is shown in, as a
// script of ours was told in the same tab.
type Environment struct {
	// UserAgent is navigator.userAgent, Languages navigator.languages.
	UserAgent string   `json:"userAgent,omitempty"`
	Languages []string `json:"languages,omitempty"`
	// Locale and TimeZone are those of Intl.DateTimeFormat (ECMA-402), such as "nl-NL" and
	// "Europe/Amsterdam".
	Locale   string `json:"locale,omitempty"`
	TimeZone string `json:"timeZone,omitempty"`
}

// Why is how a page came to be visited.
type Why struct {
	// Seed is the seed that the page is, or that links led from; empty when it is not known.
	Seed string `json:"seed,omitempty"`
	// Depth is how many links lie between that seed and the page, 0 for the seed itself.
	Depth int `json:"depth"`
	// Via is the fingerprint of the page that linked here first: the first 16 bytes of the
	// SHA-256 of its canonical address, in hex. It is empty for a seed.
	Via string `json:"via,omitempty"`
	// Tries is how many visits failed before.
	Tries int `json:"tries,omitempty"`
}

// Redirect is one step from the requested to the final address.
type Redirect struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Status int    `json:"status,omitempty"`
}

// LinkKind says what kind of reference a link is.
type LinkKind string

// The kinds of links.
const (
	LinkAnchor LinkKind = "Anchor" // <a href>, SVG <a>
	LinkArea   LinkKind = "Area"   // <area href>
	LinkFrame  LinkKind = "Frame"  // <frame>, <iframe>
	LinkWindow LinkKind = "Window" // a window that the page tried to open
	LinkAway   LinkKind = "Away"   // where the page wanted to go while its picture was taken
	LinkMailto LinkKind = "Mailto" // mailto:, a lead and not a page
	LinkTel    LinkKind = "Tel"    // tel: and sms:, a lead and not a page
	LinkOther  LinkKind = "Other"  // any other scheme
)

// Link is an address that a document points to.
type Link struct {
	// URL is absolute, resolved by the browser against the document's base; its
	// fragment is kept. At most 8,192 bytes: longer ones are left out and
	// counted in the page's Limits.
	URL  string   `json:"url"`
	Kind LinkKind `json:"kind"`
	// NoFollow is set when the link says rel=nofollow.
	NoFollow bool `json:"noFollow,omitempty"`
}

// Frame is one frame of a page.
type Frame struct {
	ID     string `json:"id"`
	Parent string `json:"parent,omitempty"`
	URL    string `json:"url"`
}

// Action is something that was done to a page.
type Action struct {
	At     time.Time `json:"at"`
	Name   string    `json:"name"`
	Detail string    `json:"detail,omitempty"`
	// Count is how often it was done, At the first time; 0 is once.
	Count int `json:"count,omitempty"`
}

// Limit is a bound that a page hit: something that is therefore not complete.
type Limit struct {
	Name   string `json:"name"`
	Detail string `json:"detail,omitempty"`
}

// Timings are the milestones of a capture, measured from Page.Started; zero
// when a milestone was not reached.
type Timings struct {
	Response   time.Duration `json:"response,omitempty"` // the main document's head arrived
	DOMContent time.Duration `json:"domContent,omitempty"`
	Load       time.Duration `json:"load,omitempty"`
	Settled    time.Duration `json:"settled,omitempty"`
	Outputs    time.Duration `json:"outputs,omitempty"` // text, DOM, links, screenshot taken
	Recorded   time.Duration `json:"recorded,omitempty"`
}

// LineOutcome is what became of a request, as the browser saw it.
type LineOutcome string

// The outcomes of a request.
const (
	OutcomeRecord   LineOutcome = "record"   // answered over the network: there is an exchange
	OutcomeCache    LineOutcome = "cache"    // answered from the browser's HTTP or memory cache
	OutcomeInternal LineOutcome = "internal" // answered by the browser or a service worker itself
	OutcomeBlocked  LineOutcome = "blocked"  // stopped by the browser or by the proxy's rules
	OutcomeFailed   LineOutcome = "failed"
	OutcomeOpen     LineOutcome = "open" // still going on when the page was closed
)

// TypeUnseen is the type of a request that the recorder has seen and the browser's
// account has not: mostly what a document sends while it goes.
const TypeUnseen = "Unseen"

// Line is one line of the ledger: a request that the browser says it issued, or
// that only the recorder knows.
type Line struct {
	// RequestID is the browser's, empty of what only the recorder knows.
	RequestID string      `json:"requestId,omitempty"`
	URL       string      `json:"url"`
	Method    string      `json:"method"`
	Type      string      `json:"type"`
	FrameID   string      `json:"frameId,omitempty"`
	Initiator string      `json:"initiator,omitempty"`
	Status    int         `json:"status,omitempty"`
	MIME      string      `json:"mime,omitempty"`
	Outcome   LineOutcome `json:"outcome"`
	Reason    string      `json:"reason,omitempty"`
	// Exchange is the ID of the proxy's exchange that this line is about, 0
	// when there is none.
	Exchange int           `json:"exchange,omitempty"`
	Started  time.Duration `json:"started"` // since Page.Started
	Ended    time.Duration `json:"ended,omitempty"`
}

// Completeness compares the two witnesses.
type Completeness struct {
	// Expected is the number of ledger lines that must have an exchange,
	// Matched how many have one.
	Expected int `json:"expected"`
	Matched  int `json:"matched"`
	// OnlyRecorder is the number of exchanges that the browser did not speak of:
	// the lines of type Unseen.
	OnlyRecorder int `json:"onlyRecorder"`
	// Ratio is Matched/Expected, 1 when nothing was expected.
	Ratio float64 `json:"ratio"`
}

// RobotsUse is a robots.txt by which a page was visited, or not.
type RobotsUse struct {
	// URL of the robots.txt, and when it was fetched.
	URL     string
	Fetched time.Time
	// Address is the page that it was asked about, Rule the line that decided; empty when
	// no line speaks of the page.
	Address, Rule string
	// Exchanges are the recorder's, redirects first; none when nothing recorded them. Their
	// bodies stay where they are.
	Exchanges []recorder.Exchange
}
