package browserprofile

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"crawlfleet.dev/crawlfleet/api/v1alpha1"
	"crawlfleet.dev/crawlfleet/internal/profile"
	"crawlfleet.dev/crawlfleet/workflows"
)

// Problem says why the state of a BrowserProfile cannot be used.
type Problem struct {
	// Reason is a word of package workflows.
	Reason workflows.Reason
	// Message says what is wrong, where, and what to do. It holds no value of the state.
	Message string
}

// Error makes a Problem an error, so that it can be told apart from an API server that
// does not answer.
func (p *Problem) Error() string { return fmt.Sprintf("%s: %s", p.Reason, p.Message) }

// Read reads the state of a BrowserProfile from its Secret. Its error is a *Problem when
// the state cannot be used. The reader must read past caches: the operator may get single
// Secrets where somebody has granted it, and keeps none.
func Read(ctx context.Context, reader client.Reader, p *v1alpha1.BrowserProfile) (*profile.Profile, error) {
	var secret corev1.Secret
	name := types.NamespacedName{Namespace: p.Namespace, Name: p.Spec.SecretRef.Name}
	err := reader.Get(ctx, name, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, &Problem{workflows.ReasonSecretNotFound, fmt.Sprintf(
			"secretRef names Secret %q, which is not in namespace %q. Make it with crawlctl profile create %s.", name.Name, name.Namespace, p.Name)}
	case apierrors.IsForbidden(err):
		return nil, &Problem{workflows.ReasonSecretForbidden, fmt.Sprintf(
			"The operator may not read Secret %q. Allow it in namespace %q alone: kubectl -n %s create rolebinding crawlfleet-profiles --clusterrole=crawlfleet-profile-reader --serviceaccount=crawlfleet-system:crawlfleet-operator.",
			name.Name, name.Namespace, name.Namespace)}
	case err != nil:
		return nil, fmt.Errorf("read Secret %q: %w", name.Name, err)
	}
	file, ok := secret.Data[profile.StateKey]
	if !ok {
		return nil, &Problem{workflows.ReasonSecretNotFound, fmt.Sprintf(
			"Secret %q has no key %s. Make it with crawlctl profile create %s.", name.Name, profile.StateKey, p.Name)}
	}
	hosts := make([]string, len(p.Spec.Hosts))
	for i, h := range p.Spec.Hosts {
		hosts[i] = string(h)
	}
	state, err := profile.New(p.Name, string(p.UID), file, hosts, loginCheck(p.Spec.LoginCheck))
	if err != nil {
		return nil, &Problem{workflows.ReasonStateInvalid, fmt.Sprintf(
			"The state in Secret %q, key %s, cannot be used: %v. Make it anew with crawlctl profile create %s.", name.Name, profile.StateKey, err, p.Name)}
	}
	return state, nil
}

// loginCheck says in the words of package profile what the resource says.
func loginCheck(c *v1alpha1.LoginCheck) (l profile.LoginCheck) {
	if c == nil {
		return l
	}
	if out := c.LoggedOut; out != nil {
		l.LoggedOutURL, l.LoggedOutSelector, l.LoggedOutText = string(out.URLPattern), out.Selector, out.Text
	}
	if in := c.LoggedIn; in != nil {
		l.LoggedInSelector, l.LoggedInText = in.Selector, in.Text
	}
	return l
}

// Expired tells why a state cannot be used any more although it is whole: a crawl found
// that its log-in is over, or all of its cookies have ended. It is nil when nothing
// speaks against it.
func Expired(p *v1alpha1.BrowserProfile, sha256 string, sum profile.Summary) *Problem {
	again := fmt.Sprintf("Log in again with crawlctl profile create %s; crawls that wait for it go on by themselves then.", p.Name)
	switch e := p.Status.Expired; {
	case e != nil && e.SHA256 == sha256:
		return &Problem{workflows.ReasonLoginExpired, fmt.Sprintf("CrawlJob %q was shown pages as to a visitor who is not logged in: the log-in is over. %s", e.CrawlJob, again)}
	case sum.Over:
		return &Problem{workflows.ReasonLoginExpired, fmt.Sprintf("All %d cookies have ended, the last one at %s. %s", sum.Cookies, stamp(sum.Latest), again)}
	}
	return nil
}
