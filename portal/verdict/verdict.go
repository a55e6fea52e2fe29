// Package verdict checks snapshots that lie in the store with the offline verifier, for people who
// look at them in the portal.
//
// Every byte is checked, so every byte is read: a file is copied to a folder of this process with
// what lies beside it, verified there as a stranger would, and removed. What came of it is kept as
// long as the objects stay the same ones.
package verdict

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"crawlfleet.dev/crawlfleet/internal/blob"
	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/portal/fetch"
)

const (
	// kept is how many verdicts are kept.
	kept = 1000
	// small is up to which size in bytes a file is verified in a moment.
	small = 16 << 20
)

// CheckObject is the check that an object is as the store was given it. It is told only where it is not.
const CheckObject = "Object"

// Judge verifies snapshots. It is safe for concurrent use.
type Judge struct {
	Archive  blob.Store
	Verifier *verify.Verifier
	// Dir is where files are copied to for as long as it takes.
	Dir string
	// Now tells the time at which a verdict is given.
	Now func() time.Time
	// Observe, where it is not nil, is called with the verdict when a file was verified, or with what
	// kept it from that.
	Observe func(v verify.Verdict, err error)

	once  sync.Once
	mu    sync.Mutex
	queue queue
	known map[blob.Key]known
}

// known is a verdict and what it is about.
type known struct {
	of      string
	verdict Verdict
}

// Verdict is what came of the checks of a snapshot.
type Verdict struct {
	verify.Report
	// At is when it was checked, SHA256 in hex and Size in bytes are those of the file.
	At     time.Time `json:"at"`
	SHA256 string    `json:"sha256"`
	Size   int64     `json:"size"`
}

// Of verifies a chunk of a run, or returns what came of it before. The error is for what kept it
// from checking; an object that is not there is blob.ErrNotFound. Where too many wait already it is
// ErrBusy.
func (j *Judge) Of(ctx context.Context, key blob.Key) (Verdict, error) {
	v, _, err := j.of(ctx, key, math.MaxInt64)
	return v, err
}

// Quick is Of where that takes a moment at most: what came of it before, or of a small file. Ok is
// false where it would take longer.
func (j *Judge) Quick(ctx context.Context, key blob.Key) (v Verdict, ok bool, err error) {
	return j.of(ctx, key, small)
}

// of verifies a file of that many bytes at most; ok is false for a larger one.
func (j *Judge) of(ctx context.Context, key blob.Key, most int64) (v Verdict, ok bool, err error) {
	j.once.Do(func() {
		j.queue = queue{make(chan struct{}, atOnce), map[string]*run{}}
		j.known = map[blob.Key]known{}
	})
	objects, of, err := j.objects(ctx, key)
	if err != nil {
		return Verdict{}, false, err
	}
	j.mu.Lock()
	before := j.known[key]
	j.mu.Unlock()
	if before.of == of {
		return before.verdict, true, nil
	}
	if objects[verify.ChunksDir+"/"+path.Base(string(key))].Size > most {
		return Verdict{}, false, nil
	}
	r, err := j.join(ctx, key, of, objects)
	if err != nil {
		return Verdict{}, false, err
	}
	v, err = j.wait(ctx, of, r)
	return v, err == nil, err
}

// keep keeps a verdict, and lets go of any other one when there are too many. The caller holds the
// lock.
func (j *Judge) keep(key blob.Key, k known) {
	for old := range j.known {
		if len(j.known) < kept {
			break
		}
		delete(j.known, old)
	}
	j.known[key] = k
}

// objects are what a verdict rests upon, by their names in the folder of a run, and one word that is another one
// when any of them is.
func (j *Judge) objects(ctx context.Context, key blob.Key) (objects map[string]blob.Info, of string, err error) {
	all, err := Objects(ctx, j.Archive, key)
	if err != nil {
		return nil, "", err
	}
	objects = map[string]blob.Info{}
	h := sha256.New()
	for _, o := range all {
		objects[o.Name] = o.Info
		fmt.Fprintf(h, "%s %s %d %s\n", o.Key, o.ETag, o.Size, o.Modified)
	}
	return objects, hex.EncodeToString(h.Sum(nil)), nil
}

// judge copies and verifies.
func (j *Judge) judge(ctx context.Context, key blob.Key, objects map[string]blob.Info) (v Verdict, err error) {
	dir, err := os.MkdirTemp(j.Dir, "verdict-*")
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	name := verify.ChunksDir + "/" + path.Base(string(key))
	damages := map[string]*fetch.DamagedError{}
	for n, info := range objects {
		size, sum, err := fetch.Object(ctx, j.Archive, info.Key, filepath.Join(dir, filepath.FromSlash(n)))
		if damaged := (*fetch.DamagedError)(nil); errors.As(err, &damaged) {
			damages[n] = damaged // what is in the store is what is judged
		} else if err != nil {
			return v, err
		}
		if n == name {
			v.SHA256, v.Size = sum, size
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return v, err
	}
	defer func() { _ = root.Close() }() // only read
	v.At = j.Now().UTC()
	if v.Report, err = j.Verifier.Snapshot(ctx, root.FS(), name, string(key), v.SHA256); err != nil {
		return v, err
	}
	for _, n := range slices.Sorted(maps.Keys(damages)) {
		v.Add(CheckObject, n, verify.Fails, damages[n].Reason())
	}
	v.Conclude()
	return v, nil
}
