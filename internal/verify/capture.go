package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"crawlfleet.dev/crawlfleet/docs/reference"
	"crawlfleet.dev/crawlfleet/internal/wacz"
	"crawlfleet.dev/crawlfleet/internal/warc"
)

// maxCapture is the size in bytes that capture.json may have.
const maxCapture = 64 << 20

// Facts are what a snapshot says of how it came to be: members of its capture.json, under the
// same names.
type Facts struct {
	Begun         time.Time      `json:"begun,omitzero"`
	Sealed        time.Time      `json:"sealed,omitzero"`
	Software      Software       `json:"software"`
	Order         *Order         `json:"order,omitempty"`
	Authorization *Authorization `json:"authorization,omitempty"`
	Clock         *Clock         `json:"clock,omitempty"`
	Pages         []PageFacts    `json:"pages,omitempty"`
	records       int
}

// Software is the program that made a snapshot.
type Software struct {
	Name       string `json:"name"`
	Version    string `json:"version,omitempty"`
	Commit     string `json:"commit,omitempty"`
	Executable string `json:"executable,omitempty"`
}

// Order is the crawl that a snapshot belongs to.
type Order struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	Bundle    string `json:"bundle,omitempty"`
	Attempt   int    `json:"attempt,omitempty"`
}

// Authorization is what a snapshot was made under.
type Authorization struct {
	Reference   string     `json:"reference"`
	Purpose     string     `json:"purpose"`
	Basis       string     `json:"basis"`
	NotBefore   *time.Time `json:"notBefore,omitempty"`
	NotAfter    *time.Time `json:"notAfter,omitempty"`
	RequestedBy string     `json:"requestedBy"`
	// Approvals are those by other people that the crawl began with.
	Approvals []Approval `json:"approvals,omitempty"`
}

// Approval is that of somebody else, whose name the API server vouched for.
type Approval struct {
	UID      string    `json:"uid"`
	Approver string    `json:"approver"`
	At       time.Time `json:"at"`
	// Digest is of what was approved; snapshots of earlier versions have none.
	Digest string `json:"digest,omitempty"`
}

// Clock says how far the machine's clock was from another one, in milliseconds.
type Clock struct {
	With    string `json:"with"`
	AheadMs int64  `json:"aheadMs"`
}

// PageFacts is a page of a snapshot.
type PageFacts struct {
	ID      string    `json:"id"`
	URL     string    `json:"url"`
	Outcome string    `json:"outcome"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Main    string    `json:"main,omitempty"`
	Info    string    `json:"info"`
	// Superseded is set for a capture that another one counts instead of.
	Superseded bool `json:"superseded,omitempty"`
}

// captureSchema is the schema of capture.json.
var captureSchema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(reference.Capture))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("capture.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("capture.json")
})

// seen is what the records of a file are checked by.
type seen struct {
	records int
	types   map[string]warc.Type // by the ID of the record
}

func (s *seen) note(r *warc.Record) {
	if s.types == nil {
		s.types = map[string]warc.Type{}
	}
	s.records++
	s.types[r.ID] = r.Type
}

// checkCapture compares capture.json with the file that it is in.
func checkCapture(r *Report, z *wacz.Reader, s seen) {
	facts, err := readCapture(z)
	if errors.Is(err, fs.ErrNotExist) {
		r.Add(CheckCapture, CapturePath, Unchecked, "is not in the file: nothing says by whom, why and under which authorisation it was captured, as of files of other tools")
		return
	}
	if err != nil {
		r.Add(CheckCapture, CapturePath, Fails, err.Error())
		return
	}
	r.Facts = facts
	if wrong := facts.compare(z, s); len(wrong) > 0 {
		for _, w := range wrong {
			r.Add(CheckCapture, CapturePath, Fails, w)
		}
	} else {
		r.Add(CheckCapture, CapturePath, Holds, fmt.Sprintf("%s and %s, as in the records", count(len(facts.Pages), "page"), count(s.records, "record")))
	}
	checkAuthorization(r, facts)
}

// readCapture reads capture.json and checks it by its schema.
func readCapture(z *wacz.Reader) (*Facts, error) {
	f, err := z.OpenFile(CapturePath)
	if err != nil {
		return nil, err
	}
	defer f.Close() // read only
	raw, err := io.ReadAll(io.LimitReader(f, maxCapture+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if len(raw) > maxCapture {
		return nil, fmt.Errorf("has more than %d bytes", maxCapture)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("is no JSON: %w", err)
	}
	schema, err := captureSchema()
	if err != nil {
		return nil, err
	}
	if err := schema.Validate(value); err != nil {
		_, causes, _ := strings.Cut(err.Error(), "\n") // its first line names the schema
		return nil, fmt.Errorf("is not as its schema says: %s", causes)
	}
	var c struct {
		Facts
		Records int `json:"records"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return nil, fmt.Errorf("is not as its schema says: %w", err)
	}
	c.records = c.Records
	return &c.Facts, nil
}

// compare says where the facts are not those of the file.
func (f *Facts) compare(z *wacz.Reader, s seen) (wrong []string) {
	if f.records != s.records {
		wrong = append(wrong, fmt.Sprintf("counts %d records, the file has %d", f.records, s.records))
	}
	if f.Sealed.Before(f.Begun) {
		wrong = append(wrong, fmt.Sprintf("was sealed at %s, before it was begun at %s", stamp(f.Sealed), stamp(f.Begun)))
	}
	listed, err := listedPages(z)
	if err != nil {
		return append(wrong, err.Error())
	}
	for _, p := range f.Pages {
		switch {
		case s.types[p.Info] != warc.Metadata && s.types[p.Info] != warc.Resource:
			wrong = append(wrong, fmt.Sprintf("page %s: its record %s is not in the file", p.ID, p.Info))
		case p.Main != "" && s.types[p.Main] != warc.Response && s.types[p.Main] != warc.Revisit:
			wrong = append(wrong, fmt.Sprintf("page %s: the record %s of its document is not in the file", p.ID, p.Main))
		case p.Ended.Before(p.Started) || p.Ended.After(f.Sealed):
			wrong = append(wrong, fmt.Sprintf("page %s: lasted from %s to %s, the file was sealed at %s", p.ID, stamp(p.Started), stamp(p.Ended), stamp(f.Sealed)))
		}
		delete(listed, p.ID)
	}
	for id := range listed {
		wrong = append(wrong, fmt.Sprintf("says nothing of the page %s, which the lists of pages have", id))
	}
	return wrong
}

// listedPages are the IDs in the lists of pages.
func listedPages(z *wacz.Reader) (map[string]bool, error) {
	ids := map[string]bool{}
	for p, err := range z.Pages() {
		if err != nil {
			return nil, err
		}
		ids[p.ID] = true
	}
	return ids, nil
}

// checkAuthorization checks that every page was asked for while the order allowed it, by the
// clock that the fleet agrees about.
func checkAuthorization(r *Report, f *Facts) {
	a := f.Authorization
	if a == nil {
		r.Add(CheckAuthorization, CapturePath, Unchecked, "none is named: nobody ordered this capture in a fleet")
		return
	}
	var ahead time.Duration
	if f.Clock != nil {
		ahead = time.Duration(f.Clock.AheadMs) * time.Millisecond
	}
	failed := false
	for _, p := range f.Pages {
		at := p.Started.Add(-ahead)
		if early := a.NotBefore != nil && at.Before(a.NotBefore.Add(-clockSlack)); early || a.NotAfter != nil && at.After(a.NotAfter.Add(clockSlack)) {
			failed = true
			r.Add(CheckAuthorization, CapturePath, Fails, fmt.Sprintf("page %s was asked for at %s, outside of the time of the authorisation %q", p.ID, stamp(at), a.Reference))
		}
	}
	if !failed {
		r.Add(CheckAuthorization, CapturePath, Holds, fmt.Sprintf("every page was asked for within the time of %q, for %s, ordered by %s", a.Reference, a.Purpose, a.RequestedBy))
	}
}

// clockSlack is by how much clocks that agree may differ.
const clockSlack = 2 * time.Second

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") }

// count is a number of things in words.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
