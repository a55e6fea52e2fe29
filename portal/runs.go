package portal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/portal/catalog"
	"crawlfleet.dev/crawlfleet/portal/follow"
	"crawlfleet.dev/crawlfleet/portal/replay"
)

// maxStatement bounds a closing statement in bytes.
const maxStatement = 256 << 20

// ErrNoRun means that the archive holds nothing of that run.
var ErrNoRun = errors.New("no such run in the archive")

// maxStatements bounds the closing statements that are kept in memory, in bytes as they are stored.
const maxStatements = 64 << 20

// Listing tells of the runs that the archive had a moment ago; [follow.Follower] does.
type Listing interface {
	Runs() (runs []follow.Run, current bool)
}

// Runs reads which runs the archive has. What it has read of a closing statement it keeps for a
// while: once stored it never changes. It is safe for concurrent use.
type Runs struct {
	Archive blob.Store
	// Listing saves listing all of the archive, as long as it is current; nil for none.
	Listing Listing

	once       sync.Once
	statements *kept[blob.Key, *Statement]
}

// All lists the runs, the newest first, as far as the listing of the bucket tells.
func (c *Runs) All(ctx context.Context) ([]Run, error) {
	listed, current := c.listed()
	if !current {
		var err error
		if listed, err = follow.List(ctx, c.Archive, ""); err != nil {
			return nil, err
		}
	}
	runs, sealed := make([]Run, len(listed)), map[blob.Key]bool{}
	for i, l := range listed {
		runs[i] = newRun(l)
		sealed[runs[i].statement()] = l.Sealed
	}
	c.read().retain(func(key blob.Key) bool { return sealed[key] }) // those of others were erased
	slices.SortFunc(runs, func(a, b Run) int {
		return cmp.Or(b.Newest.Compare(a.Newest), strings.Compare(a.Prefix, b.Prefix))
	})
	return runs, nil
}

// listed are the runs that are known without asking the store.
func (c *Runs) listed() (runs []follow.Run, current bool) {
	if c.Listing == nil {
		return nil, false
	}
	return c.Listing.Runs()
}

// read are the statements that were read.
func (c *Runs) read() *kept[blob.Key, *Statement] {
	c.once.Do(func() { c.statements = newKept[blob.Key, *Statement](maxStatements) })
	return c.statements
}

// Run finds a run and reads its closing statement.
func (c *Runs) Run(ctx context.Context, namespace, name, uid string) (*Run, error) {
	run, err := c.find(ctx, namespace, name, uid)
	if err != nil {
		return nil, err
	}
	return run, c.Detail(ctx, run)
}

// Chunks implements replay.Runs: the files of a run that count.
func (c *Runs) Chunks(ctx context.Context, run catalog.Run) (chunks []replay.Chunk, err error) {
	r, err := c.Run(ctx, run.Namespace, run.Job, run.UID)
	if err != nil {
		return nil, err
	}
	for _, chunk := range r.Chunks {
		if !chunk.Uncommitted {
			chunks = append(chunks, replay.Chunk{Key: chunk.Key, Size: chunk.Size, SHA256: chunk.SHA256})
		}
	}
	return chunks, nil
}

// find lists what the archive has of a run.
func (c *Runs) find(ctx context.Context, namespace, name, uid string) (*Run, error) {
	wanted := catalog.Run{Namespace: namespace, Job: name, UID: uid}
	for _, folder := range c.folders(wanted) {
		listed, err := follow.List(ctx, c.Archive, folder)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(listed, func(l follow.Run) bool { return l.Run == wanted }); i >= 0 {
			run := newRun(listed[i])
			return &run, nil
		}
	}
	return nil, fmt.Errorf("%s/%s %s: %w", namespace, name, uid, ErrNoRun)
}

// folders are where a run may lie: where it was listed. One that is new lies where runs of buckets
// without a prefix are, or below a prefix that other runs lie below. As long as the archive was not listed
// it may be anywhere.
func (c *Runs) folders(wanted catalog.Run) []string {
	own := wanted.Namespace + "/" + wanted.Job + "/" + wanted.UID + "/"
	listed, current := c.listed()
	if len(listed) == 0 && !current {
		return []string{own, ""}
	}
	var is []string
	may := []string{own}
	for _, l := range listed {
		if l.Run == wanted {
			is = append(is, l.Folder)
		}
		prefix := strings.TrimSuffix(l.Folder, l.Namespace+"/"+l.Job+"/"+l.UID+"/")
		may = append(may, prefix+own)
	}
	if len(is) > 0 {
		return is
	}
	slices.SortFunc(may, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) }) // own first
	return slices.Compact(may)
}

// Detail reads the closing statement of a run that has one.
func (c *Runs) Detail(ctx context.Context, run *Run) error {
	if !run.Sealed {
		return nil
	}
	key := run.statement()
	statement, ok := c.read().get(key)
	if !ok {
		b, err := blob.ReadAll(ctx, c.Archive, key, maxStatement)
		if err != nil {
			return fmt.Errorf("read %q: %w", key, err)
		}
		if statement, err = parseStatement(b); err != nil {
			run.Problems = append(run.Problems, err.Error())
			return nil
		}
		c.read().keep(key, statement, len(b))
	}
	run.Statement = statement
	run.settle()
	return nil
}
