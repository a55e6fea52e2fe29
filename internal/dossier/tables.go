package dossier

import (
	"bytes"
	"encoding/csv"
	"strconv"
	"time"

	"crawlfleet.dev/crawlfleet/internal/verify"
)

// files are what is taken and made out of a snapshot: the same snapshot gives the same ones.
func (p *Page) files() []File {
	files := []File{
		{verify.CapturePath, p.Capture}, {"pageinfo.json", p.Record}, {"screenshot.png", p.Screenshot}, {"text.txt", p.Text}, {"certificates.pem", p.Certificates},
		{"derived/resources.csv", p.resourcesTable()}, {"derived/links.csv", p.linksTable()},
	}
	present := files[:0]
	for _, f := range files {
		if len(f.Content) > 0 {
			present = append(present, f)
		}
	}
	return present
}

// resourcesTable lists the answers that the page was made of (CSV, RFC 4180).
func (p *Page) resourcesTable() []byte {
	rows := [][]string{{"url", "method", "status", "mime", "bytes", "sha256", "record", "asked", "missing"}}
	for _, r := range p.Resources {
		rows = append(rows, []string{r.URL, r.Method, number(int64(r.Status)), r.MIME, number(r.Size), r.SHA256, r.Record, r.At.UTC().Format(time.RFC3339Nano), r.Missing})
	}
	return toCSV(rows)
}

// linksTable lists the links of the page.
func (p *Page) linksTable() []byte {
	if len(p.Links) == 0 {
		return nil
	}
	rows := [][]string{{"url", "kind"}}
	for _, l := range p.Links {
		rows = append(rows, []string{l.URL, l.Kind})
	}
	return toCSV(rows)
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// toCSV writes a table. What a spreadsheet would take for a formula is written as text:
// addresses are what strangers chose.
func toCSV(rows [][]string) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for _, r := range rows {
		for i, cell := range r {
			if cell != "" && (cell[0] == '=' || cell[0] == '+' || cell[0] == '-' || cell[0] == '@') {
				r[i] = "'" + cell
			}
		}
		_ = w.Write(r) // a buffer takes everything
	}
	w.Flush()
	return b.Bytes()
}
