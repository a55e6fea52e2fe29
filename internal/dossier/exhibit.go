package dossier

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"crawlfleet.dev/crawlfleet/internal/verify"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// maxDerived is how many bytes are taken out of a snapshot for one page.
const maxDerived = 256 << 20

// Page is a page as its snapshot shows it: everything in it comes out of the WACZ file, so that
// whoever has the file can make it again.
type Page struct {
	verify.PageFacts
	FinalURL  string
	Title     string
	Status    int
	Reason    string
	Redirects []Redirect
	// Server is the address and port that the document came from, Protocol how.
	Server, Protocol string
	TLS              string
	// Why is how it came to be visited.
	Why Why
	// Resources are the answers that the page was made of, in the order in which they were
	// asked for.
	Resources []Resource
	Links     []Link
	// Screenshot (PNG) and Text were made from the page when it was captured; nil for none.
	Screenshot, Text []byte
	// Certificates are those that the server of the document showed, its own first, in PEM.
	Certificates []byte
	// Capture is capture.json, Record the page's own record, both as they are in the file.
	Capture, Record []byte

	chain [][]byte // certificates in DER
}

// Redirect is a step from the requested to the final address.
type Redirect struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Status int    `json:"status"`
}

// Why is how a page came to be visited.
type Why struct {
	Seed  string `json:"seed"`
	Depth int    `json:"depth"`
	Via   string `json:"via"`
}

// Resource is an answer of a server.
type Resource struct {
	URL    string
	Method string
	Status int
	// MIME is what the server called it, SHA256 ("sha256:…") that of the body as it was received.
	MIME   string
	SHA256 string
	Size   int64
	// Record is the WARC-Record-ID.
	Record string
	At     time.Time
	// Missing says why there is no record.
	Missing string
}

// Link is a link of the page, as capturing found it.
type Link struct {
	URL  string `json:"url"`
	Kind string `json:"kind"`
}

// pageinfo is the page's own record as far as it is told.
type pageinfo struct {
	FinalURL  string     `json:"finalUrl"`
	Title     string     `json:"title"`
	Status    int        `json:"status"`
	Reason    string     `json:"reason"`
	Redirects []Redirect `json:"redirects"`
	Main      string     `json:"main"`
	Exchanges []struct {
		URL        string    `json:"url"`
		Method     string    `json:"method"`
		Status     int       `json:"status"`
		Response   string    `json:"response"`
		Connection string    `json:"connection"`
		Failure    string    `json:"failure"`
		Detail     string    `json:"detail"`
		Started    time.Time `json:"started"`
	} `json:"exchanges"`
}

// connectioninfo is the record of a connection as far as it is told.
type connectioninfo struct {
	Remote   string `json:"remote"`
	Proxy    string `json:"proxy"`
	Protocol string `json:"protocol"`
	TLS      *struct {
		Version     string   `json:"version"`
		CipherSuite string   `json:"cipherSuite"`
		VerifyError string   `json:"verifyError"`
		Chain       [][]byte `json:"chain"`
	} `json:"tls"`
}

// ReadPage reads a page out of a snapshot of that size. Which is its ID or its address, and may be empty when
// there is only one.
func ReadPage(ctx context.Context, src io.ReaderAt, size int64, which string) (*Page, error) {
	z, err := wacz.Open(src, size)
	if err != nil {
		return nil, err
	}
	p := &Page{}
	if p.Capture, err = z.ReadFile(verify.CapturePath, maxDerived); err != nil {
		return nil, err
	}
	pages, err := listed(p.Capture)
	if err != nil {
		return nil, err
	}
	page, err := choose(pages, which)
	if err != nil {
		return nil, err
	}
	p.PageFacts, p.Why = page.PageFacts, page.Why
	t := newTaken()
	derived := map[string][]byte{}
	err = t.read(ctx, z, func(kind, page string, rec *warc.Record) (err error) {
		if page == p.ID {
			derived[kind], err = t.body(rec)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := p.fill(t); err != nil {
		return nil, err
	}
	for _, der := range p.chain {
		p.Certificates = append(p.Certificates, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	p.Screenshot, p.Text = derived[kindView], derived[kindText]
	return p, p.links(derived[kindLinks])
}

// listedPage is a page as capture.json has it.
type listedPage struct {
	verify.PageFacts
	FinalURL string `json:"finalUrl"`
	Why      Why    `json:"why"`
}

// listed are the pages of capture.json that count.
func listed(capture []byte) ([]listedPage, error) {
	var c struct {
		Pages []listedPage `json:"pages"`
	}
	if err := json.Unmarshal(capture, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", verify.CapturePath, err)
	}
	return slices.DeleteFunc(c.Pages, func(p listedPage) bool { return p.Superseded }), nil
}

// choose finds the page that was named.
func choose(pages []listedPage, which string) (page listedPage, err error) {
	var names []string
	found := 0
	for _, p := range pages {
		names = append(names, p.URL)
		if which == "" || which == p.ID || which == p.URL || which == p.FinalURL {
			page = p
			found++
		}
	}
	switch {
	case found == 1:
		return page, nil
	case found > 1 && which == "":
		return page, fmt.Errorf("has %d pages: name one of them, such as FILE#%s", found, names[0])
	case found > 1:
		return page, fmt.Errorf("has %d pages of that address: name one by its ID (crawlctl wacz inspect --json tells them)", found)
	}
	return page, fmt.Errorf("has no page %q; it has %s", which, strings.Join(names[:min(len(names), 5)], ", "))
}

// fill tells of the page what the records say.
func (p *Page) fill(t *taken) error {
	p.Record = t.bodies[p.Info]
	if p.Record == nil {
		return fmt.Errorf("page %s: its record %s is not in the file", p.ID, p.Info)
	}
	var info pageinfo
	if err := json.Unmarshal(p.Record, &info); err != nil {
		return fmt.Errorf("page %s: its record: %w", p.ID, err)
	}
	p.FinalURL, p.Title, p.Status, p.Reason, p.Redirects = info.FinalURL, info.Title, info.Status, info.Reason, info.Redirects
	main := false
	for _, e := range info.Exchanges {
		r := t.answers[e.Response]
		r.URL, r.Method, r.Status, r.At = e.URL, e.Method, e.Status, e.Started
		if r.Record == "" {
			r.Missing = strings.TrimSpace(e.Failure + " " + e.Detail)
		}
		p.Resources = append(p.Resources, r)
		if e.Response == "" || e.Response != info.Main || main {
			continue
		}
		main = true
		if err := p.connection(t, e.Connection); err != nil {
			return err
		}
	}
	return nil
}

// connection tells where the document came from.
func (p *Page) connection(t *taken, id string) error {
	c, err := t.connection(id)
	if err != nil {
		return fmt.Errorf("page %s: the record of its connection: %w", p.ID, err)
	}
	if c == nil {
		return nil // the browser took it down, which knows no certificates
	}
	p.Server, p.Protocol = c.Remote, c.Protocol
	if c.Proxy != "" {
		p.Server = "proxy " + c.Proxy
	}
	if c.TLS == nil {
		return nil
	}
	p.TLS = strings.TrimSpace(c.TLS.Version + " " + c.TLS.CipherSuite)
	if c.TLS.VerifyError != "" {
		p.TLS += "; " + c.TLS.VerifyError
	}
	p.chain = c.TLS.Chain
	return nil
}

// links reads the links of the page.
func (p *Page) links(raw []byte) error {
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	for {
		var l Link
		err := dec.Decode(&l)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("page %s: its links: %w", p.ID, err)
		}
		p.Links = append(p.Links, l)
	}
}

// Pictures are the resources that are pictures and were received.
func (p *Page) Pictures() (pictures []Resource) {
	for _, r := range p.Resources {
		if r.Record != "" && r.Status == http.StatusOK && strings.HasPrefix(r.MIME, "image/") {
			pictures = append(pictures, r)
		}
	}
	return pictures
}
