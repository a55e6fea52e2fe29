package dossier

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/verify"
)

// document is a report for people, whatever it is written as.
type document struct {
	Lang, Title string
	Intro       []string
	Sections    []section
	Footer      string
}

// section is a part of it.
type section struct {
	Heading string
	// Picture is the path of a picture below data/, and what it shows.
	Picture, Alt string
	Paragraphs   []string
	Rows         []row
	Tables       []table
}

// row is a fact.
type row struct{ Name, Value string }

// table is a list of things.
type table struct {
	Heading string
	Columns []string
	Rows    [][]string
}

// maxTableRows is how many rows a table of the report has; the tables of the exhibits have all.
const maxTableRows = 200

// newDocument writes the report of a dossier in a language.
func newDocument(d *Dossier, t *texts) document {
	doc := document{Lang: t.lang, Title: fmt.Sprintf(t.title, d.Case), Footer: t.footer}
	doc.Intro = t.intro
	doc.Sections = append(doc.Sections, overview(d, t))
	for i := range d.Exhibits {
		doc.Sections = append(doc.Sections, d.Exhibits[i].section(t))
	}
	doc.Sections = append(doc.Sections, section{Heading: t.howHeading, Paragraphs: t.how}, section{Heading: t.limitsHeading, Paragraphs: t.limits})
	return doc
}

// overview says what the dossier is and has.
func overview(d *Dossier, t *texts) section {
	s := section{Heading: t.overview, Rows: []row{{t.caseName, d.Case}, {t.organization, d.Organization}, {t.preparedBy, d.PreparedBy}, {t.created, moment(d.Created)}}}
	if d.Supersedes != "" {
		s.Rows = append(s.Rows, row{t.supersedes, d.Supersedes})
	}
	list := table{Heading: t.exhibits, Columns: []string{t.number, t.address, t.captured, t.checks}}
	for i := range d.Exhibits {
		e := &d.Exhibits[i]
		list.Rows = append(list.Rows, []string{e.Number, e.Page.URL, moment(e.Page.Started), t.verdict(e.Report.Verdict)})
	}
	s.Tables = []table{list}
	return s
}

// section tells of an exhibit.
func (e *Exhibit) section(t *texts) section {
	p := e.Page
	s := section{Heading: fmt.Sprintf(t.exhibit, e.Number, cmp.Or(p.Title, p.URL))}
	if len(p.Screenshot) > 0 {
		s.Picture, s.Alt = e.path("screenshot.png"), t.screenshot
	}
	s.Rows = append(s.Rows,
		row{t.address, p.URL}, row{t.finalAddress, p.FinalURL}, row{t.status, statusOf(p)}, row{t.loaded, moment(p.Started) + " – " + moment(p.Ended)},
		row{t.server, strings.TrimSpace(p.Server + " " + p.Protocol)}, row{t.encryption, p.TLS}, row{t.certificate, fingerprint(p.Certificates)},
	)
	for _, r := range p.Redirects {
		s.Rows = append(s.Rows, row{t.redirect, fmt.Sprintf("%s → %s (%d)", r.From, r.To, r.Status)})
	}
	s.Rows = append(s.Rows, e.provenance(t)...)
	s.Rows = append(s.Rows, row{t.file, e.path(snapshotName)}, row{"SHA-256", e.SHA256})
	s.Rows = slices.DeleteFunc(s.Rows, func(r row) bool { return r.Value == "" })
	s.Tables = append(s.Tables, e.checks(t), e.history(t), e.pictures(t))
	return s
}

// provenance tells how the exhibit came to be.
func (e *Exhibit) provenance(t *texts) (rows []row) {
	f := e.Report.Facts
	if f == nil {
		return nil
	}
	rows = append(rows, row{t.why, e.why(t)},
		row{t.software, strings.TrimSpace(f.Software.Name + " " + f.Software.Version + " " + f.Software.Commit)}, row{t.executable, f.Software.Executable})
	if o := f.Order; o != nil {
		rows = append(rows, row{t.order, fmt.Sprintf("%s/%s (%s)", o.Namespace, o.Name, o.UID)})
	}
	if c := f.Clock; c != nil {
		rows = append(rows, row{t.clock, fmt.Sprintf(t.clockAhead, c.AheadMs, c.With)})
	}
	if a := f.Authorization; a != nil {
		rows = append(rows, row{t.authorization, a.Reference}, row{t.purpose, a.Purpose}, row{t.basis, a.Basis}, row{t.requestedBy, a.RequestedBy})
		if a.NotAfter != nil {
			rows = append(rows, row{t.validUntil, moment(*a.NotAfter)})
		}
		for _, approval := range a.Approvals {
			rows = append(rows, row{t.approvedBy, approval.Approver + ", " + moment(approval.At)})
		}
	}
	return rows
}

func (e *Exhibit) why(t *texts) string {
	w := e.Page.Why
	if w.Depth == 0 {
		return t.whySeed
	}
	return fmt.Sprintf(t.whyLinked, w.Depth, w.Seed)
}

// checks are what was checked of the exhibit when the dossier was made.
func (e *Exhibit) checks(t *texts) table {
	list := table{Heading: t.checks, Columns: []string{t.check, t.result, t.reason}}
	for _, c := range e.Report.Checks {
		list.Rows = append(list.Rows, []string{c.Name, t.verdict(c.Verdict), c.Reason})
	}
	return list
}

// pictures are those of the page, each with what leads to its record.
func (e *Exhibit) pictures(t *texts) table {
	list := table{Heading: t.pictures, Columns: []string{t.address, "SHA-256", t.record}}
	for _, r := range e.Page.Pictures() {
		if len(list.Rows) == maxTableRows {
			list.Rows = append(list.Rows, []string{t.more, e.path("derived/resources.csv"), ""})
			break
		}
		list.Rows = append(list.Rows, []string{r.URL, strings.TrimPrefix(r.SHA256, "sha256:"), strings.TrimPrefix(r.Record, "urn:uuid:")})
	}
	return list
}

func statusOf(p *Page) string {
	if p.Status == 0 {
		return strings.TrimSpace(p.Outcome + " " + p.Reason)
	}
	return strings.TrimSpace(strconv.Itoa(p.Status) + ", " + p.Outcome + " " + p.Reason)
}

// fingerprint is the SHA-256 of the first certificate and whose it says that it is.
func fingerprint(chain []byte) string {
	block, _ := pem.Decode(chain)
	if block == nil {
		return ""
	}
	sum := fmt.Sprintf("SHA-256 %x", sha256.Sum256(block.Bytes))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return sum
	}
	return fmt.Sprintf("%s, %s, %s – %s", sum, c.Subject, moment(c.NotBefore), moment(c.NotAfter))
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// verdict is a verdict in words.
func (t *texts) verdict(v verify.Verdict) string {
	switch v {
	case verify.Holds:
		return t.holds
	case verify.Fails:
		return t.fails
	case verify.Unchecked:
		return t.unchecked
	}
	return string(v)
}
