package crawljob

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/controllers/browserprofile"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/workflows"
)

// readProfile reads the BrowserProfile that an order names and encrypts its state to the
// workers; nil when it names none. From here on nobody can read it but they. Its error is
// a *Refusal when the profile cannot be used.
func (r *Reconciler) readProfile(ctx context.Context, job *v1alpha1.CrawlJob) (*workflows.SealedProfile, error) {
	if job.Spec.Browser.Profile.Name == "" {
		return nil, nil
	}
	name := job.Spec.Browser.Profile.Name
	if len(r.Recipients) == 0 {
		return nil, &Refusal{workflows.ReasonProfilesDisabled, fmt.Sprintf(
			"browser.profile names BrowserProfile %q, and the operator has no --profile-recipients to encrypt its state to. Make a key pair with crawlctl profile keygen, give the operator the recipient and the workers the identity; the crawl starts by itself then.", name)}
	}
	var p v1alpha1.BrowserProfile
	err := r.Reader.Get(ctx, types.NamespacedName{Namespace: job.Namespace, Name: name}, &p)
	if apierrors.IsNotFound(err) {
		return nil, &Refusal{workflows.ReasonProfileNotFound, fmt.Sprintf(
			"browser.profile names BrowserProfile %q, which is not in namespace %q. Make it with crawlctl profile create %s; the crawl starts by itself then.",
			name, job.Namespace, name)}
	}
	if err != nil {
		return nil, fmt.Errorf("read BrowserProfile %q: %w", name, err)
	}
	state, err := browserprofile.Read(ctx, r.Reader, &p)
	var problem *browserprofile.Problem
	if err == nil {
		if problem = browserprofile.Expired(&p, state.SHA256, state.State.Summary(r.Now())); problem != nil {
			err = problem
		}
	}
	if errors.As(err, &problem) {
		return nil, &Refusal{problem.Reason, fmt.Sprintf("BrowserProfile %q: %s", name, problem.Message)}
	}
	if err != nil {
		return nil, err
	}
	sealed, err := profile.Seal(state, r.Recipients)
	if errors.Is(err, profile.ErrTooLarge) {
		return nil, &Refusal{workflows.ReasonStateInvalid, fmt.Sprintf(
			"BrowserProfile %q: %v. Name the hosts in its spec that the state is for, so that what is for others is left out; the crawl starts by itself then.", name, err)}
	}
	if err != nil {
		return nil, err
	}
	return &workflows.SealedProfile{
		ProfileRef: workflows.ProfileRef{Name: state.Name, UID: state.UID, SHA256: state.SHA256}, Sealed: sealed,
	}, nil
}
