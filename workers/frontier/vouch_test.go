package frontier

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/blob/blobtest"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/evidence"
	"crawlfleet.dev/crawlfleet/internal/tsa"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workers/notary"
	"crawlfleet.dev/crawlfleet/workflows"
)

// office is all that it takes to vouch: a key, an authority, a log.
type office struct {
	t         *testing.T
	key       *evidence.Key
	lost      atomic.Bool // the key
	authority *tsa.Authority
	down      atomic.Bool // the authority
	url       string
	signer    note.Signer
	verifiers note.Verifiers
	bucket    *blob.Bucket
}

const testOrigin = "fleet.test/custody"

func newOffice(t *testing.T, r *rig) *office {
	t.Helper()
	raw, err := evidence.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t}
	if o.key, err = evidence.ParseKey(raw, nil); err != nil {
		t.Fatal(err)
	}
	if o.authority, err = tsa.NewAuthority("test TSA", time.Now); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if o.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		o.authority.ServeHTTP(w, q)
	}))
	t.Cleanup(server.Close)
	o.url = server.URL
	private, public, err := note.GenerateKey(nil, testOrigin)
	if err != nil {
		t.Fatal(err)
	}
	if o.signer, err = note.NewSigner(private); err != nil {
		t.Fatal(err)
	}
	if _, o.verifiers, err = custody.ReadKeys([]string{public}); err != nil {
		t.Fatal(err)
	}
	o.bucket = r.planner.Store.Bucket("archive")
	r.planner.Notary, r.crawler.Notary = o.notary(), o.notary()
	return o
}

// Key implements evidence.Keys.
func (o *office) Key() (*evidence.Key, error) {
	if o.lost.Load() {
		return nil, errors.New("the key is lost")
	}
	return o.key, nil
}

// notary is that of another process.
func (o *office) notary() *notary.Notary {
	return &notary.Notary{
		Signer: &evidence.Signer{Keys: o, Software: "test"}, Authorities: []evidence.Authority{{Name: "test", URL: o.url}},
		Stamper: func(a evidence.Authority) evidence.Stamper { return &tsa.Client{URL: a.URL} },
		Custody: o.log(), Logger: slog.New(slog.DiscardHandler),
	}
}

func (o *office) log() *custody.Log {
	l, err := custody.New(custody.Config{Store: o.bucket, Prefix: "custody", Origin: testOrigin, Verifiers: o.verifiers, Signer: o.signer})
	if err != nil {
		o.t.Fatal(err)
	}
	return l
}

// verified checks the whole run as a stranger would.
func (o *office) verified(r *rig) verify.Report {
	o.t.Helper()
	dir := o.t.TempDir()
	prefix := "/archive/" + r.archive.Prefix
	for _, key := range r.store.Keys(prefix) {
		path := filepath.Join(dir, strings.TrimPrefix(key, prefix))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, r.store.Object(key), 0o600)); err != nil {
			o.t.Fatal(err)
		}
	}
	public, err := o.key.Public()
	if err != nil {
		o.t.Fatal(err)
	}
	fingerprint, err := evidence.Fingerprint(public)
	if err != nil {
		o.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(o.authority.Chain[len(o.authority.Chain)-1])
	v := verify.Verifier{Trust: evidence.Trust{Keys: []evidence.TrustedKey{{Fingerprint: fingerprint}}, Authorities: roots}}
	reports, err := v.Path(o.t.Context(), dir)
	if err != nil || len(reports) != 1 {
		o.t.Fatalf("%d reports, %v", len(reports), err)
	}
	return reports[0]
}

// signatures are the checks of a report that say who vouches for what.
func signatures(r verify.Report) (not []verify.Check) {
	for _, c := range r.Checks {
		if slices.Contains([]string{verify.CheckSignature, verify.CheckStamp, verify.CheckSidecar}, c.Name) && c.Verdict != verify.Holds {
			not = append(not, c)
		}
	}
	for _, p := range r.Parts {
		not = append(not, signatures(p)...)
	}
	return not
}

// entries verifies the log and counts the entries of each event, by object.
func (o *office) entries() map[custody.Event]map[string]int {
	o.t.Helper()
	l := o.log()
	report, err := l.Verify(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	out := map[custody.Event]map[string]int{}
	err = l.Entries(o.t.Context(), 0, func(_ int64, e custody.Entry) bool {
		if out[e.Event] == nil {
			out[e.Event] = map[string]int{}
		}
		out[e.Event][string(e.Object)]++
		report.Entries--
		return true
	})
	if err != nil || report.Entries != 0 {
		o.t.Errorf("%v; %d entries too few were read", err, report.Entries)
	}
	return out
}

// TestRunIsVouchedFor: everything that is stored is signed and stamped, and the log knows of it.
func TestRunIsVouchedFor(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(30, "a.test"))
	o := newOffice(t, r)
	r.seed("http://a.test/0")
	r.run(1)
	sealed := r.seal()
	if sealed.Owed != 0 {
		t.Errorf("%d stamps are owed", sealed.Owed)
	}
	if again := r.seal(); again.Owed != 0 || again.Statement != sealed.Statement { // an attempt whose answer was lost
		t.Errorf("%+v", again)
	}
	report := o.verified(r)
	if not := signatures(report); len(not) > 0 || report.Signer == nil && len(report.Parts) < 2 {
		t.Errorf("%d parts, %+v", len(report.Parts), not)
	}
	entries := o.entries()
	st := r.statement(sealed.Statement)
	for _, c := range st.Chunks {
		if entries[custody.Captured][c.Key] != 1 || entries[custody.Stored][c.Key] != 1 {
			t.Errorf("%s: %d times captured, %d times stored", c.Key, entries[custody.Captured][c.Key], entries[custody.Stored][c.Key])
		}
	}
	if entries[custody.Stored][sealed.Statement] != 1 || len(entries[custody.Stored]) != len(st.Chunks)+1 {
		t.Errorf("stored are %v", entries[custody.Stored])
	}
}

// TestUnsignedIsNotStored: without a key no page is visited, and what was captured when it was lost
// is not stored.
func TestUnsignedIsNotStored(t *testing.T) {
	t.Parallel()
	w := tree(1, "a.test")
	r := newRig(t, w)
	o := newOffice(t, r)
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	o.lost.Store(true)
	unsigned := func(loads int) {
		t.Helper()
		out, err := r.crawl(t.Context(), ref)
		if err != nil || out.Trouble == nil || out.Trouble.Reason != workflows.ReasonSigningFailed || out.Trouble.NextStep == "" ||
			!strings.Contains(out.Trouble.Message, "the key is lost") || len(out.Results) > 0 {
			t.Errorf("%+v, %v", out, err)
		}
		if n := w.count("http://a.test/0"); n != loads {
			t.Errorf("the page was loaded %d times", n)
		}
		if keys := r.store.Keys("/archive/" + r.archive.Prefix); len(keys) > 0 {
			t.Errorf("stored are %v", keys)
		}
	}
	unsigned(0)
	o.lost.Store(false)
	w.visit = func(context.Context, *browser.Page) error { o.lost.Store(true); return nil }
	unsigned(1)
	w.visit = nil
	o.lost.Store(false)
	out, err := r.crawl(t.Context(), ref)
	if err != nil || out.Trouble != nil || len(out.Results) != 1 {
		t.Errorf("%+v, %v", out, err)
	}
}

// TestOwedStampsAreFetchedLater: an authority that is away keeps no run from its end.
func TestOwedStampsAreFetchedLater(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(30, "a.test"))
	o := newOffice(t, r)
	o.down.Store(true)
	r.seed("http://a.test/0")
	r.run(1)
	r.planner.Wait(time.Minute)
	sealed := r.seal()
	chunks := len(r.statement(sealed.Statement).Chunks)
	if sealed.Owed != chunks+1 || !sealed.Balanced {
		t.Errorf("%+v, want %d stamps to be owed", sealed, chunks+1)
	}
	if not := signatures(o.verified(r)); len(not) == 0 {
		t.Error("nobody sees that stamps are owed")
	}
	stamp := func() workflows.StampOutput {
		t.Helper()
		r.planner.Notary = o.notary() // authorities that fail are left alone by the one before
		out, err := activityOf(r, r.planner.Stamp, workflows.StampInput{Archive: r.archive, Statement: sealed.Statement})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if out := stamp(); out.Owed != chunks+1 {
		t.Errorf("%+v", out)
	}
	o.down.Store(false)
	// What a worker did not come to do before it died.
	r.store.Remove("/archive/" + r.statement(sealed.Statement).Chunks[0].Key + evidence.SidecarSuffix)
	if out := stamp(); out.Owed != 0 {
		t.Errorf("%+v", out)
	}
	if not := signatures(o.verified(r)); len(not) > 0 {
		t.Errorf("%+v", not)
	}
	fetched := o.entries()[custody.StampFetched]
	if len(fetched) != chunks || fetched[sealed.Statement] != 1 { // that of the sidecar that was made anew came at once
		t.Errorf("fetched are %v", fetched)
	}
	before := r.store.Puts()
	if out := stamp(); out.Owed != 0 || r.store.Puts() != before {
		t.Errorf("%+v, and %d objects were written for nothing", out, r.store.Puts()-before)
	}
}

// TestLogComesFirst: what the log was not told of is not taken in, and is told once.
func TestLogComesFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t, tree(1, "a.test"))
	o := newOffice(t, r)
	r.seed("http://a.test/0")
	ref := r.plan(1).Bundles[0]
	out, err := r.crawl(t.Context(), ref)
	if err != nil || out.Trouble != nil || len(out.Results) != 1 {
		t.Fatalf("%+v, %v", out, err)
	}
	done := workflows.BundleDone{ID: ref.ID, Results: out.Results, Rests: out.Rests}
	r.store.Answer = func(w http.ResponseWriter, q *http.Request, stored func()) bool {
		if q.Method != http.MethodPut || !strings.Contains(q.URL.Path, "/custody/batches/") {
			return false
		}
		if r.store.Object(q.URL.Path) == nil {
			stored() // and its answer is lost
		}
		blobtest.Fail(w, http.StatusServiceUnavailable, "SlowDown")
		return true
	}
	in := workflows.PlanInput{Job: r.job, Seq: r.seq, Slots: 1, Done: []workflows.BundleDone{done}}
	if _, err := activityOf(r, r.planner.Plan, in); err == nil || !strings.Contains(err.Error(), notary.ErrUnlogged.Error()) {
		t.Errorf("it was taken in although the log was not told: %v", err)
	}
	r.store.Answer = nil
	if planned := r.plan(1, done); planned.Counts.Archived != 1 {
		t.Errorf("%+v", planned.Counts)
	}
	if entries := o.entries(); len(entries[custody.Captured]) != 1 || len(entries[custody.Stored]) != 1 {
		t.Errorf("the log has %v", entries)
	}
	for event, objects := range o.entries() {
		for key, n := range objects {
			if n != 1 {
				t.Errorf("%s of %s is there %d times", event, key, n)
			}
		}
	}
}
