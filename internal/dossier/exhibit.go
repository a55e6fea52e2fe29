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

// taken is what the records of a file are read for.
type taken struct {
	answers map[string]Resource
	bodies  map[string][]byte // of our own records, by ID
	derived map[string][]byte // by kind of record, such as "urn:view:"
	held    int64             // bytes of both
}

// ReadPage reads a page out of a snapshot of that size. Which is its ID or its address, and may be empty when
// there is only one.
func ReadPage(ctx context.Context, src io.ReaderAt, size int64, which string) (*Page, error) {
	z, err := wacz.Open(src, size)
	if err != nil {
		return nil, err
	}
	p := &Page{}
	if p.Capture, err = readAll(z, verify.CapturePath); err != nil {
		return nil, err
	}
	if err := p.choose(which); err != nil {
		return nil, err
	}
	t, err := take(ctx, z, p.ID)
	if err != nil {
		return nil, err
	}
	return p, p.fill(t)
}

func readAll(z *wacz.Reader, name string) ([]byte, error) {
	f, err := z.OpenFile(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	return io.ReadAll(io.LimitReader(f, maxDerived))
}

// choose finds the page in capture.json.
func (p *Page) choose(which string) error {
	var c struct {
		Pages []struct {
			verify.PageFacts
			FinalURL string `json:"finalUrl"`
			Why      Why    `json:"why"`
		} `json:"pages"`
	}
	if err := json.Unmarshal(p.Capture, &c); err != nil {
		return fmt.Errorf("%s: %w", verify.CapturePath, err)
	}
	var names []string
	found := 0
	for _, page := range c.Pages {
		if page.Superseded {
			continue
		}
		names = append(names, page.URL)
		if which == "" || which == page.ID || which == page.URL || which == page.FinalURL {
			p.PageFacts, p.Why = page.PageFacts, page.Why
			found++
		}
	}
	switch {
	case found == 1:
		return nil
	case found > 1 && which == "":
		return fmt.Errorf("has %d pages: name one of them, such as FILE#%s", found, names[0])
	case found > 1:
		return fmt.Errorf("has %d pages of that address: name one by its ID (crawlctl wacz inspect --json tells them)", found)
	}
	return fmt.Errorf("has no page %q; it has %s", which, strings.Join(names[:min(len(names), 5)], ", "))
}

// take reads every record once.
func take(ctx context.Context, z *wacz.Reader, page string) (*taken, error) {
	t := &taken{answers: map[string]Resource{}, bodies: map[string][]byte{}, derived: map[string][]byte{}}
	for _, name := range z.WARCs() {
		file, err := z.OpenWARC(name)
		if err != nil {
			return nil, err
		}
		rd := warc.NewReader(file, warc.ReaderOptions{Verify: true})
		for {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			rec, err := rd.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if err := t.record(rec, page); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", name, rec.ID, err)
			}
		}
	}
	return t, nil
}

// kinds of records that are derived from a page, and of its own.
var kinds = []string{"urn:view:", "urn:text:", "urn:links:"}

// record takes what is needed of a record.
func (t *taken) record(rec *warc.Record, page string) error {
	switch {
	case rec.Type == warc.Response || rec.Type == warc.Revisit:
		r := Resource{MIME: warc.HTTPField(rec.Head, "Content-Type"), SHA256: string(rec.PayloadDigest), Record: rec.ID}
		if rec.Body != nil {
			r.Size = rec.Body.Size()
		}
		t.answers[rec.ID] = r
		return nil
	case rec.Type == warc.Metadata && (strings.HasPrefix(rec.TargetURI, "urn:pageinfo:") || strings.HasPrefix(rec.TargetURI, "urn:connection:")):
		b, err := t.body(rec)
		t.bodies[rec.ID] = b
		return err
	case rec.Type == warc.Conversion:
		id, _ := rec.Get(warc.FieldPageID)
		i := slices.IndexFunc(kinds, func(k string) bool { return strings.HasPrefix(rec.TargetURI, k) })
		if i < 0 || id != page {
			return nil
		}
		b, err := t.body(rec)
		t.derived[kinds[i]] = b
		return err
	}
	return nil
}

// body reads the body of a record, as long as all that are read do not take too much.
func (t *taken) body(rec *warc.Record) ([]byte, error) {
	if rec.Body == nil {
		return nil, nil
	}
	if t.held += rec.Body.Size(); t.held > maxDerived {
		return nil, fmt.Errorf("with it more than %d bytes would be taken out of the file", maxDerived)
	}
	f, err := rec.Body.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	return io.ReadAll(f)
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
	for _, e := range info.Exchanges {
		r := t.answers[e.Response]
		r.URL, r.Method, r.Status, r.At = e.URL, e.Method, e.Status, e.Started
		if r.Record == "" {
			r.Missing = strings.TrimSpace(e.Failure + " " + e.Detail)
		}
		p.Resources = append(p.Resources, r)
		if e.Response != "" && e.Response == info.Main {
			if err := p.connection(t.bodies[e.Connection]); err != nil {
				return err
			}
		}
	}
	p.Screenshot, p.Text = t.derived["urn:view:"], t.derived["urn:text:"]
	return p.links(t.derived["urn:links:"])
}

// connection tells where the document came from.
func (p *Page) connection(raw []byte) error {
	if raw == nil {
		return nil // the browser took it down, which knows no certificates
	}
	var c connectioninfo
	if err := json.Unmarshal(raw, &c); err != nil {
		return fmt.Errorf("page %s: the record of its connection: %w", p.ID, err)
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
	for _, der := range c.TLS.Chain {
		p.Certificates = append(p.Certificates, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
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
