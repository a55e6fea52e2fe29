package recorder

import (
	"errors"
	"path/filepath"
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
	spool *spool
}

// NewDeposit starts a body of the open page. The name must be new to the page and fit for
// a file.
func (s *Session) NewDeposit(name string) (*Deposit, error) {
	s.mu.Lock()
	p := s.page
	s.mu.Unlock()
	if p == nil {
		return nil, errors.New("deposit a body: no page is open")
	}
	return &Deposit{spool: &spool{
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

// Write takes some of the body. After an error the body has ended.
func (d *Deposit) Write(p []byte) (int, error) {
	n, err := d.spool.write(p)
	if err == nil && n < len(p) {
		err = ErrLimit
	}
	return n, err
}

// Close ends the body; truncated is a word of WARC-Truncated or empty. The error is that
// of the disk.
func (d *Deposit) Close(truncated string) (Body, error) {
	b := d.spool.body(truncated)
	return b, d.spool.err
}
