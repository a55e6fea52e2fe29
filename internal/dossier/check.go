package dossier

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"crawlfleet.dev/crawlfleet/internal/bagit"
	"crawlfleet.dev/crawlfleet/internal/verify"
)

// KindDossier is the kind of a dossier's report.
const KindDossier verify.Kind = "Dossier"

// KindHandover is the kind of the report of a run that was handed over.
const KindHandover verify.Kind = "Handover"

// handedRun is where a run that was handed over lies in its bag: handover.Folder.
const handedRun = payloadDir + "run"

// The checks of a dossier.
const (
	CheckBag     = "Bag"     // it is a bag with every file that is listed, as it is listed, and no other
	CheckIndex   = "Index"   // dossier.json names the exhibits that are there
	CheckDerived = "Derived" // what was taken out of a snapshot is what is in it
)

// maxIndex is the size in bytes of what is read whole.
const maxIndex = 256 << 20

// Checker checks dossiers.
type Checker struct {
	*verify.Verifier
	// Custody are the keys of the custody log that are trusted.
	Custody CustodyKeys
}

// Check checks a dossier: the bag, its signature, each snapshot, and that everything beside a
// snapshot follows from it. The error is for what kept it from checking.
func (v *Checker) Check(ctx context.Context, fsys fs.FS, shown string) (verify.Report, error) {
	r := verify.Report{Subject: shown, Kind: KindDossier}
	findings, err := bagit.Validate(ctx, fsys, func(name string) bool { return name == bagit.TagManifest+verify.SidecarSuffix })
	if err != nil {
		return r, err
	}
	for _, f := range findings {
		r.Add(CheckBag, f.Path, verify.Fails, f.Detail)
	}
	if len(findings) == 0 {
		r.Add(CheckBag, "", verify.Holds, "every file has the SHA-256 that the manifests list, and there is no other")
	}
	signer, err := v.SignedBy(&r, fsys, bagit.TagManifest)
	if err != nil {
		return r, err
	}
	if _, err := fs.Stat(fsys, handedRun+"/"+verify.StatementPath); err == nil && isNone(fsys, payloadDir+indexName) {
		r.Signer = signer
		return v.handed(ctx, r, fsys, shown)
	}
	d, err := readIndex(fsys)
	if err != nil {
		r.Add(CheckIndex, payloadDir+indexName, verify.Fails, err.Error())
		r.Conclude()
		return r, nil
	}
	checkFiles(&r, fsys, d)
	for i := range d.Exhibits {
		part, err := v.exhibit(ctx, &d.Exhibits[i], fsys, shown)
		if err != nil {
			return r, err
		}
		r.Parts = append(r.Parts, part)
	}
	r.Conclude()
	return r, nil
}

// isNone tells whether there is no such file.
func isNone(fsys fs.FS, name string) bool {
	_, err := fs.Stat(fsys, name)
	return errors.Is(err, fs.ErrNotExist)
}

// handed checks the run in a bag that has no dossier: it was handed over as it lay in an archive.
func (v *Checker) handed(ctx context.Context, r verify.Report, fsys fs.FS, shown string) (verify.Report, error) {
	r.Kind = KindHandover
	sub, err := fs.Sub(fsys, handedRun)
	if err != nil {
		return r, err
	}
	part, err := v.Run(ctx, sub, path.Join(shown, handedRun))
	if err != nil {
		return r, err
	}
	r.Parts = append(r.Parts, part)
	r.Conclude()
	return r, nil
}

// readIndex reads dossier.json.
func readIndex(fsys fs.FS) (*Dossier, error) {
	raw, err := read(fsys, payloadDir+indexName)
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	var d struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
		Dossier
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("is not as it should be: %w", err)
	}
	if d.Format != indexFormat || d.Version != indexVersion {
		return nil, fmt.Errorf("is of the format %q, version %d; this program knows %s, version %d", d.Format, d.Version, indexFormat, indexVersion)
	}
	if len(d.Exhibits) == 0 || len(d.Exhibits) > MaxExhibits {
		return nil, fmt.Errorf("has %d exhibits; a dossier has 1 to %d", len(d.Exhibits), MaxExhibits)
	}
	for i, e := range d.Exhibits {
		if e.Number != fmt.Sprintf("E%02d", i+1) {
			return nil, fmt.Errorf("exhibit %d has the number %q", i+1, e.Number)
		}
	}
	if again, err := d.index(); err != nil || !bytes.Equal(again, raw) {
		return nil, errors.New("is not written as such files are")
	}
	return &d.Dossier, nil
}

func read(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	b, err := io.ReadAll(io.LimitReader(f, maxIndex+1))
	if err == nil && len(b) > maxIndex {
		err = fmt.Errorf("has more than %d bytes", maxIndex)
	}
	return b, err
}

// checkFiles checks that what lies in the folders of exhibits and verifiers is what the index
// names.
func checkFiles(r *verify.Report, fsys fs.FS, d *Dossier) {
	wrong := 0
	add := func(name, detail string) {
		wrong++
		r.Add(CheckIndex, name, verify.Fails, detail)
	}
	for dir, names := range map[string][]string{"": topLevel(), exhibitsDir: numbers(d), verifierDir: verifiers(d)} {
		entries, err := fs.ReadDir(fsys, strings.TrimSuffix(payloadDir+dir, "/"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			add(payloadDir+dir, err.Error())
		}
		for _, e := range entries {
			if !slices.Contains(names, e.Name()) {
				add(payloadDir+dir+e.Name(), "the index does not name it")
			}
		}
	}
	for _, p := range d.Verifiers {
		sum, _, err := verify.Sum(fsys, payloadDir+verifierDir+p.Name)
		if err != nil || sum != p.SHA256 {
			add(payloadDir+verifierDir+p.Name, "is not the program that the index names")
		}
	}
	if wrong == 0 {
		r.Add(CheckIndex, payloadDir+indexName, verify.Holds, count(len(d.Exhibits))+" of the case "+d.Case+", made "+moment(d.Created)+" by "+d.Organization)
	}
}

// topLevel are the files and folders of the payload.
func topLevel() []string {
	names := []string{indexName, caseName, strings.TrimSuffix(exhibitsDir, "/"), strings.TrimSuffix(verifierDir, "/")}
	for _, t := range languages {
		names = append(names, "report."+t.lang+".html", "report."+t.lang+".pdf")
	}
	return names
}

func numbers(d *Dossier) (all []string) {
	for _, e := range d.Exhibits {
		all = append(all, e.Number)
	}
	return all
}

func verifiers(d *Dossier) (all []string) {
	for _, p := range d.Verifiers {
		all = append(all, p.Name)
	}
	return all
}

// exhibit checks an exhibit: the snapshot for itself, and what lies beside it.
func (v *Checker) exhibit(ctx context.Context, e *Exhibit, fsys fs.FS, shown string) (verify.Report, error) {
	name := payloadDir + e.path(snapshotName)
	lost := verify.Report{Subject: path.Join(shown, name), Kind: verify.KindWACZ}
	sum, size, err := verify.Sum(fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		lost.Add(CheckIndex, name, verify.Fails, "is missing")
		lost.Conclude()
		return lost, nil
	case err != nil:
		return lost, err
	}
	r, err := v.FileOf(ctx, fsys, name, lost.Subject, sum)
	if err != nil {
		return r, err
	}
	if sum != e.SHA256 {
		r.Add(CheckIndex, name, verify.Fails, "its SHA-256 is "+sum+", the index says "+e.SHA256)
	}
	if size != e.Size {
		r.Add(CheckIndex, name, verify.Fails, fmt.Sprintf("does not have the %d bytes that the index says", e.Size))
	}
	if err := e.checkDerived(ctx, &r, fsys); err != nil {
		return r, err
	}
	if err := e.checkRun(&r, v.Verifier, fsys); err != nil {
		return r, err
	}
	if err := e.checkCustody(&r, fsys, v.Custody); err != nil {
		return r, err
	}
	r.Conclude()
	return r, nil
}

// besidesOf are the files that an exhibit may have which do not follow from its snapshot: each
// vouches for itself.
var besidesOf = []string{snapshotName, snapshotName + verify.SidecarSuffix, verify.StatementPath, verify.StatementPath + verify.SidecarSuffix}

// checkDerived makes anew what was taken out of the snapshot, and compares.
func (e *Exhibit) checkDerived(ctx context.Context, r *verify.Report, fsys fs.FS) error {
	dir := payloadDir + strings.TrimSuffix(e.path(""), "/")
	p, err := e.read(ctx, fsys)
	if err != nil {
		r.Add(CheckDerived, dir, verify.Fails, "the page cannot be read out of the snapshot: "+err.Error())
		return ctx.Err()
	}
	wrong, want := 0, map[string][]byte{}
	for _, f := range p.files() {
		want[f.Name] = f.Content
	}
	err = fs.WalkDir(fsys, dir, func(name string, d fs.DirEntry, err error) error {
		rel := strings.TrimPrefix(name, dir+"/")
		if err != nil || d.IsDir() || slices.Contains(besidesOf, rel) || strings.HasPrefix(rel, custodyDir) {
			return err
		}
		got, err := read(fsys, name)
		content, known := want[rel]
		delete(want, rel)
		if err == nil && (!known || !bytes.Equal(got, content)) {
			wrong++
			r.Add(CheckDerived, name, verify.Fails, "is not what the snapshot gives")
		}
		return err
	})
	for name := range want {
		wrong++
		r.Add(CheckDerived, dir+"/"+name, verify.Fails, "is missing")
	}
	if wrong == 0 && err == nil {
		r.Add(CheckDerived, dir, verify.Holds, "screenshot, text, certificates and tables are what the snapshot gives of "+p.URL)
	}
	return err
}

// read reads the page out of the snapshot.
func (e *Exhibit) read(ctx context.Context, fsys fs.FS) (*Page, error) {
	f, size, err := verify.Open(fsys, payloadDir+e.path(snapshotName))
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	p, err := ReadPage(ctx, f, size, e.PageID)
	if err == nil && p.URL != e.URL {
		err = fmt.Errorf("the page is of %s, the index says %s", p.URL, e.URL)
	}
	return p, err
}

// checkRun checks that the statement of the run, where it is handed over, names the snapshot.
func (e *Exhibit) checkRun(r *verify.Report, v *verify.Verifier, fsys fs.FS) error {
	dir, err := fs.Sub(fsys, payloadDir+strings.TrimSuffix(e.path(""), "/"))
	if err != nil {
		return err
	}
	reason, err := verify.Names(dir, e.SHA256, r.Facts)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.Add(verify.CheckRun, verify.StatementPath, verify.Unchecked, "the statement of the run is not in the dossier: nothing says that the snapshot counts")
		return nil
	case err != nil:
		r.Add(verify.CheckRun, verify.StatementPath, verify.Fails, err.Error())
		return nil
	}
	r.Add(verify.CheckRun, verify.StatementPath, verify.Holds, reason)
	return v.Signature(r, dir, verify.StatementPath)
}
