package access

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"
)

// Reviewer tells what a person may do in a namespace; in all of them where it is empty.
// Kubernetes does, by a SubjectAccessReview.
type Reviewer interface {
	May(ctx context.Context, p Person, right Right, namespace string) (bool, error)
}

const (
	// rightsFor is for how long a yes holds: what is taken from somebody is gone so soon. A no holds for
	// refusedFor: most people may not in most namespaces, and are asked about in all of them.
	rightsFor, refusedFor = 10 * time.Second, time.Minute
	// askedFor is for how long an answer is waited for.
	askedFor = 30 * time.Second
	// rightsKnown is how many answers are remembered.
	rightsKnown = 16 << 10
	// rightsAtOnce is how many questions one request asks at the same time.
	rightsAtOnce = 8
)

// Rights asks a Reviewer and remembers its answers, a yes for ten seconds and a no for a minute. Who
// asks the same at the same time shares an answer. Without a Reviewer, and where it fails, nobody
// may do anything.
type Rights struct {
	Reviewer Reviewer
	// Now is the time; time.Now where it is nil.
	Now func() time.Time

	once    sync.Once
	answers *recent[question, bool]
	flight  singleflight.Group
}

// question is what the Reviewer was asked.
type question struct {
	who       [sha256.Size]byte
	right     Right
	namespace string
}

// String is another one for another question.
func (q question) String() string {
	return string(q.who[:]) + q.right.String() + " " + q.namespace
}

// May tells whether a person may do something in a namespace; in all of them where it is empty.
// Its error is a *[Problem].
func (r *Rights) May(ctx context.Context, p Person, right Right, namespace string) (bool, error) {
	switch {
	case p.Local:
		return true, nil
	case p.Name == "":
		return false, nil
	case r == nil || r.Reviewer == nil:
		return false, rightsUnknown(errors.New("the portal has no cluster to ask"))
	}
	r.once.Do(func() { r.answers = newRecent[question, bool](rightsKnown) })
	q := question{identity(p), right, namespace}
	if may, ok := r.answers.get(q, r.now()); ok {
		return may, nil
	}
	// Who asked first may go away: the others still want to know.
	answer := r.flight.DoChan(q.String(), func() (any, error) {
		if may, ok := r.answers.get(q, r.now()); ok { // of a moment ago
			return may, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askedFor)
		defer cancel()
		may, err := r.Reviewer.May(ctx, p, right, namespace)
		if err != nil {
			return false, err
		}
		holds := refusedFor
		if may {
			holds = rightsFor
		}
		r.answers.put(q, may, r.now().Add(holds))
		return may, nil
	})
	select {
	case <-ctx.Done():
		return false, rightsUnknown(ctx.Err())
	case got := <-answer:
		if got.Err != nil {
			return false, rightsUnknown(got.Err)
		}
		return got.Val.(bool), nil
	}
}

// Namespaces are those of all in which a person may do something, in the same order. Its error is
// a *[Problem].
func (r *Rights) Namespaces(ctx context.Context, p Person, right Right, all []string) ([]string, error) {
	// Who may everywhere is asked for once, not for each namespace.
	everywhere, err := r.May(ctx, p, right, "")
	if err != nil {
		return nil, err
	}
	if everywhere {
		return append([]string{}, all...), nil
	}
	may := make([]bool, len(all))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(rightsAtOnce)
	for i, namespace := range all {
		if namespace == "" {
			continue // would be all of them
		}
		group.Go(func() (err error) {
			may[i], err = r.May(ctx, p, right, namespace)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	allowed := []string{}
	for i, namespace := range all {
		if may[i] {
			allowed = append(allowed, namespace)
		}
	}
	return allowed, nil
}

// Check is nil when a person may do something in each of the namespaces, else a *[Problem].
func (r *Rights) Check(ctx context.Context, p Person, right Right, namespaces ...string) error {
	for _, namespace := range namespaces {
		may, err := r.May(ctx, p, right, namespace)
		if err != nil {
			return err
		}
		if !may {
			return notAllowed(right, namespace)
		}
	}
	return nil
}

func (r *Rights) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

// identity is the same for who is the same to Kubernetes.
func identity(p Person) [sha256.Size]byte {
	b, err := json.Marshal(struct {
		Name, UID string
		Groups    []string
		Extra     map[string][]string
	}{p.Name, p.UID, p.Groups, p.Extra})
	if err != nil {
		panic(err) // strings can always be encoded
	}
	return sha256.Sum256(b)
}
