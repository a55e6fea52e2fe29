package dossier

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/verify"
)

// CheckCustody is the check of the proofs of the custody log: that what happened to the snapshot
// is in a log whose key is trusted.
const CheckCustody = "Custody"

// CustodyKeys are the public keys of the custody log that are trusted, and its name; without
// keys nothing of it is vouched for.
type CustodyKeys struct {
	Origin    string
	Verifiers note.Verifiers
}

// checkCustody checks the proofs beside an exhibit.
func (e *Exhibit) checkCustody(r *verify.Report, fsys fs.FS, keys CustodyKeys) error {
	dir := payloadDir + strings.TrimSuffix(e.path(custodyDir), "/")
	entries, err := fs.ReadDir(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		r.Add(CheckCustody, dir, verify.Unchecked, "no proof of the custody log is in the dossier: nothing says who had the snapshot")
		return nil
	}
	if err != nil {
		return err
	}
	run := runOf(r.Facts)
	var proofs []judged
	for _, f := range entries {
		name := path.Join(dir, f.Name())
		raw, err := read(fsys, name)
		if err != nil {
			return err
		}
		j := e.judgeProof(raw, run, keys)
		j.name = name
		proofs = append(proofs, j)
	}
	placed := slices.ContainsFunc(proofs, func(j judged) bool { return e.placedBy(&j, run) })
	for _, j := range proofs {
		if j.verdict == verify.Holds && j.entry.SHA256 != e.SHA256 && !placed {
			j.verdict, j.reason = verify.Unchecked, j.reason+"; the log does not say that this snapshot is of that run"
		}
		r.Add(CheckCustody, j.name, j.verdict, j.reason)
	}
	return nil
}

// judged is a proof by itself.
type judged struct {
	name    string
	entry   custody.Entry
	verdict verify.Verdict
	reason  string
}

// placedBy tells whether a proof shows that the snapshot is of a run: that it was captured or
// stored among the run's chunks. The snapshot itself may say so of any run.
func (e *Exhibit) placedBy(j *judged, run string) bool {
	if j.verdict != verify.Holds || j.entry.SHA256 != e.SHA256 || j.entry.Event != custody.Captured && j.entry.Event != custody.Stored {
		return false
	}
	return strings.Contains("/"+string(j.entry.Object), "/"+run+"/"+verify.ChunksDir+"/")
}

// runOf is the UID of the run that a snapshot says it is of, empty when it does not.
func runOf(f *verify.Facts) string {
	if f == nil || f.Order == nil {
		return ""
	}
	return f.Order.UID
}

// judgeProof judges a proof by itself: it has to be about the snapshot, or all that the run has of
// which the snapshot says that it is.
func (e *Exhibit) judgeProof(raw []byte, run string, keys CustodyKeys) judged {
	var p custody.Proof
	if err := p.UnmarshalText(raw); err != nil {
		return judged{verdict: verify.Fails, reason: err.Error()}
	}
	again, err := p.MarshalText()
	if err != nil || string(again) != string(raw) {
		return judged{verdict: verify.Fails, reason: "is not written as proofs are"}
	}
	if !p.Entry.Concerns(e.SHA256, run) {
		return judged{verdict: verify.Fails, reason: "is about an object with the SHA-256 " + p.Entry.SHA256}
	}
	what := fmt.Sprintf("%s %s by %s", p.Entry.Event, moment(p.Entry.When), p.Entry.Who)
	if p.Entry.Run != "" {
		what += ", about all of the run " + p.Entry.Run
	}
	if keys.Verifiers == nil {
		return judged{verdict: verify.Unchecked, reason: what + ", says the log; no trusted key of it was given"}
	}
	c, err := custody.VerifyProof(&p, keys.Origin, keys.Verifiers)
	if err != nil {
		return judged{verdict: verify.Fails, reason: err.Error()}
	}
	return judged{entry: p.Entry, verdict: verify.Holds, reason: fmt.Sprintf("%s: entry %d of a log of %d", what, p.Index, c.Size)}
}

// Subject is a snapshot as the custody log knows it.
type Subject struct {
	// SHA256 of its file is in hex.
	SHA256 string
	// Run is the UID of the run that it is of, empty for none.
	Run string
}

// addProofs adds what the custody log has of the snapshots.
func (m *maker) addProofs() error {
	if m.options.Custody == nil {
		return nil
	}
	var subjects []Subject // pages of one snapshot have one
	for i := range m.dossier.Exhibits {
		if s := m.dossier.Exhibits[i].subject(); !slices.Contains(subjects, s) {
			subjects = append(subjects, s)
		}
	}
	proofs, err := m.options.Custody(m.ctx, subjects)
	if err != nil {
		return err
	}
	for i := range m.dossier.Exhibits {
		e := &m.dossier.Exhibits[i]
		for _, f := range proofs[e.subject()] {
			var p custody.Proof
			if err := p.UnmarshalText(f.Content); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
			e.events = append(e.events, p.Entry)
			if _, err := m.bag.Add(e.path(custodyDir+f.Name), bytes.NewReader(f.Content)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Exhibit) subject() Subject { return Subject{e.SHA256, runOf(e.Report.Facts)} }

// history is what the custody log has of the snapshot; the proofs vouch for it.
func (e *Exhibit) history(t *texts) table {
	list := table{Heading: t.custody, Columns: []string{t.event, t.at, t.who, t.details}}
	for _, entry := range e.events {
		var more []string
		for _, d := range []row{{t.caseName, entry.Case}, {t.to, entry.To}, {t.until, entry.Until}, {t.wholeRun, entry.Run}, {t.reason, entry.Why}} {
			if d.Value != "" {
				more = append(more, d.Name+": "+d.Value)
			}
		}
		list.Rows = append(list.Rows, []string{cmp.Or(t.events[entry.Event], string(entry.Event)), moment(entry.When), entry.Who, strings.Join(more, "; ")})
	}
	return list
}
