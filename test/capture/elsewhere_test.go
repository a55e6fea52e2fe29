package capture

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An elsewhere is a case that takes no page of a site, and the tests that cover it.
type elsewhere struct {
	group, name string
	// tests are package and function, such as "internal/warc TestCut", separated by commas. Where nothing in the
	// repository can show it, they are empty and note says why.
	tests, note string
}

// coveredElsewhere are the cases of groups L, N, O and the rest of M.
var coveredElsewhere = []elsewhere{
	{group: "L", name: "addresses that lead on for ever, page limits", tests: "internal/frontier TestLimits, internal/frontier TestPageLimitIsNeverExceeded"},
	{group: "L", name: "the same page under several addresses", tests: "internal/urls TestCanonicalize, internal/urls FuzzCanonicalize, internal/urls FuzzSURT"},
	{group: "L", name: "addresses that are none", tests: "internal/urls TestCanonicalizeRefuses, internal/urls TestResolve"},
	{group: "L", name: "redirects in circles and to pages that are known", tests: "workers/frontier TestRedirectsAreJudged, internal/frontier TestRedirectIsNotFetchedAgain"},
	{group: "L", name: "robots.txt of every kind", tests: "internal/robots TestDecide, internal/robots TestForStatus, internal/robots TestExtras, internal/robots FuzzParse, workers/frontier TestRobots"},
	{group: "L", name: "sitemaps: compressed, nested, too large, broken", tests: "internal/sitemap TestRead, internal/sitemap TestTooManyEntries, internal/sitemap FuzzRead, workers/frontier TestSitemapsAreReadPolitely"},
	{group: "L", name: "lists of seeds: line ends, marks, the same twice, a million", tests: "controllers/crawljob TestReadSeeds, controllers/crawljob FuzzParseLines, internal/cli TestReadPages, internal/frontier BenchmarkSeed"},
	{group: "L", name: "pages that fail, again and again", tests: "internal/frontier TestRetries, internal/frontier TestOutage, workers/frontier TestPoisonCostsItsPageAlone"},

	{group: "M", name: "a renderer that crashes", tests: "workers/browser TestRendererCrash, test/sites/trouble TestOOMCrashesTheRenderer"},
	{group: "M", name: "a browser that is killed", tests: "workers/browser TestBrowserKilled"},
	{group: "M", name: "a page that never ends", tests: "workers/browser TestPagesThatDoNotEnd, workers/browser TestCancelIsQuick"},
	{group: "M", name: "a disk that is full", tests: "workers/browser TestFullDisk, internal/recorder TestDisk, internal/warc TestFullDisk, test/e2e TestFullDiskFailsThePageAlone"},
	{group: "M", name: "outputs larger than a message of the browser", tests: "workers/browser TestLargeOutputsComeInPieces"},
	{group: "M", name: "what a browser leaves behind", tests: "workers/browser TestHundredPagesLeaveNothing, test/harness TestWhatIsLeftBehindIsFoundAndEnded"},

	{group: "N", name: "a worker that is killed at any moment", tests: "workers/frontier TestKilledAttemptsLoseOnlyWhatWasNotCommitted, test/e2e TestKilledInTheMiddle"},
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

	{group: "O", name: "records: members, lengths, digests", tests: "internal/warc TestGolden, internal/warc TestWriteRead, internal/warc TestDigest, internal/wacz TestIndependentRecords"},
	{group: "O", name: "a file that is cut off at any byte", tests: "internal/warc TestCut, internal/wacz TestTruncated"},
	{group: "O", name: "a byte that was changed, anywhere", tests: "internal/warc TestFlip, internal/wacz TestFlip, internal/wacz TestFlipDirectory"},
	{group: "O", name: "revisits that resolve", tests: "workers/archive TestRepeatedBodiesAreRevisits, internal/wacz TestIndependentReplay"},
	{group: "O", name: "the index: order, keys, requests with bodies", tests: "internal/cdxj TestWriteSorted, internal/cdxj TestRequestKey, internal/cdxj TestSelfRedirect, internal/wacz TestIndependentKeys, internal/wacz TestIndependentRequestKeys"},
	{group: "O", name: "files that lie about themselves", tests: "internal/wacz TestValidateLies, internal/wacz TestValidateRepacked, internal/wacz TestOpenRefuses"},
	{group: "O", name: "files of others", tests: "internal/warc TestReaderForeign, internal/cdxj TestParseForeign"},
	{group: "O", name: "replay of a whole crawl", tests: "test/replay TestEveryPageReplaysAsItWas"},
}

// TestCoveredElsewhere: the tests that the table names are there.
func TestCoveredElsewhere(t *testing.T) {
	known := make(map[string]map[string]bool)
	for _, c := range coveredElsewhere {
		if (c.tests == "") == (c.note == "") {
			t.Errorf("%s %s: tests %q, note %q", c.group, c.name, c.tests, c.note)
		}
		for test := range strings.SplitSeq(c.tests, ", ") {
			dir, name, _ := strings.Cut(test, " ")
			if dir == "" {
				continue
			}
			if known[dir] == nil {
				known[dir] = testsOf(t, dir)
			}
			if !known[dir][name] {
				t.Errorf("%s %s: there is no %s in %s", c.group, c.name, name, dir)
			}
		}
	}
}

// testsOf are the names of the tests, fuzz targets and benchmarks of a package.
func testsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, path := range files {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}

// elsewhereTable is the part of the table for a group.
func elsewhereTable(group string) string {
	var b strings.Builder
	for _, c := range coveredElsewhere {
		if c.group != group {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("\n| without a page | tests |\n| --- | --- |\n")
		}
		tests := c.note
		if c.tests != "" {
			tests = "`" + strings.ReplaceAll(c.tests, ", ", "`, `") + "`"
		}
		fmt.Fprintf(&b, "| %s | %s |\n", c.name, tests)
	}
	return b.String()
}
