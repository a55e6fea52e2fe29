package browser

import (
	"context"
	"log/slog"
	"time"

	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/internal/recorder"
)

// Engine names a Chrome.
type Engine string

// The engines that are known by name. Any other value is a path.
const (
	// EngineAuto is chromium-headless-shell where it is installed, and
	// Chromium in its headless mode otherwise.
	EngineAuto Engine = ""
	// EngineShell is chromium-headless-shell, which renders the same pages at
	// about 1.8 times the speed and half the memory.
	EngineShell Engine = "chromium-headless-shell"
	// EngineChromium is the full Chromium with --headless=new.
	EngineChromium Engine = "chromium"
)

// Options configure a Pool.
type Options struct {
	// Engine is the Chrome to use: a name, or the path of an executable.
	Engine Engine
	// Tabs is how many pages are worked on at once: loaded, scrolled, drawn.
	// Default 4, at most 256.
	Tabs int
	// Stays is how many stays there can be at once. A page that waits for quiet
	// leaves the work to others, so more of them keep the machine busy. Default
	// three times Tabs.
	Stays int
	// StaysPerBrowser is how many of them share one Chrome process. Default 12.
	StaysPerBrowser int
	// RecyclePages is after how many pages a Chrome is replaced, default 500.
	RecyclePages int
	// RecycleBytes is the resident memory of a Chrome and its children above
	// which it is replaced, default 2 GiB.
	RecycleBytes int64
	// Dir is the folder for profiles and scratch files; it is made when it is
	// missing, and what the pool puts there is removed again. Required.
	Dir string
	// Recorder is the recording proxy; every context gets a session of its own. Required.
	Recorder *recorder.Recorder
	// UserID is the unprivileged user that Chrome runs as when this process
	// is root, because Chrome's sandbox refuses root. Default 65534 (nobody).
	UserID int
	// Sandbox says what to do where Chrome's sandbox cannot be used.
	Sandbox SandboxPolicy
	// Refused, unless nil, is called with the number of requests that came after the last
	// page of a stay: no page can tell of them.
	Refused func(n int)
	// Replaced, unless nil, is called with one of the causes (CausePages and so on) when
	// a Chrome is to be replaced. It must not wait.
	Replaced func(cause string)
	// Logger takes the log, default is to discard it.
	Logger *slog.Logger
	// Now is the clock, default time.Now.
	Now func() time.Time
}

// SandboxPolicy says what a pool does where Chrome's sandbox does not work.
type SandboxPolicy string

// The policies.
const (
	// SandboxPrefer uses the sandbox where a probe shows that it works, and
	// goes on without it, with a loud warning, where it does not.
	SandboxPrefer SandboxPolicy = ""
	// SandboxRequire makes New fail instead.
	SandboxRequire SandboxPolicy = "Require"
)

// Viewport is the size of the window that a page is shown in, in CSS pixels.
type Viewport struct {
	Width  int `json:"width"`
	Height int `json:"height"`
}

// DefaultViewport is the viewport of a stay that names none.
var DefaultViewport = Viewport{Width: 1280, Height: 800}

// StayOptions configure a Stay.
type StayOptions struct {
	// Engine is the Chrome that shows the pages, as in Options. Default is the pool's.
	Engine Engine
	// FreshPages gives every page a browser context and a recorder session of its own: of
	// cookies, storage, cache, connections and TLS sessions nothing is there that the page
	// before left behind.
	FreshPages bool
	// Viewport defaults to DefaultViewport.
	Viewport Viewport
	// UserAgent replaces the browser's own user agent, which says that it is a
	// headless Chrome; the fleet hides nothing by default.
	UserAgent string
	// Locale (BCP 47, such as "de-DE") and TimeZone (IANA name) default to the
	// machine's.
	Locale, TimeZone string
	// AcceptBadCertificates lets pages have what comes from origins whose certificate
	// does not verify. What is wrong with it is recorded either way.
	AcceptBadCertificates bool
	// NoImages leaves pictures out: they are not asked for, or dropped as they come.
	NoImages bool
	// ScriptPosts says to whom scripts may send what is more than a question.
	ScriptPosts ScriptPosts
	// Recorder says who takes down what goes over TLS.
	Recorder Recorder
	// Headers are sent with every request of the stay.
	Headers map[string]string
	// Profile is stored state that the stay begins with, nil for none. It is for visits
	// to its hosts alone: whoever opens a stay sees to that.
	Profile *profile.Profile
}

// Screenshot says what picture is taken of a page.
type Screenshot string

// The kinds of screenshots.
const (
	ScreenshotNone     Screenshot = "None"
	ScreenshotViewport Screenshot = "Viewport"
	ScreenshotFull     Screenshot = "FullPage"
)

// Visit is the order to capture one page.
type Visit struct {
	// ID names the page in logs and records.
	ID string
	// URL is the address, http or https. Required.
	URL string
	// Dir is a folder for this page alone; made when it is missing. Required.
	Dir string
	// Screenshot defaults to ScreenshotNone.
	Screenshot Screenshot
	// Text and DOM ask for the rendered text and the serialised document.
	Text, DOM bool
	// NoScroll switches off the scroll that triggers lazy loading.
	NoScroll bool
	// NoConsent, NoExpand and NoMedia switch off that dialogs about consent are closed,
	// folds and buttons for more opened, and media played.
	NoConsent, NoExpand, NoMedia bool
	// Scripts are behaviours for certain sites. The first one that matches the document's
	// host is run.
	Scripts []Script
	// LoadTimeout bounds the load of the document, default 30 s.
	LoadTimeout time.Duration
	// Timeout bounds the whole capture of the page, default 60 s.
	Timeout time.Duration
	// MaxBytes bounds the bytes of all bodies of the page, MaxBody those of each; 0 is no
	// bound. What is cut off is marked so, see Limit.
	MaxBytes, MaxBody int64
	// Track, unless nil, is told in which phase the page is.
	Track *Tracker
	// Stop, unless nil, is closed when no page is to be begun any more: one that waits for
	// its turn fails with ErrNotBegun, one that was begun is not disturbed.
	Stop <-chan struct{}
	// RetryOf says, in the words of Page.Refusal, why the page is captured again with
	// RecorderBrowser.
	RetryOf string
	// Admit, unless nil, is asked before each document that the page is led to by a
	// redirect, or takes itself to; not for URL itself. Where it refuses, the page
	// stays what it is, and has failed with the refusal's reason if it is nothing yet.
	Admit func(ctx context.Context, address string) *Refusal
}
