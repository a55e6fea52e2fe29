// Package replay serves archived pages to look at, on an origin of its own.
//
// An archived page is foreign code. It runs in the analyst's browser as it did in the crawler's, so it must find
// nothing there: no log-in, no page of the portal, no way out. The portal therefore shows replay in a frame from
// another origin (best from another site, HTML Living Standard section 7.1.1), which has no cookies and no API. What may
// be read there is said by the address itself: /r/{token}/…, where the token seals who looks, at which run, and until
// when. The portal hands it out ([Server.Link]) when it has checked who asks; whoever has the address can read the files
// of that run until it runs out, and nothing else.
//
// ReplayWeb.page does the work, unmodified. What it leaves open is closed around it:
//
//   - Its service worker is started by a script of ours (assets/sw.js), which sets a Content Security Policy of ours on
//     all that the worker answers. The worker's own policy lets WebSockets through to anywhere.
//   - Its scope is /r/{token}/replay/, and the names of its databases begin with that: without it all replays of an
//     origin have one list of collections, and a worker answers for what another link has opened.
//   - A script (assets/guard.js) in each archived page takes away what no policy covers: WebRTC, and hints at other
//     hosts.
//   - The frame is sandboxed: no windows, no way to the page around it, no downloads.
package replay
