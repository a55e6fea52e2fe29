package portal

import (
	"net/http"

	"crawlfleet.dev/crawlfleet/portal/access"
)

// route is an address of the portal and what it takes to ask for it.
type route struct {
	Pattern string
	Need    access.Need
	serve   http.HandlerFunc
}

// routes are all routes, but for those of the gate itself.
func (h handlers) routes() []route {
	find, look := access.Allowed(access.Find, access.InNamespace), access.Allowed(access.Look, h.aboutCapture)
	pair := access.Allowed(access.Look, h.aboutPair)
	return append([]route{
		{"GET /{$}", access.SignedIn, h.find},
		{"GET /crawls", access.SignedIn, h.crawls},
		{"GET /runs/{namespace}/{name}/{uid}", find, h.run},
		{"GET /snapshots/{id}", look, h.see},
		{"GET /snapshots/{id}/thumbnail", access.Allowed(access.Find, h.aboutCapture), h.blurred},
		{"GET /snapshots/{id}/thumbnail/clear", look, h.thumbnail},
		{"GET /snapshots/{id}/picture", look, h.picture},
		{"GET /snapshots/{id}/text", look, h.text},
		{"GET /snapshots/{id}/verify", look, h.verify},
		{"GET /snapshots/{id}/replay", look, h.replay},
		{"GET /snapshots/{id}/replay/link", look, h.replayLink},
		{"GET /snapshots/{id}/wacz", access.Allowed(access.Copy, h.aboutCapture), h.file},
		{"GET /snapshots/{id}/evidence.zip", access.Allowed(access.Copy, h.aboutCapture), h.evidence},
		{"GET /compare", pair, h.compare},
		{"GET /compare/picture", pair, h.comparePicture},
		{"GET /timeline", access.SignedIn, h.timeline},
		{"GET /live", access.SignedIn, h.live},
		{"GET /live/{namespace}/{name}", access.Allowed(access.Follow, access.InNamespace), h.liveJob},
		// A watch is its person's: who may find something may watch it, and who may not any more can
		// still end it. Each of these shows and changes the person's own alone.
		{"GET /watches", access.SignedIn, h.watches},
		{"GET /watches/new", access.SignedIn, h.newWatch},
		{"POST /watches", access.Allowed(access.Find, aboutNewWatch), h.startWatch},
		{"POST /watches/seen", access.SignedIn, h.seeNotices},
		{"POST /watches/end", access.SignedIn, h.endWatch},
		{"GET /watches/feed.atom", access.SignedIn, h.feedAtom},
		{"GET /watches/feed.json", access.SignedIn, h.feedJSON},
		{"GET /wacz/{key...}", access.Allowed(access.Copy, h.aboutFile), h.wacz},

		{"GET /api/v1/snapshots", access.SignedIn, h.apiSnapshots},
		{"GET /api/v1/snapshots/{id}", look, h.apiSnapshot},
		{"GET /api/v1/snapshots/{id}/picture", look, h.picture},
		{"GET /api/v1/snapshots/{id}/text", look, h.text},
		{"GET /api/v1/snapshots/{id}/verification", look, h.apiVerification},
		{"GET /api/v1/snapshots/{id}/wacz", access.Allowed(access.Copy, h.aboutCapture), h.file},
		{"GET /api/v1/snapshots/{id}/evidence.zip", access.Allowed(access.Copy, h.aboutCapture), h.evidence},
		{"GET /api/v1/compare", pair, h.apiCompare},
		{"GET /api/v1/compare/picture", pair, h.comparePicture},
		{"GET /api/v1/timeline", access.SignedIn, h.apiTimeline},
		{"GET /api/v1/live", access.SignedIn, h.apiLive},
		{"GET /api/v1/live/{namespace}/{name}", access.Allowed(access.Follow, access.InNamespace), h.apiLiveJob},
		{"GET /api/v1/watches", access.SignedIn, h.apiWatches},
		{"POST /api/v1/watches", access.Allowed(access.Find, aboutNewWatch), h.apiStartWatch},
		{"DELETE /api/v1/watches/{id}", access.SignedIn, h.apiEndWatch},
		{"POST /api/v1/watches/{id}/seen", access.SignedIn, h.apiSeeNotices},
		{"GET /api/v1/watches/notices", access.SignedIn, h.apiNotices},
		{"GET /api/v1/runs", access.SignedIn, h.apiRuns},
		{"GET /api/v1/runs/{namespace}/{name}/{uid}", find, h.apiRun},
		{"GET /api/v1/openapi.json", access.Public, openAPI},

		{"POST /preferences", access.Public, h.prefer},
		{"GET /assets/{file}", access.Public, h.asset},
		{"GET /assets/replaywebpage-license.txt", access.Public, h.license},
		{"GET /healthz", access.Public, func(http.ResponseWriter, *http.Request) {}},
		{"GET /readyz", access.Public, h.ready},
		{catchAll, access.Public, h.nowhere},
	}, h.caseRoutes()...)
}
