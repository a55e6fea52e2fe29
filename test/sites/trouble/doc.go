// Package trouble serves pages that are hard to load, hard to record, or hostile: what a crawler meets on the web
// and must survive, each page with a reason where it fails, and the crawl never.
//
// Every page that loads says "Trouble: name" in its text; those that do something by script say "Done: name"
// when it is done. [Pages] is this table, for tests.
//
//	address                what it does                                                            loads
//	/                      links to every page below that loads                                    yes
//	/all                   links to every page below                                               yes
//	/never                 HTML that trickles for ever                                             never complete
//	/silent                takes the request and never answers                                     no
//	/slow?ms=3000          answers after so many milliseconds                                      yes
//	/slow-image            a page at once, with a picture in it that trickles for ever             never complete
//	/hang                  shows its text and then loops in a script for ever                      renderer hangs
//	/oom                   fills the script's heap (up to 4 GB) until the renderer dies            renderer crashes
//	/alert                 alert, confirm, prompt, and a question before it is left                waits for answers
//	/reset                 resets the connection (RST) in the middle of the body                   no
//	/cut                   closes the connection before Content-Length is reached                  no
//	/500 /503 /404         these statuses, with a page; 503 has Retry-After as a date              yes, as an error page
//	/429                   429 with Retry-After: 2                                                 yes, as an error page
//	/flaky?times=2&how=503 fails so often (503, 429 or reset), then loads; counted per whole address    after that
//	/huge?mb=64            HTML of so many MiB                                                     slowly
//	/huge-file?mb=64       a page that fetches a file of so many MiB                               yes
//	/many?n=1000           a page that fetches so many small files                                 yes
//	/redirect-loop         two addresses that redirect to each other                               no
//	/redirect?n=5          so many redirects (301, 302, 303, 307, 308 in turn), then a page        yes
//	/script-redirect       moves on by script as soon as it is loaded                              yes
//	/meta-refresh          moves on by <meta http-equiv=refresh>                                   yes
//	/poll                  asks the server every 200 ms, for ever                                  never idle
//	/sse                   an event stream that never ends                                         never idle
//	/ws                    a WebSocket: three messages from the server, two echoes, one binary     yes
//	/post                  posts JSON by fetch, and a form by XMLHttpRequest                       yes
//	/beacon                sends a beacon and a keepalive fetch when it is left                    yes
//	/worker                a dedicated worker that fetches                                         yes
//	/service-worker        a service worker that answers one address itself and passes one on      yes
//	/frames                frames: nested, srcdoc, sandboxed, blank; a link only in the innermost  yes
//	/popup                 opens two windows                                                       yes
//	/download              links to a file, and is sent as an attachment when ?now=1               yes; ?now=1 is a download
//	/encodings             fetches a text as gzip, deflate, raw deflate, br, zstd and unencoded    yes
//	/dupe-headers          the same header several times, Set-Cookie twice                         yes
//	/raw-headers           a head written byte by byte: odd case, doubles, empty value             yes
//	/cookies               counts its visits in a cookie, and in local storage                     yes
//	/empty                 200 without a body                                                      yes
//	/no-content            204                                                                     stays where it was
//	/plain                 text/plain                                                              yes
//	/inside                pictures and frames from loopback, private, and metadata addresses      yes, without these
//	/trap/1                links to /trap/2, that to /trap/3, and so on for ever                   yes
//
// The rest of a page's requests go to addresses below it, such as /poll/answer. /ws and /service-worker need what browsers
// call a secure context for their scripts: 127.0.0.1, localhost, or TLS.
package trouble

// A Page is one row of the table.
type Page struct {
	// Path is its address.
	Path string
	// About says what it does.
	About string
	// Loads says that a browser gets to the end of loading it without help and soon, so that / links to it.
	Loads bool
}

// Name is what the page calls itself in its text, after "Trouble: ", such as slow-image.
func (p Page) Name() string { return name(p.Path) }

// Pages returns the table above, without / and /all.
func Pages() []Page {
	return []Page{
		{"/never", "HTML that trickles for ever", false},
		{"/silent", "takes the request and never answers", false},
		{"/slow", "answers after three seconds", true},
		{"/slow-image", "a picture that trickles for ever", false},
		{"/hang", "loops in a script for ever", false},
		{"/oom", "fills the script's heap until the renderer dies", false},
		{"/alert", "asks questions", false},
		{"/reset", "resets the connection in the middle of the body", false},
		{"/cut", "closes the connection before the body is complete", false},
		{"/500", "500 with a page", true},
		{"/503", "503 with Retry-After as a date", true},
		{"/404", "404 with a page", true},
		{"/429", "429 with Retry-After: 2", true},
		{"/flaky", "fails twice, then loads", true},
		{"/huge", "HTML of 64 MiB", false},
		{"/huge-file", "fetches a file of 64 MiB", true},
		{"/many", "fetches a thousand small files", true},
		{"/redirect-loop", "redirects in a circle", false},
		{"/redirect", "five redirects, then a page", true},
		{"/script-redirect", "moves on by script", true},
		{"/meta-refresh", "moves on by a meta element", true},
		{"/poll", "asks the server for ever", true},
		{"/sse", "an event stream that never ends", true},
		{"/ws", "a WebSocket", true},
		{"/post", "posts JSON and a form", true},
		{"/beacon", "sends a beacon when it is left", true},
		{"/worker", "a worker that fetches", true},
		{"/service-worker", "a service worker that answers itself", true},
		{"/frames", "nested frames", true},
		{"/popup", "opens two windows", true},
		{"/download", "links to a file to download", true},
		{"/encodings", "fetches a text in every content encoding", true},
		{"/dupe-headers", "the same header several times", true},
		{"/raw-headers", "a head written byte by byte", true},
		{"/cookies", "counts its visits", true},
		{"/empty", "200 without a body", true},
		{"/no-content", "204", false},
		{"/plain", "plain text", true},
		{"/inside", "pictures from addresses inside the network", true},
		{"/trap/1", "links that go on for ever", true},
	}
}
