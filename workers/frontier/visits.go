package frontier

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/frontier"
	"crawlfleet.dev/crawlfleet/internal/recorder"
	"crawlfleet.dev/crawlfleet/internal/visits"
	"crawlfleet.dev/crawlfleet/workflows"
)

// VisitsStatement is what a closing statement says of the index of visits.
type VisitsStatement struct {
	// Count is how many archived pages are in it.
	Count int64 `json:"count"`
	// Directory leads to the visits, which are in Objects, in their order.
	Directory visits.Object   `json:"directory"`
	Objects   []visits.Object `json:"objects"`
}

// visitsFolder is where the index of a run lies below the prefix of its archive.
const visitsFolder = "visits/"

// directoryKey names the directory of the index of a run.
func directoryKey(prefix string) string { return prefix + visitsFolder + "directory.json.zst" }

// visitsWriter writes the index of the visits of a run.
type visitsWriter struct {
	store  blob.Store
	prefix string
	sorter visits.Sorter
}

func newVisitsWriter(store blob.Store, prefix, dir string) *visitsWriter {
	return &visitsWriter{store: store, prefix: prefix, sorter: visits.Sorter{Dir: dir}}
}

// add takes the archived pages of a result.
func (w *visitsWriter) add(r *frontier.Result) error {
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		if o.Status != frontier.Archived || o.Visit == nil {
			continue
		}
		v := *o.Visit
		v.Chunk = r.Chunk.Key
		if err := w.sorter.Add(&v); err != nil {
			return scratchError(err)
		}
	}
	return nil
}

// finish stores the index, its directory last: where that is, the index is whole. Another
// attempt may have been first; then its index stands.
func (w *visitsWriter) finish(ctx context.Context) (*VisitsStatement, error) {
	index := visits.Writer{}
	n := 0
	index.Put = func(o *visits.Object, data []byte) error {
		n++
		// The name has a part of the digest: another program may pack the same lines to
		// other bytes.
		o.Key = fmt.Sprintf("%s%s%05d-%s.jsonl.zst", w.prefix, visitsFolder, n, o.SHA256[:8])
		return put(ctx, w.store, o.Key, data)
	}
	if err := w.sorter.WriteTo(&index); err != nil {
		return nil, fmt.Errorf("store the index of visits: %w", scratchError(err))
	}
	d, err := index.Finish()
	if err != nil {
		return nil, fmt.Errorf("store the index of visits: %w", err)
	}
	if d.Visits == 0 {
		return nil, nil
	}
	data, err := d.Encode()
	if err != nil {
		return nil, err
	}
	key := directoryKey(w.prefix)
	if err = put(ctx, w.store, key, data); errors.Is(err, blob.ErrExists) {
		if data, err = get(ctx, w.store, key, visits.MaxDirectory); err == nil {
			d, err = visits.DecodeDirectory(data)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("store the index of visits: %w", err)
	}
	st := &VisitsStatement{
		Count:     d.Visits,
		Directory: visits.Object{Key: key, Size: int64(len(data)), SHA256: frontier.Hash(data), Visits: d.Visits},
	}
	for _, o := range d.Objects {
		o.Blocks = nil
		st.Objects = append(st.Objects, o)
	}
	return st, nil
}

func (w *visitsWriter) close() error { return w.sorter.Close() }

// scratchError gives the error of a disk that is full the type by which a workflow knows it.
func scratchError(err error) error {
	if recorder.DiskFull(err) {
		return workflows.NewTrouble(workflows.ReasonDiskFull, "the disk of a worker is full: "+err.Error(), err)
	}
	return err
}

// earlierArchive is where the snapshots of the run are that an order compares with.
func earlierArchive(j workflows.Job, own workflows.Archive) workflows.Archive {
	e := j.Spec.CompareWith
	if e.Archive.Prefix != "" {
		return e.Archive
	}
	// Runs of one namespace differ in what follows it.
	return workflows.Archive{Bucket: own.Bucket, Prefix: strings.TrimSuffix(own.Prefix, base(j)+"/") + j.Namespace + "/" + e.Name + "/" + e.Run + "/"}
}
