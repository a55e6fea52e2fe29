package frontier

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/telemetry/traces"
	"crawlfleet.dev/crawlfleet/internal/visits"
	"crawlfleet.dev/crawlfleet/workers/archive"
	"crawlfleet.dev/crawlfleet/workers/browser"
	"crawlfleet.dev/crawlfleet/workflows"
)

// When a chunk is committed: by pages, by bytes, by age. A page is never divided: one that
// is larger goes in whole.
const (
	commitPages = 20
	commitBytes = 64 << 20
	commitAge   = 30 * time.Second
)

// maxChunk is what a chunk may grow to with its next page: it is stored in one request.
// The rest is for what the page's records take beside its bodies.
const maxChunk = blob.MaxSinglePut - 512<<20

// committer gathers pages in a chunk and commits it. Pages that are being loaded hold
// the chunk, so that what they take from the cache is in the same one.
type committer struct {
	run   *bundleRun
	nonce string

	loading    sync.RWMutex // held for reading by pages, for writing by a change of chunks
	mu         sync.Mutex   // over the fields below
	gathered                // the present chunk
	full       []gathered   // chunks that had no room for a further page, the oldest first
	opened     time.Time
	chunks     int // the generation
	trouble    *workflows.Waiting
	committing sync.Mutex // one commit at a time, in order
	number     int
}

// gathered is a chunk with what became of its pages.
type gathered struct {
	chunk    *archive.Chunk // nil when no page is kept
	outcomes []frontier.Outcome
	archived int
	// incomplete are those of archived of which something is missing.
	incomplete int
	// compared counts them by how they are beside an earlier run.
	compared visits.Counts
	// robots are those that wait for the chunk to begin: with a page, which says what came
	// to see it.
	robots []browser.RobotsUse
}

// hold keeps the present chunk until the returned function is called.
func (c *committer) hold() func() {
	c.loading.RLock()
	return c.loading.RUnlock
}

func (c *committer) generation() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.chunks
}

// troubled says what the store's trouble is, nil for none.
func (c *committer) troubled() *workflows.Waiting {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trouble
}

func (c *committer) setTrouble(w *workflows.Waiting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trouble = w
}

// take adds a page, when there is one, and its outcome to the chunk, and with it what other
// captures of it there are. Without a page it is the robots.txt that is kept, which says why.
// It tells whether the page is archived with it.
func (c *committer) take(p *browser.Page, o frontier.Outcome, robots []browser.RobotsUse, others ...*browser.Page) (archived bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.outcomes) == 0 {
		c.opened = time.Now()
	}
	if c.chunk != nil && p != nil && c.chunk.Size()+bodies(p) > maxChunk {
		// Only pages of gigabytes come here. What the page took from the cache may be in
		// the chunk before, which its record then says.
		c.full = append(c.full, c.gathered)
		c.gathered = gathered{}
	}
	if p != nil && (o.Status == frontier.Archived || len(p.Exchanges) > 0) {
		if err := c.keep(p, &o); err != nil {
			return false, err
		}
	}
	for _, use := range robots {
		if err := c.addRobots(use); err != nil && !recorder.DiskFull(err) {
			return false, err
		}
	}
	for _, other := range others {
		// What does not fit on the disk costs only itself: it is not what counts.
		if _, err := c.add(other); err != nil && !recorder.DiskFull(err) {
			return false, err
		}
	}
	if archived = o.Status == frontier.Archived; archived {
		c.archived++
		// The chunk, too, may have found something missing.
		if o.Incomplete = incomplete(append(others, p)...); o.Incomplete {
			c.incomplete++
		}
		c.compared.Add(o.Compared)
	}
	c.outcomes = append(c.outcomes, o)
	return archived, nil
}

// keep writes a page into the chunk, and into its outcome what the chunk says of it.
func (c *committer) keep(p *browser.Page, o *frontier.Outcome) error {
	entry, err := c.add(p)
	switch {
	case recorder.DiskFull(err) && o.Status == frontier.Archived:
		o.Status, o.Reason, o.Retry = frontier.Failed, string(workflows.ReasonDiskFull), true
		o.Detail, o.Links, o.Leads = "there is no room on the worker's disk for what the page brought", nil, nil
		return nil
	case recorder.DiskFull(err): // what is left of a page that failed is not kept then
		return nil
	case err != nil:
		return err
	case o.Status == frontier.Archived:
		o.Visit = &entry.Visit
		if entry.Compared != nil {
			o.Compared = entry.Compared.Verdict
		}
	}
	return nil
}

// incomplete reports whether something is missing of one of the captures of a page. What is
// stored of each is evidence, whichever counts as the page.
func incomplete(captures ...*browser.Page) bool {
	return slices.ContainsFunc(captures, func(p *browser.Page) bool { return p != nil && p.Incomplete() != "" })
}

// add writes a page into the chunk.
func (c *committer) add(p *browser.Page) (archive.PageEntry, error) {
	if err := c.begin(p); err != nil {
		return archive.PageEntry{}, err
	}
	if err := c.chunk.Add(p); err != nil {
		return archive.PageEntry{}, err
	}
	return c.chunk.Last(), nil
}

// addRobots writes a robots.txt into the chunk, if it was recorded.
func (c *committer) addRobots(use browser.RobotsUse) error {
	if c.chunk != nil {
		return c.chunk.AddRobots(use)
	}
	known := func(r browser.RobotsUse) bool { return r.URL == use.URL && r.Fetched.Equal(use.Fetched) }
	if len(use.Exchanges) > 0 && !slices.ContainsFunc(c.robots, known) {
		c.robots = append(c.robots, use)
	}
	return nil
}

// begin begins a chunk when there is none. The page, when there is one, says what came to see
// it.
func (c *committer) begin(p *browser.Page) error {
	if c.chunk != nil {
		return nil
	}
	b := c.run
	info := b.Info
	job := b.in.Job
	info.Job, info.Run, info.Bundle, info.Attempt = job.Namespace+"/"+job.Name, job.Run, b.in.Bundle.ID, b.attempt
	info.Authorization, info.Robots = job.Spec.Authorization.Reference, "obey"
	if p != nil && p.Browser != "" { // else no browser came to see it
		info.Chrome, info.Flags = p.Browser, p.BrowserFlags
	}
	if p != nil {
		info.UserAgent, info.Viewport = p.UserAgent, fmt.Sprintf("%dx%d", p.Viewport.Width, p.Viewport.Height)
	}
	chunk, err := archive.NewChunk(archive.Options{
		Sign: b.Notary.Hook(),
		Dir:  filepath.Join(b.dir, fmt.Sprintf("chunk-%d-%d", c.chunks, len(c.full))), Name: "chunk", Title: info.Job, Info: info, Provenance: b.provenance(), Now: b.Now,
	})
	if err != nil {
		return err
	}
	c.chunk = chunk
	for _, use := range c.robots {
		if err := chunk.AddRobots(use); err != nil {
			return err
		}
	}
	return nil
}

// provenance is what the bundle knows of how its chunks come to be.
func (b *bundleRun) provenance() archive.Provenance {
	p, job := b.Provenance, b.in.Job
	p.Order = &archive.Order{
		Namespace: job.Namespace, Name: job.Name, UID: job.Run, Generation: job.Generation, Schedule: job.Schedule,
		Workflow: b.of.workflow, WorkflowRun: b.of.run, Bundle: b.in.Bundle.ID, Attempt: b.of.number,
	}
	a := job.Spec.Authorization
	p.Authorization = &archive.Authorization{
		Reference: a.Reference, Purpose: a.Purpose, Basis: a.Basis, RequestedBy: a.RequestedBy,
		NotBefore: given(a.NotBefore), NotAfter: given(a.NotAfter),
	}
	for _, given := range a.Approvals {
		p.Authorization.Approvals = append(p.Authorization.Approvals, archive.Approval{UID: given.UID, Approver: given.Approver, At: given.At.UTC(), Digest: given.Digest})
	}
	if b.Clock != nil {
		p.Clock = b.Clock.check()
	}
	return p
}

// given is a time, nil for none.
func given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// bodies is the size of all bodies of a page, in both directions.
func bodies(p *browser.Page) int64 {
	sum := p.Bytes
	for i := range p.Exchanges {
		e := &p.Exchanges[i]
		sum += e.Request.Body.Size
		if e.Frames != nil {
			sum += e.Frames.Sent.Size + e.Frames.Received.Size
		}
	}
	return sum
}

// commitIfDue commits when enough has been gathered.
func (c *committer) commitIfDue(ctx context.Context) error {
	c.mu.Lock()
	due := len(c.full) > 0 || len(c.outcomes) >= commitPages || (len(c.outcomes) > 0 && time.Since(c.opened) > commitAge) ||
		(c.chunk != nil && c.chunk.Size() >= commitBytes)
	c.mu.Unlock()
	if !due {
		return nil
	}
	return c.commit(ctx)
}

// commit commits what was gathered.
func (c *committer) commit(ctx context.Context) error {
	c.committing.Lock()
	defer c.committing.Unlock()
	list, err := c.change()
	if err != nil {
		return err
	}
	for _, g := range list {
		if err := c.commitOne(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// commitOne closes a chunk, stores it, stores its result, and names that in a heartbeat.
// When the server has accepted it, the pages are archived.
func (c *committer) commitOne(ctx context.Context, g gathered) (err error) {
	ctx, span := traces.Begin(ctx, "Commit", traces.KeyRun.String(c.run.in.Job.Run), traces.KeyBundle.String(c.run.in.Bundle.ID), traces.KeyPages.Int(len(g.outcomes)))
	defer func() { ended(span, err) }()
	c.run.lease.storing(len(g.outcomes))
	defer c.run.lease.storing(0)
	var chunk *closing
	if g.chunk != nil {
		chunk = &closing{chunk: g.chunk}
	}
	result := frontier.Result{
		Version: 1, Bundle: c.run.in.Bundle.ID, Attempt: c.run.attempt, Number: c.number,
		Before: c.run.lease.committed(), Outcomes: g.outcomes,
	}
	key := fmt.Sprintf("%s/a%d-%s/c%d.res", resultBase(c.run.in.Job, c.run.in.Shard, result.Bundle), result.Attempt, c.nonce, result.Number)
	err = c.persist(ctx, func() error {
		if chunk != nil && result.Chunk == nil {
			stored, err := c.store(ctx, chunk)
			if err != nil {
				return err
			}
			span.SetAttributes(traces.KeyBytes.Int64(stored.Size))
			stored.Pages, stored.Incomplete = g.archived, &g.incomplete
			if g.compared != (visits.Counts{}) {
				stored.Compared = &g.compared
			}
			result.Chunk = stored
			result.Captured, result.Stored = given(chunk.closed), given(c.run.Now())
		}
		return putPacked(ctx, c.run.Buckets.Bucket(c.run.FrontierBucket), key, result)
	})
	if err != nil {
		return err
	}
	c.run.lease.add(key)
	if err := c.run.lease.insist(ctx); err != nil {
		c.run.lease.drop(key)
		return err
	}
	c.number++
	c.run.Metrics.committed(g.outcomes)
	return nil
}

// change takes what was gathered away, once no page is being loaded into the present
// chunk. The next page begins a new one.
func (c *committer) change() ([]gathered, error) {
	c.loading.Lock()
	defer c.loading.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.full
	if c.chunk == nil && len(c.robots) > 0 { // no page was visited: they say why
		if err := c.begin(nil); err != nil && !recorder.DiskFull(err) {
			return nil, err
		}
	}
	if len(c.outcomes) > 0 {
		list = append(list, c.gathered)
	}
	c.full, c.gathered = nil, gathered{}
	c.chunks++
	return list, nil
}

// closing is a chunk that is being stored; a second try finds it closed.
type closing struct {
	chunk  *archive.Chunk
	file   *archive.File
	closed time.Time
}

// store closes a chunk and puts it into the archive.
func (c *committer) store(ctx context.Context, chunk *closing) (*frontier.Chunk, error) {
	if chunk.file == nil {
		file, err := chunk.chunk.Close()
		if err != nil {
			return nil, err
		}
		chunk.file, chunk.closed = file, c.run.Now()
	}
	b := c.run
	store := func(nonce string) (archive.Receipt, error) {
		key, err := blob.NewKey(fmt.Sprintf("%schunks/%s-a%d-%s-c%d.wacz", b.in.Archive.Prefix, b.in.Bundle.ID, b.attempt, nonce, c.number))
		if err != nil {
			return archive.Receipt{}, err
		}
		return archive.Store(ctx, b.Buckets.Bucket(b.in.Archive.Bucket), key, chunk.file)
	}
	receipt, err := store(c.nonce)
	if errors.Is(err, blob.ErrUnseen) {
		// What is there is a try of before whose answer was lost, and this worker may read nothing of the
		// archive. Under another name the store confirms it; the one before stays as that of an attempt that died.
		receipt, err = store(nonce())
	}
	if err != nil {
		return nil, err
	}
	_ = os.Remove(chunk.file.Path) // the bundle's folder is removed in the end
	return &frontier.Chunk{Key: string(receipt.Key), Size: receipt.Size, SHA256: receipt.SHA256}, nil
}

// persist tries again while the store has trouble, for a while. Then the bundle ends
// with what was committed before, and says why.
func (c *committer) persist(ctx context.Context, do func() error) error {
	began := time.Now()
	for {
		err := do()
		if err == nil {
			return nil
		}
		trouble := troubleOf(err)
		if trouble == nil || ctx.Err() != nil {
			return err
		}
		if time.Since(began) > c.run.Patience || trouble.Reason == workflows.ReasonDiskFull || trouble.Reason == workflows.ReasonDiskUnwritable {
			c.setTrouble(trouble)
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// abandon throws away what was not committed.
func (c *committer) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, g := range append(c.full, c.gathered) {
		if g.chunk != nil {
			_ = g.chunk.Abandon() // its folder is removed next
		}
	}
	c.full, c.gathered = nil, gathered{}
}
