package recorder

import (
	"context"
	"time"
)

// Page says where the exchanges of a page go.
type Page struct {
	// Dir is the folder for the bodies, made when it is missing. Without one a
	// new folder in Options.Dir is used. The files are the caller's from End
	// on.
	Dir string
	// MaxBytes is the number of bytes of all bodies of the page after which
	// bodies are cut off, 0 for no limit.
	MaxBytes int64
}

// Activity says how busy a session's page is.
type Activity struct {
	// Open is the number of exchanges under way.
	Open int
	// Last is when an exchange last began, ended or received bytes.
	Last time.Time
	// Bytes is the number of body bytes received so far.
	Bytes int64
	// Exchanges is the number of exchanges begun so far.
	Exchanges int
}

// Refusal is a kind of request that was not let through and is not an exchange
// of any page.
type Refusal struct {
	// Method and Host of the request.
	Method, Host string
	// Why is "outside of a page" or "from no frame".
	Why string
	// Count is how often it came.
	Count int
}

// Session is one proxy listener. One page at a time may be open.
type Session struct {
	addr string
}

// Addr is the listener's host:port.
func (s *Session) Addr() string { return s.addr }

// Begin opens a page: from now on every exchange belongs to it.
func (s *Session) Begin(p Page) error { panic("being written") }

// InFlight says how busy the page is; zero when none is open.
func (s *Session) InFlight() Activity { panic("being written") }

// End closes the page and returns its exchanges in the order of their start.
// Those still open are cut off: their bodies are marked "time". End returns
// when all of them have ended; when ctx ends first, with those that have, and
// an error.
func (s *Session) End(ctx context.Context) ([]Exchange, error) { panic("being written") }

// Refused lists what was not let through, in no order; at most 1000 kinds.
func (s *Session) Refused() []Refusal { panic("being written") }

// Close ends everything that the session has going and waits for it.
func (s *Session) Close() error { panic("being written") }
