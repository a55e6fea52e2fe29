package verify

import (
	"context"
	"io"
	"io/fs"

	"crawlfleet.dev/crawlfleet/internal/wacz"
)

// CapturePath is the file in a WACZ that says how it came to be.
const CapturePath = "capture.json"

// The checks of a WACZ beside those of package wacz.
const (
	CheckCapture       = "Capture"       // capture.json says of the file what its records say
	CheckAuthorization = "Authorization" // every page was asked for within the time of the authorisation
)

// soundness are the checks of package wacz, and what it means that they hold.
var soundness = []struct{ name, holds string }{
	{wacz.CheckZip, "the ZIP file has its files and no byte besides"},
	{wacz.CheckPackage, "datapackage.json is there and well formed"},
	{wacz.CheckDigest, "datapackage-digest.json has the SHA-256 of datapackage.json"},
	{wacz.CheckResource, "every file has the size and the SHA-256 that datapackage.json says"},
	{wacz.CheckForeign, "every file is listed, and lies where it belongs"},
	{wacz.CheckStored, "records and indexes can be read at random"},
	{wacz.CheckRecord, "every record is whole and has its digests"},
	{wacz.CheckRevisit, "every revisit refers to a record of the file"},
	{wacz.CheckIndex, "the index says of each record what the record says, and leaves out none"},
	{wacz.CheckPages, "every page of the lists was captured when they say"},
}

// maxReasons is how many findings of one check are told.
const maxReasons = 20

// WACZ checks a WACZ file of that size, for itself. The error is for what kept it from checking:
// reading failed, or ctx ended.
func (v *Verifier) WACZ(ctx context.Context, name string, src io.ReaderAt, size int64) (Report, error) {
	return v.wacz(ctx, name, src, size, nil, "", "")
}

// wacz checks a WACZ file and, when it is the file of that name in fsys, what lies beside it; sum is
// its SHA-256 where that was computed already.
func (v *Verifier) wacz(ctx context.Context, shown string, src io.ReaderAt, size int64, fsys fs.FS, name, sum string) (Report, error) {
	r := Report{Subject: shown, Kind: KindWACZ}
	var s seen
	findings, err := wacz.Validate(ctx, src, size, s.note)
	if err != nil {
		return r, err
	}
	unreadable := addSoundness(&r, findings)
	z, err := wacz.Open(src, size)
	if err != nil || unreadable {
		r.Add(CheckCapture, CapturePath, Unchecked, "the file cannot be read")
		r.Conclude()
		return r, nil
	}
	checkCapture(&r, z, s)
	if err := v.signed(&r, z, fsys, name, sum); err != nil {
		return r, err
	}
	r.Conclude()
	return r, nil
}

// addSoundness takes down the findings of package wacz, check by check, and reports whether the
// file could not be read.
func addSoundness(r *Report, findings []wacz.Finding) (unreadable bool) {
	found := map[string][]wacz.Finding{}
	for _, f := range findings {
		found[f.Check] = append(found[f.Check], f)
	}
	unreadable = len(found[wacz.CheckZip]) > 0
	for _, c := range soundness {
		wrong := found[c.name]
		switch {
		case len(wrong) == 0 && (unreadable || len(findings) >= wacz.MaxFindings):
			r.Add(c.name, "", Unchecked, "the file has so much wrong that this was not looked at")
		case len(wrong) == 0:
			r.Add(c.name, "", Holds, c.holds)
		}
		for i, f := range wrong {
			if i == maxReasons {
				r.Add(c.name, "", Fails, count(len(wrong)-i, "more finding"))
				break
			}
			r.Add(c.name, f.Path, Fails, f.Detail)
		}
	}
	return unreadable
}
