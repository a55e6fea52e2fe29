// Package browser renders pages in real headless Chromes and says everything
// that happened while it did.
//
// A [Pool] owns the Chrome processes. A [Stay] is one visit to one host: it
// holds one tab in one browser context of its own, behind one recording proxy
// session of its own, and captures page after page in it as a visitor would.
// State (cookies, storage, cache) is shared by the pages of a stay and by
// nothing else. [Stay.Capture] renders one page and returns a [Page]: the
// exchanges that the proxy recorded, the browser's own account of what it
// asked for ([Line]), the links, and the files with the rendered text, the
// DOM and the screenshot.
//
// # What can go wrong is data
//
// A page that does not resolve, never ends loading, or takes its renderer down
// is a result like any other: [Outcome] names the reason with a word of the
// fleet's vocabulary, and what was captured until then is kept. The error of
// Capture is for the machinery alone: a closed pool, a context that ended, a
// Chrome that cannot be started.
//
// # Two witnesses
//
// The recording proxy (package recorder) sees the bytes on the wire. The
// browser's account over the DevTools protocol is the ledger. The two are
// matched line by line; [Completeness] is their agreement, and what only one
// of them knows is named.
//
// # The driver
//
// Chrome is driven over a pipe with chromedp's transport and cdproto's types,
// by a small session layer of this package rather than chromedp's own targets:
// those subscribe to the DOM, CSS and Log domains of every page, which costs
// about 8 % of the CPU, and attach to frames and workers neither recursively nor
// early enough to see their first request.
package browser
