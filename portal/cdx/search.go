package cdx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/cdxj"
	"crawlfleet.dev/crawlfleet/portal/catalog"
)

const (
	// readersAtOnce is how many chunks of one query are read at once.
	readersAtOnce = 16
	// maxChunks is how many chunks one query reads: about a gigabyte of indexes.
	maxChunks = 10_000
)

// capture is an entry of a chunk's index.
type capture struct {
	*cdxj.Entry
	chunk blob.Key
	// orig is the record that has the body of a revisit, when that was asked for.
	orig *cdxj.Entry
}

func newCapture(e *cdxj.Entry, chunk string) *capture {
	return &capture{Entry: e, chunk: blob.Key(chunk)}
}

// stamp is the time to the second, as all tools take it.
func (c capture) stamp() string { return c.Time.UTC().Format("20060102150405") }

// order is how captures are sorted: by key and time, backwards, or by how near they are.
type order struct {
	closest time.Time
	reverse bool
}

// compare is a total order, so that an answer can be gone on from.
func (o order) compare(a, b capture) int {
	n := cmp.Or(
		cmp.Compare(a.Key, b.Key),
		a.Time.Truncate(time.Millisecond).Compare(b.Time.Truncate(time.Millisecond)),
		cmp.Compare(a.chunk, b.chunk),
		cmp.Compare(a.Filename, b.Filename),
		cmp.Compare(a.Offset, b.Offset),
	)
	switch {
	case !o.closest.IsZero():
		return cmp.Or(cmp.Compare(o.distance(a), o.distance(b)), n)
	case o.reverse:
		return -n
	}
	return n
}

// distance is in whole seconds, as the timestamps are that tools see.
func (o order) distance(c capture) time.Duration {
	return c.Time.Truncate(time.Second).Sub(o.closest).Abs()
}

// result is the answer to a query.
type result struct {
	captures []capture
	// more is set when there are more than were asked for, count is how many there are when
	// that was to be counted.
	more  bool
	count int
	// gone and broken are the chunks that could not be read.
	gone, broken []blob.Key
}

// search reads the indexes of the chunks, in parallel. It holds no more than twice what is
// answered, and a part of each chunk that is being read.
func (s *Server) search(ctx context.Context, q *query, chunks []catalog.Chunk) (*result, error) {
	if len(chunks) > maxChunks {
		return nil, problem{http.StatusUnprocessableEntity, fmt.Sprintf("%d files of the archive may have this; at most %d are read at once.", len(chunks), maxChunks),
			"Ask for one run or namespace at a time (/cdx/NAMESPACE/JOB/UID), or for one host."}
	}
	select {
	case s.queries <- struct{}{}:
		defer func() { <-s.queries }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g := &gathering{query: q, skip: q.skipped()}
	work := make(chan catalog.Chunk)
	var wg sync.WaitGroup
	for range min(readersAtOnce, len(chunks)) {
		wg.Go(func() {
			for chunk := range work {
				p, err := s.read(ctx, chunk, q.keys, q.resolve)
				if g.take(chunk.Key, p, err) != nil {
					cancel() // the others would be in vain
				}
			}
		})
	}
	for _, chunk := range chunks {
		work <- chunk
	}
	close(work)
	wg.Wait()
	return g.finish()
}

// skipped is how many captures come before the page that is asked for.
func (q *query) skipped() int {
	if q.page <= 0 {
		return 0
	}
	return q.page * q.pageSize * blockLines
}

// gathering puts the answers of chunks together.
type gathering struct {
	*query
	skip int

	mu  sync.Mutex
	err error
	result
}

// take adds what was read of a chunk, and returns what makes all of it vain.
func (g *gathering) take(chunk blob.Key, p part, err error) error {
	fault := faultError{}
	switch {
	case errors.Is(err, blob.ErrNotFound):
		g.mu.Lock()
		defer g.mu.Unlock()
		g.gone = append(g.gone, chunk)
		return nil
	case errors.As(err, &fault):
		g.mu.Lock()
		defer g.mu.Unlock()
		g.broken = append(g.broken, chunk)
		return nil
	case err != nil:
		g.mu.Lock()
		defer g.mu.Unlock()
		g.err = cmp.Or(g.err, err)
		return err
	}
	found := g.choose(chunk, p)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.count += len(found)
	g.captures = append(g.captures, found...)
	if len(g.captures) > 2*g.wanted() {
		g.settle()
	}
	return nil
}

// wanted is how many captures have to be known: one more than are answered tells that there
// are more.
func (g *gathering) wanted() int { return g.skip + g.limit + 1 }

func (g *gathering) settle() {
	slices.SortFunc(g.captures, g.compare)
	g.captures = g.captures[:min(len(g.captures), g.wanted())]
}

// choose returns the captures of a chunk that are wanted.
func (g *gathering) choose(chunk blob.Key, p part) []capture {
	var found []capture
	lines := printer{query: g.query}
	inOrder := g.closest.IsZero() && !g.reverse && !g.onlyCount && g.page < 0
	for i := range p.entries {
		c := capture{Entry: &p.entries[i], chunk: chunk}
		if !g.has(c.Key) || !g.within(c.stamp()) || g.after != nil && g.compare(c, *g.after) <= 0 {
			continue
		}
		if c.Mime == mimeRevisit {
			c.orig = p.originals[c.Digest]
		}
		if !lines.matches(c) {
			continue
		}
		if found = append(found, c); inOrder && len(found) == g.wanted() {
			break
		}
	}
	return found
}

func (q *query) within(stamp string) bool {
	return (q.from == "" || stamp >= q.from) && (q.to == "" || stamp <= q.to)
}

func (g *gathering) finish() (*result, error) {
	if g.err != nil {
		return nil, g.err
	}
	g.settle()
	g.captures = g.captures[min(g.skip, len(g.captures)):]
	if g.more = len(g.captures) > g.limit; g.more {
		g.captures = g.captures[:g.limit]
	}
	slices.Sort(g.gone)
	slices.Sort(g.broken)
	return &g.result, nil
}
