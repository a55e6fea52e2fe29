package recorder

import (
	"cmp"
	"errors"
	"path/filepath"
	"strings"
)

// Account says how an exchange was taken down that went through an opaque tunnel: by
// the browser, after the fact and in its own words.
type Account struct {
	// RequestText and ResponseText are set when the head of the request or of the
	// answer is the text that was on the wire. Otherwise it was put together from
	// the fields that the browser told, in its order.
	RequestText bool `json:"requestText"`
	// ResponseText: see RequestText.
	ResponseText bool `json:"responseText"`
	// Partial is set when the network service has told nothing of the exchange, as of
	// what service workers and shared workers ask for, and of what is asked for when a
	// page is left. The fields that it adds to a request, and cookies, are not told then.
	Partial bool `json:"partial,omitempty"`
	// Decoded is set when the browser has taken the content coding off the body.
	// The fields of the answer that speak of it are renamed then.
	Decoded bool `json:"decoded"`
	// NoBody says why there is no body, or not the whole of it, where there was one
	// on the wire.
	NoBody string `json:"noBody,omitempty"`
}

// Deposit is a body of the open page that did not come through the recorder. It is
// kept, hashed and bounded as those that did. It must be closed before the page ends.
// It is not safe for concurrent use.
type Deposit struct {
	spool    *spool
	in       *inspector
	withheld *Withheld
}

// NewDeposit starts a body of the open page. The name must be new to the page and fit for
// a file.
func (s *Session) NewDeposit(name string) (*Deposit, error) { return s.newDeposit(name, nil) }

// NewResponseDeposit is NewDeposit for the body of an answer without its content coding,
// which may be a picture: see [Deposit.Withheld].
func (s *Session) NewResponseDeposit(name string, status int, contentType, contentRange string) (*Deposit, error) {
	kind, _, _ := strings.Cut(contentType, ";")
	f := bodyFacts{mediaType: strings.ToLower(strings.TrimSpace(kind))}
	f.span(status, contentRange)
	return s.newDeposit(name, newInspector(s.rec.opts.Pictures, s.noPictures(), f))
}

// Judges reports whether pictures of the open page are held back until they are judged, or
// are all dropped; see Options.Pictures and Page.NoPictures.
func (s *Session) Judges() bool { return s.rec.opts.Pictures != nil || s.noPictures() }

func (s *Session) noPictures() bool {
	p := s.current()
	return p != nil && p.NoPictures
}

func (s *Session) newDeposit(name string, in *inspector) (*Deposit, error) {
	s.mu.Lock()
	p := s.page
	s.mu.Unlock()
	if p == nil {
		return nil, errors.New("deposit a body: no page is open")
	}
	return &Deposit{in: in, spool: &spool{
		path:  filepath.Join(p.Dir, name+".body"),
		limit: p.MaxBody, page: &p.budget, small: &p.small, pieces: &s.rec.pieces,
	}}, nil
}

// Dir is the folder of the open page, empty when there is none.
func (s *Session) Dir() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.page == nil {
		return ""
	}
	return s.page.Dir
}

// ErrLimit is the error of a deposit that a limit of the page or of a body has cut.
var ErrLimit = errors.New("a limit was reached")

// Write takes some of the body. After an error the body has ended; a *[Withheld] says that
// it was a picture that nobody is to see.
func (d *Deposit) Write(p []byte) (int, error) {
	if d.withheld != nil {
		return 0, d.withheld
	}
	pass, w := d.in.add(p)
	if w != nil {
		d.withheld = w
		return 0, w
	}
	if n, err := d.spool.write(pass); err != nil || n < len(pass) {
		return n, cmp.Or(err, ErrLimit)
	}
	return len(p), nil
}

// Close ends the body; truncated is a word of WARC-Truncated or empty. The error is that
// of the disk.
func (d *Deposit) Close(truncated string) (Body, error) {
	defer d.in.close()
	if truncated == "" && d.withheld == nil {
		var rest []byte
		if rest, d.withheld = d.in.end(); d.withheld == nil {
			_, _ = d.spool.write(rest)
		}
	}
	if d.withheld != nil {
		truncated = TruncatedUnspecified
	}
	b := d.spool.body(truncated)
	return b, d.spool.err
}

// Withheld says why a picture was dropped, nil of what was not. It is certain when the
// deposit was closed.
func (d *Deposit) Withheld() *Withheld { return d.withheld }
