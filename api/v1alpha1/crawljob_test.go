package v1alpha1_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/urls"
)

const validAuthorization = `
  authorization:
    reference: DPIA-2026-014
    purpose: VictimIdentification
    basis: Article 6(1)(f) GDPR
    requestedBy: Case unit 4
    notAfter: "2030-01-01T00:00:00Z"
`

// job writes a manifest with a valid authorisation and the given rest of spec.
func job(rest string) string {
	return `
apiVersion: crawlfleet.dev/v1alpha1
kind: CrawlJob
metadata:
  name: board
  namespace: default
spec:` + validAuthorization + indent(rest)
}

// seeded writes a manifest with a valid authorisation and one seed.
func seeded(rest string) string {
	return job("seeds: {urls: [\"https://example.org/\"]}\n" + rest)
}

func authorized(authorization string) string {
	return `
apiVersion: crawlfleet.dev/v1alpha1
kind: CrawlJob
metadata: {name: board, namespace: default}
spec:
  seeds: {urls: ["https://example.org/"]}
  authorization: ` + authorization
}

func indent(lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		b.WriteString("  " + line)
	}
	return b.String()
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	many := func(n int, item string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	long := "https://example.org/" + strings.Repeat("a", 2048)

	tests := map[string]struct {
		reason   string
		manifest string
		want     string // a part of the message that tells what to do
	}{
		"NoSeeds": {
			reason:   "A crawl without a beginning would finish with nothing archived.",
			manifest: job("seeds: {}"),
			want:     "spec.seeds: Invalid value: give at least one seed: seeds.urls, seeds.sitemaps or seeds.configMaps",
		},
		"SeedsMissing": {
			reason:   "Seeds are required.",
			manifest: job("state: Active"),
			want:     "spec.seeds: Required value",
		},
		"SeedNotAnAddress": {
			reason:   "People type addresses as they read them.",
			manifest: job(`seeds: {urls: ["https://example.org/", "www.example.org"]}`),
			want:     `spec.seeds.urls[1]: Invalid value: must be a whole web address such as https://www.example.org/path`,
		},
		"SeedWithoutHost": {
			reason:   "A path alone names no site.",
			manifest: job(`seeds: {urls: ["https:///ads"]}`),
			want:     `names a host`,
		},
		"SeedScheme": {
			reason:   "Only the web can be rendered.",
			manifest: job(`seeds: {urls: ["ftp://example.org/"]}`),
			want:     `begins with http:// or https://`,
		},
		"SeedWithSpace": {
			reason:   "Two addresses in one entry are a common slip.",
			manifest: job(`seeds: {urls: ["https://example.org/a https://example.org/b"]}`),
			want:     `must not contain spaces: write %20 for a space, and give one address per entry`,
		},
		"SeedWithPassword": {
			reason:   "Credentials would be written into every record.",
			manifest: job(`seeds: {urls: ["https://me:secret@example.org/"]}`),
			want:     `must not carry a user name or password`,
		},
		"SeedWithRoute": {
			reason:   "The wrong page would be archived without a word.",
			manifest: job(`seeds: {urls: ["https://example.org/#/ads/5"]}`),
			want:     `must not point at a route behind #`,
		},
		"SeedTooLong": {
			reason:   "Every string is bounded.",
			manifest: job(`seeds: {urls: ["` + long + `"]}`),
			want:     `spec.seeds.urls[0]: Too long: may not be more than 2048`,
		},
		"TooManySeeds": {
			reason:   "Long lists belong into ConfigMaps.",
			manifest: job(`seeds: {urls: ` + many(1001, `"https://example.org/"`) + `}`),
			want:     `spec.seeds.urls: Too many: 1001: must have at most 1000 items`,
		},
		"SitemapNotAnAddress": {
			reason:   "Sitemaps obey the rules of seeds.",
			manifest: job(`seeds: {sitemaps: ["/sitemap.xml"]}`),
			want:     `spec.seeds.sitemaps[0]: Invalid value: must be a whole web address`,
		},
		"ConfigMapName": {
			reason:   "A ConfigMap with this name cannot exist.",
			manifest: job(`seeds: {configMaps: [{name: Seeds_1, key: urls}]}`),
			want:     `spec.seeds.configMaps[0].name: Invalid value: must be the name of a ConfigMap`,
		},
		"ConfigMapKey": {
			reason:   "A ConfigMap cannot have this key.",
			manifest: job(`seeds: {configMaps: [{name: seeds, key: "a b"}]}`),
			want:     `spec.seeds.configMaps[0].key: Invalid value: must be a key of a ConfigMap`,
		},
		"ScriptHost": {
			reason:   "An address is no host.",
			manifest: seeded(`capture: {behaviors: {scripts: [{name: own, key: a.js, hosts: ["https://example.org/"]}]}}`),
			want:     `spec.capture.behaviors.scripts[0].hosts[0]: Invalid value: must be the name of a host in lower case`,
		},
		"ScriptHostStar": {
			reason:   "A script for every site would be none for a site.",
			manifest: seeded(`capture: {behaviors: {scripts: [{name: own, key: a.js, hosts: ["*"]}]}}`),
			want:     `must be the name of a host in lower case`,
		},
		"ScriptNoHosts": {
			reason:   "A script is for certain sites.",
			manifest: seeded(`capture: {behaviors: {scripts: [{name: own, key: a.js}]}}`),
			want:     `spec.capture.behaviors.scripts[0].hosts: Required value`,
		},
		"Behavior": {
			reason:   "There are two positions.",
			manifest: seeded(`capture: {behaviors: {media: "true"}}`),
			want:     `spec.capture.behaviors.media: Unsupported value`,
		},
		"ConfigMapTwice": {
			reason:   "Naming an entry twice is a slip.",
			manifest: job(`seeds: {configMaps: [{name: seeds, key: a}, {name: seeds, key: a}]}`),
			want:     `spec.seeds.configMaps[1]: Duplicate value`,
		},
		"ScopeUnknown": {
			reason:   "The message lists the values that there are.",
			manifest: seeded(`scope: {type: Site}`),
			want:     `spec.scope.type: Unsupported value: "Site": supported values: "Page", "PageLinks", "Prefix", "Host", "Domain", "Custom"`,
		},
		"CustomWithoutInclude": {
			reason:   "Nothing but the seeds would be in scope.",
			manifest: seeded(`scope: {type: Custom}`),
			want:     `spec.scope.include: Invalid value: include belongs to type Custom, which needs at least one pattern`,
		},
		"IncludeWithoutCustom": {
			reason:   "No field is accepted and then ignored.",
			manifest: seeded(`scope: {type: Host, include: ["/ads/"]}`),
			want:     `include belongs to type Custom`,
		},
		"DepthWithPage": {
			reason:   "No field is accepted and then ignored.",
			manifest: seeded(`scope: {type: Page, depth: 2}`),
			want:     `spec.scope.depth: Invalid value: depth has no meaning with type Page (0) or PageLinks (1)`,
		},
		"HopsWithPageLinks": {
			reason:   "No field is accepted and then ignored.",
			manifest: seeded(`scope: {type: PageLinks, extraHops: 1}`),
			want:     `extraHops has no meaning with type Page or PageLinks`,
		},
		"RobotsSitemapsWithPage": {
			reason:   "No field is accepted and then ignored.",
			manifest: job("seeds: {urls: ['https://example.org/'], robotsSitemaps: Enabled}\nscope: {type: Page}"),
			want:     `robotsSitemaps has no meaning with scope type Page or PageLinks`,
		},
		"ExcludeWithPage": {
			reason:   "No field is accepted and then ignored.",
			manifest: seeded(`scope: {type: Page, exclude: ["x"]}`),
			want:     `exclude has no meaning with type Page`,
		},
		"PatternBroken": {
			reason:   "A pattern that does not compile must not wait for the worker to be found out.",
			manifest: seeded(`scope: {exclude: ["/ads/(", "ok"]}`),
			want:     `missing closing )`,
		},
		"PatternLookahead": {
			reason:   "RE2 has no lookahead.",
			manifest: seeded(`scope: {exclude: ["(?!x)"]}`),
			want:     `invalid or unsupported Perl syntax`,
		},
		"DepthNegative": {
			reason:   "Numbers are bounded.",
			manifest: seeded(`scope: {depth: -1}`),
			want:     `spec.scope.depth: Invalid value: -1: spec.scope.depth in body should be greater than or equal to 0`,
		},
		"PagesZero": {
			reason:   "A crawl of no page is a slip.",
			manifest: seeded(`limits: {pages: 0}`),
			want:     `spec.limits.pages in body should be greater than or equal to 1`,
		},
		"DurationTooLong": {
			reason:   "Numbers are bounded.",
			manifest: seeded(`limits: {durationSeconds: 31622401}`),
			want:     `spec.limits.durationSeconds in body should be less than or equal to`,
		},
		"DelayNegative": {
			reason:   "Numbers are bounded.",
			manifest: seeded(`politeness: {delaySeconds: -1}`),
			want:     `spec.politeness.delaySeconds in body should be greater than or equal to 0`,
		},
		"RobotsCannotBeSwitchedOff": {
			reason:   "robots.txt is always obeyed, so there is no field for it.",
			manifest: seeded(`politeness: {robots: Ignore}`),
			want:     `spec.politeness.robots: Unsupported value: "unknown field"`,
		},
		"ViewportTooSmall": {
			reason:   "Numbers are bounded.",
			manifest: seeded(`browser: {viewport: {width: 10}}`),
			want:     `spec.browser.viewport.width in body should be greater than or equal to 320`,
		},
		"RecorderUnknown": {
			reason:   "Two words, in this case.",
			manifest: seeded(`capture: {recorder: browser}`),
			want:     `spec.capture.recorder: Unsupported value: "browser": supported values: "Wire", "Browser"`,
		},
		"ScreenshotUnknown": {
			reason:   "Enums instead of booleans.",
			manifest: seeded(`capture: {screenshot: "Yes"}`),
			want:     `spec.capture.screenshot: Unsupported value: "Yes": supported values: "None", "Viewport", "FullPage"`,
		},
		"LimitTooLarge": {
			reason:   "A page is stored in one request.",
			manifest: seeded(`capture: {limits: {pageMegabytes: 5000}}`),
			want:     `spec.capture.limits.pageMegabytes in body should be less than or equal to 4000`,
		},
		"BadCertificatesUnknown": {
			reason:   "What becomes of them is said in a word.",
			manifest: seeded(`capture: {badCertificates: Accept}`),
			want:     `spec.capture.badCertificates: Unsupported value: "Accept": supported values: "Refuse", "Record"`,
		},
		"ImagesUnknown": {
			reason:   "Pictures are kept or not.",
			manifest: seeded(`capture: {images: Blurred}`),
			want:     `spec.capture.images: Unsupported value: "Blurred": supported values: "Keep", "Off"`,
		},
		"ScriptPostsUnknown": {
			reason:   "To whom scripts may send something is said in a word.",
			manifest: seeded(`capture: {scriptPosts: Sometimes}`),
			want:     `spec.capture.scriptPosts: Unsupported value: "Sometimes": supported values: "Any", "SameSite", "None"`,
		},
		"StorageEmpty": {
			reason:   "An empty storage says nothing.",
			manifest: seeded(`storage: {}`),
			want:     `storage must name a bucket or a prefix`,
		},
		"BucketName": {
			reason:   "The store would refuse it much later.",
			manifest: seeded(`storage: {bucket: My_Bucket}`),
			want:     `spec.storage.bucket: Invalid value: must be the name of a bucket`,
		},
		"PrefixTraversal": {
			reason:   "Some stores clean keys like file paths.",
			manifest: seeded(`storage: {prefix: a/../b}`),
			want:     `spec.storage.prefix: Invalid value: must be one or more folder names`,
		},
		"PrefixSlash": {
			reason:   "Some stores clean keys like file paths.",
			manifest: seeded(`storage: {prefix: a//b}`),
			want:     `divided by single slashes`,
		},
		"PriorityTooHigh": {
			reason:   "The priorities are Temporal's.",
			manifest: seeded(`priority: 6`),
			want:     `spec.priority in body should be less than or equal to 5`,
		},
		"ShardsTooMany": {
			reason:   "Each is a workflow of its own.",
			manifest: seeded(`shards: 65`),
			want:     `spec.shards in body should be less than or equal to 64`,
		},
		"RetentionOfNothing": {
			reason:   "A crawl that is erased at once helps nobody.",
			manifest: seeded(`retention: {screeningSeconds: 0}`),
			want:     `spec.retention.screeningSeconds: Invalid value`,
		},
		"CompareWithNobody": {
			reason:   "A run is named.",
			manifest: seeded(`compareWith: {uid: u1}`),
			want:     `spec.compareWith.name: Required value`,
		},
		"CompareWithUpper": {
			reason:   "No CrawlJob can have the name.",
			manifest: seeded(`compareWith: {name: Before}`),
			want:     `must be the name of a CrawlJob`,
		},
		"CompareWithPath": {
			reason:   "The UID is a part of names in the store.",
			manifest: seeded(`compareWith: {name: before, uid: ../other}`),
			want:     `spec.compareWith.uid in body should match`,
		},
		"StateUnknown": {
			reason:   "The message lists the values that there are.",
			manifest: seeded(`state: Paused`),
			want:     `spec.state: Unsupported value: "Paused": supported values: "Active", "Suspended", "Cancelled"`,
		},
		"AuthorizationMissing": {
			reason: "No crawl without an authorisation.",
			manifest: `
apiVersion: crawlfleet.dev/v1alpha1
kind: CrawlJob
metadata: {name: board, namespace: default}
spec: {seeds: {urls: ["https://example.org/"]}}`,
			want: `spec.authorization: Required value`,
		},
		"AuthorizationWithoutEnd": {
			reason:   "An authorisation without an end is none.",
			manifest: authorized(`{reference: C-1, purpose: X, basis: consent, requestedBy: unit}`),
			want:     `spec.authorization.notAfter: Required value`,
		},
		"AuthorizationBackwards": {
			reason:   "It could never be valid.",
			manifest: authorized(`{reference: C-1, purpose: X, basis: consent, requestedBy: unit, notBefore: "2030-01-01T00:00:00Z", notAfter: "2029-01-01T00:00:00Z"}`),
			want:     `notAfter must be later than notBefore`,
		},
		"AuthorizationBlank": {
			reason:   "Spaces are not a reference.",
			manifest: authorized(`{reference: "  ", purpose: X, basis: " ", requestedBy: unit, notAfter: "2029-01-01T00:00:00Z"}`),
			want:     `reference must not be blank`,
		},
		"PurposeSentence": {
			reason:   "The purpose is a word from a list.",
			manifest: authorized(`{reference: C-1, purpose: "to find them", basis: consent, requestedBy: unit, notAfter: "2029-01-01T00:00:00Z"}`),
			want:     `purpose must be one word`,
		},
		"TimeWithoutZone": {
			reason:   "A time without an offset is not a time.",
			manifest: authorized(`{reference: C-1, purpose: X, basis: consent, requestedBy: unit, notAfter: "2029-01-01 00:00"}`),
			want:     `spec.authorization.notAfter in body must be of type date-time`,
		},
		"TimeLowerCase": {
			reason:   "The format lets pass what clients cannot read: one such object would keep the operator from all others.",
			manifest: authorized(`{reference: C-1, purpose: X, basis: consent, requestedBy: unit, notAfter: "2035-12-31t23:59:59z"}`),
			want:     `spec.authorization.notAfter in body should match`,
		},
		"TimeOddOffset": {
			reason:   "The format lets pass what clients cannot read: one such object would keep the operator from all others.",
			manifest: authorized(`{reference: C-1, purpose: X, basis: consent, requestedBy: unit, notAfter: "2035-12-31T23:59:59+99:99"}`),
			want:     `spec.authorization.notAfter in body should match`,
		},
		"TimeOddSeconds": {
			reason:   "The format lets pass what clients cannot read: one such object would keep the operator from all others.",
			manifest: authorized(`{reference: C-1, purpose: X, basis: consent, requestedBy: unit, notAfter: "2035-12-31T23:59:59x5Z"}`),
			want:     `spec.authorization.notAfter in body should match`,
		},
		"UnknownField": {
			reason:   "A slip in a field's name must not be passed over.",
			manifest: seeded(`limit: {pages: 3}`),
			want:     `spec.limit: Unsupported value: "unknown field"`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, errs := s.create(t, tc.manifest)
			if len(errs) == 0 {
				t.Fatalf("%s\naccepted, want a message with %q", tc.reason, tc.want)
			}
			got := flat(errs.ToAggregate().Error())
			if !strings.Contains(got, tc.want) {
				t.Errorf("%s\n got: %s\nwant: %s", tc.reason, got, tc.want)
			}
		})
	}
}

// flat takes out the value that the API server quotes between the kind of error and
// the message, so that the table reads like what a person reads.
func flat(message string) string {
	for _, kind := range []string{`Invalid value: `, `Forbidden: `} {
		parts := strings.Split(message, kind)
		for i := 1; i < len(parts); i++ {
			if !strings.HasPrefix(parts[i], `"`) {
				continue
			}
			if end := strings.Index(parts[i][1:], `": `); end >= 0 {
				parts[i] = parts[i][1+end+3:]
			}
		}
		message = strings.Join(parts, kind)
	}
	return message
}

func TestChanges(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tests := map[string]struct {
		reason        string
		before, after string
		want          string // empty when the change is allowed
	}{
		"Suspend": {
			reason: "Pausing is what state is for.",
			before: seeded(`state: Active`), after: seeded(`state: Suspended`),
		},
		"Resume": {
			reason: "Going on is what state is for.",
			before: seeded(`state: Suspended`), after: seeded(`state: Active`),
		},
		"Cancel": {
			reason: "Ending is what state is for.",
			before: seeded(``), after: seeded(`state: Cancelled`),
		},
		"ApplyAgain": {
			reason: "Applying the same file twice changes nothing; defaults that were left out are no change.",
			before: seeded(``), after: seeded(`limits: {pages: 10000}`),
		},
		"Uncancel": {
			reason: "What is sealed stays sealed.",
			before: seeded(`state: Cancelled`), after: seeded(`state: Active`),
			want: "spec.state: Forbidden: a cancelled CrawlJob stays cancelled",
		},
		"Seeds": {
			reason: "The order is evidence.",
			before: seeded(``), after: job(`seeds: {urls: ["https://example.net/"]}`),
			want: "spec.seeds.urls: Forbidden: seeds cannot be taken away, replaced or reordered once the CrawlJob exists",
		},
		"SeedsAdded": {
			reason: "More may be wanted while it runs.",
			before: job(`seeds: {urls: ["https://example.org/"]}`), after: job(`seeds: {urls: ["https://example.org/", "https://example.net/"]}`),
		},
		"SeedForADuplicate": {
			reason: "The crawl hears of what a list has more than before: this would be taken and forgotten.",
			before: job(`seeds: {urls: ["https://example.org/", "https://example.org/"]}`), after: job(`seeds: {urls: ["https://example.org/", "https://example.net/"]}`),
			want: "spec.seeds.urls: Forbidden: seeds cannot be taken away, replaced or reordered",
		},
		"SeedAfterADuplicate": {
			reason: "A duplicate keeps nobody from adding.",
			before: job(`seeds: {urls: ["https://example.org/", "https://example.org/"]}`), after: job(`seeds: {urls: ["https://example.org/", "https://example.org/", "https://example.net/"]}`),
		},
		"SeedPutFirst": {
			reason: "Those of before are the first, for the crawl too.",
			before: seeded(``), after: job(`seeds: {urls: ["https://example.net/", "https://example.org/"]}`),
			want: "spec.seeds.urls: Forbidden: seeds cannot be taken away, replaced or reordered",
		},
		"SeedMadeLonger": {
			reason: "It is another address.",
			before: seeded(``), after: job(`seeds: {urls: ["https://example.org/more", "https://example.net/"]}`),
			want: "spec.seeds.urls: Forbidden: seeds cannot be taken away, replaced or reordered",
		},
		"SeedsTakenAway": {
			reason: "The order is evidence.",
			before: job(`seeds: {urls: ["https://example.org/"], sitemaps: ["https://example.org/s.xml"]}`), after: job(`seeds: {sitemaps: ["https://example.org/s.xml"]}`),
			want: "spec.seeds.urls: Forbidden: seeds cannot be taken away, replaced or reordered",
		},
		"SeedsAddedToSitemaps": {
			reason: "A list may begin while it runs.",
			before: job(`seeds: {sitemaps: ["https://example.org/s.xml"]}`), after: job(`seeds: {urls: ["https://example.net/"], sitemaps: ["https://example.org/s.xml"]}`),
		},
		"SitemapAdded": {
			reason: "Sitemaps are read once.",
			before: seeded(``), after: job(`seeds: {urls: ["https://example.org/"], sitemaps: ["https://example.org/s.xml"]}`),
			want: "spec.seeds: Forbidden: sitemaps, configMaps and robotsSitemaps cannot be changed",
		},
		"LimitsRaised": {
			reason: "More may be wanted while it runs.",
			before: seeded(``), after: seeded(`limits: {pages: 20000, megabytes: 20000, durationSeconds: 90000}`),
		},
		"PagesPerHost": {
			reason: "What it left out is not found again.",
			before: seeded(`limits: {pagesPerHost: 5}`), after: seeded(`limits: {pagesPerHost: 6}`),
			want: "spec.limits: Forbidden: pagesPerHost and pagesPerPattern cannot be changed",
		},
		"Scope": {
			reason: "The order is evidence.",
			before: seeded(``), after: seeded(`scope: {type: Domain}`),
			want: "spec.scope: Forbidden: scope cannot be changed",
		},
		"ScopeDepthAdded": {
			reason: "Adding a field is a change.",
			before: seeded(``), after: seeded(`scope: {depth: 3}`),
			want: "spec.scope: Forbidden: scope cannot be changed",
		},
		"Limits": {
			reason: "The order is evidence.",
			before: seeded(``), after: seeded(`limits: {pages: 5}`),
			want: "spec.limits: Forbidden: limits can only be raised",
		},
		"Politeness": {
			reason: "The order is evidence.",
			before: seeded(``), after: seeded(`politeness: {delaySeconds: 0}`),
			want: "spec.politeness: Forbidden: politeness cannot be changed",
		},
		"Browser": {
			reason: "The order is evidence.",
			before: seeded(``), after: seeded(`browser: {viewport: {width: 400}}`),
			want: "spec.browser: Forbidden: browser cannot be changed",
		},
		"Capture": {
			reason: "The order is evidence.",
			before: seeded(``), after: seeded(`capture: {text: Disabled}`),
			want: "spec.capture: Forbidden: capture cannot be changed",
		},
		"StorageAdded": {
			reason: "An archive must not move.",
			before: seeded(``), after: seeded(`storage: {prefix: elsewhere}`),
			want: "spec.storage: Forbidden: storage cannot be changed",
		},
		"StorageRemoved": {
			reason: "An archive must not move.",
			before: seeded(`storage: {prefix: here}`), after: seeded(``),
			want: "spec.storage: Forbidden: storage cannot be changed",
		},
		"Authorization": {
			reason: "An authorisation is not prolonged by editing.",
			before: seeded(``), after: strings.Replace(seeded(``), "2030-01-01", "2031-01-01", 1),
			want: "spec.authorization: Forbidden: authorization cannot be changed",
		},
		"Shards": {
			reason: "The queue is stored in that many parts.",
			before: seeded(`shards: 2`), after: seeded(`shards: 4`),
			want: "spec.shards: Forbidden: shards cannot be changed",
		},
		"ShardsAdded": {
			reason: "The queue is stored in one part then.",
			before: seeded(``), after: seeded(`shards: 4`),
			want: "spec.shards: Forbidden: shards cannot be changed",
		},
		"CompareWith": {
			reason: "What was said of pages was said beside that one.",
			before: seeded(`compareWith: {name: before}`), after: seeded(`compareWith: {name: other}`),
			want: "spec.compareWith: Forbidden: compareWith cannot be changed",
		},
		"CompareWithAdded": {
			reason: "Nothing was compared.",
			before: seeded(``), after: seeded(`compareWith: {name: before}`),
			want: "spec.compareWith: Forbidden: compareWith cannot be changed",
		},
		"Retention": {
			reason: "What was ordered to be erased is not kept by editing, nor the other way round.",
			before: seeded(`retention: {screeningSeconds: 3600}`), after: seeded(`retention: {screeningSeconds: 7200}`),
			want: "spec.retention: Forbidden: retention cannot be changed",
		},
		"RetentionAdded": {
			reason: "The default was ordered.",
			before: seeded(``), after: seeded(`retention: {screeningSeconds: 3600}`),
			want: "spec.retention: Forbidden: retention cannot be changed",
		},
		"RetentionSaid": {
			reason: "The default is what was ordered.",
			before: seeded(``), after: seeded(`retention: {screeningSeconds: 259200}`),
		},
		"Priority": {
			reason: "The order is evidence.",
			before: seeded(``), after: seeded(`priority: 1`),
			want: "spec.priority: Forbidden: priority cannot be changed",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			errs := s.update(t, tc.before, tc.after)
			if tc.want == "" {
				if len(errs) > 0 {
					t.Fatalf("%s\nrefused: %v", tc.reason, errs.ToAggregate())
				}
				return
			}
			if len(errs) == 0 {
				t.Fatalf("%s\nallowed, want %q", tc.reason, tc.want)
			}
			if got := flat(errs.ToAggregate().Error()); !strings.Contains(got, tc.want) {
				t.Errorf("%s\n got: %s\nwant: %s", tc.reason, got, tc.want)
			}
		})
	}
}

// TestLargestLists asserts that rules which are checked for each address leave room for as many
// as there may be, and as long as etcd takes: the API server refuses what costs it too much,
// and such an order could not even be cancelled.
func TestLargestLists(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	list := func(n int) string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf(`"https://%04d.%s.example:8080/"`, i, strings.Repeat("a", 1200))
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	order := func(urls int, rest string) string {
		return job("seeds: {urls: " + list(urls) + ", sitemaps: " + list(100) + "}\n" + rest)
	}
	for name, after := range map[string]string{"Add": order(1000, ""), "Cancel": order(999, "state: Cancelled")} {
		if errs := s.update(t, order(999, ""), after); len(errs) > 0 {
			t.Errorf("%s: %v", name, errs.ToAggregate())
		}
	}
}

// TestSeedAddresses asserts that the API server refuses an address that could never be visited:
// once it is in an order it cannot be taken out.
func TestSeedAddresses(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const (
		port = "must have a port from 0 to 65535"
		ip   = "must name the host as an IPv4 address such as 192.0.2.1"
	)
	tests := map[string]struct {
		want string // what is said of the address, nothing when it is taken
		// other is true where a crawl judges differently: it takes the forms of addresses that
		// browsers take, and hears of ends in octal, hex or a dot.
		other bool
	}{
		"https://example.net:65535/":      {},
		"https://example.net:0/":          {},
		"https://example.net:/":           {},
		"https://example.net:000443/":     {},
		"https://[2001:db8::1]:8080/":     {},
		"https://example.net/100%?off=5%": {},
		"https://exa%zzple.net/":          {want: "must be a whole web address"},
		"https://example.net/:99999":      {},
		"https://example.net?a=b:99999":   {},
		"https://example.net:65536/":      {want: port},
		"https://example.net:99999/":      {want: port},
		"https://example.net:99999?a":     {want: port},
		"https://example.net:100000/":     {want: port},
		"https://[2001:db8::1]:99999/":    {want: port},
		"http://h:18446744073709551617/":  {want: port},
		"http://192.0.2.1/":               {},
		"http://192.0.2.255:8080/":        {},
		"http://0.0.0.0":                  {},
		"http://[::ffff:192.0.2.1]/":      {},
		"http://[2001:db8::1]/":           {},
		"http://1.2.3.4.example/":         {},
		"http://example.net/999.1.2.3":    {},
		"http://localhost/1.5":            {},
		"http://localhost?1.5":            {},
		"http://4.example5/":              {},
		"http://example.5g/":              {},
		"http://2130706433/":              {},
		"http://999.1.2.3/":               {want: ip},
		"http://999.1.2.3":                {want: ip},
		"http://999.1.2.3:80/":            {want: ip},
		"http://999.1.2.3?a":              {want: ip},
		"http://1.2.3.256/":               {want: ip},
		"http://1.2.3.4.5/":               {want: ip},
		"http://1.2.3.08/":                {want: ip},
		"http://1..2.3/":                  {want: ip},
		"http://example.5/":               {want: ip},
		"http://0400.1.2.3/":              {want: ip},
		"http://127.1/":                   {want: ip, other: true},
		"http://0300.0.02.1/":             {want: ip, other: true},
		"http://example.0x5/":             {other: true},
		"http://example.5./":              {other: true},
	}
	for address, tc := range tests {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			if _, err := urls.Canonicalize(address); (err == nil) != (tc.want == "") != tc.other {
				t.Errorf("a crawl says %v", err)
			}
			_, errs := s.create(t, job(fmt.Sprintf("seeds: {urls: [%q]}", address)))
			switch got := errs.ToAggregate(); {
			case tc.want == "" && got != nil:
				t.Errorf("refused: %v", got)
			case tc.want != "" && (got == nil || !strings.Contains(got.Error(), tc.want)):
				t.Errorf("got %v, want %q", got, tc.want)
			}
		})
	}
}

// TestStoredUnderOlderRules asserts that an upgrade that tightens a rule locks no
// stored job up: it can still be cancelled.
func TestStoredUnderOlderRules(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const rest = "seeds: {urls: [\"https://me:secret@example.org/\"]}\n"
	if _, errs := s.create(t, job(rest)); len(errs) == 0 {
		t.Fatal("the seed is valid today, so this test shows nothing")
	}
	old, _ := s.admit(t, job(rest))
	if errs := s.change(t, old, job(rest+"state: Cancelled")); len(errs) > 0 {
		t.Errorf("cancel refused: %v", errs.ToAggregate())
	}
}

// TestFinishedTakesNoMore: what a crawl that is over cannot do is refused, not taken and
// forgotten; what changes nothing is no trouble.
func TestFinishedTakesNoMore(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	const want = "limits and seeds.urls cannot be changed once the crawl is over"
	condition := func(kind, status string) any {
		return map[string]any{"type": kind, "status": status, "reason": "Completed", "message": "x", "lastTransitionTime": "2026-01-01T00:00:00Z"}
	}
	tests := map[string]struct {
		reason     string
		conditions []any
		after      string
		want       string
	}{
		"Limits":  {"The archive is sealed.", []any{condition("Finished", "True")}, seeded("limits: {pages: 20000}"), want},
		"Seeds":   {"The archive is sealed.", []any{condition("Finished", "True")}, job(`seeds: {urls: ["https://example.org/", "https://example.net/"]}`), want},
		"Running": {"It may be widened.", []any{condition("Finished", "False")}, seeded("limits: {pages: 20000}"), ""},
		"Young":   {"It may be widened.", nil, seeded("limits: {pages: 20000}"), ""},
		"Same":    {"A file is applied again.", []any{condition("Finished", "True")}, seeded(""), ""},
		"State":   {"It asks for nothing more.", []any{condition("Finished", "True")}, seeded("state: Cancelled"), ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old, errs := s.create(t, seeded(""))
			if len(errs) > 0 {
				t.Fatal(errs.ToAggregate())
			}
			if err := unstructured.SetNestedSlice(old.Object, tc.conditions, "status", "conditions"); err != nil {
				t.Fatal(err)
			}
			got := s.change(t, old, tc.after).ToAggregate()
			if (got == nil) != (tc.want == "") || got != nil && !strings.Contains(got.Error(), tc.want) {
				t.Errorf("%s: got %v, want %q", tc.reason, got, tc.want)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	read := func(rest string) (job v1alpha1.CrawlJob) {
		obj, errs := s.create(t, seeded(rest))
		if len(errs) > 0 {
			t.Fatal(errs.ToAggregate())
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &job); err != nil {
			t.Fatal(err)
		}
		return job
	}
	got := read("")
	want := v1alpha1.CrawlJobSpec{
		Authorization: got.Spec.Authorization,
		Seeds:         v1alpha1.Seeds{URLs: []v1alpha1.SeedURL{"https://example.org/"}, RobotsSitemaps: v1alpha1.Disabled},
		Scope:         v1alpha1.Scope{Type: v1alpha1.ScopePrefix},
		Limits:        v1alpha1.Limits{Pages: 10000, Megabytes: 10000, DurationSeconds: 86400},
		Politeness:    v1alpha1.Politeness{DelaySeconds: new(int32(2)), Scope: v1alpha1.PolitenessFleet},
		Browser:       v1alpha1.Browser{Isolation: v1alpha1.IsolationHost, Viewport: v1alpha1.Viewport{Width: 1280, Height: 800}, PageTimeoutSeconds: 60},
		Capture: v1alpha1.Capture{Screenshot: v1alpha1.ScreenshotFullPage, Text: v1alpha1.Enabled, Behaviors: v1alpha1.Behaviors{
			Scroll: v1alpha1.Enabled, Media: v1alpha1.Enabled, Expand: v1alpha1.Enabled, Consent: v1alpha1.Enabled,
		}, Limits: v1alpha1.CaptureLimits{BodyMegabytes: 1000, PageMegabytes: 2000}, BadCertificates: v1alpha1.BadCertificatesRefuse, Recorder: v1alpha1.RecorderWire, Images: v1alpha1.ImagesKeep, ScriptPosts: v1alpha1.ScriptPostsSameSite},
		Priority:  3,
		Retention: v1alpha1.Retention{ScreeningSeconds: 259200},
		State:     v1alpha1.StateActive,
	}
	if diff := cmp.Diff(want, got.Spec); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	empty := read("scope: {}\nlimits: {}\npoliteness: {}\nbrowser: {viewport: {}}\ncapture: {}\n")
	if diff := cmp.Diff(got.Spec, empty.Spec); diff != "" {
		t.Errorf("fields that are empty have other defaults than fields that are left out (-left out +empty):\n%s", diff)
	}
}

// TestSamples makes sure that what people copy works.
func TestSamples(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	files, err := filepath.Glob("../../config/samples/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	jobs := 0
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range strings.Split(string(raw), "\n---\n") {
			var kind struct {
				Kind string `json:"kind"`
			}
			if err := yaml.Unmarshal([]byte(doc), &kind); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if kind.Kind != "CrawlJob" {
				continue
			}
			jobs++
			if _, errs := s.create(t, doc); len(errs) > 0 {
				t.Errorf("%s: %v", filepath.Base(name), errs.ToAggregate())
			}
		}
	}
	if jobs < 4 {
		t.Errorf("found %d sample CrawlJobs in config/samples, want 4 or more", jobs)
	}
}

// TestFieldsAreDocumented asserts that the reference names each field of spec and
// status.
func TestFieldsAreDocumented(t *testing.T) {
	t.Parallel()
	const page = "../../docs/reference/crawljob.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	structural := newServer(t).structural
	var walk func(name string, at schema.Structural)
	walk = func(name string, at schema.Structural) {
		if !strings.Contains(string(text), name+"`") {
			t.Errorf("%s does not name the field %s", page, name)
		}
		if name == "conditions" {
			return
		}
		if at.Items != nil {
			at = *at.Items
		}
		for child, s := range at.Properties {
			walk(child, s)
		}
	}
	for _, part := range []string{"spec", "status"} {
		for name, s := range structural.Properties[part].Properties {
			walk(name, s)
		}
	}
}
