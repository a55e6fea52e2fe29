// Package dossier makes and checks what is handed over: snapshots with everything that a
// stranger needs to follow them from a picture on a page to the authorisation that it was
// captured under, offline.
//
// A dossier is a bag (package bagit):
//
//	data/report.en.html, .pdf, …nl…   the report for people
//	data/dossier.json                 the same for programs: which exhibits there are
//	data/case.jsonld                  the same in CASE/UCO
//	data/exhibits/E01/                a page: its snapshot with signature, capture.json, pageinfo.json,
//	                                  screenshot.png, text.txt, certificates.pem, run.json
//	data/exhibits/E01/derived/        tables that were made from the snapshot
//	data/exhibits/E01/custody/        what the custody log has of the snapshot, with proofs
//	data/verifier/                    the program that checks it
//
// Everything but the snapshots, their signatures, and what the store had beside them follows
// from the snapshots: the same ones, with the same Options, give the same bytes. What lies in the
// folder of an exhibit is compared with its snapshot when a dossier is checked; the reports are the
// words of who signed it. A dossier is
// never changed: a new one says which it takes the place of.
package dossier

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"crawlfleet.dev/crawlfleet/internal/bagit"
	"crawlfleet.dev/crawlfleet/internal/custody"
	"crawlfleet.dev/crawlfleet/internal/verify"
)

// What is in a dossier.
const (
	payloadDir   = "data/"
	indexName    = "dossier.json"
	caseName     = "case.jsonld"
	exhibitsDir  = "exhibits/"
	snapshotName = "snapshot.wacz"
	custodyDir   = "custody/"
	verifierDir  = "verifier/"
	indexFormat  = "crawlfleet-dossier"
	indexVersion = 1
)

// ErrFails says that a snapshot does not hold, so that it is not handed over.
var ErrFails = errors.New("does not hold")

// MaxExhibits is how many exhibits a dossier has at most.
const MaxExhibits = 999

// Options say what goes into a dossier.
type Options struct {
	// Case is its number or name, Organization and PreparedBy who hands it over.
	Case, Organization, PreparedBy string
	// Created is the time that it says that it was made at.
	Created time.Time
	// Supersedes names an earlier dossier that this one takes the place of: the SHA-256 of its
	// tagmanifest-sha256.txt in hex; empty for none.
	Supersedes string
	// Snapshots are the pages, in their order.
	Snapshots []Snapshot
	// Verifiers are the programs to be put in, as files.
	Verifiers []string
	// Verifier checks the snapshots first: what fails is not handed over.
	Verifier *verify.Verifier
	// Custody gives what the custody log has of snapshots, each proof as a file; nil when there is no
	// log. It is asked once for all of them.
	Custody func(ctx context.Context, snapshots []Subject) (map[Subject][]File, error)
	// Sign signs tagmanifest-sha256.txt; nil leaves the dossier unsigned.
	Sign func(ctx context.Context, tagManifest []byte) (File, error)
}

// Snapshot is a page of a WACZ file.
type Snapshot struct {
	// Path of the file; Page is the page's address or ID, empty when it has only one.
	Path, Page string
}

// File is a file with its content.
type File struct {
	Name    string
	Content []byte
}

// Dossier is a dossier that was made.
type Dossier struct {
	Case         string     `json:"case"`
	Organization string     `json:"organization"`
	PreparedBy   string     `json:"preparedBy"`
	Created      time.Time  `json:"created"`
	Supersedes   string     `json:"supersedes,omitempty"`
	Exhibits     []Exhibit  `json:"exhibits"`
	Verifiers    []verifier `json:"verifiers"`
}

// Exhibit is a page that is handed over.
type Exhibit struct {
	// Number is E01, E02, …
	Number string `json:"number"`
	// PageID and URL name the page, Chunk is the name that the snapshot had in the archive.
	PageID string `json:"page"`
	URL    string `json:"url"`
	Chunk  string `json:"chunk"`
	// SHA256 in hex and Size are those of the snapshot.
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`

	Page   *Page         `json:"-"`
	Report verify.Report `json:"-"`
	// events are the entries of the custody log about it.
	events []custody.Entry
}

// verifier is a program in the dossier.
type verifier struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// path is where a file of the exhibit lies below data/.
func (e *Exhibit) path(name string) string { return exhibitsDir + e.Number + "/" + name }

// Create makes a dossier in an empty folder, or one that is not there yet.
func Create(ctx context.Context, dir string, o Options) (*Dossier, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	d := &Dossier{Case: o.Case, Organization: o.Organization, PreparedBy: o.PreparedBy, Created: o.Created.UTC(), Supersedes: o.Supersedes, Verifiers: []verifier{}}
	bag, err := bagit.Create(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = bag.Close() }() // all files are closed
	m := &maker{ctx: ctx, options: o, bag: bag, dossier: d}
	if err := m.make(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir)) // half a dossier is none
	}
	return d, nil
}

func (o *Options) check() error {
	for _, v := range []struct{ name, value string }{{"the case", o.Case}, {"the organisation", o.Organization}, {"who prepared it", o.PreparedBy}} {
		if strings.TrimSpace(v.value) == "" || strings.ContainsAny(v.value, "\r\n") || utf8.RuneCountInString(v.value) > 256 {
			return fmt.Errorf("dossier: %s must be given in one line of at most 256 characters", v.name)
		}
	}
	if b, err := hex.DecodeString(o.Supersedes); err != nil || len(b) != 0 && len(b) != sha256.Size {
		return fmt.Errorf("dossier: the one that it takes the place of must be a SHA-256 in hex, not %q", o.Supersedes)
	}
	if len(o.Snapshots) == 0 || len(o.Snapshots) > MaxExhibits {
		return fmt.Errorf("dossier: %d snapshots; it has 1 to %d", len(o.Snapshots), MaxExhibits)
	}
	return nil
}

// maker makes a dossier.
type maker struct {
	ctx     context.Context //nolint:containedctx // lives as long as the call of Create
	options Options
	bag     *bagit.Bag
	dossier *Dossier
}

func (m *maker) make() error {
	for i, s := range m.options.Snapshots {
		if err := m.exhibit(fmt.Sprintf("E%02d", i+1), s); err != nil {
			return fmt.Errorf("dossier: %s: %w", s.Path, err)
		}
	}
	for i, s := range m.options.Snapshots {
		if err := m.besides(&m.dossier.Exhibits[i], s.Path); err != nil {
			return fmt.Errorf("dossier: %s: %w", s.Path, err)
		}
	}
	if err := m.addProofs(); err != nil { // once all are known to be good: the log is told
		return fmt.Errorf("dossier: the custody log: %w", err)
	}
	for _, name := range m.options.Verifiers {
		sum, err := addFile(m.bag.AddProgram, verifierDir+filepath.Base(name), name)
		if err != nil {
			return fmt.Errorf("dossier: %w", err)
		}
		m.dossier.Verifiers = append(m.dossier.Verifiers, verifier{filepath.Base(name), sum})
	}
	if err := m.reports(); err != nil {
		return fmt.Errorf("dossier: %w", err)
	}
	return m.finish()
}

// exhibit adds a snapshot. Putting it in gives its SHA-256, which is what is checked.
func (m *maker) exhibit(number string, s Snapshot) error {
	root, err := os.OpenRoot(filepath.Dir(s.Path))
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // only read
	e := Exhibit{Number: number, Chunk: filepath.Base(s.Path)}
	f, size, err := verify.Open(root.FS(), e.Chunk)
	if err != nil {
		return err
	}
	defer f.Close() // read only
	e.Size = size
	if e.SHA256, err = m.bag.Add(e.path(snapshotName), f); err != nil {
		return err
	}
	if e.Report, err = m.options.Verifier.FileOf(m.ctx, root.FS(), e.Chunk, s.Path, e.SHA256); err != nil {
		return err
	}
	if e.Report.Verdict == verify.Fails {
		return fmt.Errorf("%w: %s; look with crawlctl verify", ErrFails, failing(e.Report))
	}
	if e.Page, err = ReadPage(m.ctx, f, e.Size, s.Page); err != nil {
		return err
	}
	e.PageID, e.URL = e.Page.ID, e.Page.URL
	for _, file := range e.Page.files() {
		if _, err := m.bag.Add(e.path(file.Name), bytes.NewReader(file.Content)); err != nil {
			return err
		}
	}
	m.dossier.Exhibits = append(m.dossier.Exhibits, e)
	return nil
}

// besides adds what lies beside a snapshot: its signature and stamps, and the statement of its run.
func (m *maker) besides(e *Exhibit, snapshot string) error {
	companions := []struct{ from, to string }{{snapshot + verify.SidecarSuffix, snapshotName + verify.SidecarSuffix}}
	if folder := filepath.Dir(snapshot); filepath.Base(folder) == verify.ChunksDir { // of a run
		run := filepath.Join(filepath.Dir(folder), verify.StatementPath)
		companions = append(companions, struct{ from, to string }{run, verify.StatementPath}, struct{ from, to string }{run + verify.SidecarSuffix, verify.StatementPath + verify.SidecarSuffix})
		_, err := verify.Names(os.DirFS(filepath.Dir(run)), e.SHA256, e.Report.Facts)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s: %w", run, err)
		}
	}
	for _, f := range companions {
		if _, err := addFile(m.bag.Add, e.path(f.to), f.from); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// addFile adds a file of the disk.
func addFile(add func(name string, content io.Reader) (string, error), name, from string) (string, error) {
	f, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer f.Close() // read only
	return add(name, f)
}

// reports adds what tells of the exhibits.
func (m *maker) reports() error {
	index, err := m.dossier.index()
	if err != nil {
		return err
	}
	graph, err := caseJSON(m.dossier)
	if err != nil {
		return err
	}
	files := []File{{indexName, index}, {caseName, graph}}
	for _, t := range languages {
		doc := newDocument(m.dossier, t)
		page, err := doc.html()
		if err != nil {
			return err
		}
		paper, err := doc.pdf(m.dossier.Created, m.dossier.picture)
		if err != nil {
			return err
		}
		files = append(files, File{"report." + t.lang + ".html", page}, File{"report." + t.lang + ".pdf", paper})
	}
	for _, f := range files {
		if _, err := m.bag.Add(f.Name, bytes.NewReader(f.Content)); err != nil {
			return err
		}
	}
	return nil
}

// finish closes the bag and signs it.
func (m *maker) finish() error {
	d := m.dossier
	labels := []bagit.Label{
		{Name: "Source-Organization", Value: d.Organization}, {Name: "Contact-Name", Value: d.PreparedBy},
		{Name: "External-Description", Value: "Dossier " + d.Case + ": " + count(len(d.Exhibits))}, {Name: "External-Identifier", Value: d.Case},
		{Name: "Bagging-Date", Value: d.Created.Format(time.DateOnly)},
	}
	if d.Supersedes != "" {
		labels = append(labels, bagit.Label{Name: "Supersedes", Value: d.Supersedes})
	}
	manifest, err := m.bag.Finish(labels)
	if err != nil || m.options.Sign == nil {
		return err
	}
	signature, err := m.options.Sign(m.ctx, manifest)
	if err != nil {
		return fmt.Errorf("sign the dossier: %w", err)
	}
	return m.bag.Attach(signature.Name, bytes.NewReader(signature.Content))
}

func count(n int) string {
	if n == 1 {
		return "1 exhibit"
	}
	return fmt.Sprintf("%d exhibits", n)
}

// index is dossier.json.
func (d *Dossier) index() ([]byte, error) {
	b, err := json.MarshalIndent(struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
		*Dossier
	}{indexFormat, indexVersion, d}, "", "  ")
	return append(b, '\n'), err
}

// picture is the picture at a path of the report.
func (d *Dossier) picture(name string) []byte {
	for i := range d.Exhibits {
		if e := &d.Exhibits[i]; path.Dir(name)+"/" == e.path("") {
			return e.Page.Screenshot
		}
	}
	return nil
}

// failing are the checks of a report that fail, in words.
func failing(r verify.Report) string {
	for _, c := range r.Checks {
		if c.Verdict == verify.Fails {
			return c.Name + ": " + strings.TrimPrefix(c.Path+": ", ": ") + c.Reason
		}
	}
	return string(r.Verdict)
}
