package frontier

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

const cookieValue = "s3cr3t-0f-nobody"

// login seals a state for a.test and has it stored for the job of a rig.
func (r *rig) login(identity *age.X25519Identity, value string) workflows.ProfileRef {
	r.t.Helper()
	file := `{"cookies":[{"name":"session","value":"` + value + `","domain":"a.test","path":"/","expires":-1}],"origins":[]}`
	p, err := profile.New("members", "u1", []byte(file), nil, profile.LoginCheck{LoggedOutURL: "/login"})
	if err != nil {
		r.t.Fatal(err)
	}
	sealed, err := profile.Seal(p, []age.Recipient{identity.Recipient()})
	if err != nil {
		r.t.Fatal(err)
	}
	ref := workflows.ProfileRef{Name: p.Name, UID: p.UID, SHA256: p.SHA256}
	in := workflows.StoreProfileInput{Job: r.job, Profile: workflows.SealedProfile{ProfileRef: ref, Sealed: sealed}}
	for range 2 { // an attempt whose answer was lost is made again
		if _, err := activityOf(r, func(ctx context.Context, in workflows.StoreProfileInput) (bool, error) {
			return true, r.planner.StoreProfile(ctx, in)
		}, in); err != nil {
			r.t.Fatal(err)
		}
		if in.Profile.Sealed, err = profile.Seal(p, []age.Recipient{identity.Recipient()}); err != nil {
			r.t.Fatal(err)
		}
	}
	return ref
}

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return identity
}

// identityFile is what age-keygen writes.
func identityFile(t *testing.T, identities ...*age.X25519Identity) string {
	t.Helper()
	text := "# made for a test\n"
	for _, i := range identities {
		text += i.String() + "\n"
	}
	path := filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestProfile: pages of the profile's hosts are visited with it, and no others; the store
// holds nothing that can be read.
func TestProfile(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	with := map[string]int{}
	w := tree(5, "a.test", "m.a.test", "b.test")
	w.visit = func(_ context.Context, p *browser.Page) error {
		mu.Lock()
		defer mu.Unlock()
		n := 0
		if p.Profile != nil {
			n = p.Profile.Cookies
		}
		with[hostIn(p.URL)] += n
		return nil
	}
	r := newRig(t, w)
	identity := newIdentity(t)
	r.crawler.IdentityFile = identityFile(t, newIdentity(t), identity)
	ref := r.login(identity, cookieValue)
	r.job.Profile = &ref
	r.seed("http://a.test/0", "http://m.a.test/0", "http://b.test/0")
	if out := r.run(2); out.Counts.Archived != 15 {
		t.Errorf("counts %+v", out.Counts)
	}
	if diff := cmp.Diff(map[string]int{"a.test": 5, "m.a.test": 5, "b.test": 0}, with); diff != "" {
		t.Errorf("cookies by host (-want +got):\n%s", diff)
	}
	if s := string(r.store.Object("/archive/" + r.seal().Statement)); !strings.Contains(s, ref.SHA256) {
		t.Errorf("the statement does not name the profile: %s", s)
	}
	for _, key := range r.store.Keys("/") {
		if strings.Contains(string(r.store.Object(key)), cookieValue) {
			t.Errorf("%s holds the cookie", key)
		}
	}
	if keys := r.store.Keys("/frontier/ns/name/uid/p/"); len(keys) != 1 {
		t.Errorf("the sealed profile is at %q", keys)
	}
}

// TestProfileExpires: a page that shows that the log-in is over ends the bundle, is kept,
// and is visited again after the next log-in.
func TestProfileExpires(t *testing.T) {
	t.Parallel()
	w := tree(5, "a.test")
	var valid string
	w.visit = func(_ context.Context, p *browser.Page) error {
		if p.Profile.SHA256 != valid {
			p.Profile.LoginExpired, p.FinalURL, p.Links = "made for a test", "http://a.test/login", nil
		}
		return nil
	}
	r := newRig(t, w)
	identity := newIdentity(t)
	r.crawler.IdentityFile = identityFile(t, identity)
	old, young := r.login(identity, "one"), r.login(identity, "two")
	valid = young.SHA256
	r.job.Profile = &old
	r.seed("http://a.test/0", "http://a.test/1")
	plan := r.plan(1)
	out, err := r.crawl(t.Context(), plan.Bundles[0])
	if err != nil || out.Trouble == nil || out.Trouble.Reason != workflows.ReasonLoginExpired || out.Trouble.NextStep == "" {
		t.Fatalf("got %+v, %v, want trouble", out, err)
	}
	if !strings.Contains(out.Trouble.Message, "a.test") || strings.Contains(out.Trouble.Message, "/0") {
		t.Errorf("the message is %q: it names the host and no page", out.Trouble.Message)
	}
	if n := w.repeated(); len(w.loads) != 1 || n != 0 {
		t.Errorf("%d pages were loaded, want 1: the others would be shown the same", len(w.loads))
	}
	plan = r.plan(0, workflows.BundleDone{ID: plan.Bundles[0].ID, Results: out.Results})
	if c := plan.Counts; c.Queued+c.Delayed != 2 || c.Archived != 0 || plan.Waiting != nil {
		t.Errorf("counts %+v, waiting %+v, want both pages to be visited again", c, plan.Waiting)
	}
	r.job.Profile = &young
	if end := r.run(1); end.Counts.Archived != 5 || len(end.Counts.Failed) != 0 {
		t.Errorf("after the next log-in %+v", end.Counts)
	}
	if sealed := r.seal(); !sealed.Balanced {
		t.Errorf("%+v", sealed)
	}
}

// TestProfileCannotBeOpened: nothing is visited then, and somebody is told.
func TestProfileCannotBeOpened(t *testing.T) {
	t.Parallel()
	identity := newIdentity(t)
	for name, tc := range map[string]struct {
		reason string
		file   string
		change func(*workflows.ProfileRef)
	}{
		"None":    {"A worker may have no identity.", "", nil},
		"Missing": {"Its file may not be there yet.", filepath.Join(t.TempDir(), "identity"), nil},
		"Another": {"It may have another one.", identityFile(t, newIdentity(t)), nil},
		"Swapped": {"What is sealed says itself what it is.", identityFile(t, identity), func(ref *workflows.ProfileRef) { ref.Name = "other" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := tree(2, "a.test")
			r := newRig(t, w)
			r.crawler.IdentityFile = tc.file
			ref := r.login(identity, cookieValue)
			if tc.change != nil {
				tc.change(&ref)
			}
			r.job.Profile = &ref
			r.seed("http://a.test/0")
			out, err := r.crawl(t.Context(), r.plan(1).Bundles[0])
			if err != nil || out.Trouble == nil || out.Trouble.Reason != workflows.ReasonProfileSealed || out.Trouble.NextStep == "" || len(w.loads) > 0 {
				t.Errorf("%s\ngot %+v, %v, %d loads", tc.reason, out, err, len(w.loads))
			}
		})
	}
}
