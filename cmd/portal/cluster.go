package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authenticationclient "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"crawlfleet.dev/crawlfleet/internal/cli"
	"crawlfleet.dev/crawlfleet/portal/access"
)

// group is the API group of what the portal asks about.
const group = "crawlfleet.dev"

const (
	// clusterTimeout is how long the API server may take for an answer: somebody waits for it.
	clusterTimeout = 5 * time.Second
	// clusterQPS is how many questions a second the portal asks on average: client-go's own
	// five are for controllers.
	clusterQPS = 100
)

// cluster asks the API server who somebody is and what they may do.
type cluster struct {
	access authorizationclient.SubjectAccessReviewInterface
	tokens authenticationclient.TokenReviewInterface
}

var (
	_ access.Reviewer = (*cluster)(nil)
	_ access.Tokens   = (*cluster)(nil)
)

// clusterConfig is nil where there is no cluster: no kubeconfig is named, and the portal runs in none.
func clusterConfig(kubeconfig string) (*rest.Config, error) {
	if kubeconfig == "" && os.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		return nil, nil
	}
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: filepath.SplitList(kubeconfig)}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("--kubeconfig: the Kubernetes API server: %w", err)
	}
	config.Timeout, config.QPS, config.Burst = clusterTimeout, clusterQPS, 2*clusterQPS
	config.UserAgent = "crawlfleet-portal/" + cli.ReadBuild().String()
	return config, nil
}

func clusterOf(config *rest.Config) (*cluster, error) {
	authorization, err := authorizationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("the Kubernetes API server: %w", err)
	}
	authentication, err := authenticationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("the Kubernetes API server: %w", err)
	}
	return &cluster{authorization.SubjectAccessReviews(), authentication.TokenReviews()}, nil
}

// May implements access.Reviewer.
func (c *cluster) May(ctx context.Context, p access.Person, right access.Right, namespace string) (bool, error) {
	extra := map[string]authorizationv1.ExtraValue{}
	for name, values := range p.Extra {
		extra[name] = values
	}
	review, err := c.access.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: p.Name, Groups: groupsOf(p), UID: p.UID, Extra: extra,
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: namespace, Verb: right.Verb, Group: group, Resource: right.Resource, Subresource: right.Subresource,
		},
	}}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("subject access review: %w", err)
	}
	return review.Status.Allowed && !review.Status.Denied, nil
}

// authenticated is the group in which the API server has everybody that it knows.
const authenticated = "system:authenticated"

// groupsOf adds the group of everybody: the API server does for a request, not for a review.
func groupsOf(p access.Person) []string {
	if slices.Contains(p.Groups, authenticated) {
		return p.Groups
	}
	return append(slices.Clone(p.Groups), authenticated)
}

// Review implements access.Tokens.
func (c *cluster) Review(ctx context.Context, token string) (access.Person, bool, error) {
	review, err := c.tokens.Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}, metav1.CreateOptions{})
	if err != nil {
		return access.Person{}, false, fmt.Errorf("token review: %w", err)
	}
	if !review.Status.Authenticated {
		return access.Person{}, false, nil
	}
	user := review.Status.User
	p := access.Person{Name: user.Username, UID: user.UID, Groups: user.Groups, Shown: user.Username, Extra: map[string][]string{}}
	for name, values := range user.Extra {
		p.Extra[name] = values
	}
	return p, true, nil
}
