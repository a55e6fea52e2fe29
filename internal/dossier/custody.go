package dossier

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
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
	for _, f := range entries {
		name := path.Join(dir, f.Name())
		raw, err := read(fsys, name)
		if err != nil {
			return err
		}
		verdict, reason := e.judgeProof(raw, keys)
		r.Add(CheckCustody, name, verdict, reason)
	}
	return nil
}

// judgeProof judges a proof, which has to be about the snapshot.
func (e *Exhibit) judgeProof(raw []byte, keys CustodyKeys) (verify.Verdict, string) {
	var p custody.Proof
	if err := p.UnmarshalText(raw); err != nil {
		return verify.Fails, err.Error()
	}
	again, err := p.MarshalText()
	if err != nil || string(again) != string(raw) {
		return verify.Fails, "is not written as proofs are"
	}
	if p.Entry.SHA256 != e.SHA256 {
		return verify.Fails, "is about an object with the SHA-256 " + p.Entry.SHA256
	}
	what := fmt.Sprintf("%s %s by %s", p.Entry.Event, moment(p.Entry.When), p.Entry.Who)
	if keys.Verifiers == nil {
		return verify.Unchecked, what + ", says the log; no trusted key of it was given"
	}
	c, err := custody.VerifyProof(&p, keys.Origin, keys.Verifiers)
	if err != nil {
		return verify.Fails, err.Error()
	}
	return verify.Holds, fmt.Sprintf("%s: entry %d of a log of %d", what, p.Index, c.Size)
}
