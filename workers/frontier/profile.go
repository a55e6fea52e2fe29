package frontier

import (
	"context"
	"errors"
	"fmt"
	"os"

	"filippo.io/age"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/internal/urls"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// profileKey is where the sealed state of a profile lies. The checksum of the state is in
// its name: a new log-in is another object.
func profileKey(j workflows.Job, ref workflows.ProfileRef) string {
	return base(j) + "/p/" + ref.SHA256
}

// StoreProfile puts sealed browser state where bundles find it. It is stored as it came:
// only whoever visits pages can open it.
func (p *Planner) StoreProfile(ctx context.Context, in workflows.StoreProfileInput) error {
	err := put(ctx, p.Store.Bucket(p.FrontierBucket), profileKey(in.Job, in.Profile.ProfileRef), in.Profile.Sealed)
	if errors.Is(err, blob.ErrExists) {
		return nil // the same state, sealed another time
	}
	return storeError(err)
}

// openProfile fetches and decrypts the profile of a job, nil when it has none. The plain
// state is in memory alone.
func (c *Crawler) openProfile(ctx context.Context, j workflows.Job) (*profile.Profile, error) {
	if j.Profile == nil {
		return nil, nil
	}
	identities, err := c.identities()
	if err != nil {
		return nil, &sealedError{fmt.Errorf("profile %q is sealed: %w", j.Profile.Name, err)}
	}
	sealed, err := get(ctx, c.Buckets.Bucket(c.FrontierBucket), profileKey(j, *j.Profile), profile.MaxSealed)
	if err != nil {
		return nil, fmt.Errorf("read the sealed profile: %w", err)
	}
	p, err := profile.Open(sealed, identities)
	if err != nil {
		return nil, &sealedError{fmt.Errorf("profile %q: %w", j.Profile.Name, err)}
	}
	if p.Name != j.Profile.Name || p.UID != j.Profile.UID || p.SHA256 != j.Profile.SHA256 {
		return nil, &sealedError{fmt.Errorf("profile %q: what was sealed is another profile", j.Profile.Name)}
	}
	return p, nil
}

// identities reads the secret keys. Its errors hold no part of them.
func (c *Crawler) identities() ([]age.Identity, error) {
	if c.IdentityFile == "" {
		return nil, errors.New("this worker has no --profile-identity-file")
	}
	file, err := os.Open(c.IdentityFile)
	if err != nil {
		return nil, fmt.Errorf("--profile-identity-file: %w", err)
	}
	defer file.Close() // read only
	identities, err := profile.Identities(file)
	if err != nil {
		return nil, fmt.Errorf("--profile-identity-file %s: %w", c.IdentityFile, err)
	}
	return identities, nil
}

// sealedError is the error of a profile that cannot be opened here.
type sealedError struct{ err error }

func (e *sealedError) Error() string { return e.err.Error() }
func (e *sealedError) Unwrap() error { return e.err }

// profileFor is the profile that a page is visited with, nil for none: pages of other
// hosts get none of it.
func (b *bundleRun) profileFor(address string) *profile.Profile {
	if b.profile == nil || !profile.CoversURL(b.profile.Hosts, address) {
		return nil
	}
	return b.profile
}

// expired is the outcome of a page that shows that the log-in is over, and the end of the
// bundle. What it shows is kept, and the page is tried again after the next log-in.
func (b *bundleRun) expired(page frontier.BundlePage, p *browser.Page, o frontier.Outcome) frontier.Outcome {
	if p.Profile == nil || p.Profile.LoginExpired == "" || o.Status != frontier.Archived {
		return o
	}
	host := "a host"
	if u, err := urls.Split(page.URL); err == nil {
		host = u.Host
	}
	b.setTrouble(workflows.TroubleWith(workflows.ReasonLoginExpired, fmt.Sprintf(
		"the log-in of BrowserProfile %q is over: a page of %s was shown as to a visitor who is not logged in (%s)",
		p.Profile.Name, host, p.Profile.LoginExpired)))
	return frontier.Outcome{
		FP: page.FP, Status: frontier.Failed, Reason: string(workflows.ReasonLoginExpired), Detail: p.Profile.LoginExpired,
		Final: p.FinalURL, Retry: true, RetryAfter: o.RetryAfter,
	}
}
