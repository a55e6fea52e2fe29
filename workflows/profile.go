package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/workflow"
)

// MaxSealedProfile is the size in bytes of the largest sealed profile that is taken.
const MaxSealedProfile = 512 << 10

// ProfileRef names stored browser state that pages are visited with, without a value of
// it.
type ProfileRef struct {
	// Name and UID are those of the BrowserProfile, SHA256 is that of its state file.
	Name   string `json:"name"`
	UID    string `json:"uid,omitempty"`
	SHA256 string `json:"sha256"`
}

// SealedProfile is stored browser state on its way to the workers: only they can open it.
type SealedProfile struct {
	ProfileRef
	// Sealed is the state, encrypted with age, at most 512 KiB. It is nil once it lies in
	// the store.
	Sealed []byte `json:"sealed,omitempty"`
}

// StoreProfileInput puts a sealed profile into the frontier bucket, where bundles find
// it.
type StoreProfileInput struct {
	Job     Job           `json:"job"`
	Profile SealedProfile `json:"profile"`
}

// SetProfile is the argument of the update of that name: the state after a new log-in.
type SetProfile struct {
	Profile SealedProfile `json:"profile"`
}

// ref names the profile, nil for none.
func (p *SealedProfile) ref() *ProfileRef {
	if p == nil {
		return nil
	}
	ref := p.ProfileRef
	return &ref
}

// same reports whether two references name the same state.
func (p *ProfileRef) same(other *ProfileRef) bool {
	if p == nil || other == nil {
		return p == other
	}
	return p.SHA256 == other.SHA256
}

// storeProfile brings the state to where bundles find it, before there are any.
func (r *run) storeProfile(ctx workflow.Context, stop, hold func() bool) error {
	if r.in.Profile == nil || r.in.Profile.Sealed == nil {
		return nil
	}
	in := StoreProfileInput{Job: r.job, Profile: *r.in.Profile}
	return r.persist(ctx, step{name: ActivityStoreProfile, in: in, stop: stop, hold: hold})
}

// checkProfile refuses what cannot be taken, before it gets into the history.
func (r *run) checkProfile(_ workflow.Context, s SetProfile) error {
	switch {
	case r.in.Profile == nil:
		return errors.New("the order names no profile")
	case s.Profile.SHA256 == "" || len(s.Profile.Sealed) == 0 || len(s.Profile.Sealed) > MaxSealedProfile:
		return fmt.Errorf("a profile of %d bytes: want 1 to %d, and the checksum of its state", len(s.Profile.Sealed), MaxSealedProfile)
	case r.result != nil:
		return errors.New("the crawl has finished")
	case !r.seeded:
		return errors.New("the crawl has not begun: its own profile is being stored")
	}
	return nil
}

// setProfile has pages visited with newer state from now on.
func (r *run) setProfile(ctx workflow.Context, s SetProfile) (Report, error) {
	if s.Profile.ref().same(r.job.Profile) {
		return r.report(), nil
	}
	in := StoreProfileInput{Job: r.job, Profile: s.Profile}
	err := workflow.ExecuteActivity(stepContext(ctx, r.job.Spec.Priority), ActivityStoreProfile, in).Get(ctx, nil)
	if err != nil {
		return Report{}, err
	}
	s.Profile.Sealed = nil
	r.in.Profile, r.job.Profile = &s.Profile, s.Profile.ref()
	r.controls++
	r.reports.changed = true
	return r.report(), nil
}

// expire notes that the log-in of a profile is over. No page is visited until there is
// another one, or a person wants it tried again: the same state would end the same way,
// and each try asks the site for a page.
func (s *shard) expire(w *Waiting, profile *ProfileRef) {
	s.stale = true
	if !profile.same(s.in.Job.Profile) {
		return // a bundle of before the new log-in
	}
	s.expired = w
}

// renew takes in another log-in.
func (s *shard) renew(profile *ProfileRef) {
	if profile == nil || profile.same(s.in.Job.Profile) {
		return
	}
	s.in.Job.Profile, s.expired, s.wantPlan = profile, nil, true
}
