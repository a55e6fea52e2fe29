package dossier

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// Step is a step from a picture to the authorisation.
type Step struct {
	// What is the kind of step, such as "record", Value what it is.
	What  string `json:"what"`
	Value string `json:"value"`
}

// Trace follows bytes by their SHA-256 in hex, such as those of a picture, through every
// snapshot at or below a path of a folder: to the record that has them, the page, the snapshot, and the order and
// authorisation that it was captured under. There is a chain for each page that has them. Only
// snapshots that do not fail are followed.
func Trace(ctx context.Context, v *verify.Verifier, fsys fs.FS, start, sum string) (chains [][]Step, err error) {
	if b, err := hex.DecodeString(sum); err != nil || len(b) != sha256.Size {
		return nil, fmt.Errorf("%q is no SHA-256 in hex", sum)
	}
	err = fs.WalkDir(fsys, start, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || !strings.HasSuffix(name, ".wacz") {
			return err
		}
		found, err := traceIn(ctx, v, fsys, name, sum)
		chains = append(chains, found...)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
	return chains, err
}

// traceIn follows bytes through one snapshot.
func traceIn(ctx context.Context, v *verify.Verifier, fsys fs.FS, name, sum string) (chains [][]Step, err error) {
	f, size, err := verify.Open(fsys, name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	ways, err := waysTo(ctx, f, size, sum)
	if err != nil || len(ways) == 0 {
		return nil, err
	}
	// A snapshot that has them is worth checking, once.
	last, err := snapshotSteps(ctx, v, fsys, name)
	if err != nil {
		return nil, err
	}
	for _, way := range ways {
		chains = append(chains, slices.Concat([]Step{{"bytes", "SHA-256 " + sum}}, way, last))
	}
	return chains, nil
}

// waysTo are the ways from bytes to the pages of a snapshot that have them. However many pages
// there are, it reads every record once.
func waysTo(ctx context.Context, f verify.RandomFile, size int64, sum string) (ways [][]Step, err error) {
	z, err := wacz.Open(f, size)
	if err != nil {
		return nil, err
	}
	raw, err := z.ReadFile(verify.CapturePath, maxDerived)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // of another tool
	}
	if err != nil {
		return nil, err
	}
	pages, err := listed(raw)
	if err != nil {
		return nil, err
	}
	t, derived := newTaken(), derivedFrom{}
	err = t.read(ctx, z, func(kind, page string, rec *warc.Record) error { return derived.compare(kind, page, rec, sum) })
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, l := range pages {
		if known[l.Info] {
			return nil, fmt.Errorf("page %s: its record %s is that of another page, too", l.ID, l.Info)
		}
		known[l.Info] = true
		p := &Page{PageFacts: l.PageFacts, Why: l.Why}
		if err := p.fill(t); err != nil {
			return nil, err
		}
		for _, way := range append(p.having(sum), derived.having(p.ID)...) {
			ways = append(ways, append(way, p.steps()...))
		}
	}
	return ways, nil
}

// derivedFrom are the kinds of what was derived from a page and has the bytes that are followed,
// by the ID of the page.
type derivedFrom map[string]map[string]bool

// compare takes down whether a record has the bytes, of which it keeps none.
func (d derivedFrom) compare(kind, page string, rec *warc.Record, sum string) error {
	if kind == kindLinks || rec.Body == nil || rec.Body.Size() == 0 {
		return nil
	}
	f, err := rec.Body.Open()
	if err != nil {
		return err
	}
	defer f.Close() // read only
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if hex.EncodeToString(h.Sum(nil)) != sum {
		delete(d[page], kind) // the last one counts
		return nil
	}
	if d[page] == nil {
		d[page] = map[string]bool{}
	}
	d[page][kind] = true
	return nil
}

// having are the ways by which a page led to the bytes.
func (d derivedFrom) having(page string) (ways [][]Step) {
	for _, k := range []struct{ kind, what string }{{kindView, "screenshot"}, {kindText, "text"}} {
		if d[page][k.kind] {
			ways = append(ways, []Step{{"derived", "the " + k.what + " that was made of the page when it was captured"}})
		}
	}
	return ways
}

// having are the ways in which a page received bytes.
func (p *Page) having(sum string) (ways [][]Step) {
	for _, r := range p.Resources {
		if r.Record == "" || strings.TrimPrefix(r.SHA256, "sha256:") != sum {
			continue
		}
		ways = append(ways, []Step{
			{"record", fmt.Sprintf("%s: the answer %d to %s %s, asked %s, as received", r.Record, r.Status, r.Method, r.URL, moment(r.At))},
		})
	}
	return ways
}

// steps tell of the page.
func (p *Page) steps() []Step {
	steps := []Step{{"page", fmt.Sprintf("%s, loaded %s – %s (%s)", p.URL, moment(p.Started), moment(p.Ended), p.ID)}}
	if p.Server != "" {
		steps = append(steps, Step{"server", strings.TrimSpace(p.Server + " " + p.Protocol + " " + p.TLS)})
	}
	if p.Why.Depth > 0 {
		return append(steps, Step{"why", fmt.Sprintf("links from %s, which the order names; there are %d on the way", p.Why.Seed, p.Why.Depth)})
	}
	return append(steps, Step{"why", "it was named"})
}

// snapshotSteps check the snapshot, and tell of it and of what it was captured under.
func snapshotSteps(ctx context.Context, v *verify.Verifier, fsys fs.FS, name string) ([]Step, error) {
	sum, _, err := verify.Sum(fsys, name)
	if err != nil {
		return nil, err
	}
	r, err := v.FileOf(ctx, fsys, name, name, sum)
	if err != nil {
		return nil, err
	}
	steps := []Step{{"snapshot", fmt.Sprintf("%s, SHA-256 %s: %s", name, sum, r.Verdict)}}
	if r.Verdict == verify.Fails {
		return append(steps, Step{Broken, "the snapshot does not hold, so nothing that it says of itself counts: " + failing(r)}), nil
	}
	if r.Verdict == verify.Unchecked {
		steps = append(steps, Step{Unvouched, "the snapshot: " + open(r)})
	}
	for _, c := range r.Checks {
		if c.Name == verify.CheckSignature || c.Name == verify.CheckStamp {
			steps = append(steps, Step{strings.ToLower(c.Name), string(c.Verdict) + ": " + c.Reason})
		}
	}
	run, err := runSteps(v, fsys, name, sum, r.Facts)
	return append(append(steps, run...), factSteps(r.Facts)...), err
}

// runSteps tell of the statement of the run, which lies beside a snapshot in a dossier and above the
// folder of chunks in an archive, and of who vouches for it.
func runSteps(v *verify.Verifier, fsys fs.FS, name, sum string, f *verify.Facts) ([]Step, error) {
	where := path.Dir(name)
	if path.Base(where) == verify.ChunksDir {
		where = path.Dir(where)
	}
	dir, err := fs.Sub(fsys, where)
	if err != nil {
		return nil, err
	}
	reason, err := verify.Names(dir, sum, f)
	if errors.Is(err, fs.ErrNotExist) {
		return []Step{{Unvouched, "the statement of the run is not there: nothing says that the snapshot counts"}}, nil
	}
	if err != nil {
		return []Step{{Broken, "the statement of the run: " + err.Error()}}, nil
	}
	var r verify.Report
	if err := v.Signature(&r, dir, verify.StatementPath); err != nil {
		return nil, err
	}
	r.Conclude()
	return []Step{{"run", reason}, {stepOf(r.Verdict), "the statement of the run: " + string(r.Verdict)}}, nil
}

// Steps that say that a chain is not to be relied upon.
const (
	// Broken: it does not hold.
	Broken = "broken"
	// Unvouched: nothing speaks against it, and nobody vouches for it.
	Unvouched = "not vouched for"
)

// stepOf is the kind of step that tells of a verdict.
func stepOf(v verify.Verdict) string {
	switch v {
	case verify.Fails:
		return Broken
	case verify.Unchecked:
		return Unvouched
	case verify.Holds:
	}
	return "vouched for"
}

// open is the first check of a report that could not be made.
func open(r verify.Report) string {
	for _, c := range r.Checks {
		if c.Verdict == verify.Unchecked {
			return c.Name + ": " + c.Reason
		}
	}
	return string(r.Verdict)
}

// factSteps tell of the order and the authorisation.
func factSteps(f *verify.Facts) (steps []Step) {
	if f == nil {
		return []Step{{"order", "nothing is known of it"}}
	}
	steps = append(steps, Step{"software", strings.TrimSpace(f.Software.Name + " " + f.Software.Version + " " + f.Software.Executable)})
	if o := f.Order; o != nil {
		steps = append(steps, Step{"order", fmt.Sprintf("the CrawlJob %s/%s (%s), bundle %s, attempt %d", o.Namespace, o.Name, o.UID, o.Bundle, o.Attempt)})
	}
	a := f.Authorization
	if a == nil {
		return append(steps, Step{"authorisation", "none is named"})
	}
	window := ""
	if a.NotAfter != nil {
		window = ", valid until " + moment(*a.NotAfter)
	}
	steps = append(steps, Step{"authorisation", fmt.Sprintf("%s, for %s, by %s%s", a.Reference, a.Purpose, a.Basis, window)}, Step{"ordered by", a.RequestedBy})
	for _, approval := range a.Approvals {
		steps = append(steps, Step{"approved by", approval.Approver + ", " + moment(approval.At)})
	}
	return steps
}
