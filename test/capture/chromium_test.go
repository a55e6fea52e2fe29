package capture

import (
	"slices"
	"testing"

	"crawlfleet.dev/crawlfleet/workers/browser"
)

// TestConformanceChromium captures the cases with the whole of Chromium, those that are inChromium unless the table is
// being written: all of them take as long as with the headless shell.
func TestConformanceChromium(t *testing.T) {
	withChromium.run(t)
}

var withChromium = &variant{
	title: "With engine Chromium",
	preface: `The cases with ` + "`spec.browser.engine: Chromium`" + `, the whole of Chromium in its headless mode, and recorder Wire. ` + "`make conformance`" + ` captures all
of them; ` + "`make test`" + ` those in which the engines differ or could, some of each group, and compares their rows alone. They are not replayed: what the files
are made of is the same. Where a remark says nothing, the case comes out as above. Chromium asks for the icon of a host where a page names none in time, which any case may have on top.
`,
	change:   func(o *setup) { o.pool.Engine = browser.EngineChromium },
	also:     "\n?GET {origin}/favicon.ico Other 404 record",
	selected: func(name string) bool { return slices.Contains(inChromium, name) },
	differs:  ofChromium,
	judge:    (*result).judge,
	table:    compactTable,
}

// inChromium are the cases that every run captures with Chromium.
var inChromium = []string{
	"A redirect chain", "A authentication basic", "A authentication in frames", "A authentication wanted for a picture", "A strict transport security", "A early hints over HTTP/2",
	"B unknown charset and a byte order mark", "B HTTP/2",
	"C a PDF", "C a PDF of a page", "C a PDF in a frame", "C coding br", "C a body of 6 MB",
	"D a video of a blob", "D seeking in a file of 15 MB",
	"E a form is not submitted", "E beacon at unload", "E preflight",
	"F speculation rules", "F speculation rules over TLS", "F preload and prefetch", "F memory and disk cache",
	"G service worker", "G service worker of a second visit", "G shared worker", "G background fetch",
	"H frames of other sites", "H popups", "H downloads", "H a page that is a download", "H favicon", "H fenced frames",
	"I WebSocket", "I WebTransport and WebRTC", "I server-sent events",
	"J HTTP/2 on both sides", "J alternative services", "J mixed content",
	"K dialogs", "K permissions", "K a storm of windows", "K what a browser has questions about",
	"L links that are no pages", "M endless loop while loading", "P private addresses", "P addresses of the browser",
}

// ofChromium are the cases that differ, by name.
func ofChromium() map[string]difference {
	shown := func(t *testing.T, r *result) {
		if r.page.Download || r.page.ScreenshotFile == "" {
			t.Errorf("the page is a file (%v), or has no picture (%q)", r.page.Download, r.page.ScreenshotFile)
		}
	}
	return map[string]difference{
		"A early hints over HTTP/2": {
			lines: `GET two: Document 200 record
				?GET two:style.css Unseen 200 record
				?GET two:style.css Stylesheet 200 cache
				?GET two:style.css Stylesheet 200 record`,
			why: "It follows a hint or does not. If not, the style sheet is asked for when the page has come.",
		},
		"A authentication wanted for a picture": {
			limits: []string{browser.LimitLoad},
			why:    "Waits for somebody who knows the password of a picture, and is not complete. (For a page, a frame or a script it is told that nobody does.)",
		},
		"C a PDF": {
			lines: "GET www: Document 200 record", check: shown,
			why: "Shown by the viewer, which says that it is broken. It is recorded as it came.",
		},
		"C a PDF of a page": {
			lines: "GET www: Document 200 record", check: shown,
			why: "Shown by the viewer, an extension of the browser: nothing of that is in the file. There is no text of it.",
		},
		"C a PDF in a frame": {
			lines: "GET www: Document 200 record\nGET www:paper.pdf Document 200 record",
			why:   "Shown by the viewer, in the frame.",
		},
		"E beacon at unload": {
			lines: `GET www: Document 200 record
				POST www:echo Ping 200 record
				?POST www:echo Unseen 200 record
				?POST www:echo Unseen 200 record`,
			why: "What is sent at the very end has not always left the browser when the page's record ends, on a machine that is busy.",
		},
		"G a page that another page's service worker controls": {
			lines: `GET tls: Document 200 record
				GET tls:made Fetch 200 not captured: answered by a service worker
				?GET tls:sw.js Unseen 200 record`,
			why:   "The browser may ask whether the worker has changed.",
			check: func(t *testing.T, r *result) { textOf(t, r, "controlled, made up") },
		},
		"H a frame that is removed while it loads": {
			lines: `GET www: Document 200 record
				?GET www:slow Document not captured: there was no answer: Aborted
				?GET www:slow Document not captured: there was no answer: ERR_ABORTED`,
			why: "It may be given up before its connection has been made.",
		},
		"G service worker of a second visit": {
			lines: `GET tls: Document 200 record
				GET tls:sw.js Script 200 record
				GET tls: Document 200 not captured: answered by a service worker
				?GET tls: Other 200 record
				?GET tls: Unseen 200 record
				?GET tls:sw.js Unseen 200 record`,
			why: "The browser may ask whether the worker has changed.",
		},
	}
}
