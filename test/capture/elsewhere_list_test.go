package capture

import "slices"

// coveredElsewhere are the cases that take no page, and those that nothing shows yet.
var coveredElsewhere = slices.Concat(pagesElsewhere, fleetElsewhere)

// pagesElsewhere are those of groups A to K and P, which are about pages.
var pagesElsewhere = []elsewhere{
	{group: "A", name: "a request that waits for 100 Continue", tests: "internal/recorder TestExpectContinue"},
	{group: "A", name: "Retry-After with a date", tests: "workers/browser TestRetryAfter"},
	{group: "A", name: "pages that ask whether a person is there", tests: "workers/browser TestChallenge"},
	{group: "A", name: "redirects to pages that are not to be crawled", tests: "workers/frontier TestRedirectsAreJudged"},

	{group: "B", name: "fields that Chrome tells before or after the request that they belong to", tests: "workers/browser TestExtraInfoInAnyOrder, workers/browser TestBrowserRecorder, workers/browser TestRequestHead", note: "Only where the browser is the recorder: otherwise heads are taken from the wire."},

	{group: "C", name: "bodies of more than 256 MB", tests: "internal/recorder TestMemory, workers/archive TestMemoryOfTheWholeLine", note: "A body is never held in memory as a whole. What a page of the suite brings is 120 MB."},
	{group: "C", name: "bodies of more than 4 GB", tests: "api/v1alpha1 TestRefused", note: "A job takes at most 4000 MB a page: what is larger is cut off, and marked so."},
	{group: "C", name: "a PDF of 837 MB", note: "No test of that size: a file above 256 MB is a body like any other, and the row \"a PDF\" a file."},

	{group: "E", name: "reports of network errors (NEL)", tests: "internal/recorder TestOutsideOfPages", note: "Chrome sends them when the page has been left: see the row \"reporting API\"."},

	{group: "F", name: "prerendered pages", note: "Chrome prerenders nothing while it is led by a program (it says PrerenderingDisabledByDevTools), and prefetches the page instead: the rows \"speculation rules\" and \"speculation rules over TLS\", with either engine."},
	{group: "F", name: "a body that repeats one whose upload failed", tests: "workers/archive TestPageThatDoesNotFitLeavesTheChunkSound", note: "It cannot come about across files: a revisit refers to a record of its own file, and both are uploaded or neither."},
	{group: "F", name: "content that changes from page to page", tests: "workers/archive TestRepeatedBodiesAreRevisits, workers/archive TestCachedLineHasTheRecordOfItsTime, workers/archive TestNotModifiedStandsForWhatTheCacheHeld", note: "From chunk to chunk nothing is shared."},

	{group: "H", name: "the first request of a window or worker, before anybody listens", tests: "workers/browser TestFramesAndWorkersOfOtherOrigins"},
	{group: "H", name: "a viewer for PDF", note: "Headless-shell has none. That of Chromium is an extension, of which nothing is recorded: the rows \"a PDF of a page\" and \"a PDF in a frame\", with engine Chromium."},

	{group: "I", name: "sockets over TLS, and through a proxy", tests: "internal/recorder TestWebSocket, internal/recorder TestWebSocketCut, workers/browser TestBrowserRecorderSockets", note: "Over TLS, and through each kind of upstream proxy, there are rows, too."},
	{group: "I", name: "data channels of WebRTC", note: "Nothing is connected: the rows \"WebTransport and WebRTC\" and \"WebRTC to a private address\"."},

	{group: "J", name: "a name with addresses of both families", tests: "internal/netguard TestHappyEyeballs, internal/netguard TestInterleave"},
	{group: "J", name: "the record of what a name server said, with aliases", tests: "internal/netguard TestLookupSystem, internal/netguard TestNameServer, internal/netguard TestHostileAlias, internal/netguard FuzzTapMessage, internal/recorder TestDNSFacts, workers/archive TestChunkHoldsWhatWasCaptured", note: "Each a part of the way: the row \"a name that is an alias\" goes all of it."},
	{group: "J", name: "an upstream proxy that is asked over TLS", tests: "internal/netguard TestUpstreamTLS, internal/netguard TestUpstreamSilent, internal/cli TestRoute", note: "With an authority of its own, which --proxy-ca-file names, there are rows, too."},
	{group: "J", name: "a proxy over SSH", note: "There is none: who needs one runs ssh -D and names it as a SOCKS5 proxy."},
	{group: "J", name: "TLS 1.0", tests: "internal/recorder TestBadCertificates", note: "Refused as TLS 1.1 is."},
	{group: "J", name: "certificates that were revoked, or are in no log (CT), stapled OCSP", tests: "internal/recorder TestTLSFacts", note: "Not checked while capturing: the chain, and what the server staples, are recorded, for whoever looks later: the row \"stapled OCSP and SCTs\"."},
	{group: "J", name: "Encrypted Client Hello", note: "The recorder ends TLS and sends none. Cannot be served on one machine: it takes an HTTPS record of a resolver that Chrome trusts."},
	{group: "J", name: "requests that are pipelined", note: "Chrome does not do so."},

	{group: "K", name: "what the browser asks its maker", tests: "workers/browser TestChromiumsOwnRequests", note: "The switches turn most of it off. What is left of it (accounts, updates of extensions) goes to a proxy that is not there, and no page's recorder hears of it. In each row the ledger has the page's requests alone."},
	{group: "K", name: "a login that expires", tests: "workers/browser TestLoginExpired, workers/frontier TestProfileExpires, workflows TestLoginExpires"},

	{group: "P", name: "addresses of clusters, clouds and machines, in every notation", tests: "internal/netguard TestCheck, internal/netguard TestBlocked, internal/netguard FuzzCheck"},
	{group: "P", name: "a name that leads elsewhere between check and connection", tests: "internal/netguard TestRebinding, internal/netguard TestControl, internal/netguard TestMixedAnswer"},
	{group: "P", name: "tunnels to private addresses", tests: "internal/recorder TestTunnelGuard, workers/browser TestBrowserRecorderGuard"},
	{group: "P", name: "the port of the developer tools", note: "Chrome has none: it is led over a pipe. (That of a person's own browser, when a login is saved, is on that person's machine.)"},
	{group: "P", name: "pages and names that attack who looks at the archive", tests: "test/replay TestHostilePagesReachNobody, portal/replay TestHeaders, portal/replay TestWhatATokenOpens, portal TestHostilePages, portal TestEveryAnswerHasTheHeaders, portal TestTricksWithPaths, portal TestForeignNamesAreRefused"},
	{group: "P", name: "injection into records, lists and YAML", tests: "internal/warc FuzzFields, internal/warc FuzzEscapeValue, workers/archive TestPageListHasTheAddressThatWasAskedFor, cmd/crawlctl TestProfileIsYAML", note: "Of titles, addresses, fields and names of files there are rows, too."},
	{group: "P", name: "orders to the terminal of who looks at the archive", tests: "internal/cli TestOneLine, internal/cli TestWriteJSON, internal/cli FuzzWriteJSON, internal/cli TestExitIsPrintable, cmd/crawlctl TestReportIsPrintable, cmd/crawlctl TestScripts"},
}

// fleetElsewhere are those of groups L to O: the frontier, the machine, the platform and the files.
var fleetElsewhere = []elsewhere{
	{group: "L", name: "addresses that lead on for ever, page limits", tests: "internal/frontier TestLimits, internal/frontier TestPageLimitIsNeverExceeded"},
	{group: "L", name: "the same page under several addresses", tests: "internal/urls TestCanonicalize, internal/urls FuzzCanonicalize, internal/urls FuzzSURT"},
	{group: "L", name: "addresses that are none", tests: "internal/urls TestCanonicalizeRefuses, internal/urls TestResolve"},
	{group: "L", name: "redirects in circles and to pages that are known", tests: "workers/frontier TestRedirectsAreJudged, internal/frontier TestRedirectIsNotFetchedAgain"},
	{group: "L", name: "robots.txt of every kind", tests: "internal/robots TestDecide, internal/robots TestForStatus, internal/robots TestExtras, internal/robots FuzzParse, workers/frontier TestRobots"},
	{group: "L", name: "sitemaps: compressed, nested, too large, broken", tests: "internal/sitemap TestRead, internal/sitemap TestTooManyEntries, internal/sitemap FuzzRead, workers/frontier TestSitemapsAreReadPolitely"},
	{group: "L", name: "lists of seeds: line ends, marks, the same twice, a million", tests: "controllers/order TestReadSeeds, controllers/crawljob FuzzParseLines, internal/cli TestReadPages, internal/frontier BenchmarkSeed"},
	{group: "L", name: "pages that fail, again and again", tests: "internal/frontier TestRetries, internal/frontier TestOutage, workers/frontier TestPoisonCostsItsPageAlone"},
	{group: "L", name: "soft 404, session ids, tracking parameters, calendars", tests: "internal/frontier TestEndlessSpaces, internal/frontier TestLimits", note: "Calendars and session ids have budgets of their own. Soft 404 and tracking parameters are not guessed at: they cost what the limits allow."},

	{group: "M", name: "a renderer that crashes", tests: "workers/browser TestRendererCrash, test/sites/trouble TestOOMCrashesTheRenderer"},
	{group: "M", name: "a browser that is killed", tests: "workers/browser TestBrowserKilled"},
	{group: "M", name: "a page that never ends", tests: "workers/browser TestPagesThatDoNotEnd, workers/browser TestCancelIsQuick"},
	{group: "M", name: "a disk that is full", tests: "workers/browser TestFullDisk, internal/recorder TestDisk, internal/warc TestFullDisk, test/e2e TestFullDiskFailsThePageAlone"},
	{group: "M", name: "outputs larger than a message of the browser", tests: "workers/browser TestLargeOutputsComeInPieces"},
	{group: "M", name: "what a browser leaves behind", tests: "workers/browser TestHundredPagesLeaveNothing, test/harness TestWhatIsLeftBehindIsFoundAndEnded"},
	{group: "M", name: "helper processes that die", tests: "workers/browser TestHelperProcessesDie, workers/browser TestHelperDiesBetweenPages"},
	{group: "M", name: "a browser or a renderer that hangs", tests: "workers/browser TestStoppedBrowser, workers/browser TestStoppedRenderer, workers/browser TestLoopIsNoticed"},
	{group: "M", name: "a request that is held and never let go", tests: "workers/browser TestBrowserRecorderNeverStalls"},
	{group: "M", name: "the connection to the browser ends", tests: "workers/browser TestBrowserKilled, workers/browser TestPipeBreaks"},
	{group: "M", name: "more events than are worked off, commands in the middle of one, queues that are full", tests: "workers/browser TestSlowHandlerHoldsChromeBack, workers/browser TestCommandsPileUp, workers/browser TestQueueIsWorkedOff", note: "The rows \"a flood of requests\" and \"ten thousand frames\" put load on it."},
	{group: "M", name: "a page that takes others down", tests: "test/e2e TestBadPagesFailAlone"},
	{group: "M", name: "processes that are left when the worker is killed", tests: "workers/browser TestKilledProcessLeavesNothing"},
	{group: "M", name: "a container out of memory", tests: "test/chaos TestChaos", note: "To the fleet it is a worker that is killed; the kernel that does it cannot be had in one process."},
	{group: "M", name: "a small /dev/shm", tests: "workers/browser TestSmallSharedMemory"},
	{group: "M", name: "no inodes, a file system that is read-only", tests: "workers/browser TestNoInodes, workers/browser TestReadOnlyDisk, workers/frontier TestDiskThatCannotBeUsed"},
	{group: "M", name: "a clock that jumps", note: "No test yet."},
	{group: "M", name: "a profile that is locked", tests: "workers/browser TestKilledProcessLeavesNothing", note: "Each Chrome has a new folder: the lock of another is never met."},

	{group: "N", name: "a worker that is killed at any moment", tests: "workers/frontier TestKilledAttemptsLoseOnlyWhatWasNotCommitted, test/chaos TestChaos"},
	{group: "N", name: "a worker that is told to stop", tests: "workers/frontier TestYieldsWhenTheWorkerStops, workers/frontier TestLeaseIsAskedToYield"},
	{group: "N", name: "an activity that is delivered twice, a worker that writes late", tests: "workers/frontier TestPlanTwiceIsOnePlan, workers/frontier TestOldAttemptIsNotHeard, workers/frontier TestLease"},
	{group: "N", name: "an operator that is started anew", tests: "controllers/crawljob TestOperatorRestart, controllers/crawljob TestOperatorDiedAfterStart"},
	{group: "N", name: "Temporal is away", tests: "controllers/crawljob TestTemporalComesBack, workflows TestShardIsGone, workflows TestRunIsGone"},
	{group: "N", name: "histories that grow", tests: "workflows TestShardContinuesAsNew, workflows TestRunContinuesAsNew, workflows TestHistories"},
	{group: "N", name: "a job that is deleted while it runs", tests: "controllers/crawljob TestDeletion, controllers/crawljob TestDeletionIsBounded"},
	{group: "N", name: "a job that is changed while it runs", tests: "api/v1alpha1 TestChanges, controllers/crawljob TestSetState"},
	{group: "N", name: "a payload that is too large", tests: "controllers/crawljob TestStartTooLarge"},
	{group: "N", name: "the store answers late, not at all, or with another sum", tests: "internal/blob TestPutWhoseAnswerIsLost, internal/blob TestPutConfirmedWithAnotherSum, internal/blob TestUnreachable, internal/blob TestStuckStoreIsUnreachable, workers/frontier TestStoreGoesDown, workers/frontier TestAnswerOfThePutIsLost"},
	{group: "N", name: "credentials that change", tests: "internal/blob TestCredentialsFileIsReadAgain"},
	{group: "N", name: "a machine that is interrupted and goes on", tests: "test/e2e TestRunIsInterruptedAndGoesOn"},
	{group: "N", name: "nodes lost, pods evicted, images that do not come, quotas", note: "Kubernetes' own, and not to be had in one process. To the fleet they are workers that are killed, and one that does not come."},
	{group: "N", name: "leaders of operators that change, a namespace that ends", note: "No test yet."},
	{group: "N", name: "webhooks that are down", note: "There are none."},
	{group: "N", name: "an upload that is cancelled, a pause that outlives the history", tests: "workers/frontier TestCancelledUpload, workflows TestCancel, workflows TestSuspendedWhileSeeding, workflows TestPauseOutlivesHistory, workflows TestShardPauseOutlivesHistory"},
	{group: "N", name: "workers of two versions", tests: "workflows TestHistories", note: "Histories of before are replayed, and payloads only gain fields, but for the parts of exchanges, which changed before the first release. Two versions at work at once: no test yet. It takes the worker of an earlier release beside the present one, at a Temporal server, and there is no release that was published."},
	{group: "N", name: "kinds of trouble with the store: no access, no bucket, full, slow down, clocks that differ", tests: "internal/blob TestKinds, internal/blob TestCheckKinds, internal/blob TestProbe"},
	{group: "N", name: "addresses that expire, locks on objects", note: "The fleet signs each request anew and hands out no addresses that expire; it sets no locks on objects."},
	{group: "N", name: "a large object whose upload breaks off", tests: "internal/blob TestPutWhoseAnswerIsLost", note: "An object is put in one request, and is there as a whole or not at all."},

	{group: "O", name: "records: members, lengths, digests", tests: "internal/warc TestGolden, internal/warc TestWriteRead, internal/warc TestDigest, internal/wacz TestIndependentRecords"},
	{group: "O", name: "a file that is cut off at any byte", tests: "internal/warc TestCut, internal/wacz TestTruncated"},
	{group: "O", name: "a byte that was changed, anywhere", tests: "internal/warc TestFlip, internal/wacz TestFlip, internal/wacz TestFlipDirectory"},
	{group: "O", name: "revisits that resolve", tests: "workers/archive TestRepeatedBodiesAreRevisits, internal/wacz TestIndependentReplay"},
	{group: "O", name: "the index: order, keys, requests with bodies", tests: "internal/cdxj TestWriteSorted, internal/cdxj TestRequestKey, internal/cdxj TestSelfRedirect, internal/wacz TestIndependentKeys, internal/wacz TestIndependentRequestKeys"},
	{group: "O", name: "files that lie about themselves", tests: "internal/wacz TestValidateLies, internal/wacz TestValidateRepacked, internal/wacz TestOpenRefuses"},
	{group: "O", name: "files of others", tests: "internal/warc TestReaderForeign, internal/cdxj TestParseForeign"},
	{group: "O", name: "replay of a whole crawl", tests: "test/replay TestEveryPageReplaysAsItWas"},
	{group: "O", name: "a file that is rolled over, a record larger than that", tests: "workers/frontier TestLargePagesHaveChunksOfTheirOwn", note: "A chunk has one WARC file: nothing is rolled over. What is large has a chunk of its own."},
	{group: "O", name: "ZIP64", note: "No test yet of a file above 4 GB. Our validator looks at the fields of ZIP64."},
	{group: "O", name: "signatures", tests: "internal/wacz TestSign", note: "Without a key there is no file."},
	{group: "O", name: "times that go forward", note: "No test yet."},
	{group: "O", name: "replay with pywb", note: "Not run: records are read by warcio.js, of which pywb has the twin in Python, and pages are replayed by ReplayWeb.page."},
}
