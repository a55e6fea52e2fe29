package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// What a run leaves below the prefix of its archive (docs/reference/archive.md).
const (
	// StatementPath is the closing statement.
	StatementPath = "run.json"
	// ChunksDir is the folder of its chunks.
	ChunksDir    = "chunks"
	maxStatement = 256 << 20
)

// The checks of a run.
const (
	CheckStatement = "Statement" // run.json is there and well formed
	CheckBooks     = "Books"     // discovered = archived + failed + skipped, and the chunks hold what is archived
	CheckChunks    = "Chunks"    // every chunk that run.json names is there, with its size and SHA-256, and belongs to the run
	CheckLists     = "Lists"     // so are the lists of leads and visits
)

// statement is run.json as far as it is checked.
type statement struct {
	Format  string `json:"format"`
	Version int    `json:"version"`

	Run       string `json:"run"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Verdict   string `json:"verdict"`
	Reason    string `json:"reason"`
	Counts    struct {
		Discovered int64            `json:"discovered"`
		Queued     int64            `json:"queued"`
		Delayed    int64            `json:"delayed"`
		Leased     int64            `json:"leased"`
		Archived   int64            `json:"archived"`
		Failed     map[string]int64 `json:"failed"`
		Skipped    map[string]int64 `json:"skipped"`
		Bytes      int64            `json:"bytes"`
		Chunks     int64            `json:"chunks"`
	} `json:"counts"`
	Problems []string `json:"problems"`
	Chunks   []object `json:"chunks"`
	Leads    *struct {
		Objects []object `json:"objects"`
	} `json:"leads"`
	Visits *struct {
		Directory object   `json:"directory"`
		Objects   []object `json:"objects"`
	} `json:"visits"`
	Authorization Authorization `json:"authorization"`
	StartedAt     time.Time     `json:"startedAt"`
	SealedAt      time.Time     `json:"sealedAt"`

	erased map[string]gone // with proof, by name
}

// object is a stored file that run.json names.
type object struct {
	Key    string `json:"key"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	// Pages is how many archived pages are in a chunk.
	Pages int64 `json:"pages"`
}

// path is where the object lies in the folder of the run.
func (o object) path() string { return path.Join(path.Base(path.Dir(o.Key)), path.Base(o.Key)) }

// Run checks the folder of a run: its closing statement, and everything that the statement names.
func (v *Verifier) Run(ctx context.Context, fsys fs.FS, shown string) (Report, error) {
	r := Report{Subject: shown, Kind: KindRun}
	st, err := readStatement(fsys)
	if err != nil {
		r.Add(CheckStatement, StatementPath, Fails, err.Error())
		r.Conclude()
		return r, nil
	}
	r.Add(CheckStatement, StatementPath, Holds, fmt.Sprintf("of the run %s of %s/%s, sealed %s: %s, %s", st.Run, st.Namespace, st.Name, stamp(st.SealedAt), st.Verdict, st.Reason))
	if err := v.Signature(&r, fsys, StatementPath); err != nil {
		return r, err
	}
	checkBooks(&r, st)
	if st.erased, err = v.checkRetention(&r, fsys, st.Run); err != nil {
		return r, err
	}
	if err := v.checkChunks(ctx, &r, fsys, st, shown); err != nil {
		return r, err
	}
	if err := checkLists(ctx, &r, fsys, st); err != nil {
		return r, err
	}
	r.Conclude()
	return r, nil
}

func readStatement(fsys fs.FS) (st statement, err error) {
	f, size, err := Open(fsys, StatementPath)
	if err != nil {
		return st, fmt.Errorf("cannot be read: %w", err)
	}
	defer f.Close() // read only
	if size > maxStatement {
		return st, fmt.Errorf("has %d bytes; a statement has at most %d", size, maxStatement)
	}
	raw, err := io.ReadAll(io.LimitReader(f, maxStatement))
	if err != nil {
		return st, fmt.Errorf("cannot be read: %w", err)
	}
	if err := json.Unmarshal(raw, &st); err != nil {
		return st, fmt.Errorf("is not as it should be: %w", err)
	}
	if st.Format != "crawlfleet-run" || st.Version != 1 {
		return st, fmt.Errorf("is of the format %q, version %d; this program knows crawlfleet-run, version 1", st.Format, st.Version)
	}
	return st, nil
}

// checkBooks recounts what the statement says.
func checkBooks(r *Report, st statement) {
	c := st.Counts
	ended := c.Archived
	for _, n := range slices.Concat(slices.Collect(maps.Values(c.Failed)), slices.Collect(maps.Values(c.Skipped))) {
		ended += n
	}
	var pages, bytes int64
	for _, o := range st.Chunks {
		pages, bytes = pages+o.Pages, bytes+o.Size
	}
	var wrong []string
	for _, p := range st.Problems {
		wrong = append(wrong, "the statement itself names a problem: "+p)
	}
	if c.Queued+c.Delayed+c.Leased != 0 || c.Discovered != ended {
		wrong = append(wrong, fmt.Sprintf("%d pages were discovered, %d have an outcome", c.Discovered, ended))
	}
	if pages != c.Archived {
		wrong = append(wrong, fmt.Sprintf("%d pages are archived, the chunks hold %d", c.Archived, pages))
	}
	if bytes != c.Bytes || int64(len(st.Chunks)) != c.Chunks {
		wrong = append(wrong, fmt.Sprintf("%d bytes in %d chunks are booked, those that are named have %d in %d", c.Bytes, c.Chunks, bytes, len(st.Chunks)))
	}
	for _, w := range wrong {
		r.Add(CheckBooks, StatementPath, Fails, w)
	}
	if len(wrong) == 0 {
		r.Add(CheckBooks, StatementPath, Holds, fmt.Sprintf("%d discovered = %d archived + %d failed or skipped", c.Discovered, c.Archived, ended-c.Archived))
	}
}

// checkChunks checks every chunk, several at a time.
func (v *Verifier) checkChunks(ctx context.Context, r *Report, fsys fs.FS, st statement, shown string) error {
	parts, wrong := make([]*Report, len(st.Chunks)), make([][]string, len(st.Chunks))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, o := range st.Chunks {
		v.progress(o.path(), i+1, len(st.Chunks))
		group.Go(func() (err error) {
			parts[i], wrong[i], err = v.checkChunk(ctx, fsys, st, o, shown)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	failed := false
	for i, o := range st.Chunks {
		for _, w := range wrong[i] {
			r.Add(CheckChunks, o.path(), Fails, w)
			failed = true
		}
		if parts[i] != nil {
			r.Parts = append(r.Parts, *parts[i])
		}
	}
	besides, err := uncounted(fsys, st)
	if err != nil {
		return err
	}
	if !failed {
		left, erased := st.erasedOf(fsys, st.Chunks)
		r.Add(CheckChunks, "", Holds, count(left, "chunk")+" with the SHA-256 that the statement says, each of this run"+erased+besides)
	}
	return nil
}

// checkChunk checks a chunk as a file, as what the statement says it is, and for itself.
func (v *Verifier) checkChunk(ctx context.Context, fsys fs.FS, st statement, o object, shown string) (part *Report, wrong []string, err error) {
	if st.isErased(fsys, o) {
		return nil, nil, nil
	}
	wrong, err = checkObject(ctx, fsys, o)
	if err != nil || len(wrong) > 0 {
		return nil, wrong, err // what else might be wrong with it is of no interest then
	}
	p, err := v.FileOf(ctx, fsys, o.path(), path.Join(shown, o.path()), o.SHA256) // as it was found to be
	if err != nil {
		return nil, nil, err
	}
	return &p, belongsTo(p.Facts, st), nil
}

// belongsTo compares what a chunk says of its order with the statement.
func belongsTo(f *Facts, st statement) (wrong []string) {
	if f == nil {
		return nil // its own report says so
	}
	if o := f.Order; o == nil || o.UID != st.Run || o.Namespace != st.Namespace || o.Name != st.Name {
		wrong = append(wrong, "its capture.json does not name this run")
	}
	if a := f.Authorization; a == nil || !a.same(st.Authorization) {
		wrong = append(wrong, "its capture.json names another authorisation than the statement")
	}
	if f.Sealed.After(st.SealedAt.Add(clockSlack)) && f.Clock == nil {
		wrong = append(wrong, "it was sealed after the run")
	}
	return wrong
}

// same reports whether two say the same. A time that is not given may be written as zero.
func (a Authorization) same(b Authorization) bool {
	equal := func(s, t *time.Time) bool {
		noS, noT := s == nil || s.IsZero(), t == nil || t.IsZero()
		return noS && noT || !noS && !noT && s.Equal(*t)
	}
	return a.Reference == b.Reference && a.Purpose == b.Purpose && a.Basis == b.Basis && a.RequestedBy == b.RequestedBy &&
		equal(a.NotBefore, b.NotBefore) && equal(a.NotAfter, b.NotAfter)
}

// uncounted tells of chunks that the statement does not name: an attempt whose worker died
// leaves such.
func uncounted(fsys fs.FS, st statement) (string, error) {
	entries, err := fs.ReadDir(fsys, ChunksDir)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	named := map[string]bool{}
	for _, o := range st.Chunks {
		named[path.Base(o.Key)] = true
	}
	n := 0
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".wacz") && !named[e.Name()] {
			n++
		}
	}
	if n == 0 {
		return "", nil
	}
	return fmt.Sprintf("; beside them lie %s that it does not name, which are no part of the run", count(n, "file")), nil
}

// checkLists checks the lists of leads and visits.
func checkLists(ctx context.Context, r *Report, fsys fs.FS, st statement) error {
	var all []object
	if st.Leads != nil {
		all = append(all, st.Leads.Objects...)
	}
	if st.Visits != nil {
		all = append(append(all, st.Visits.Directory), st.Visits.Objects...)
	}
	failed := false
	for _, o := range all {
		if st.isErased(fsys, o) {
			continue
		}
		wrong, err := checkObject(ctx, fsys, o)
		if err != nil {
			return err
		}
		for _, w := range wrong {
			r.Add(CheckLists, o.path(), Fails, w)
			failed = true
		}
	}
	if !failed {
		left, erased := st.erasedOf(fsys, all)
		r.Add(CheckLists, "", Holds, count(left, "list")+" of leads and visits with the SHA-256 that the statement says"+erased)
	}
	return nil
}

// checkObject compares a file with what the statement says of it.
func checkObject(ctx context.Context, fsys fs.FS, o object) (wrong []string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !fs.ValidPath(o.path()) {
		return []string{fmt.Sprintf("the statement names %q, which is no place in the folder of a run", o.Key)}, nil
	}
	got, size, err := Sum(fsys, o.path())
	if errors.Is(err, fs.ErrNotExist) {
		return []string{"is missing"}, nil
	}
	if err != nil {
		return nil, err
	}
	if size != o.Size {
		return []string{fmt.Sprintf("has %d bytes, the statement says %d", size, o.Size)}, nil
	}
	if got != o.SHA256 {
		return []string{fmt.Sprintf("its SHA-256 is %s, the statement says %s", got, o.SHA256)}, nil
	}
	return nil, nil
}

// Names says of the statement of a run in a folder that it names a chunk, and that what the chunk
// says of itself (nil when that is not known) is what the statement says.
func Names(fsys fs.FS, sum string, f *Facts) (string, error) {
	if _, err := fs.Stat(fsys, StatementPath); err != nil {
		return "", err
	}
	st, err := readStatement(fsys)
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(st.Chunks, func(o object) bool { return o.SHA256 == sum }) {
		return "", errors.New("does not name the snapshot among its chunks")
	}
	if wrong := belongsTo(f, st); len(wrong) > 0 {
		return "", errors.New(strings.Join(wrong, "; "))
	}
	return fmt.Sprintf("the statement of the run %s, sealed %s, names the snapshot", st.Run, stamp(st.SealedAt)), nil
}
