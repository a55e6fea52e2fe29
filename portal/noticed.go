package portal

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"crawlfleet.dev/crawlfleet/portal/access"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/watches"
)

const (
	// mostWatches is how many addresses a person watches at most, in all namespaces.
	mostWatches = 200
	// watchedCaptures is how many captures of a watched address are looked at: the newest. Where there
	// are more, watchedBefore of them are only what the others are compared with.
	watchedCaptures, watchedBefore = 200, 20
	// noticedFor is for how long notices are remembered, of noticedPeople people at most.
	noticedFor, noticedPeople = 5 * time.Second, 1000
	// watchReaders is how many addresses are looked up at once.
	watchReaders = 4
)

// watching is what a person watches, and what there is to be told of it.
type watching struct {
	Watches []ownWatch
	// Notices are those of all watches, the newest first; Unseen counts what is not seen of them.
	Notices []watches.Notice
	Unseen  int
	// Unreadable are those that cannot be read.
	Unreadable []lostWatch
}

// lostWatch is a watch that cannot be read, and can be ended.
type lostWatch struct {
	Namespace string `json:"namespace"`
	ID        string `json:"id"`
}

// ownWatch is a watch with how many of its notices are not seen.
type ownWatch struct {
	*watches.Watch
	Unseen int `json:"unseen"`
	// Barred is set where the person may not find snapshots any more: nothing is told then.
	Barred bool `json:"barred,omitempty"`
}

// find returns the watch of that ID.
func (w *watching) find(id string) (*ownWatch, error) {
	i := slices.IndexFunc(w.Watches, func(one ownWatch) bool { return one.ID == id })
	if i < 0 {
		return nil, errNoWatch
	}
	return &w.Watches[i], nil
}

// errNoWatch is the same for a watch that is ended and for one that is somebody else's.
var errNoWatch = errors.New("the person has no such watch")

// noticed remembers for some seconds what people watch.
type noticed struct {
	mu    sync.Mutex
	known map[string]noticedAt
	// changes counts how often somebody changed something.
	changes int
}

type noticedAt struct {
	at    time.Time
	value *watching
}

func newNoticed() *noticed { return &noticed{known: map[string]noticedAt{}} }

// get is nil for what is not known; changes is for keep.
func (n *noticed) get(key string) (value *watching, changes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if k, ok := n.known[key]; ok && time.Since(k.at) < noticedFor {
		return k.value, n.changes
	}
	return nil, n.changes
}

// keep remembers what was found, unless somebody changed something meanwhile.
func (n *noticed) keep(key string, value *watching, at time.Time, changes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.changes != changes {
		return
	}
	if len(n.known) >= noticedPeople {
		clear(n.known)
	}
	n.known[key] = noticedAt{at, value}
}

// forget is for when a person changed something.
func (n *noticed) forget(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.changes++
	maps.DeleteFunc(n.known, func(key string, _ noticedAt) bool { return strings.HasPrefix(key, strconv.Quote(name)+" ") })
}

// watching is what the person watches. It is not to be changed: others may have the same.
func (h handlers) watching(ctx context.Context) (*watching, error) {
	p, now := access.From(ctx), time.Now()
	key := fmt.Sprintf("%q %q %q %q", p.Name, p.UID, p.Groups, p.Extra) // the same may do the same
	known, changes := h.noticed.get(key)
	if known != nil {
		return known, nil
	}
	mine, err := h.Watches.All(ctx, p.Name)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, w := range mine {
		if !slices.Contains(all, w.Namespace) {
			all = append(all, w.Namespace)
		}
	}
	some, err := h.Gate.Rights.Namespaces(ctx, p, access.Find, all)
	if err != nil {
		return nil, err
	}
	found := &watching{Notices: []watches.Notice{}, Watches: []ownWatch{}, Unreadable: []lostWatch{}}
	for _, w := range mine {
		if w.Problem != "" {
			found.Unreadable = append(found.Unreadable, lostWatch{w.Namespace, w.ID})
			continue
		}
		found.Watches = append(found.Watches, ownWatch{Watch: w, Barred: !slices.Contains(some, w.Namespace)})
	}
	if err := h.notice(ctx, found); err != nil {
		return nil, err
	}
	h.noticed.keep(key, found, now, changes)
	return found, nil
}

// notice finds what there is to be told of watches.
func (h handlers) notice(ctx context.Context, found *watching) error {
	lists := make([][]watches.Notice, len(found.Watches))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(watchReaders)
	for i := range found.Watches {
		if found.Watches[i].Barred {
			continue
		}
		g.Go(func() (err error) {
			lists[i], err = h.noticesOf(ctx, found.Watches[i].Watch)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, list := range lists {
		for _, n := range list {
			if !n.Seen {
				found.Watches[i].Unseen++
				found.Unseen++
			}
		}
		found.Notices = append(found.Notices, list...)
	}
	slices.SortStableFunc(found.Notices, func(a, b watches.Notice) int { return b.Time.Compare(a.Time) })
	return nil
}

// noticesOf are the notices of a watch.
func (h handlers) noticesOf(ctx context.Context, w *watches.Watch) ([]watches.Notice, error) {
	q := catalog.Query{URL: w.URL, Namespaces: []string{w.Namespace}, Partial: true, Limit: watchedCaptures}
	captures, next, err := h.Catalog.Of(ctx, q)
	if err != nil {
		return nil, err
	}
	list := watches.Notices(w, captures)
	if next == "" {
		return list, nil
	}
	first := captures[len(captures)-1-watchedBefore].Time
	return slices.DeleteFunc(list, func(n watches.Notice) bool { return n.Time.Before(first) }), nil
}
